"""What is said of BlueZ's settings: right ones are silent, wrong ones are named, what cannot be
seen is unknown.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Variant

from hubcore.errors import LinkError
from hubd.adapters.bluez import watch as bluez_watch
from hubd.adapters.bluez.bus import Method
from hubd.adapters.bluez.mirror import ADAPTER
from hubd.adapters.bluez.settings import (
    DEFAULT_FILE,
    NEEDED,
    PNP_UUID,
    Started,
    complaint,
    judge,
    settings_file,
)

SHIPPED = Path(__file__).parents[2] / "systemd" / "bluez-main.conf"
DAEMON = "/usr/libexec/bluetooth/bluetoothd"
HCI0 = "/org/bluez/hci0"
UNIT = "/unit"
PID = 77


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "main.conf"
    file.write_bytes(SHIPPED.read_bytes())
    return file


def later() -> float:
    return time.monotonic() + 1


@pytest.mark.parametrize(
    ("argv", "file"),
    [
        ((DAEMON,), DEFAULT_FILE),
        ((DAEMON, "-n", "-E"), DEFAULT_FILE),
        ((DAEMON, "-f", "/a"), "/a"),
        ((DAEMON, "-n", "--configfile", "/a"), "/a"),
        ((DAEMON, "--configfile=/a"), "/a"),
        ((DAEMON, "-f/a"), "/a"),
        ((DAEMON, "-f", "/a", "-f", "/b"), "/b"),
        ((DAEMON, "-f", "a"), None),
        ((DAEMON, "-f"), None),
        ((), DEFAULT_FILE),
    ],
)
def test_which_file_was_read(argv: tuple[str, ...], file: str | None) -> None:
    assert settings_file(argv) == (None if file is None else Path(file))


def test_what_is_shipped_is_what_is_needed(settings: Path) -> None:
    assert judge(Started((DAEMON, "-f", str(settings)), later(), (str(settings),))) == ""


@pytest.mark.parametrize(("section", "key"), list(NEEDED))
def test_each_setting_that_lacks_is_named(settings: Path, section: str, key: str) -> None:
    lines = settings.read_text().splitlines()
    for instead in ([], [f"#{key} = {NEEDED[section, key]}"], [f"{key} = 7"]):
        changed = [
            line for old in lines for line in (instead if old.split(" =")[0] == key else [old])
        ]
        settings.write_text("\n".join(changed))
        assert f"{key}={NEEDED[section, key]}" in judge(
            Started((DAEMON, "-f", str(settings)), later(), ())
        )


def test_a_file_newer_than_the_daemon_is_not_in_force(settings: Path, tmp_path: Path) -> None:
    unit = tmp_path / "hubd.conf"
    unit.write_text("")
    for file in (settings, unit):
        # a package keeps the times of its files; when they were put there is what counts
        os.utime(file, (0, 0))
    argv = (DAEMON, "-f", str(settings))
    before = time.monotonic() - 60
    assert f"{settings} is newer" in judge(Started(argv, before, ()))
    assert judge(Started(argv, later(), (str(unit),))) == ""


def test_a_clock_that_was_set_back_makes_it_unknown(settings: Path) -> None:
    hour_ago = time.time() - 3600
    assert "unknown" in judge(Started((DAEMON, "-f", str(settings)), later(), ()), lambda: hour_ago)


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    noise = tmp_path / "noise"
    noise.write_bytes(b"\xff\xfe")
    for file, said in ((nothing, "No such file"), (noise, "no file of settings")):
        assert said in judge(Started((DAEMON, "-f", str(file)), later(), ()))
    noise.write_text("no section = 1")
    assert "no file of settings" in judge(Started((DAEMON, "-f", str(noise)), later(), ()))
    assert "unknown" in judge(Started((DAEMON, "-f", "relative"), later(), ()))


class Systemd:
    """A bus with systemd on it; `refuses` names the member that it does not answer."""

    owner = ":1.5"

    def __init__(self, argv: tuple[str, ...], main_pid: int = PID, refuses: str = "") -> None:
        self.objects: dict[str, dict[str, dict[str, Any]]] = {HCI0: {ADAPTER: {"UUIDs": []}}}
        self.refuses = refuses
        command = [DAEMON, list(argv), False, 0, 0, 0, 0, 0, 0, 0]
        at = Variant("t", int(later() * 1e6))
        self.service = {
            "MainPID": Variant("u", main_pid),
            "ExecStart": Variant("a(sasbttttuii)", [command]),
            "ExecMainStartTimestampMonotonic": at,
        }
        self.unit = {"FragmentPath": Variant("s", ""), "DropInPaths": Variant("as", [])}

    async def ask(self, to: str, path: str, method: Method, *body: Any) -> list[Any]:
        if method.name == self.refuses:
            raise LinkError("nobody is called so")
        if method.name == "GetUnitByPID":
            return [UNIT] if body == (PID,) else []
        assert (path, method.name) == (UNIT, "GetAll")
        return [self.service if body[0].endswith(".Service") else self.unit]

    async def ask_bus(self, method: Method, *body: Any) -> list[Any]:
        assert (method.name, body) == ("GetConnectionUnixProcessID", (self.owner,))
        return [PID]


async def test_systemd_is_asked_how_bluetoothd_was_started(settings: Path) -> None:
    assert await complaint(Systemd((DAEMON, "-f", str(settings))), HCI0) == ""
    assert "not in force" in await complaint(Systemd((DAEMON, "-f", "/dev/null")), HCI0)


async def test_what_systemd_does_not_tell_is_unknown(settings: Path) -> None:
    argv = (DAEMON, "-f", str(settings))
    for refuses in ("GetUnitByPID", "GetAll"):
        assert "unknown" in await complaint(Systemd(argv, refuses=refuses), HCI0)
    assert "unknown" in await complaint(Systemd(argv, main_pid=PID + 1), HCI0)
    silent = Systemd(argv)
    silent.service.clear()
    assert "unknown" in await complaint(silent, HCI0)


async def test_an_odd_answer_ends_nothing_and_systemd_is_asked_again(settings: Path) -> None:
    systemd: Any = Systemd((DAEMON, "-f", str(settings)))
    service = systemd.service
    systemd.service = None
    said: asyncio.Queue[str] = asyncio.Queue()
    looking = asyncio.create_task(
        bluez_watch.watch_settings(systemd, HCI0, said.put_nowait, look_seconds=0.0)
    )
    async with asyncio.timeout(5):
        assert "unknown" in await said.get()
        systemd.service = service
        while await said.get():
            pass
    looking.cancel()
    await asyncio.wait([looking])


async def test_a_service_of_bluezs_own_is_proof_enough(settings: Path) -> None:
    seen = Systemd((DAEMON, "-f", str(settings)))
    seen.objects[HCI0][ADAPTER]["UUIDs"] = [PNP_UUID]
    assert "not in force" in await complaint(seen, HCI0)
