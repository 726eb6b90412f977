"""The disk of the state directory: what is left, and who keeps the write-ahead log long."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from hubcore.ports.stores import DiskState
from hubd.threads import Start, start_in_thread, start_thread

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
    free = found.f_bavail * found.f_frsize
    size = found.f_blocks * found.f_frsize
    return free, size


def has_room(place: Path, wanted_bytes: int) -> bool:
    """Tell whether so much may be taken in advance."""
    try:
        free, size = free_bytes(place)
    except OSError:
        return False
    spare = min(SPARE_BYTES, size // SPARE_SHARE)
    return free - wanted_bytes > spare


def measure(log_file: Path, name_above_bytes: int) -> DiskState:
    """Look at the disk; of a longer write-ahead log name who has the log open. Raise OSError."""
    free, size = free_bytes(log_file.parent)
    journal = log_file.with_name(log_file.name + "-wal")
    length = journal.stat().st_size if journal.exists() else 0
    holders: tuple[str, ...] = ()
    if length > name_above_bytes:
        holders = tuple(itertools.islice(_holders(log_file), HOLDERS_MAX))
    return DiskState(
        free_bytes=free,
        size_bytes=size,
        journal_bytes=length,
        holders=holders,
    )


def look(
    log_file: Path,
    name_above_bytes: int,
    *,
    measure: Callable[[Path, int], DiskState] = measure,
    start: Start = start_thread,
) -> asyncio.Future[DiskState]:
    """Begin to look at the disk, in a thread that nobody waits for.

    The future raises what `measure` raises. Raise HardwareError when the machine gives no thread.
    """
    return start_in_thread("disk-look", partial(measure, log_file, name_above_bytes), start)


def _holders(log_file: Path) -> Iterator[str]:
    """Yield who has the file open, other than this process.

    Of other users' processes only root sees that.
    """
    wanted = str(log_file.absolute())
    own = str(os.getpid())
    for process in Path("/proc").glob("[0-9]*"):
        number = process.name
        if number == own or not _has_open(process, wanted):
            continue
        with suppress(OSError):
            program = (process / "comm").read_text().strip()
            yield f"{program} (process {number})"


def _has_open(process: Path, wanted: str) -> bool:
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) == wanted:
                    return True
    return False
