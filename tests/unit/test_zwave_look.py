"""What `hubd --check-config` finds of Z-Wave on a machine (hubd.wiring.look.zwave)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubcore.checks import CheckId
from hubd.config.file import parse
from hubd.wiring.look import zwave
from hubd.wiring.look.finding import FindingKind, found
from hubd.wiring.look.world import World
from tests.unit.test_config import CREDENTIALS, FILE, SMALL
from tests.unit.test_devices_wiring import LOCK, MOVER

UNIT = Path(__file__).parents[2] / "systemd" / "hubd-zwave.service"
SOCKET = "/run/hubd-zwave/zwave-js.sock"
SERVICE = "/opt/hubd-zwave"
FILES = (
    f"{SERVICE}/bin/node",
    f"{SERVICE}/service.cjs",
    f"{SERVICE}/node_modules/zwave-js/package.json",
    f"{SERVICE}/node_modules/@zwave-js/server/package.json",
)
WANTED = "[zwave]\n" + LOCK.replace("node = 3", "node = 4")


class Machine:
    """A machine below a folder, with all that Z-Wave needs; the repository's own unit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for file in FILES:
            self.path(file).parent.mkdir(parents=True, exist_ok=True)
            self.path(file).touch()
        unit = root / zwave.UNIT
        unit.parent.mkdir(parents=True)
        unit.write_text(UNIT.read_text())
        (root / "dev").mkdir()
        self.path("/dev/zwave").symlink_to("/dev/null")
        self.path(SOCKET).parent.mkdir(parents=True)
        self.service = socket.socket(socket.AF_UNIX)
        self.service.bind(str(self.path(SOCKET)))
        self.service.listen()

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def look(self, text: str = WANTED) -> list[tuple[FindingKind, str]]:
        config = parse(SMALL + text, FILE, CREDENTIALS)
        world = World(os.geteuid(), root=self.root)
        return [(one.kind, one.text) for one in zwave.look(config, world)]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.service.close()


def told(check: CheckId, **fields: object) -> tuple[FindingKind, str]:
    one = found(check, zwave.ABOUT, **fields)
    return (one.kind, one.text)


@pytest.mark.parametrize("text", [WANTED, MOVER], ids=["a device", "a lock of a door"])
def test_a_machine_that_has_all_is_told_so(machine: Machine, text: str) -> None:
    assert machine.look(text) == [
        (FindingKind.FACT, f"its service listens on {SOCKET}"),
        (FindingKind.FACT, "its stick is there: /dev/zwave"),
    ]


def test_a_hub_without_zwave_is_not_looked_at(machine: Machine) -> None:
    assert machine.look("") == []


@pytest.mark.parametrize("file", [*FILES, f"/{zwave.UNIT}"])
def test_a_service_that_is_not_whole_is_told_with_what_it_lacks(
    machine: Machine, file: str
) -> None:
    machine.path(file).unlink()
    first, *_ = machine.look()
    assert first == told(CheckId.ZWAVE_MISSING, missing=file)
    assert first[0] is FindingKind.UNAVAILABLE
    assert "make install-zwave" in first[1]


def test_a_service_below_another_prefix_is_found(machine: Machine) -> None:
    unit = machine.root / zwave.UNIT
    unit.write_text(unit.read_text().replace(SERVICE, "/srv/zw"))
    assert machine.look()[0] == told(CheckId.ZWAVE_MISSING, missing="/srv/zw/bin/node")
    machine.path("/srv").mkdir()
    machine.path("/srv/zw").symlink_to(machine.path(SERVICE))
    assert machine.look()[0][0] is FindingKind.FACT


@pytest.mark.parametrize("text", ["", "ExecStart=nothing of ours\n", "\xff"])
def test_a_unit_that_is_none_is_no_installation(machine: Machine, text: str) -> None:
    (machine.root / zwave.UNIT).write_bytes(text.encode("latin1"))
    assert machine.look()[0] == told(CheckId.ZWAVE_MISSING, missing=f"/{zwave.UNIT}")


def test_a_service_that_does_not_run_is_told(machine: Machine) -> None:
    machine.service.close()
    silent = told(CheckId.ZWAVE_SILENT, socket=SOCKET, why="Connection refused")
    assert machine.look()[0] == silent
    machine.path(SOCKET).unlink()
    absent = told(CheckId.ZWAVE_SILENT, socket=SOCKET, why="No such file or directory")
    assert machine.look()[0] == absent


def test_a_stick_that_is_not_there_is_told(machine: Machine) -> None:
    machine.path("/dev/zwave").unlink()
    assert machine.look()[1] == told(CheckId.ZWAVE_STICK, stick="/dev/zwave")
    machine.path("/dev/zwave").touch()
    assert machine.look()[1] == told(CheckId.ZWAVE_STICK, stick="/dev/zwave")
    by_id = "/dev/serial/by-id/usb-stick"
    text = WANTED.replace("[zwave]\n", f'[zwave]\nstick = "{by_id}"\n')
    assert machine.look(text)[1] == told(CheckId.ZWAVE_STICK, stick=by_id)
