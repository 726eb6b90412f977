"""What a hub needs of its machine beside keys and lines: BlueZ and an adapter, a clock, and a place for its records.

Law: nothing is started or changed; databases are opened for reading alone, without their write-ahead log.
"""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from hubcore.errors import HardwareError, LinkError, StoreError
from hubcore.timing.moment import show_seconds
from hubd import BUILD_TIME
from hubd.adapters.bluez.bus import connected
from hubd.adapters.bluez.choice import choose, lacking
from hubd.adapters.sqlite.audit_writer import AUDIT
from hubd.adapters.sqlite.database import DatabaseKind
from hubd.adapters.sqlite.policy import POLICY
from hubd.config.file import Config
from hubd.start.checkconfig.page import Finding, Kind

Run = Callable[[list[str]], "subprocess.CompletedProcess[str]"]

DEFAULT_STATE = Path("/var/lib/hubd")
"""What hubd.service makes by itself (StateDirectory=)."""
FREE_BYTES_MIN, FREE_BYTES_ENOUGH = 16 << 20, 256 << 20
"""Below the first nothing can be recorded for long, and no door opens; below the second somebody should look."""
BLUEZ_SECONDS = 8.0


def bluetooth(config: Config, run: Run, sys: Path, ask_bluez: Callable[[str], str]) -> Iterator[Finding]:
    """Look for bluetoothd and for the adapter; `ask_bluez` takes the configured one and says what is missing."""
    try:
        done = run(["systemctl", "show", "--property=LoadState,ActiveState", "bluetooth.service"])
    except HardwareError as error:
        yield Finding(Kind.WARNING, "bluetooth", f"whether bluetoothd runs cannot be told: {error}")
        return
    if done.returncode:
        said = " ".join(done.stderr.split())
        yield Finding(Kind.WARNING, "bluetooth", f"whether bluetoothd runs cannot be told: {said}")
        return
    told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    adapters = sorted(path.name for path in sys.glob("class/bluetooth/hci*") if ":" not in path.name)
    wrong = _bluetooth_is_wrong(told, adapters) or ask_bluez(config.radio.adapter)
    if wrong:
        yield Finding(Kind.UNAVAILABLE, "bluetooth", wrong)
    else:
        yield Finding(Kind.FACT, "bluetooth", f"bluetoothd runs, adapters: {', '.join(adapters)}")


def _bluetooth_is_wrong(told: dict[str, str], adapters: list[str]) -> str:
    if told.get("LoadState") == "not-found":
        return "BlueZ is not installed; type: sudo apt install bluez"
    if told.get("LoadState") == "masked":
        return "bluetooth.service is masked; type: sudo systemctl unmask --now bluetooth"
    if not adapters:
        return (
            "this machine has no Bluetooth adapter that works; plug one in, or see: "
            "rfkill list; sudo dmesg | grep -i bluetooth"
        )
    if told.get("ActiveState") != "active":
        return "bluetoothd does not run; type: sudo systemctl start bluetooth; systemctl status bluetooth says why not"
    return ""


def ask_bluez(wanted: str) -> str:
    """Ask a bluetoothd that runs for the adapter that the hub would take; return what is wrong, '' if nothing is."""

    async def ask() -> str:
        async with asyncio.timeout(BLUEZ_SECONDS), connected(None) as bluez:
            await bluez.appear()
            return "" if choose(bluez.objects, wanted) else lacking(bluez.objects, wanted)

    try:
        said = asyncio.run(ask())
    except TimeoutError:
        said = "bluetoothd does not answer in time"
    except LinkError as error:
        said = str(error)
    return f"{said.removeprefix('radio: ')}; see: bluetoothctl list; rfkill list" if said else ""


def clock(sys: Path) -> Iterator[Finding]:
    """Look whether the time outlasts a power cut."""
    clocks = sorted(sys.glob("class/rtc/rtc*"))
    if not clocks:
        yield Finding(
            Kind.WARNING,
            "clock",
            "this machine has no clock that runs without power (there is no /dev/rtc*): after a power cut and without "
            "a network no phone opens a door until the time is right again, by NTP, by the backend, or by hand: "
            "sudo timedatectl set-time 'YYYY-MM-DD HH:MM:SS', then: sudo hubctl trust-clock",
        )
        return
    try:
        at = int((clocks[0] / "since_epoch").read_text())
    except (OSError, ValueError):
        text = f"/dev/{clocks[0].name} cannot be read; see: sudo hwclock --show"
        yield Finding(Kind.WARNING, "clock", text)
        return
    shown = f"/dev/{clocks[0].name} stands at {show_seconds(at)}"
    if at < BUILD_TIME:
        text = f"{shown}: its battery is flat or missing, or it was never set; when the time is right: sudo hwclock -w"
        yield Finding(Kind.WARNING, "clock", f"{text}. After a power cut without a network no phone opens a door")
    else:
        yield Finding(Kind.FACT, "clock", f"{shown} and outlasts a power cut")


def time_zone(config: Config, now: float) -> Finding:
    """Say what the wall clock at the doors shows."""
    local = datetime.fromtimestamp(now, config.hub.zone)
    text = f"{config.hub.time_zone}, now {local:%a %H:%M} (UTC{local:%z}); new rules of package tzdata count from the "
    return Finding(Kind.FACT, "time zone", f"{text}next start: sudo systemctl restart hubd")


def state(config: Config) -> Iterator[Finding]:
    """Look at the state directory as this user, who should be hubd's."""
    folder = config.hub.state_directory
    try:
        about = folder.stat()
    except FileNotFoundError:
        yield _missing(folder)
        return
    except OSError as error:
        yield _state(f"{folder}: cannot be looked at: {error.strerror}; type: ls -ld {folder} {folder.parent}")
        return
    wrong = _folder_is_wrong(folder, about)
    if wrong:
        yield _state(wrong)
        return
    yield _room(folder)
    for name, kind in (("audit.db", AUDIT), ("policy.db", POLICY)):
        yield from _database(folder / name, kind)


def _state(text: str, kind: Kind = Kind.UNAVAILABLE) -> Finding:
    return Finding(kind, "state directory", text)


def _missing(folder: Path) -> Finding:
    """hubd.service makes its own folder; any other is made by hubd, where it may."""
    there = next(parent for parent in folder.absolute().parents if parent.exists())
    if folder == DEFAULT_STATE or os.access(there, os.W_OK | os.X_OK):
        return _state(f"{folder} is not there yet: the first start makes it", Kind.FACT)
    return _state(f"{folder}: there is no such folder; type: sudo install -d -o hubd -g hubd -m 700 {folder}")


def _folder_is_wrong(folder: Path, about: os.stat_result) -> str:
    mode = stat.S_IMODE(about.st_mode)
    if not stat.S_ISDIR(about.st_mode):
        return f"{folder}: expected a folder, found something else; type: ls -ld {folder}"
    if about.st_uid not in (os.geteuid(), 0) or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        owner = f"user {about.st_uid}, mode {mode:03o}"
        return (
            f"{folder}: hubd cannot use it ({owner}); type: sudo chown -R hubd:hubd {folder}; sudo chmod 700 {folder}"
        )
    if mode & 0o022:
        return f"{folder}: others may write there (mode {mode:03o}); type: sudo chmod 700 {folder}"
    return ""


def _room(folder: Path) -> Finding:
    about = os.statvfs(folder)
    free = about.f_bavail * about.f_frsize
    shown = f"{folder}: {free >> 20} MiB free"
    if free < FREE_BYTES_MIN:
        return _state(f"{shown}: no door opens when nothing can be recorded; make room, see: sudo du -xh / | sort -h")
    return _state(shown, Kind.WARNING if free < FREE_BYTES_ENOUGH else Kind.FACT)


def _database(path: Path, kind: DatabaseKind) -> Iterator[Finding]:
    """Look at a database and at the files beside it, which a technician's own sqlite3 may have left to root."""
    for beside in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        if beside.exists() and not os.access(beside, os.R_OK | os.W_OK):
            text = f"{beside}: hubd may not use it (user {beside.stat().st_uid}); type: sudo chown hubd:hubd {beside}"
            yield _state(text)
            return
    if not path.exists():
        return
    try:
        kind.look(path)
    except StoreError as error:
        yield _state(str(error))
