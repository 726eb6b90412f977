"""Writes, flushes and reads a line on a disk, as evidence is written.

Laws:
1. What is read comes from the disk, as far as the kernel obeys: its cached pages are dropped first.
2. The file has a name of its own, and is gone afterwards, whatever happened.
3. One trial at a time, also where the one before still waits for a dead disk: no thread is added.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hubcore.errors import StoreError
from hubd.threads import start_in_thread

NAME = "probe.tmp"
PROBE_BYTES = 4096


class DiskProbe:
    """Tries the disk of a folder; `write` does it, and waits for the disk."""

    def __init__(self, folder: Path, write: Callable[[Path], str] | None = None) -> None:
        self._folder = folder
        self._write = write_and_read if write is None else write
        self._busy = threading.Lock()

    async def __call__(self) -> str:
        """Return how long it took, in words. Raise StoreError or HardwareError."""
        if not self._busy.acquire(blocking=False):
            raise StoreError(f"{self._folder}: an earlier trial still waits for this disk")
        try:
            waiting = start_in_thread("disk-probe", self._run)
        except BaseException:
            self._busy.release()
            raise
        return await waiting

    def _run(self) -> str:
        try:
            return self._write(self._folder)
        finally:
            self._busy.release()


def write_and_read(folder: Path) -> str:
    """See `DiskProbe`; it waits for the disk."""
    file = folder / NAME
    line = secrets.token_bytes(PROBE_BYTES)
    try:
        began = time.monotonic()
        file.unlink(missing_ok=True)
        how = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        opened = os.open(file, how, 0o600)
        try:
            if os.write(opened, line) != len(line):
                raise StoreError(f"{folder}: the disk took a part of what was written")
            os.fsync(opened)
            took = time.monotonic() - began
            os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
            read = os.pread(opened, PROBE_BYTES, 0)
        finally:
            os.close(opened)
            file.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}") from error
    if read != line:
        raise StoreError(f"{folder}: the disk gave back something else than was written")
    return f"{PROBE_BYTES} bytes were written and flushed in {1000 * took:.1f} ms, and read again"
