"""Whether bluetoothd runs with a hub's settings, as far as an unprivileged client can see it.

Laws:
1. What cannot be seen is reported as unknown, and never taken for right.
2. Nothing here stops the radio.

systemd knows how the bluetoothd that owns the name was started, and when. The file of settings that
it was given is read again; a file that is newer than the process was not read by it. BlueZ reads
one such file and no drop-ins for it.
"""

from __future__ import annotations

import configparser
import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from hubcore.errors import HardwareError, LinkError
from hubd.adapters.bluez.bus import BUS, GET_ALL, Method
from hubd.adapters.bluez.mirror import ADAPTER
from hubd.threads import run_in_thread

SYSTEMD = "org.freedesktop.systemd1"
SYSTEMD_PATH = "/org/freedesktop/systemd1"
GET_PROCESS_ID = Method(BUS, "GetConnectionUnixProcessID", "s")
GET_UNIT_BY_PID = Method(f"{SYSTEMD}.Manager", "GetUnitByPID", "u")
DEFAULT_FILE = "/etc/bluetooth/main.conf"
FILE_BYTES_MAX = 1 << 16
AHEAD_SECONDS = 2.0
"""A file that is so much newer than now was stamped by another clock."""
PNP_UUID = "00001200-0000-1000-8000-00805f9b34fb"
"""The service that BlueZ offers by itself unless DeviceID=false."""

NEEDED: Mapping[tuple[str, str], str] = {
    ("General", "ControllerMode"): "le",
    ("General", "ReverseServiceDiscovery"): "false",
    ("General", "DeviceID"): "false",
    ("GATT", "Channels"): "1",
    ("GATT", "Client"): "false",
    ("LE", "MinAdvertisementInterval"): "48",
    ("LE", "MaxAdvertisementInterval"): "48",
}
"""What differs from BlueZ's own choice and matters: systemd/bluez-main.conf says why."""


class Asker(Protocol):
    """The part of `bus.Bluez` that a look needs."""

    owner: str
    objects: dict[str, dict[str, dict[str, Any]]]

    async def ask(self, to: str, path: str, method: Method, *body: Any) -> list[Any]:
        """Call somebody else on the bus. Raise LinkError."""

    async def ask_bus(self, method: Method, *body: Any) -> list[Any]:
        """Call the bus itself. Raise LinkError."""


@dataclass(frozen=True, slots=True)
class Started:
    """How a bluetoothd was started: its arguments, when, and the files of its unit.

    `at` is in seconds of CLOCK_MONOTONIC.
    """

    argv: tuple[str, ...]
    at: float
    unit_files: tuple[str, ...]


async def complaint(bluez: Asker, adapter: str) -> str:
    """Return a sentence on what is not as a hub needs it, or not known to be.

    "" when all is in force.
    """
    interfaces = bluez.objects.get(adapter, {})
    properties = interfaces.get(ADAPTER, {})
    if PNP_UUID in properties.get("UUIDs", ()):
        return (
            "BlueZ offers services of its own (DeviceID), "
            "so its settings for a hub are not in force."
        )
    try:
        started = await _started(bluez)
    except Exception as error:  # whatever the bus says: a look is no reason to end anything
        return _unknown(str(error))
    try:
        return await run_in_thread("bluez-settings", partial(judge, started))
    except HardwareError as error:
        return _unknown(str(error))


def _unknown(why: str) -> str:
    return f"Whether BlueZ's settings for a hub are in force is unknown: {why}"


def _not_in_force(why: str) -> str:
    return f"BlueZ's settings for a hub are not in force: {why}"


def judge(started: Started, wall: Callable[[], float] = time.time) -> str:
    """Judge how a bluetoothd was started; "" when it read what a hub needs.

    `wall` is the clock that stamps files.
    """
    file = settings_file(started.argv)
    if file is None:
        return _unknown("its command line is not understood.")
    try:
        wrong = missing_settings(file)
        names = [str(file), *started.unit_files]
        changed_at = {name: _changed_at(name, wall) for name in names}
    except OSError as error:
        return _not_in_force(f"{file}: {error.strerror}.")
    except (configparser.Error, UnicodeDecodeError):
        return _not_in_force(f"{file} is no file of settings.")
    if wrong:
        return _not_in_force(f"{file} says otherwise or nothing of {', '.join(wrong)}.")
    newest_at = max(changed_at.values())
    if newest_at > time.monotonic() + AHEAD_SECONDS:
        return _unknown("the clock has been set back.")
    for name, at in changed_at.items():
        if at > started.at:
            return (
                f"BlueZ's settings for a hub are not in force yet: {name} is newer than the "
                "bluetoothd that runs."
            )
    return ""


def settings_file(argv: Sequence[str]) -> Path | None:
    """Return the file of settings that these arguments name, else BlueZ's own.

    None for a relative path: nobody knows where that leads.
    """
    named = DEFAULT_FILE
    for argument, following in itertools.pairwise([*argv[1:], ""]):
        if argument in ("-f", "--configfile"):
            named = following
        elif argument.startswith("--configfile="):
            named = argument.removeprefix("--configfile=")
        elif argument.startswith("-f"):
            named = argument.removeprefix("-f")
    path = Path(named)
    return path if path.is_absolute() else None


def missing_settings(file: Path) -> list[str]:
    """Return what of NEEDED a file does not set.

    Raise OSError, configparser.Error, UnicodeDecodeError.
    """
    with file.open("rb") as stream:
        text = stream.read(FILE_BYTES_MAX).decode("utf-8")
    parser = configparser.ConfigParser(
        interpolation=None,
        strict=False,
        delimiters=("=",),
        comment_prefixes=("#",),
    )
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(text)
    missing: list[str] = []
    for (section, key), needed in NEEDED.items():
        value = parser.get(section, key, fallback="")
        if value.strip() != needed:
            missing.append(f"{key}={needed}")
    return missing


def _changed_at(name: str, wall: Callable[[], float]) -> float:
    """Return when a file came to be as it is, in seconds of CLOCK_MONOTONIC.

    The wall clock stamped it: one that was set forward since makes the file look older than it is,
    one that was set back makes it look newer.
    """
    age_seconds = wall() - os.stat(name).st_ctime
    return time.monotonic() - age_seconds


async def _started(bluez: Asker) -> Started:
    """Ask systemd for the unit of the bluetoothd that owns the name.

    Raise LinkError when it does not tell.
    """
    (pid,) = await bluez.ask_bus(GET_PROCESS_ID, bluez.owner)
    (unit,) = await bluez.ask(SYSTEMD, SYSTEMD_PATH, GET_UNIT_BY_PID, pid)
    service = await _properties(bluez, unit, "Service")
    common = await _properties(bluez, unit, "Unit")
    try:
        if service["MainPID"] != pid:
            raise LinkError("radio: bluetoothd is no unit's main process")
        argv = service["ExecStart"][-1][1]
        started_micros = service["ExecMainStartTimestampMonotonic"]
        files = [common["FragmentPath"], *common["DropInPaths"]]
        return Started(
            argv=tuple(argv),
            at=started_micros / 1e6,
            unit_files=tuple(file for file in files if file),
        )
    except (KeyError, IndexError, TypeError) as error:
        sentence = f"radio: systemd tells too little of bluetoothd's unit: {error!r}"
        raise LinkError(sentence) from error


async def _properties(bluez: Asker, unit: str, kind: str) -> dict[str, Any]:
    interface = f"{SYSTEMD}.{kind}"
    (properties,) = await bluez.ask(SYSTEMD, unit, GET_ALL, interface)
    return {name: variant.value for name, variant in properties.items()}
