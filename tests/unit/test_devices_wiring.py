"""Devices of a configuration: what is made of them, what is loaded for them, what is refused."""

# ruff: noqa: E501 -- a table of whole sentences

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from drivers.relays.boards import RelayBoards
from hubcore.checks import CheckId
from hubcore.device.command import DEVICE_ID, Capability
from hubcore.errors import ConfigError
from hubd.adapters.keys.networkkey import read_network_key
from hubd.config import devices as sections
from hubd.config.file import Config, parse
from hubd.config.keys import KeyFile
from hubd.config.movers import DoorLock
from hubd.wiring import devices as wiring
from hubd.wiring.devices import EXTRA_OF, MadeDevice, device_kinds, make_devices
from hubd.wiring.look import openzwave, ports
from hubd.wiring.look.finding import FindingKind, found
from hubd.wiring.look.world import World
from hubd.wiring.networks import make_networks
from tests.unit.test_config import CREDENTIALS, FILE, SMALL

ROOT = Path(__file__).parents[2]
BOARD = """
[[relay_boards]]
kind = "modbus"
id = "b1"
port = "/dev/serial/by-id/usb-x"
relays = 8
"""
LIGHT = """
[[devices]]
kind = "relay"
id = "light"
name = "Light"
board = "b1"
relay = 3
"""
STICK = """
[openzwave]
port = "/dev/serial/by-id/usb-stick"
network_key = "zwave.key"
"""
OZW_LOCK = """
[[devices]]
kind = "openzwave"
id = "old-lock"
name = "Lock"
node = 5
capability = "lock"
accept_s0 = true
"""
LOCK = """
[[devices]]
kind = "zwave"
id = "front-lock"
name = "Lock"
node = 3
capability = "lock"
"""
OZW_MOVER = """
[[doors]]
id = "side"
name = "Side door"
[[doors.access_points]]
number = 3
name = "In"
[[doors.movers]]
kind = "openzwave_lock"
id = "side-lock"
node = 5
accept_s0 = true
"""
DEVICES = BOARD + LIGHT
MOVER = """
[[doors]]
id = "back"
name = "Back door"
[[doors.access_points]]
number = 2
name = "In"
[[doors.movers]]
kind = "zwave_lock"
id = "back-lock"
node = 3
"""


def config_of(text: str) -> Config:
    return parse(SMALL + text, FILE, CREDENTIALS)


def made_of(config: Config) -> dict[str, MadeDevice]:
    return make_devices(config, device_kinds(make_networks(config)))


def test_each_kind_has_a_row_and_an_extra() -> None:
    kinds = device_kinds(make_networks(config_of("")))
    expected = {*get_args(sections.Device), *get_args(DoorLock)}
    assert set(kinds) == set(EXTRA_OF) == expected
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    for extra in EXTRA_OF.values():
        assert re.search(rf"^{extra} =$", text, re.M)


def test_devices_of_one_kind_share_a_driver() -> None:
    second = LIGHT.replace("light", "fan").replace("relay = 3", "relay = 4")
    third = LOCK.replace("front-lock", "light-2").replace("lock", "switch")
    made = made_of(config_of(DEVICES + second + "[zwave]\n" + LOCK + third))
    assert set(made) == {"light", "fan", "front-lock", "light-2"}
    assert isinstance(made["light"][1], RelayBoards)
    assert made["light"][1] is made["fan"][1]
    assert made["front-lock"][1] is made["light-2"][1]
    device, _ = made["front-lock"]
    assert (device.capability, device.stale_seconds) == (Capability.LOCK, 86_400.0)
    assert made["light"][0].capability is Capability.SWITCH


def test_an_id_of_the_file_is_one_that_a_command_may_have() -> None:
    for id_ in ("a", "a" * 32, "front-lock-2"):
        assert config_of(DEVICES.replace('"light"', f'"{id_}"')).devices[0].id == id_
        assert DEVICE_ID.fullmatch(id_)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (DEVICES.replace("relay = 3", "relay = 9"), "key relay of device 'light': expected at most 8, the relays of 'b1', found 9"),
        (DEVICES.replace('board = "b1"', 'board = "b2"'), "key board of device 'light': expected the id of one of the [[relay_boards]], found 'b2'"),
        (DEVICES.replace('kind = "relay"', 'kind = "lamp"'), "key kind of device 'light': expected \"relay\", \"zwave\" or \"openzwave\", found 'lamp'"),
        (DEVICES.replace('kind = "modbus"', 'kind = "lcus"\naddress = 3'), "key address of board 'b1': expected one of kind, id, port, relays, found this unknown key"),
        (DEVICES + LIGHT, "key id of device 'light': expected a value used once, found 'light', which another device has too"),
        (DEVICES + BOARD.replace("b1", "b3"), "key port of board 'b3': expected a value used once, found '/dev/serial/by-id/usb-x', which board 'b1' has too"),
        (DEVICES + BOARD.replace("usb-x", "usb-y"), "key id of board 'b1': expected a value used once, found 'b1', which another board has too"),
        (DEVICES + LIGHT.replace("light", "light-2"), "key relay of device 'light-2': expected a value used once, found relay 3 of board 'b1', which device 'light' has too"),
        (LOCK, "key kind of device 'front-lock': expected a section [zwave] beside it, found a device of kind zwave, and no [zwave]"),
        ("[zwave]\n" + LOCK + LOCK.replace("front", "back"), "key node of device 'back-lock': expected a value used once, found node 3, endpoint 0, which device 'front-lock' has too"),
        (DEVICES.replace('"light"', '"9light"'), "key id of device '9light': expected 1 to 32 characters of a-z, 0-9 and -, the first one a letter, found '9light'"),
        (DEVICES.replace("/dev/serial/", "/etc/serial/"), "key port of board 'b1': expected the path of a serial port, such as \"/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0\" (ls -l /dev/serial/by-id), found '/etc/serial/by-id/usb-x'"),
        ("[zwave]\n" + LOCK + MOVER, "key node of device 'front-lock': expected a value used once, found node 3, endpoint 0, which mover 'back-lock' of door 'back' has too"),
        ("[zwave]\n" + LOCK.replace("front", "back").replace("node = 3", "node = 4") + MOVER, "key id of device 'back-lock': expected a value used once, found 'back-lock', which mover 'back-lock' of door 'back' has too"),
        ("[zwave]\n" + LOCK.replace('"lock"', '"door"'), "key capability of device 'front-lock': expected \"lock\", \"switch\", \"cover\", \"barrier\", \"sensor\" or \"meter\", found 'door'"),
        (OZW_LOCK, "key kind of device 'old-lock': expected a section [openzwave] beside it, found a device of kind openzwave, and no [openzwave]"),
        (STICK + OZW_LOCK.replace("accept_s0 = true", ""), "key accept_s0 of device 'old-lock': expected accept_s0 = true, which says that this lock may stay on S0, the older protection of Z-Wave; a lock with S2 is of kind zwave (docs/hub.md, Z-Wave by OpenZWave), found false"),
        (OZW_MOVER, "key kind of the 1st [[doors.movers]] of door 'side': expected a section [openzwave] beside it, found a mover of kind openzwave_lock, and no [openzwave]"),
        (STICK + OZW_MOVER.replace("accept_s0 = true", ""), "key accept_s0 of the 1st [[doors.movers]] of door 'side': expected accept_s0 = true, which says that this lock may stay on S0, the older protection of Z-Wave; a lock with S2 is of kind zwave (docs/hub.md, Z-Wave by OpenZWave), found false"),
        (STICK.replace('network_key = "zwave.key"', "") + OZW_MOVER, "key openzwave.network_key: expected a path or credential:NAME, because 'side-lock' is a lock, found nothing"),
        (STICK + OZW_LOCK + OZW_MOVER, "key node of device 'old-lock': expected a value used once, found node 5, endpoint 0, which mover 'side-lock' of door 'side' has too"),
        (STICK.replace('network_key = "zwave.key"', "") + OZW_LOCK, "key openzwave.network_key: expected a path or credential:NAME, because 'old-lock' is a lock, found nothing"),
        ('[zwave]\nstick = "/dev/serial/by-id/usb-x"\n' + DEVICES, "key zwave.stick: expected a value used once, found '/dev/serial/by-id/usb-x', which board 'b1' has too"),
        ("[zwave]\n" + STICK.replace("/dev/serial/by-id/usb-stick", "/dev/zwave"), "key openzwave.port: expected a value used once, found '/dev/zwave', which the Z-Wave service ([zwave], key stick) has too"),
        (BOARD + STICK.replace("usb-stick", "usb-x"), "key openzwave.port: expected a value used once, found '/dev/serial/by-id/usb-x', which board 'b1' has too"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(text)
    assert re.sub(r"line \d+: ", "", str(caught.value)) == f"{FILE}: {sentence}"


def test_a_missing_library_is_a_sentence_that_names_the_extra() -> None:
    def missing(_config: Config, _wanted: object) -> wiring.DeviceDriver:
        raise ImportError("No module named 'serial'", name="serial")

    with pytest.raises(ConfigError, match=r"not installed \(serial\).* extra `relays`"):
        make_devices(config_of(DEVICES), {sections.Relay: missing})


LOADED = """
import sys
from pathlib import Path
from hubd.__main__ import real_parts
from hubd.config.file import parse
from hubd.wiring.devices import device_kinds, make_devices
from hubd.wiring.networks import make_networks
from hubd.start import checkconfig
config = parse(Path(sys.argv[1]).read_text(), Path("/etc/hubd/hubd.toml"), {"CREDENTIALS_DIRECTORY": "/x"})
make_devices(config, device_kinds(make_networks(config)))
print(*sorted({"serial", "minimalmodbus", "zwave_js_server", "aiohttp", "libopenzwave"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("text", "loaded"),
    [
        ("", ""),
        ("[zwave]\n", ""),
        (BOARD, ""),
        (DEVICES, "minimalmodbus serial"),
        ("[zwave]\n" + LOCK, "aiohttp zwave_js_server"),
        (STICK + OZW_LOCK, ""),
    ],
    ids=["nothing", "no node", "no relay", "relays", "zwave", "openzwave"],
)
def test_a_library_is_loaded_only_for_a_device_of_it(
    text: str, loaded: str, tmp_path: Path
) -> None:
    file = tmp_path / "hubd.toml"
    file.write_text(SMALL + text)
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(file)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=120,
    )
    assert done.stdout.strip() == loaded


class Ports:
    """A machine below a folder of its own; /dev/null is its character device."""

    def __init__(self, root: Path) -> None:
        self.world = World(os.geteuid(), root=root)
        self.by_id = root / "dev" / "serial" / "by-id"
        self.by_id.mkdir(parents=True)

    def look(self, text: str) -> list[tuple[FindingKind, str]]:
        return [(one.kind, one.text) for one in ports.look(config_of(text), self.world)]


@pytest.fixture
def machine(tmp_path: Path) -> Ports:
    return Ports(tmp_path)


def test_a_port_that_is_not_there_is_told_before_a_start(machine: Ports) -> None:
    ((kind, text),) = machine.look(DEVICES)
    assert kind is FindingKind.UNAVAILABLE
    assert text.startswith("/dev/serial/by-id/usb-x: there is no such serial port; plug the board")


def test_a_file_in_place_of_a_port_is_told(machine: Ports) -> None:
    (machine.by_id / "usb-x").write_text("")
    (told,) = ports.look(config_of(DEVICES), machine.world)
    assert (told.check, told.kind) == (CheckId.PORT_NO_LINE, FindingKind.WRONG)


def test_two_names_of_one_port_are_one_port(machine: Ports) -> None:
    for name in ("usb-x", "usb-y"):
        (machine.by_id / name).symlink_to("/dev/null")
    second = BOARD.replace("b1", "b2").replace("usb-x", "usb-y")
    told = machine.look(DEVICES + second)
    shared = found(
        CheckId.PORT_SHARED,
        "board 'b2'",
        port="/dev/serial/by-id/usb-y",
        other="board 'b1', /dev/serial/by-id/usb-x",
    )
    assert (shared.kind, shared.text) in told


def test_a_port_of_another_group_is_told_with_the_command(machine: Ports) -> None:
    (machine.by_id / "usb-x").symlink_to("/dev/null")
    as_root = replace(machine.world, uid=0)
    ((kind, text),) = [(one.kind, one.text) for one in ports.look(config_of(DEVICES), as_root)]
    assert kind is FindingKind.UNAVAILABLE
    assert "(group root, mode 666)" in text
    assert "sudo chown root:dialout /dev/serial/by-id/usb-x" in text


def test_a_port_that_may_be_used_is_shown(machine: Ports) -> None:
    (machine.by_id / "usb-x").symlink_to("/dev/null")
    as_user = replace(machine.world, uid=1)
    ((kind, text),) = [(one.kind, one.text) for one in ports.look(config_of(DEVICES), as_user)]
    assert (kind, text) == (FindingKind.FACT, "modbus with 8 relays on /dev/serial/by-id/usb-x")


def test_two_programs_of_one_stick_are_told(machine: Ports) -> None:
    (machine.by_id / "usb-stick").symlink_to("/dev/null")
    (machine.world.devices / "zwave").symlink_to("/dev/null")
    shared = found(
        CheckId.PORT_SHARED,
        "[openzwave]",
        port="/dev/serial/by-id/usb-stick",
        other="the Z-Wave service ([zwave], key stick), /dev/zwave",
    )
    told = machine.look("[zwave]\n" + STICK)
    assert (shared.kind, shared.text) in told
    assert (shared.kind, shared.text) not in machine.look(STICK)


READERS = """
[[readers]]
kind = "osdp"
id = "front"
access_point = 1
device = "/dev/ttyUSB3"
address = 1
key = "front.key"
"""


@pytest.mark.parametrize(
    ("text", "name", "user"),
    [
        (BOARD, "serial/by-id/usb-x", "board 'b1', /dev/serial/by-id/usb-x"),
        (STICK, "serial/by-id/usb-stick", "[openzwave], /dev/serial/by-id/usb-stick"),
        ("[zwave]\n", "zwave", "the Z-Wave service ([zwave], key stick), /dev/zwave"),
        (MOVER, "zwave", "the Z-Wave service ([zwave], key stick), /dev/zwave"),
    ],
)
def test_a_line_of_readers_under_another_name_is_told_too(
    machine: Ports, text: str, name: str, user: str
) -> None:
    for path in (name, "ttyUSB3"):
        (machine.world.devices / path).symlink_to("/dev/null")
    shared = found(CheckId.PORT_SHARED, "reader 'front'", port="/dev/ttyUSB3", other=user)
    assert "device of [[readers]]" in shared.text
    keys = SMALL.replace("[keys]\n", '[keys]\ncard_key = "card.key"\n')
    told = list(ports.look(parse(keys + text + READERS, FILE, CREDENTIALS), machine.world))
    assert shared in told
    alone = list(ports.look(parse(keys + READERS, FILE, CREDENTIALS), machine.world))
    assert shared not in alone


def test_openzwave_that_is_not_installed_breaks_no_hub_and_is_told(tmp_path: Path) -> None:
    config = config_of(STICK + OZW_LOCK)
    made = made_of(config)
    assert made["old-lock"][0].capability is Capability.LOCK
    key = Path(FILE).parent / "zwave.key"
    told = list(openzwave.look(config, World(os.geteuid(), root=tmp_path), lambda _: False))
    assert [one.check for one in told] == [CheckId.OPENZWAVE_MISSING, CheckId.OPENZWAVE_KEY]
    assert told[0].text.startswith(
        "OpenZWave is not installed: the Python package python-openzwave"
    )
    assert told[1].text.startswith(f"{key}: No such file")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"2122232425262728292a2b2c2d2e2f30\n", None),
        (b"0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30", None),
        (b"0102030405060708090a0b0c0d0e0f10", "printed in manuals"),
        (b"00" * 16, "printed in manuals"),
        (b"212223", "expected 32 hexadecimal digits"),
        (b"", "expected 32 hexadecimal digits"),
        (b"\xff" * 300, "expected 32 hexadecimal digits"),
    ],
)  # fmt: skip
def test_a_network_key_is_read_or_refused_and_never_shown(
    text: bytes, said: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "zwave.key"
    path.write_bytes(text)
    path.chmod(0o600)
    if said is None:
        assert read_network_key(KeyFile(path)) == bytes(range(0x21, 0x31))
        path.chmod(0o640)
        said = "others may read it"
    with pytest.raises(ValueError, match=said) as caught:
        read_network_key(KeyFile(path))
    assert not text or text.decode("latin1") not in str(caught.value)
