"""Readers in the configuration: their sections, their keys, their lines, and who may key them."""

# ruff: noqa: E501 -- a table of whole sentences

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from drivers.osdp.readers import OsdpReaders
from drivers.osdp.wire.orders import BAUDS, DEVICE_BYTES_MAX
from drivers.osdp.wire.words import DEFAULT_KEY, KEY_BYTES, READERS_MAX
from hubcore.access.cards import CARD_KEY_BYTES, CardNumber, PinMatch, card_digest, match_pin
from hubcore.access.factors import Demand, Factor
from hubcore.access.grant import Access
from hubcore.checks import Part
from hubcore.errors import ConfigError, HardwareError
from hubcore.ports.reader import Readers
from hubd.adapters.keys import readerkeys
from hubd.adapters.keys.keyfiles import load_keys
from hubd.calls.readers import ReaderCalls
from hubd.config import readers as sections
from hubd.config.file import Config, parse
from hubd.start.checkconfig import credstore, unit
from hubd.upkeep.shown.readers import ReaderReport
from hubd.wiring.look import serial
from hubd.wiring.look.world import World
from hubd.wiring.readers import READER_KINDS, make_readers
from hublocal.calls import CallRefused
from hublocal.peer import PeerProcess
from hublocal.roles import Role
from hubsim import site as sites
from hubsim.main import main
from hubsim.site import cards
from hubsim.site.readers import add_reader, readers_of

FILE = Path("/etc/hubd/hubd.toml")
ALWAYS = (Access(1, sites.OPEN_AND_QUERY, ()),)
CREDENTIALS = {"CREDENTIALS_DIRECTORY": "/run/credentials/hubd.service"}
TEXT = """
[hub]
id = "hub-1"
site = "site-1"
time_zone = "Europe/Berlin"
[keys]
identity = "credential:identity"
certificate = "credential:certificate"
issuer = "credential:issuer"
card_key = "credential:card_key"
[[doors]]
id = "front"
name = "Front door"
strike = { chip = "gpiochip0", line = 17 }
[[doors.access_points]]
number = 1
name = "In"
[[readers]]
id = "a"
access_point = 1
device = "/dev/ttyUSB0"
address = 1
key = "credential:reader-a"
[[readers]]
kind = "osdp"
id = "b"
access_point = 1
device = "/dev/ttyUSB0"
address = 2
key = "credential:reader-b"
next_key = "credential:reader-b-new"
"""


def _parse(text: str) -> Config:
    return parse(text, FILE, CREDENTIALS)


def _refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        _parse(text)
    return re.sub(r"\A.*?: (line \d+: )?", "", str(caught.value))


def test_readers_are_read_whole() -> None:
    first, second = _parse(TEXT).readers
    assert (first.id, first.access_point, first.address, first.baud) == ("a", 1, 1, 9600)
    assert first.device == Path("/dev/ttyUSB0")
    assert list(first.key_files()) == ["key"]
    assert list(second.key_files()) == ["key", "next_key"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('kind = "osdp"', 'kind = "wiegand"', "kind"),
        ("access_point = 1\n", "access_point = 7\n", "expected the number of an access point of [[doors]]: 1, found 7"),
        ("address = 2", "address = 1", "expected an address used once on a line, found 1, which reader 'a' on this line has too"),
        ('id = "b"', 'id = "a"', "expected a value used once, found 'a', which another reader has too"),
        ("address = 2", "address = 2\nbaud = 19200", "expected 9600, as the other readers on this line have, found 19200"),
        ("address = 2", "address = 127", "expected 0 to 126, found 127"),
        ("address = 2", "address = 2\nbaud = 1200", "expected 9600, 19200, 38400, 57600 or 115200, found 1200"),
        ('key = "credential:reader-b"', 'key = "credential:reader-a"', "expected a key file of its own, found /etc/credstore/hubd.reader-a, which is the key of reader a too"),
        ('card_key = "credential:card_key"', "", "expected a path or credential:NAME, because [[readers]] is there, found nothing"),
        ('device = "/dev/ttyUSB0"\naddress = 2', f'device = "/dev/{"a" * 200}"\naddress = 2', "expected a path of at most 200 bytes, found 205 bytes"),
    ],
)  # fmt: skip
def test_a_wrong_reader_is_told_by_its_key(old: str, new: str, sentence: str) -> None:
    assert old in TEXT
    assert sentence in _refused(TEXT.replace(old, new, 1))


BOARD = """
[[relay_boards]]
kind = "lcus"
id = "hall"
port = "/dev/ttyUSB0"
relays = 2
"""
STICKS = """
[zwave]
stick = "/dev/ttyACM0"
[openzwave]
port = "/dev/ttyACM1"
"""
LOCK_ALONE = """
[[doors]]
id = "back"
name = "Back door"
[[doors.access_points]]
number = 99
name = "In"
[[doors.movers]]
kind = "zwave_lock"
id = "back-lock"
node = 3
"""
"""It is reached by the service's stick, although there is no section [zwave]."""


@pytest.mark.parametrize(
    ("more", "line", "owner"),
    [
        (BOARD, "/dev/ttyUSB0", "board 'hall'"),
        (BOARD, "/dev/../dev/ttyUSB0", "board 'hall'"),
        (STICKS, "/dev/ttyACM0", "the Z-Wave service ([zwave], key stick)"),
        (STICKS, "/dev/ttyACM1", "[openzwave]"),
        (LOCK_ALONE, "/dev/zwave", "the Z-Wave service ([zwave], key stick)"),
    ],
)
def test_a_line_of_readers_is_nobody_elses(more: str, line: str, owner: str) -> None:
    shown = str(Path(line).resolve())
    text = TEXT.replace("/dev/ttyUSB0", line) + more
    sentence = f"expected a line of readers alone, found '{shown}', which {owner} has too"
    assert sentence in _refused(text)


def test_the_bounds_of_the_file_are_those_of_the_panel() -> None:
    assert sections.READERS_MAX == READERS_MAX
    assert sections.DEVICE_BYTES_MAX == DEVICE_BYTES_MAX
    assert readerkeys.READER_KEY_BYTES == KEY_BYTES
    for baud in BAUDS:
        _parse(TEXT.replace("address =", f"baud = {baud}\naddress ="))


@pytest.fixture
def site(tmp_path: Path) -> sites.Site:
    made = sites.init(tmp_path / "site")
    add_reader(made, made.first_hub, "front", 1)
    sites.write_config(made, made.endpoint, sites.desk_doors([1]))
    return made


def _config(site: sites.Site) -> Config:
    file = site.hub / "hub.toml"
    return parse(file.read_text(), file)


def test_the_keys_are_loaded_and_shown_nowhere(site: sites.Site) -> None:
    keys = load_keys(_config(site)).readers
    assert keys is not None
    assert keys.card_key == cards.card_key(site)
    assert keys.readers["front"].key == (site.hub / "readers/front.key").read_bytes()
    assert "key=" not in repr(keys).replace("readers=", "").replace("ReaderKey(", "")


@pytest.mark.parametrize(
    ("file", "data", "mode", "sentence"),
    [
        ("card.key", bytes(range(31)), 0o600, "expected the site's card key, 32 raw bytes, found 31"),
        ("card.key", bytes(32), 0o600, "found equal bytes, which are no secret"),
        ("card.key", bytes(range(32)), 0o640, "a private key that others may touch"),
        ("readers/front.key", bytes(range(17)), 0o600, "expected the key of a reader, 16 raw bytes, found 17"),
        ("readers/front.key", bytes(range(16)), 0o644, "a private key that others may touch"),
        ("readers/front.key", b"", 0o600, "expected the key of a reader, 16 raw bytes, found an empty file"),
        ("readers/front.key", None, 0o600, "there is no such file (key of reader front); put the key of a reader, 16 raw bytes there"),
    ],
)  # fmt: skip
def test_a_key_that_can_be_none_refuses_the_start(
    site: sites.Site, file: str, data: bytes | None, mode: int, sentence: str
) -> None:
    path = site.hub / file
    path.unlink()
    if data is not None:
        path.write_bytes(data)
        path.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        load_keys(_config(site))
    assert sentence in str(caught.value)
    if data:
        assert data.hex() not in str(caught.value)


def _untold(_part: Part, _up: bool, _why: str) -> None:
    raise AssertionError("nothing runs yet")


def test_readers_are_made_once_a_kind_by_their_ids(site: sites.Site) -> None:
    config = _config(site)
    made = make_readers(config, load_keys(config), _untold)
    assert list(made) == ["front"]
    assert isinstance(made["front"], OsdpReaders)
    assert set(READER_KINDS) == {sections.Osdp}


def test_the_default_key_refuses_the_start(site: sites.Site) -> None:
    (site.hub / "readers/front.key").write_bytes(DEFAULT_KEY)
    config = _config(site)
    with pytest.raises(ConfigError, match="the default key \\(SCBK-D\\) is public"):
        make_readers(config, load_keys(config), _untold)


def test_a_hub_without_readers_makes_none(tmp_path: Path) -> None:
    made = sites.init(tmp_path / "site")
    sites.write_config(made, made.endpoint, sites.desk_doors([1]))
    config = _config(made)
    assert load_keys(config).readers is None
    assert make_readers(config, load_keys(config), _untold) == {}


# --check-config


def test_the_readers_keys_are_looked_at_where_they_lie() -> None:
    handed = unit.credentials(_parse(TEXT))
    assert {"card_key", "key of reader a", "key of reader b", "next_key of reader b"} <= set(handed)
    looked = credstore.look("key of reader a", handed["key of reader a"], None, World(0))
    assert "add LoadCredential=reader-a:hubd.reader-a" in looked.findings[0].text
    assert looked.findings[0].about == "key of reader a"


def test_a_readers_key_must_be_hidden_and_a_public_one_need_not(tmp_path: Path) -> None:
    store = tmp_path / "etc/credstore"
    store.mkdir(parents=True, mode=0o700)
    handed = unit.credentials(_parse(TEXT))
    world = World(os.geteuid(), owner=os.geteuid(), root=tmp_path)
    for credential, name, is_hidden in (
        ("reader-a", "key of reader a", True),
        ("card_key", "card_key", True),
        ("issuer", "issuer", False),
    ):
        file = store / f"hubd.{credential}"
        file.write_bytes(b"x")
        file.chmod(0o644)
        line = credstore.Handed(credential, f"hubd.{credential}", sealed=False)
        looked = credstore.look(name, handed[name], line, world)
        assert bool(looked.findings) is is_hidden


def test_a_serial_line_is_looked_at_without_opening_it(tmp_path: Path) -> None:
    devices = tmp_path / "dev"
    devices.mkdir()
    (devices / "ttyUSB0").symlink_to("/dev/null")  # a character device
    (devices / "by-id").symlink_to("/dev/null")
    (devices / "file").write_text("")
    wanted = {
        Path("/dev/ttyUSB0"): ["a"],
        Path("/dev/by-id"): ["b"],
        Path("/dev/file"): ["c"],
        Path("/dev/ttyUSB9"): ["d"],
    }
    said = [one.text for one in serial.look(wanted, World(1, root=tmp_path))]
    assert said == [
        "/dev/ttyUSB0: a",
        "/dev/by-id and /dev/ttyUSB0 of [[readers]] are one serial line; write the same path for all readers on a line",
        "/dev/by-id: b",
        "/dev/file: expected a serial line, found something else; type: ls -l /dev/serial/by-id",
        "/dev/ttyUSB9: there is no such serial line; plug the adapter in; type: ls -l /dev/serial/by-id",
    ]


def test_root_is_told_of_a_line_that_hubd_may_not_use(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/ttyUSB0").symlink_to("/dev/null")
    (one, _) = serial.look({Path("/dev/ttyUSB0"): ["a"]}, World(0, root=tmp_path))
    assert one.text.startswith("/dev/ttyUSB0: hubd may not use it (group root, mode 666); ")
    assert "sudo chown root:dialout /dev/ttyUSB0" in one.text


# The local calls.


class _Attending:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, int]] = []

    def names(self) -> tuple[str, ...]:
        return ("front",)

    async def install_key(self, reader: str, by: str, uid: int) -> None:
        self.asked.append(("install", reader, by, uid))

    async def renew_key(self, reader: str, by: str, uid: int) -> None:
        self.asked.append(("renew", reader, by, uid))
        raise HardwareError("Reader front has no next_key in the configuration.")


_CONFIG: Any = None  # of a hub without readers, which is not asked for them


def _calls(readers: Any) -> ReaderCalls:
    return ReaderCalls(readers, ReaderReport(_CONFIG, None))


TECHNICIAN = PeerProcess(pid=1, uid=1000, gid=1000)


async def test_keys_are_given_by_who_may_act_and_to_a_known_reader() -> None:
    readers = _Attending()
    calls = _calls(readers)
    writes = {call.name for call in calls.table() if call.role is Role.ACT}
    assert {"install-reader-key", "change-reader-key"} <= writes
    assert await calls.install_reader_key({"reader": "front"}, TECHNICIAN) == {"reader": "front"}
    for wrong in ({}, {"reader": "cellar"}, {"reader": 7}, {"reader": ["front"]}):
        with pytest.raises(CallRefused, match="There are the readers front"):
            await calls.install_reader_key(wrong, TECHNICIAN)
    with pytest.raises(HardwareError, match="no next_key"):
        await calls.change_reader_key({"reader": "front"}, TECHNICIAN)
    assert readers.asked == [
        ("install", "front", "technician", 1000),
        ("renew", "front", "technician", 1000),
    ]
    with pytest.raises(CallRefused, match="has no readers"):
        await _calls(None).install_reader_key({"reader": "front"}, TECHNICIAN)


# A site's cards and readers.


def test_a_card_is_a_row_of_digests(site: sites.Site) -> None:
    number = CardNumber.of(1234567, 26)
    cards.add_card(site, "anna", number, ALWAYS, cards.Pins("1234", "4321"))
    document = (site.path / "policy.cbor").read_bytes()
    (card,) = site.policy().cards.values()
    assert card.digest in document
    assert number.data not in document
    assert b"1234" not in document
    assert cards.card_number(site, "anna") == number
    assert (site.path / "cards/anna.json").stat().st_mode & 0o077 == 0
    assert "1234" not in repr(cards.Pins("1234", "4321"))


def test_what_a_site_refuses_of_cards_and_readers(site: sites.Site) -> None:
    number = CardNumber.of(1, 26)
    with pytest.raises(ValueError, match="does not fit into 26 bits"):
        CardNumber.of(1 << 26, 26)
    with pytest.raises(ValueError, match="at least one access point"):
        cards.add_card(site, "anna", number, (), cards.Pins())
    with pytest.raises(ValueError, match="needs a PIN beside it"):
        cards.add_card(site, "anna", number, ALWAYS, cards.Pins(None, "1234"))
    with pytest.raises(ValueError, match="the duress PIN is the PIN"):
        cards.add_card(site, "anna", number, ALWAYS, cards.Pins("1234", "1234"))
    cards.add_card(site, "anna", number, ALWAYS, cards.Pins())
    with pytest.raises(ValueError, match="there is a card anna already"):
        cards.add_card(site, "anna", CardNumber.of(2, 26), ALWAYS, cards.Pins())
    with pytest.raises(ValueError, match="has that number already"):
        cards.add_card(site, "bert", number, ALWAYS, cards.Pins())
    with pytest.raises(ValueError, match="there is no card carl"):
        cards.card_number(site, "carl")
    with pytest.raises(ValueError, match="has a reader front already"):
        add_reader(site, site.first_hub, "front", 1)
    with pytest.raises(ValueError, match="does not serve access point 9"):
        add_reader(site, site.first_hub, "side", 9)


def _hubsim(site: sites.Site, *words: str) -> str:
    done = CliRunner().invoke(main, ["site", "--at", str(site.path), *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_commands_of_a_site_make_cards_demands_and_readers(site: sites.Site) -> None:
    assert "reader side of hub hub-1 is at access point 1" in _hubsim(site, "reader", "side")
    assert [one.address for one in readers_of(site.hub)] == [1, 2]
    said = _hubsim(site, "card", "anna", "--number", "77", "--pin", "1234", "--duress", "4321")
    assert "1234" not in said
    assert "77" not in said
    assert "card anna is in policy 2" in said
    assert "demands phone or card+pin" in _hubsim(site, "demand", "1", "phone", "card+pin")
    demand = Demand((Factor.PHONE, Factor.CARD | Factor.PIN))
    assert site.policy().points[1].demands == (demand,)
    _hubsim(site, "demand", "1")
    assert site.policy().points[1].demands == ()
    _hubsim(site, "revoke", "anna")
    assert cards.card_credential(site, "anna") in site.policy().revoked_credentials


def test_a_usual_card_is_known_by_the_two_numbers_on_it() -> None:
    card = CardNumber.of_facility(0x5A, 0x1234)
    bits = format(int.from_bytes(card.data, "big") >> 6, "026b")
    assert (int(bits[1:9], 2), int(bits[9:25], 2)) == (0x5A, 0x1234)
    assert bits[:13].count("1") % 2 == 0
    assert bits[13:].count("1") % 2 == 1
    with pytest.raises(ValueError, match="facility of 0"):
        CardNumber.of_facility(256, 1)


def test_a_card_may_be_added_by_the_digest_of_its_denial(site: sites.Site) -> None:
    number = CardNumber.of(77, 40)
    digest = card_digest(cards.card_key(site), number.bits, number.data)
    _hubsim(site, "card", "anna", "--digest", digest.hex(), "--pin", "1234")
    (card,) = site.policy().cards.values()
    assert card.digest == digest
    assert match_pin(cards.card_key(site), card, "1234") is PinMatch.RIGHT
    with pytest.raises(ValueError, match="nobody here knows its number"):
        cards.card_number(site, "anna")


def test_pins_may_be_asked_for(site: sites.Site) -> None:
    words = ["site", "--at", str(site.path), "card", "anna", "--ask-pin"]
    done = CliRunner().invoke(main, words, input="1234\n4321\n")
    assert done.exit_code == 0, done.output
    assert "1234" not in done.output
    (card,) = site.policy().cards.values()
    assert match_pin(cards.card_key(site), card, "4321") is PinMatch.DURESS


def test_an_exported_hub_has_its_readers_keys(site: sites.Site, tmp_path: Path) -> None:
    _hubsim(site, "export", str(tmp_path / "out"))
    assert (tmp_path / "out/hubd.card_key").stat().st_size == CARD_KEY_BYTES
    key = (site.hub / "readers/front.key").read_bytes()
    assert (tmp_path / "out/hubd.reader-front").read_bytes() == key
    text = (tmp_path / "out/config.toml").read_text()
    (reader,) = parse(text, FILE, CREDENTIALS).readers
    assert reader.device == Path("/dev/serial/by-id/CHANGE-ME")


def test_the_driver_has_the_port(site: sites.Site) -> None:
    config = _config(site)
    driver: Readers = make_readers(config, load_keys(config), _untold)["front"]
    assert driver is not None
