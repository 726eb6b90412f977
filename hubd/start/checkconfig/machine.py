"""What a hub needs of its machine beside keys and lines: BlueZ and an adapter, a clock, and a place
for its records.

Law: nothing is started or changed; databases are opened for reading alone, without their
write-ahead log.
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
from hubd.adapters.bluez.choice import choose, missing_adapter
from hubd.adapters.sqlite.database import AUDIT, POLICY, DatabaseKind
from hubd.config.file import Config
from hubd.start.checkconfig.page import Finding, FindingKind, found
from hubd.upkeep.checks import CheckId

Run = Callable[[list[str]], "subprocess.CompletedProcess[str]"]

DEFAULT_STATE = Path("/var/lib/hubd")
"""What hubd.service makes by itself (StateDirectory=)."""
FREE_BYTES_MIN = 16 << 20
FREE_BYTES_ENOUGH = 256 << 20
"""Below the first nothing can be recorded for long, and no door opens; below the second somebody
should look.
"""
BLUEZ_SECONDS = 8.0
ABOUT = "state directory"


def bluetooth(
    config: Config, run: Run, sys: Path, ask_bluez: Callable[[str], str]
) -> Iterator[Finding]:
    """Look for bluetoothd and for the adapter; `ask_bluez` takes the configured one and says what
    is missing.
    """
    try:
        done = run(["systemctl", "show", "--property=LoadState,ActiveState", "bluetooth.service"])
    except HardwareError as error:
        yield found(CheckId.BLUETOOTHD_UNKNOWN, "bluetooth", said=error)
        return
    if done.returncode:
        yield found(CheckId.BLUETOOTHD_UNKNOWN, "bluetooth", said=" ".join(done.stderr.split()))
        return
    told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    adapters = sorted(
        path.name for path in sys.glob("class/bluetooth/hci*") if ":" not in path.name
    )
    if check := _bluetooth_is_wrong(told, adapters):
        yield found(check, "bluetooth")
    elif said := ask_bluez(config.radio.adapter):
        yield found(CheckId.ADAPTER_UNFIT, "bluetooth", said=said)
    else:
        yield Finding(
            FindingKind.FACT, "bluetooth", f"bluetoothd runs, adapters: {', '.join(adapters)}"
        )


def _bluetooth_is_wrong(told: dict[str, str], adapters: list[str]) -> CheckId | None:
    if told.get("LoadState") == "not-found":
        return CheckId.BLUETOOTHD_MISSING
    if told.get("LoadState") == "masked":
        return CheckId.BLUETOOTHD_MASKED
    if not adapters:
        return CheckId.ADAPTER_MISSING
    if told.get("ActiveState") != "active":
        return CheckId.BLUETOOTHD_STOPPED
    return None


def ask_bluez(wanted: str) -> str:
    """Ask a bluetoothd that runs for the adapter that the hub would take; return what is wrong, ''
    if nothing is.
    """

    async def ask() -> str:
        async with asyncio.timeout(BLUEZ_SECONDS), connected(None) as bluez:
            await bluez.appear()
            return "" if choose(bluez.objects, wanted) else missing_adapter(bluez.objects, wanted)

    try:
        said = asyncio.run(ask())
    except TimeoutError:
        said = "bluetoothd does not answer in time"
    except LinkError as error:
        said = str(error)
    return said.removeprefix("radio: ")


def clock(sys: Path) -> Iterator[Finding]:
    """Look whether the time outlasts a power cut."""
    clocks = sorted(sys.glob("class/rtc/rtc*"))
    if not clocks:
        yield found(CheckId.RTC_NONE, "clock")
        return
    rtc = clocks[0].name
    try:
        at = int((clocks[0] / "since_epoch").read_text())
    except (OSError, ValueError):
        yield found(CheckId.RTC_UNREADABLE, "clock", rtc=rtc)
        return
    shown = show_seconds(at)
    if at < BUILD_TIME:
        yield found(CheckId.RTC_FLAT, "clock", rtc=rtc, shown=shown)
    else:
        yield Finding(
            FindingKind.FACT, "clock", f"/dev/{rtc} stands at {shown} and outlasts a power cut"
        )


def time_zone(config: Config, now: float) -> Finding:
    """Say what the wall clock at the doors shows."""
    local = datetime.fromtimestamp(now, config.hub.zone)
    text = (
        f"{config.hub.time_zone}, now {local:%a %H:%M} (UTC{local:%z}); new rules of "
        "package tzdata count from the "
    )
    return Finding(FindingKind.FACT, "time zone", f"{text}next start: sudo systemctl restart hubd")


def state(config: Config) -> Iterator[Finding]:
    """Look at the state directory as this user, who should be hubd's."""
    folder = config.hub.state_directory
    try:
        about = folder.stat()
    except FileNotFoundError:
        yield _missing(folder)
        return
    except OSError as error:
        yield found(
            CheckId.STATE_UNREADABLE, ABOUT, folder=folder, parent=folder.parent, why=error.strerror
        )
        return
    wrong = _folder_is_wrong(folder, about)
    if wrong is not None:
        user = about.st_uid
        mode = stat.S_IMODE(about.st_mode)
        yield found(wrong, ABOUT, folder=folder, user=user, mode=mode)
        return
    yield _room(folder)
    for name, kind in (("audit.db", AUDIT), ("policy.db", POLICY)):
        yield from _database(folder / name, kind)


def _missing(folder: Path) -> Finding:
    """hubd.service makes its own folder; any other is made by hubd, where it may."""
    there = next(parent for parent in folder.absolute().parents if parent.exists())
    if folder == DEFAULT_STATE or os.access(there, os.W_OK | os.X_OK):
        return Finding(
            FindingKind.FACT, ABOUT, f"{folder} is not there yet: the first start makes it"
        )
    return found(CheckId.STATE_NO_FOLDER, ABOUT, folder=folder)


def _folder_is_wrong(folder: Path, about: os.stat_result) -> CheckId | None:
    if not stat.S_ISDIR(about.st_mode):
        return CheckId.STATE_NOT_A_FOLDER
    if about.st_uid not in (os.geteuid(), 0) or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return CheckId.STATE_NOT_OURS
    if stat.S_IMODE(about.st_mode) & 0o022:
        return CheckId.STATE_OPEN_TO_OTHERS
    return None


def _room(folder: Path) -> Finding:
    about = os.statvfs(folder)
    free = about.f_bavail * about.f_frsize
    if free >= FREE_BYTES_ENOUGH:
        return Finding(FindingKind.FACT, ABOUT, f"{folder}: {free >> 20} MiB free")
    check = CheckId.DISK_SHORT if free < FREE_BYTES_MIN else CheckId.DISK_LOW
    return found(check, ABOUT, folder=folder, mebibytes=free / (1 << 20))


def _database(path: Path, kind: DatabaseKind) -> Iterator[Finding]:
    """Look at a database and at the files beside it, which a technician's own sqlite3 may have left
    to root.
    """
    for beside in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        if beside.exists() and not os.access(beside, os.R_OK | os.W_OK):
            yield found(CheckId.DATABASE_NOT_OURS, ABOUT, file=beside, user=beside.stat().st_uid)
            return
    if not path.exists():
        return
    try:
        kind.look(path)
    except StoreError as error:
        yield Finding(FindingKind.UNAVAILABLE, ABOUT, str(error))
