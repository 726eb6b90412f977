"""What a hub needs of its machine beside keys and parts: a clock, and a place for its records.

Law: nothing is started or changed. Databases are opened for reading alone, without their
write-ahead log.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from hubcore.checks import CheckId
from hubcore.errors import StoreError
from hubcore.ports.clock import KernelTime
from hubcore.timing.moment import show_seconds
from hubcore.version import BUILD_TIME
from hubd.adapters.sqlite.database import AUDIT, POLICY, DatabaseKind
from hubd.config.file import Config
from hubd.wiring.look.finding import Finding, FindingKind, fact, found

DEFAULT_STATE = Path("/var/lib/hubd")
"""What hubd.service makes by itself (StateDirectory=)."""
FREE_BYTES_MIN = 16 << 20
"""With less, nothing can be recorded for long, and no door opens."""
FREE_BYTES_ENOUGH = 256 << 20
"""With less, somebody should look."""
ABOUT = "state directory"


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
        yield fact("clock", f"/dev/{rtc} stands at {shown} and outlasts a power cut")


def time_service(kernel: KernelTime | None) -> Iterator[Finding]:
    """Say what the kernel knows of who keeps the clock; nothing where it does not say."""
    if kernel is None:
        return
    if not kernel.synchronised:
        yield found(CheckId.TIME_SERVICE_NONE, "time service")
        return
    text = f"one keeps the clock right within {kernel.error_seconds_max:.3f} s"
    yield fact("time service", text)


def time_zone(config: Config, now: float) -> Finding:
    """Say what the wall clock at the doors shows."""
    local = datetime.fromtimestamp(now, config.hub.zone)
    text = (
        f"{config.hub.time_zone}, now {local:%a %H:%M} (UTC{local:%z}); "
        "new rules of package tzdata count from the next start: sudo systemctl restart hubd"
    )
    return fact("time zone", text)


def state(config: Config) -> Iterator[Finding]:
    """Look at the state directory as this user, who should be hubd's."""
    folder = config.hub.state_directory
    try:
        about = folder.stat()
    except FileNotFoundError:
        yield _not_there(folder)
        return
    except OSError as error:
        yield found(
            CheckId.STATE_UNREADABLE,
            ABOUT,
            folder=folder,
            parent=folder.parent,
            why=error.strerror,
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


def _not_there(folder: Path) -> Finding:
    """hubd.service makes its own folder; any other is made by hubd, where it may."""
    parents = folder.absolute().parents
    nearest = next(parent for parent in parents if parent.exists())
    if folder == DEFAULT_STATE or os.access(nearest, os.W_OK | os.X_OK):
        return fact(ABOUT, f"{folder} is not there yet: the first start makes it")
    return found(CheckId.STATE_NO_FOLDER, ABOUT, folder=folder)


def _folder_is_wrong(folder: Path, about: os.stat_result) -> CheckId | None:
    """Return the check that a state directory fails."""
    if not stat.S_ISDIR(about.st_mode):
        return CheckId.STATE_NOT_A_FOLDER
    if about.st_uid not in (os.geteuid(), 0):
        return CheckId.STATE_NOT_OURS
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return CheckId.STATE_NOT_OURS
    if stat.S_IMODE(about.st_mode) & 0o022:
        return CheckId.STATE_OPEN_TO_OTHERS
    return None


def _room(folder: Path) -> Finding:
    """Say how much room is left for records."""
    about = os.statvfs(folder)
    free = about.f_bavail * about.f_frsize
    if free >= FREE_BYTES_ENOUGH:
        return fact(ABOUT, f"{folder}: {free >> 20} MiB free")
    check = CheckId.DISK_SHORT if free < FREE_BYTES_MIN else CheckId.DISK_LOW
    return found(check, ABOUT, folder=folder, mebibytes=free / (1 << 20))


def _database(path: Path, kind: DatabaseKind) -> Iterator[Finding]:
    """Look at a database and the files beside it; root's own sqlite3 may have left some to root."""
    log = path.with_name(f"{path.name}-wal")
    shared = path.with_name(f"{path.name}-shm")
    for file in (path, log, shared):
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            user = file.stat().st_uid
            yield found(CheckId.DATABASE_NOT_OURS, ABOUT, file=file, user=user)
            return
    if not path.exists():
        return
    try:
        kind.look(path)
    except StoreError as error:
        yield Finding(FindingKind.UNAVAILABLE, ABOUT, str(error))
