"""What the disk of the state directory has left, how long the write-ahead log is, and who else has
the log open.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from hubcore.ports.stores import DiskState
from hubd.aside import Start, start_thread, under_way

HOLDERS_MAX = 5
"""Named at most."""
SPARE_BYTES = 16 << 20
SPARE_SHARE = 32
"""What nobody here takes in advance: so much, or on a small disk this share of it."""


def free_bytes(place: Path) -> tuple[int, int]:
    """Return the bytes that are free for this user, and those of the whole file system.

    Raise OSError.
    """
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def has_room(place: Path, wanted_bytes: int) -> bool:
    """Tell whether so much may be taken in advance."""
    try:
        free, size = free_bytes(place)
    except OSError:
        return False
    return free - wanted_bytes > min(SPARE_BYTES, size // SPARE_SHARE)


def measure(log_file: Path, name_above_bytes: int) -> DiskState:
    """Look at the disk; of a longer write-ahead log name who has the log open. Raise OSError."""
    free, size = free_bytes(log_file.parent)
    journal = log_file.with_name(log_file.name + "-wal")
    length = journal.stat().st_size if journal.exists() else 0
    holders = tuple(_holders(log_file)) if length > name_above_bytes else ()
    return DiskState(
        free_bytes=free,
        size_bytes=size,
        journal_bytes=length,
        holders=holders[:HOLDERS_MAX],
    )


def look(
    log_file: Path,
    name_above_bytes: int,
    *,
    measure: Callable[[Path, int], DiskState] = measure,
    start: Start = start_thread,
) -> asyncio.Future[DiskState]:
    """Begin to look at the disk, in a thread that nobody waits for; the future raises what
    `measure` raises.

    Raise HardwareError when the machine gives no thread.
    """
    return under_way("disk-look", partial(measure, log_file, name_above_bytes), start)


def _holders(log_file: Path) -> Iterator[str]:
    """Yield who has the file open, other than this process; of other users' processes only root
    sees that.
    """
    wanted = str(log_file.absolute())
    for process in Path("/proc").glob("[0-9]*"):
        if process.name != str(os.getpid()) and _has_open(process, wanted):
            with suppress(OSError):
                yield f"{(process / 'comm').read_text().strip()} (process {process.name})"


def _has_open(process: Path, wanted: str) -> bool:
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) == wanted:
                    return True
    return False
