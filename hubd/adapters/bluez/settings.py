"""Whether bluetoothd runs with the settings that a hub needs, as far as an unprivileged client can
see it.

Laws: what cannot be seen is said to be unknown and never taken for right; nothing here stops the
radio. systemd knows how the bluetoothd that owns the name was started and when; the file of
settings it was given is read anew, and one that is newer than the process was not read by it. BlueZ
reads one such file and no drop-ins for it.
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
from hubd.adapters.bluez.bus import ADAPTER, PROPERTIES
from hubd.aside import aside

SYSTEMD = "org.freedesktop.systemd1"
SYSTEMD_PATH = "/org/freedesktop/systemd1"
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
    """What of `bluez_bus.Bluez` is needed to look."""

    owner: str
    objects: dict[str, dict[str, dict[str, Any]]]

    async def ask(
        self, to: str, path: str, interface: str, member: str, signature: str = "", *body: Any
    ) -> list[Any]:
        """Call somebody else on the bus. Raise LinkError."""

    async def ask_bus(self, member: str, signature: str, *body: Any) -> list[Any]:
        """Call the bus itself. Raise LinkError."""


@dataclass(frozen=True, slots=True)
class Started:
    """How a bluetoothd was started: its arguments, when in seconds of CLOCK_MONOTONIC, and the
    files of its unit.
    """

    argv: tuple[str, ...]
    at: float
    unit_files: tuple[str, ...]


async def complaint(bluez: Asker, adapter: str) -> str:
    """Return a sentence on what is not as a hub needs it, or not known to be; "" when all is in
    force.
    """
    if PNP_UUID in bluez.objects.get(adapter, {}).get(ADAPTER, {}).get("UUIDs", ()):
        return (
            "BlueZ offers services of its own (DeviceID), so its settings for a hub are "
            "not in force."
        )
    try:
        started = await _started(bluez)
    except (
        Exception
    ) as error:  # whatever the bus says: this is a look, and no reason to end anything
        return f"Whether BlueZ's settings for a hub are in force is unknown: {error}"
    try:
        return await aside("bluez-settings", partial(judge, started))
    except HardwareError as error:
        return f"Whether BlueZ's settings for a hub are in force is unknown: {error}"


def judge(started: Started, wall: Callable[[], float] = time.time) -> str:
    """Judge how a bluetoothd was started; "" when it read what a hub needs.

    `wall` is the clock that stamps files.
    """
    file = settings_file(started.argv)
    if file is None:
        return (
            "Whether BlueZ's settings for a hub are in force is unknown: its command line "
            "is not understood."
        )
    try:
        wrong = lacking(file)
        files = {name: _changed_at(name, wall) for name in (str(file), *started.unit_files)}
    except OSError as error:
        return f"BlueZ's settings for a hub are not in force: {file}: {error.strerror}."
    except (configparser.Error, UnicodeDecodeError):
        return f"BlueZ's settings for a hub are not in force: {file} is no file of settings."
    if wrong:
        return (
            f"BlueZ's settings for a hub are not in force: {file} says otherwise or "
            f"nothing of {', '.join(wrong)}."
        )
    if max(files.values()) > time.monotonic() + AHEAD_SECONDS:
        return (
            "Whether BlueZ's settings for a hub are in force is unknown: the clock has "
            "been set back."
        )
    newer = [name for name, changed_at in files.items() if changed_at > started.at]
    if newer:
        return (
            f"BlueZ's settings for a hub are not in force yet: {newer[0]} is newer than "
            "the bluetoothd that runs."
        )
    return ""


def settings_file(argv: Sequence[str]) -> Path | None:
    """Return the file of settings that these arguments name, or BlueZ's own; None when that cannot
    be told.
    """
    named = None
    for here, then in itertools.pairwise([*argv[1:], ""]):
        if here in ("-f", "--configfile"):
            named = then
        elif here.startswith("--configfile="):
            named = here.partition("=")[2]
        elif here.startswith("-f"):
            named = here[2:]
    path = Path(DEFAULT_FILE if named is None else named)
    return path if path.is_absolute() else None


def lacking(file: Path) -> list[str]:
    """Return what of NEEDED a file does not set.

    Raise OSError, configparser.Error, UnicodeDecodeError.
    """
    with file.open("rb") as stream:
        text = stream.read(FILE_BYTES_MAX).decode("utf-8")
    parser = configparser.ConfigParser(
        interpolation=None, strict=False, delimiters=("=",), comment_prefixes=("#",)
    )
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(text)
    return [
        f"{key}={value}"
        for (section, key), value in NEEDED.items()
        if _value(parser, section, key) != value
    ]


def _value(parser: configparser.ConfigParser, section: str, key: str) -> str:
    return parser.get(section, key, fallback="").strip()


def _changed_at(name: str, wall: Callable[[], float]) -> float:
    """Return when a file came to be as it is, in seconds of CLOCK_MONOTONIC.

    The wall clock stamped it: one that was set forward since makes the file look older than it is,
    one that was set back makes it look newer.
    """
    return os.stat(name).st_ctime - wall() + time.monotonic()


async def _started(bluez: Asker) -> Started:
    """Ask systemd for the unit of the bluetoothd that owns the name.

    Raise LinkError when it does not tell.
    """
    pid = (await bluez.ask_bus("GetConnectionUnixProcessID", "s", bluez.owner))[0]
    unit = (await bluez.ask(SYSTEMD, SYSTEMD_PATH, f"{SYSTEMD}.Manager", "GetUnitByPID", "u", pid))[
        0
    ]
    service = await _all(bluez, unit, "Service")
    common = await _all(bluez, unit, "Unit")
    try:
        if service["MainPID"] != pid:
            raise LinkError("radio: bluetoothd is no unit's main process")
        argv = service["ExecStart"][-1][1]
        files = [common["FragmentPath"], *common["DropInPaths"]]
        return Started(
            tuple(argv),
            service["ExecMainStartTimestampMonotonic"] / 1e6,
            tuple(filter(None, files)),
        )
    except (KeyError, IndexError, TypeError) as error:
        raise LinkError(
            f"radio: systemd tells too little of bluetoothd's unit: {error!r}"
        ) from error


async def _all(bluez: Asker, unit: str, kind: str) -> dict[str, Any]:
    body = await bluez.ask(SYSTEMD, unit, PROPERTIES, "GetAll", "s", f"{SYSTEMD}.{kind}")
    return {name: variant.value for name, variant in body[0].items()}
