"""The configuration: what it accepts, and for each way to be wrong the sentence that the installer
reads.
"""

# ruff: noqa: E501 -- a table of whole sentences

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from hubcore.errors import ConfigError
from hubd.config import file as config
from hubd.config.file import Config, load, parse
from hubd.config.keys import KeyFile
from hubd.config.mistakes.explain import explain
from hubd.config.mistakes.place import ConfigPlace
from hubd.config.section import Section, with_default_kinds

EXAMPLE = Path(__file__).parents[2] / "config" / "hubd.toml"
FILE = Path("/etc/hubd/hubd.toml")
CREDENTIALS = {"CREDENTIALS_DIRECTORY": "/run/credentials/hubd.service"}

SMALL = """
[hub]
id = "hub-1"
site = "site-1"
time_zone = "Europe/Berlin"
[keys]
identity = "keys/identity.pem"
certificate = "/abs/hub.cbor"
issuer = "credential:issuer"
[[doors]]
id = "front"
name = "Front door"
strike = { chip = "gpiochip0", line = 17 }
[[doors.access_points]]
number = 1
name = "In"
"""


def _parse(text: str) -> Config:
    return parse(text, FILE, CREDENTIALS)


def _refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        _parse(text)
    sentence = str(caught.value)
    assert sentence.startswith(f"{FILE}: ")
    assert sentence.isprintable()
    return sentence.removeprefix(f"{FILE}: ")


def _refused_key(text: str) -> str:
    """The sentence without the number of the line, which a case of its own looks at."""
    return re.sub(r"\Aline \d+: ", "", _refused(text))


def test_the_example_is_accepted_and_its_commented_defaults_are_the_defaults() -> None:
    plain = load(EXAMPLE, CREDENTIALS)
    lines = []
    for line in EXAMPLE.read_text().splitlines():
        key, equals, _ = line.removeprefix("# ").partition(" = ")
        lines.append(line[2:] if line.startswith("# ") and equals and key.isidentifier() else line)
    spelled_out = "\n".join(lines)
    assert spelled_out.count("# ") < EXAMPLE.read_text().count("# ") - 10
    assert parse(spelled_out, EXAMPLE, CREDENTIALS) == plain


def test_the_inputs_of_the_example_fail_to_the_side_that_is_told() -> None:
    """Inputs are pulled up: a cut wire is high, which must read as an open door, and as nobody at
    the exit button.
    """
    (door,) = load(EXAMPLE, CREDENTIALS).doors
    assert door.dps is not None
    assert door.rex is not None
    assert (door.dps.active_low, door.rex.active_low) == (False, True)


def test_a_small_file_gets_the_defaults() -> None:
    got = _parse(SMALL)
    assert got.protocol.rsa_bits == 3072
    assert got.protocol.aead == ("A256GCM", "A192GCM", "A128GCM")
    assert (got.protocol.grant_days_max, got.protocol.links_max) == (90, 8)
    assert (got.protocol.rsa_per_second, got.protocol.rsa_burst) == (5.0, 10)
    assert got.radio.adapter == "default"
    assert got.backend is None
    assert got.api.socket == Path("/run/hubd/hubd.sock")
    assert got.hub.state_directory == Path("/var/lib/hubd")
    assert got.hub.zone.key == "Europe/Berlin"
    (door,) = got.doors
    assert (door.strike_seconds, door.strike_cap_seconds, door.strike_rest_seconds) == (
        5.0,
        10.0,
        0.5,
    )
    assert door.held_open_seconds == 60.0
    assert (door.dps, door.rex, door.strike.active_low) == (None, None, False)
    assert not door.access_points[0].fresh


def test_paths_count_from_the_directory_of_the_file_and_credentials_from_systemds() -> None:
    keys = _parse(SMALL).keys
    assert keys.identity == KeyFile(Path("/etc/hubd/keys/identity.pem"))
    assert keys.certificate == KeyFile(Path("/abs/hub.cbor"))
    assert keys.issuer == KeyFile(Path("/run/credentials/hubd.service/issuer"), credential=True)


def test_the_config_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        _parse(SMALL).hub.id = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('id = "hub-1"', "", "key hub.id: expected 1 to 32 characters of a-z, 0-9 and -, found nothing"),
        ('id = "hub-1"', 'id = "Hub"', "key hub.id: expected 1 to 32 characters of a-z, 0-9 and -, found 'Hub'"),
        ('id = "hub-1"', 'id = "hub\\n"', "key hub.id: expected 1 to 32 characters of a-z, 0-9 and -, found 'hub\\n'"),
        ('id = "hub-1"', f'id = "{"x" * 33}"', f"key hub.id: expected 1 to 32 characters of a-z, 0-9 and -, found '{'x' * 33}'"),
        ("[hub]", "[hubb]", "key hubb: expected one of hub, keys, doors, protocol, readers, radio, pkoc, backend, bridges, devices, relay_boards, zwave, openzwave, api, log, found this unknown key"),
        ('site = "site-1"', 'site = "s"\ncolour = 1', "key hub.colour: expected one of id, site, time_zone, state_directory, records_mib, found this unknown key"),
        ("[hub]", "[log]\nlevel = 3\n[hub]", 'key log.level: expected "debug", "info", "warning" or "error", found 3'),
        ("[hub]", "[protocol]\nrsa_bits = 1024\n[hub]", "key protocol.rsa_bits: expected 2048, 3072 or 4096, found 1024"),
        ("[hub]", "[protocol]\nrsa_bits = true\n[hub]", "key protocol.rsa_bits: expected 2048, 3072 or 4096, found true"),
        ("[hub]", "[protocol]\naead = []\n[hub]", 'key protocol.aead: expected one to three of "A256GCM", "A192GCM", "A128GCM", found []'),
        ("[hub]", '[protocol]\naead = ["AES"]\n[hub]', 'key protocol.aead: expected one to three of "A256GCM", "A192GCM", "A128GCM", found \'AES\''),
        ("[hub]", '[protocol]\naead = ["A128GCM", "A128GCM"]\n[hub]', "key protocol.aead: expected each name once, found ['A128GCM', 'A128GCM']"),
        ("[hub]", '[protocol]\naead = ["A192GCM"]\n[radio]\nshown_name = "Hub 1"\n[hub]', 'key protocol.aead: expected "A256GCM" or "A128GCM" among them, because radio.shown_name is for browsers, and none has the other, found [\'A192GCM\']'),
        ("[hub]", "[protocol]\ngrant_days_max = 367\n[hub]", "key protocol.grant_days_max: expected 1 to 366, found 367"),
        ("[hub]", f"[protocol]\nrsa_burst = {10**30}\n[hub]", f"key protocol.rsa_burst: expected 1 to 100, found {10**30}"),
        ("[hub]", "[protocol]\nrsa_per_second = nan\n[hub]", "key protocol.rsa_per_second: expected 0.1 to 100, found nan"),
        ("[hub]", "[protocol]\nrsa_per_second = inf\n[hub]", "key protocol.rsa_per_second: expected 0.1 to 100, found inf"),
        ("[hub]", "[protocol]\nrsa_per_second = 1\n[hub]", "key protocol.rsa_per_second: expected at least 4.6 for links_max = 8, or strangers keep phones out, found 1"),
        ("[hub]", "[protocol]\nlinks_max = 9\n[hub]", "key protocol.rsa_per_second: expected at least 5.2 for links_max = 9, or strangers keep phones out, found 5"),
        ("[hub]", "[protocol]\nlinks_max = 0\n[hub]", "key protocol.links_max: expected 1 to 32, found 0"),
        ("[hub]", '[radio]\nadapter = "hci0"\n[hub]', 'key radio.adapter: expected "default" or an adapter\'s address such as "00:1A:7D:DA:71:13", found \'hci0\''),
        ("[hub]", '[backend]\nendpoint = "udp://x:1"\n[hub]', 'key backend.endpoint: expected "tcp://HOST:PORT" with a port of 1 to 65535, found \'udp://x:1\''),
        ("[hub]", '[backend]\nendpoint = "tcp://x:65536"\n[hub]', "key backend.endpoint: expected a port of 1 to 65535, found 'tcp://x:65536'"),
        ("[hub]", '[backend]\nendpoint = "tcp://x:1"\nendpoints = ["tcp://y:1"]\n[hub]', "key backend.endpoint: expected endpoint or endpoints, found both"),
        ("[hub]", '[backend]\nendpoints = []\n[hub]', 'key backend.endpoint: expected "tcp://HOST:PORT" with a port of 1 to 65535, found nothing'),
        ("[hub]", '[backend]\nendpoints = ["tcp://y:1", "tcp://y:1"]\n[hub]', "key backend.endpoints: expected each endpoint once, found one of them twice"),
        ("[hub]", '[backend]\nendpoints = ["tcp://y:1", "tcp://y:0"]\n[hub]', "key backend.endpoints: expected a port of 1 to 65535, found 'tcp://y:0'"),
        ("[hub]", '[backend]\nendpoint = "tcp://x:1"\nkey_days = -1\n[hub]', "key backend.key_days: expected 0 to 3650, found -1"),
        ("[hub]", '[backend]\nendpoint = "tcp://x:1"\n[hub]', "key keys.curve_secret: expected a path or credential:NAME, because [backend] is there, found nothing"),
        ("[hub]", f'[api]\nsocket = "/{"s" * 107}"\n[hub]', f"key api.socket: expected a path of at most 107 bytes, found 108 bytes (/{'s' * 107})"),
        ("Europe/Berlin", "Europe", 'key hub.time_zone: expected an IANA time zone that this machine knows, such as "Europe/Berlin" (package tzdata), found \'Europe\''),
        ("Europe/Berlin", "../../etc/passwd", 'key hub.time_zone: expected an IANA time zone that this machine knows, such as "Europe/Berlin" (package tzdata), found \'../../etc/passwd\''),
        ('"keys/identity.pem"', '""', "key keys.identity: expected a path or credential:NAME, found ''"),
        ("credential:issuer", "credential:../x", "key keys.issuer: expected a path or credential:NAME, found 'credential:../x'"),
        ("line = 17", "line = -1", "key strike.line of door 'front': expected a line number of 0 to 65535 or a line name, found -1"),
        ("line = 17", "line = 17, active_low = 1", "key strike.active_low of door 'front': expected true or false, found 1"),
        ("gpiochip0", "../mem", "key strike.chip of door 'front': expected a GPIO chip as gpiodetect (apt install gpiod) shows it: a name such as \"gpiochip0\", a label, or a path in /dev, found '../mem'"),
        ("gpiochip0", "/dev/../etc/passwd", "key strike.chip of door 'front': expected a GPIO chip as gpiodetect (apt install gpiod) shows it: a name such as \"gpiochip0\", a label, or a path in /dev, found '/dev/../etc/passwd'"),
        ("gpiochip0", "/etc/passwd", "key strike.chip of door 'front': expected a GPIO chip as gpiodetect (apt install gpiod) shows it: a name such as \"gpiochip0\", a label, or a path in /dev, found '/etc/passwd'"),
        ("gpiochip0", "a chip", "key strike.chip of door 'front': expected a GPIO chip as gpiodetect (apt install gpiod) shows it: a name such as \"gpiochip0\", a label, or a path in /dev, found 'a chip'"),
        ("gpiochip0", "", "key strike.chip of door 'front': expected a GPIO chip as gpiodetect (apt install gpiod) shows it: a name such as \"gpiochip0\", a label, or a path in /dev, found ''"),
        ('site = "site-1"', 'site = "s"\nrecords_mib = 63', "key hub.records_mib: expected 64 to 1048576, found 63"),
        ('site = "site-1"', 'site = "s"\nrecords_mib = 1048577', "key hub.records_mib: expected 64 to 1048576, found 1048577"),
        ("strike =", "strike_seconds = 0.1\nstrike =", "key strike_seconds of door 'front': expected 0.2 to 30, found 0.1"),
        ("strike =", "strike_seconds = 20\nstrike =", "key strike_cap_seconds of door 'front': expected at least strike_seconds, which is 20, found 10"),
        ("strike =", "pre_alarm_seconds = 60\nstrike =", "key pre_alarm_seconds of door 'front': expected less than held_open_seconds, 60, found 60"),
        ("strike =", "offline_hours_max = 72\nstrike =", "key offline_hours_max of door 'front': expected a [backend] in this file, or nobody would ever be let in, found none"),
        ("strike =", "extended_factor = 11\nstrike =", "key extended_factor of door 'front': expected 1 to 10, found 11"),
        ("strike =", "strike_cap_seconds = 61\nstrike =", "key strike_cap_seconds of door 'front': expected strike_seconds to 60, found 61"),
        ("strike =", 'dps = { chip = "/dev/gpiochip0", line = 17 }\nstrike =', "key dps of door 'front': expected a value used once, found line 17 of gpiochip0, which strike of door 'front' has too"),
        ("Front door", "a\\u001b[2Jb", "key name of door 'front': expected 1 to 64 characters, none of them a control, found 'a\\x1b[2Jb'"),
        ("number = 1", "number = 0", "key number of the 1st [[doors.access_points]] of door 'front': expected 1 to 65535, found 0"),
        ("number = 1", "number = 1\nname = 3 #", "key name of the 1st [[doors.access_points]] of door 'front': expected 1 to 64 characters, none of them a control, found 3"),
        ("[hub]", '"\\u001b[31m" = 1\n[hub]', "key '\\x1b[31m': expected one of hub, keys, doors, protocol, readers, radio, pkoc, backend, bridges, devices, relay_boards, zwave, openzwave, api, log, found this unknown key"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_by_key_expectation_and_finding(
    old: str, new: str, sentence: str
) -> None:
    text = SMALL.replace(old, new, 1)
    if new.endswith("#"):
        text = text.replace('\nname = "In"', "")
    assert old in SMALL
    assert _refused_key(text) == sentence


LEFT = '[[doors.movers]]\nkind = "strike"\nid = "left"\nchip = "gpiochip0"\nline = 17\n'
RIGHT = '[[doors.movers]]\nkind = "strike"\nid = "right"\nchip = "gpiochip0"\nline = 18\nrest_seconds = 4\n'
STRIKE = 'strike = { chip = "gpiochip0", line = 17 }\n'
TWO = SMALL.replace(STRIKE, "") + LEFT + RIGHT
"""A door with two strikes."""


def test_the_example_of_a_door_with_two_strikes_is_one_to_copy() -> None:
    text = EXAMPLE.read_text()
    listed = "\n".join(line[1:] for line in text.splitlines() if line.startswith("#   "))
    strike = next(line for line in text.splitlines() if line.startswith("strike = "))
    (door,) = parse(
        text.replace(strike, "").replace("[api]", f"{listed}\n[api]"), EXAMPLE, CREDENTIALS
    ).doors
    (plain,) = load(EXAMPLE, CREDENTIALS).doors
    assert [mover.id for mover in door.moved_by] == ["front-left"]
    assert structs.replace(door.moved_by[0], id="front") == plain.moved_by[0], (
        "it shows the defaults, too"
    )


def test_the_example_of_a_reader_is_one_to_copy() -> None:
    text = EXAMPLE.read_text()
    shown = text[text.index("#  [[readers]]") : text.index("[api]")]
    listed = "\n".join(line[1:] for line in shown.splitlines())
    text = text.replace("[api]", f"{listed}\n[api]")
    text = text.replace("[keys]", '[keys]\ncard_key = "credential:card_key"')
    (reader,) = parse(text, EXAMPLE, CREDENTIALS).readers
    assert reader.id == "front-card"
    assert reader.next_key is not None


def test_a_door_may_have_a_list_of_movers() -> None:
    (door,) = _parse(
        TWO.replace('name = "Front door"', 'name = "Front door"\nstrike_cap_seconds = 7')
    ).doors
    left, right = door.moved_by
    assert (left.id, left.chip, left.line, left.cap_seconds, left.rest_seconds) == (
        "left",
        "gpiochip0",
        17,
        7.0,
        0.5,
    )
    assert (right.id, right.line, right.cap_seconds, right.rest_seconds) == ("right", 18, 7.0, 4.0)
    assert [(wired.role, wired.line.line) for wired in door.lines()] == [
        ("strike left", 17),
        ("strike right", 18),
    ]


def test_the_short_form_is_one_strike_with_the_id_of_its_door() -> None:
    (short,) = _parse(SMALL).doors
    (listed,) = _parse(SMALL.replace(STRIKE, "") + LEFT.replace("left", "front")).doors
    assert short.moved_by == listed.moved_by
    assert (short.cap_seconds, short.moved_by[0].id) == (10.0, "front")


def test_a_section_without_a_kind_is_of_its_default_kind() -> None:
    curve = 'issuer = "credential:issuer"\ncurve_secret = "a"\nbackend_public = "b"'
    small = SMALL.replace('issuer = "credential:issuer"', curve)
    plain = f'[radio]\nadapter = "default"\n[backend]\nendpoint = "tcp://x:1"\n{small.replace(STRIKE, "")}{LEFT}'
    tagged = plain.replace("[radio]", '[radio]\nkind = "bluez"').replace(
        "[backend]", '[backend]\nkind = "curve"'
    )
    assert _parse(tagged) == _parse(plain) == _parse(tagged.replace('kind = "strike"\n', ""))
    raw = {
        "radio": {},
        "backend": 3,
        "doors": [{"movers": [{}, {"kind": "lock"}, 1]}, "no door"],
        "api": {},
    }
    assert with_default_kinds(raw) == {
        "radio": {"kind": "bluez"},
        "backend": 3,
        "doors": [{"movers": [{"kind": "strike"}, {"kind": "lock"}, 1]}, "no door"],
        "api": {},
    }


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[hub]", '[radio]\nkind = "nimble"\n[hub]', "key radio.kind: expected \"bluez\", found 'nimble'"),
        ("[hub]", "[radio]\nkind = 3\n[hub]", 'key radio.kind: expected "bluez", found 3'),
        ("[hub]", "[radio]\nhop = 3\n[hub]", "key radio.hop: expected one of kind, adapter, company, rotate_seconds, shown_name, found this unknown key"),
        ("[hub]", '[backend]\nkind = "tls"\n[hub]', "key backend.kind: expected \"curve\", found 'tls'"),
        ("[hub]", '[backend]\nkind = "curve"\n[hub]', 'key backend.endpoint: expected "tcp://HOST:PORT" with a port of 1 to 65535, found nothing'),
        ('kind = "strike"', 'kind = "lock"', "key kind of the 1st [[doors.movers]] of door 'front': expected \"strike\", \"maglock\", \"relay_strike\", \"zwave_lock\" or \"openzwave_lock\", found 'lock'"),
        ('id = "left"', "", "key id of the 1st [[doors.movers]] of door 'front': expected 1 to 32 characters of a-z, 0-9 and -, found nothing"),
        ('id = "right"', 'id = "left"', "key id of the 2nd [[doors.movers]] of door 'front': expected a value used once, found 'left', which a mover of door 'front' has too"),
        ("line = 18", "line = 17", "key line of the 2nd [[doors.movers]] of door 'front': expected a value used once, found line 17 of gpiochip0, which strike left of door 'front' has too"),
        ("line = 18", "line = -1", "key line of the 2nd [[doors.movers]] of door 'front': expected a line number of 0 to 65535 or a line name, found -1"),
        ("line = 18", "line = 18\ncap_seconds = 61", "key cap_seconds of the 2nd [[doors.movers]] of door 'front': expected strike_seconds to 60, found 61"),
        ("line = 18", "line = 18\ncap_seconds = 3", "key cap_seconds of the 2nd [[doors.movers]] of door 'front': expected at least strike_seconds, which is 5, found 3"),
        ("rest_seconds = 4", "rest_seconds = 0", "key rest_seconds of the 2nd [[doors.movers]] of door 'front': expected 0.5 to 600, found 0"),
        ("rest_seconds = 4", "seconds = 4", "key seconds of the 2nd [[doors.movers]] of door 'front': expected one of kind, chip, line, active_low, id, cap_seconds, rest_seconds, continuous, found this unknown key"),
        ('name = "Front door"', f'name = "Front door"\n{STRIKE.replace("17", "19")}', "key movers of door 'front': expected strike or [[doors.movers]], one of the two, found both"),
        (f"{LEFT}{RIGHT}", LEFT * 9, "key movers of door 'front': expected 1 to 8 tables [[doors.movers]], found ["),
    ],
)  # fmt: skip
def test_a_wrong_kind_or_mover_is_told_like_any_other_value(
    old: str, new: str, sentence: str
) -> None:
    assert old in TWO
    assert _refused_key(TWO.replace(old, new, 1)).startswith(sentence)


class Near(Section, frozen=True, tag_field="kind", tag="near"):
    metres: int


class Far(Section, frozen=True, tag_field="kind", tag="far"):
    miles: int


class Root(Section, frozen=True):
    place: Near | Far


def test_a_file_with_several_kinds_is_told_what_each_of_them_takes() -> None:
    def told(text: str) -> str:
        raw = tomllib.loads(text)
        with pytest.raises(msgspec.ValidationError) as caught:
            msgspec.convert(raw, Root)
        return explain(str(caught.value), Root, ConfigPlace(raw, text))

    assert (
        told('[place]\nkind = "x"')
        == 'line 2: key place.kind: expected "near" or "far", found \'x\''
    )
    assert (
        told("[place]\nmiles = 1")
        == 'line 1: key place.kind: expected "near" or "far", found nothing'
    )
    unknown = "line 3: key place.feet: expected one of kind, miles, found this unknown key"
    assert told('[place]\nkind = "far"\nfeet = 1') == unknown


def test_two_doors_may_not_have_movers_of_one_id() -> None:
    other = (
        SMALL[SMALL.index("[[doors]]") :]
        .replace("front", "left")
        .replace("number = 1", "number = 2")
    )
    sentence = "key id of door 'left': expected a value used once, found 'left', which a mover of door 'front' has too"
    assert _refused_key(TWO + other.replace("17", "20")) == sentence


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('site = "site-1"', "", 2),  # nothing is there: the header of its table
        ("Europe/Berlin", "Europe", 5),
        ("line = 17", "line = -1", 13),
        ("number = 1", "number = 0", 15),
        ('name = "In"', 'name = "In"\n[[doors.access_points]]\nnumber = 1\nname = "Out"', 18),
        ("[[doors]]", "[[ doors ]]  # the doors\ncolour = 1", 11),
        ('name = "In"', 'name = "In"\n[doors.dps]\nchip = "c"\nline = -1', 19),
    ],
)
def test_the_number_of_the_line_is_told(old: str, new: str, line: int) -> None:
    assert _refused(SMALL.replace(old, new, 1)).startswith(f"line {line}: ")


def test_no_line_is_told_where_text_over_several_lines_may_look_like_a_key() -> None:
    text = SMALL.replace('name = "Front door"', 'name = """\n[[doors]]\nid = 3"""').replace(
        "line = 17", "line = -1"
    )
    assert _refused(text).startswith("key name of door 'front'")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            'strike = { chip = "gpiochip0", line = 17 }',
            "",
            "key strike of door 'front': expected a line such as { chip = \"gpiochip0\", line = 17 }, found nothing",
        ),
        (
            'id = "front"',
            "",
            "key id of the 1st [[doors]]: expected 1 to 32 characters of a-z, 0-9 and -, found nothing",
        ),
    ],
)
def test_what_a_door_has_not_is_told_as_the_file_would_have_it(
    old: str, new: str, sentence: str
) -> None:
    assert _refused_key(SMALL.replace(old, new, 1)) == sentence


@pytest.mark.parametrize(
    "host",
    ["300.1.1.1", "10.0.0", "1.2.3.4.5", "0.0.0.0", "224.0.0.1", "[::]", "[fe80:::1]", "[1.2.3.4.5]", "a..b", "-a", "a-",  # noqa: S104
     "a" * 64 + ".example", "."],
)  # fmt: skip
def test_an_endpoint_that_no_machine_can_have(host: str) -> None:
    text = f'[backend]\nendpoint = "tcp://{host}:4505"\n{SMALL}'
    assert "before the port, found" in _refused(text) or "tcp://HOST:PORT" in _refused(text)


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "[fd00::1]", "[::1]", "backend", "b-1.example", "example.com.", "127.0.0.1"],
)
def test_an_endpoint_that_a_machine_can_have(host: str) -> None:
    curve = 'issuer = "credential:issuer"\ncurve_secret = "a"\nbackend_public = "b"'
    text = f'[backend]\nendpoint = "tcp://{host}:4505"\n{SMALL}'.replace(
        'issuer = "credential:issuer"', curve
    )
    found = _parse(text).backend
    assert found is not None
    assert found.places == (f"tcp://{host}:4505",)
    assert found.key_days == 90


def test_several_endpoints_keep_their_order() -> None:
    curve = 'issuer = "credential:issuer"\ncurve_secret = "a"\nbackend_public = "b"'
    listed = ", ".join(f'"tcp://{host}:4505"' for host in "dacb")
    text = f"[backend]\nendpoints = [{listed}]\n{SMALL}".replace(
        'issuer = "credential:issuer"', curve
    )
    found = _parse(text).backend
    assert found is not None
    assert found.places == tuple(f"tcp://{host}:4505" for host in "dacb")
    with pytest.raises(ConfigError, match="a list of 1 to 4 endpoints"):
        _parse(text.replace("endpoints = [", 'endpoints = ["tcp://e:1", '))


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        (
            'id = "hub-1"',
            'id = "hub-\u0430"',
            ["found 'hub-\u0430', of which character 5 is CYRILLIC SMALL LETTER A (U+0430)"],
        ),
        (
            'site = "',
            's\u0456te = "',
            ["line 4, column 2", "CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I (U+0456)"],
        ),
        (
            'site = "site-1"',
            'site =\u00a0"site-1"',
            ["line 4, column 7", "NO-BREAK SPACE (U+00A0)"],
        ),
        ('site = "site-1"', "site = \u201csite-1\u201d", ["LEFT DOUBLE QUOTATION MARK (U+201C)"]),
        (
            'site = "site-1"',
            '\u200bsite = "site-1"',
            ["line 4, column 1", "ZERO WIDTH SPACE (U+200B)"],
        ),
        (
            "credential:issuer",
            "credential:\u0456ssuer",
            [
                "expected a path or credential:NAME, found",
                "of which character 12 is CYRILLIC SMALL LETTER BYELORUSSIAN",
            ],
        ),
        (
            'site = "',
            '"s\u0456te" = "',
            ["this unknown key, of which character 2 is CYRILLIC SMALL"],
        ),
    ],
)
def test_a_character_that_cannot_be_told_from_another_is_named(
    old: str, new: str, parts: list[str]
) -> None:
    assert old in SMALL
    with pytest.raises(ConfigError) as caught:
        _parse(SMALL.replace(old, new, 1))
    for part in parts:
        assert part in str(caught.value)


def test_a_byte_order_mark_is_named_with_the_command_that_takes_it_away(tmp_path: Path) -> None:
    file = tmp_path / "hubd.toml"
    file.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    with pytest.raises(
        ConfigError, match=r"line 1, column 1: the file begins with a byte order mark"
    ) as caught:
        load(file, CREDENTIALS)
    subprocess.run(["sh", "-c", str(caught.value).partition("or type: ")[2]], check=True)
    load(file, CREDENTIALS)
    file.write_bytes(SMALL.encode("utf-16"))
    with pytest.raises(ConfigError, match=r"expected UTF-8, found UTF-16; save the file as UTF-8"):
        load(file, CREDENTIALS)


def test_a_key_that_systemd_hands_over_is_told_by_the_installers_file() -> None:
    keys = parse(SMALL, FILE, {**CREDENTIALS, "HUBD_SEALED_KEYS": "identity:issuer"}).keys
    assert keys.issuer.place == "/etc/credstore.encrypted/hubd.issuer"
    assert _parse(SMALL).keys.issuer.place == "/etc/credstore/hubd.issuer"
    assert keys.identity.place == "/etc/hubd/keys/identity.pem"


@pytest.mark.parametrize(
    "chip",
    [
        "gpiochip4",
        "pinctrl-bcm2711",
        "1f000d0000.gpio",
        "INT34C5:00",
        "gpio-sim.0-node0",
        "/dev/gpiochip0",
        "/dev/by-id/relays-1.2",
    ],
)
def test_a_chip_is_a_name_a_label_or_a_path(chip: str) -> None:
    assert _parse(SMALL.replace("gpiochip0", chip)).doors[0].strike.chip == chip


DOOR = SMALL[SMALL.index("[[doors]]") :]


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        (
            DOOR,
            "key id of door 'front': expected a value used once, found 'front', which another door has too",
        ),
        (
            DOOR.replace('"front"', '"back"'),
            "key number of the 1st [[doors.access_points]] of door 'back': expected a value used once, found 1, "
            "which 'In' of door 'front' has too",
        ),
        (
            DOOR.replace('"front"', '"back"').replace("number = 1", "number = 2"),
            "key strike of door 'back': expected a value used once, found line 17 of gpiochip0, which strike of door 'front' has too",
        ),
    ],
)
def test_ids_numbers_and_lines_are_unique(second: str, sentence: str) -> None:
    assert _refused_key(SMALL + second) == sentence


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("active_low = true", "active_low = true, debounce_ms = 20"),
        ("debounce_ms = 500", "active_low = false, debounce_ms = 500"),
    ],
)
def test_doors_that_share_a_fire_input_read_it_alike(setting: str, found: str) -> None:
    own = DOOR.replace('"front"', '"back"').replace("number = 1", "number = 2").replace("17", "18")
    fire = 'fire = { chip = "gpiochip0", line = 5 }\nstrike ='
    front = SMALL.replace("strike =", fire)
    assert len(_parse(front + own.replace("strike =", fire)).doors) == 2
    other = fire.replace("5 }", f"5, {setting} }}").replace("gpiochip0", "/dev/gpiochip0")
    assert _refused_key(front + own.replace("strike =", other)) == (
        "key fire of door 'back': expected active_low = false, debounce_ms = 20, as fire of door "
        f"'front' has for the same line 5 of gpiochip0, found {found}"
    )


def test_two_doors_with_their_own_ids_numbers_and_lines_are_fine() -> None:
    second = (
        DOOR.replace('"front"', '"back"')
        .replace("number = 1", "number = 2")
        .replace("17", '"RELAY_2"')
    )
    assert [door.id for door in _parse(SMALL + second).doors] == ["front", "back"]


def test_a_door_is_needed_and_a_way_through_it() -> None:
    without = SMALL[: SMALL.index("[[doors]]")]
    assert _refused(without) == "key doors: expected 1 to 32 tables [[doors]], found nothing"
    assert (
        _refused_key("doors = []\n" + without)
        == "key doors: expected 1 to 32 tables [[doors]], found []"
    )
    no_way = SMALL[: SMALL.index("[[doors.access_points]]")]
    assert "key access_points of door 'front': expected 1 to 16 tables" in _refused(no_way)


def test_a_credential_without_systemd_says_what_is_missing() -> None:
    with pytest.raises(
        ConfigError,
        match=r"keys\.issuer: expected .*CREDENTIALS_DIRECTORY.* found 'credential:issuer'",
    ):
        parse(SMALL, FILE, {})


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[hub\n", "line 1, column 5"),
        ("a = " + "[" * 50_000, "nested too deep"),
        ("a = " + "9" * 10_000, "this is no TOML"),
        ("a = 1\na = 2\nb = 3", "line 2"),
    ],
)
def test_bad_toml_is_a_sentence(text: str, part: str) -> None:
    assert part in _refused(text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: ")
        return str(caught.value)

    assert "there is no such file" in refused(tmp_path / "missing.toml")
    assert "a directory" in refused(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    assert "no regular file" in refused(tmp_path / "fifo")
    (tmp_path / "latin1.toml").write_bytes(b"# a\n# caf\xe9\n")
    assert "line 2: expected UTF-8, found byte 0xe9" in refused(tmp_path / "latin1.toml")
    (tmp_path / "long.toml").write_bytes(b"#" * (config.FILE_BYTES_MAX + 1))
    assert "at most 1048576 bytes" in refused(tmp_path / "long.toml")
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    assert "cannot be read" in refused(tmp_path / "loop.toml")


@pytest.mark.parametrize("mode", [0o666, 0o602])
def test_a_file_that_everybody_may_write(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "hubd.toml"
    file.write_text(SMALL)
    file.chmod(mode)
    with pytest.raises(
        ConfigError, match=rf"everybody may write it \(mode {mode:o}\); type: chmod o-w {file}"
    ):
        load(file, CREDENTIALS)
    file.chmod(0o664)  # as an umask of 002 makes it: the group is the installer's own
    load(file, CREDENTIALS)


_LOAD_AS_NOBODY = """
import os, sys
from hubd.config.file import load
from hubcore.errors import ConfigError
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    load(sys.argv[1])
except ConfigError as error:
    print(error)
"""


def test_an_unreadable_file(tmp_path: Path) -> None:
    file = tmp_path / "hubd.toml"
    file.write_text(SMALL)
    file.chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", _LOAD_AS_NOBODY, file], capture_output=True, text=True, check=True
    )
    said = done.stdout.strip()
    assert said.startswith(
        f"{file}: the configuration cannot be read: Permission denied; type: sudo chmod a+r {file}"
    )
