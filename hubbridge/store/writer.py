"""The one connection that writes a bridge's file: many jobs, one commit.

Laws:
1. What is known here is always what the last commit left.
2. A batch is written whole or not at all. After a failure the file is opened again.
3. Each commit lets go of one step of what is durable at the backend, and of no more.
4. One bridge alone writes a file: it holds the lock beside it.
5. A disk that is full is looked at again before each batch. So it heals as soon as there is room.
6. What the file does not need is given back to the disk in steps: all but SPARE_PAGES, and all of
   it while the disk is full.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hubbridge.rules.kept import Kept
from hubbridge.rules.room import RoomLimits
from hubbridge.store import rows
from hubbridge.store.jobs import Batch, Job
from hubbridge.store.leaving import Release
from hubbridge.store.reading import Opened, ProveEnds
from hubbridge.store.rows import HubRow
from hubbridge.store.schema import broken, errors, open_file, says
from hubcore.bridge.ends import Ends
from hubcore.bridge.witness import SeenChain
from hubcore.errors import StoreError, TrustError
from hubcore.evidence.records import Head

LOCK = "hubbridge.lock"
PAGE_BYTES = 4096
SPARE_PAGES = 4096
"""16 MiB: what the next outage needs first."""
SHRINK_PAGES = 256


FreeBytes = Callable[[Path], int]
"""Returns what the disk of a folder has left for us. Raises OSError."""


def free_bytes(folder: Path) -> int:
    """Ask the file system."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class Writer:
    """The file of a bridge. One thread at a time may use it."""

    def __init__(self, path: Path, limits: RoomLimits, free: FreeBytes = free_bytes) -> None:
        """Open the file. Raise StoreError."""
        self._path = path
        self._free = free
        self.is_tight = False
        """Whether the disk had no room for records when the last batch came."""
        self._limits = limits
        self._lock = _take_lock(path)
        self._connection: sqlite3.Connection | None = None
        self._hubs: dict[str, HubRow] = {}
        self._ends = Ends()
        self._proven: dict[str, Head] = {}
        self.has_more = False
        """Whether there is more to let go of."""
        try:
            self._connection = self._load()
            self.opened: Opened = self.write([ProveEnds()])[0]
        except BaseException:
            self.close()
            raise

    @property
    def hubs(self) -> dict[str, Kept]:
        """What is held of each hub."""
        return {name: row.kept for name, row in self._hubs.items()}

    @property
    def used(self) -> dict[str, int]:
        """The bytes of each hub."""
        return {name: row.used_bytes for name, row in self._hubs.items()}

    def covered(self, hub: str) -> int:
        """Return the newest record of a hub that needs no head of it (any more), 0 for none."""
        row = self._hubs.get(hub)
        return 0 if row is None else row.covered

    def seen(self, hub: str) -> SeenChain | None:
        """Return what was seen of a hub; None before its first Hello."""
        row = self._hubs.get(hub)
        return None if row is None else row.seen

    @property
    def ends(self) -> Ends:
        """Whom the site has ended."""
        return self._ends

    def write(self, jobs: Sequence[Job[Any]]) -> list[Any]:
        """Do all jobs in one commit; return their results in order. Raise StoreError."""
        try:
            with errors(self._path):
                return self._transaction(self._connection or self._load(), jobs)
        except BaseException:
            self._drop()
            raise

    def close(self) -> None:
        """Close the file and let go of its lock."""
        self._drop()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _transaction(self, connection: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
        self._connection = connection
        self.is_tight = self._is_short(connection)
        if self.is_tight:  # the write-ahead log may be what takes the room
            with contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self.is_tight = self._is_short(connection)
        connection.execute("BEGIN IMMEDIATE")
        batch = Batch(
            connection=connection,
            limits=self._limits,
            hubs=dict(self._hubs),
            ends=self._ends,
            is_tight=self.is_tight,
            proven=self._proven,
        )
        results = [job.run(batch) for job in jobs]
        releases = Release().run(batch)
        shrinks = self._shrink(connection)
        connection.execute("COMMIT")
        self._hubs = batch.hubs
        self._ends = batch.ends
        self.has_more = releases or shrinks
        return results

    def _is_short(self, connection: sqlite3.Connection) -> bool:
        """Tell whether there is no room for records (`room`, law 5).

        Unused pages of the file are room for records. The write-ahead log needs room of the disk.
        """
        least = self._limits.free_bytes_min
        left = self._free(self._path.parent)
        unused = _unused_pages(connection) * PAGE_BYTES
        return left + unused < least or left < least // 2

    def _shrink(self, connection: sqlite3.Connection) -> bool:
        """Give one step of unused pages back to the disk (law 6); tell whether there is more."""
        more = _unused_pages(connection) - (0 if self.is_tight else SPARE_PAGES)
        if more <= 0:
            return False
        step = min(more, SHRINK_PAGES)
        for _ in range(step):
            connection.execute("PRAGMA incremental_vacuum(1)")  # Python steps a pragma once
        return more > step

    def _load(self) -> sqlite3.Connection:
        """Open the file, and read what it holds. Raise StoreError."""
        connection = open_file(self._path)
        try:
            with errors(self._path):
                self._hubs = rows.load_hubs(connection)
                self._ends = rows.load_ends(connection)
        except (StoreError, TrustError) as error:
            connection.close()
            raise broken(self._path, str(error)) from error
        return connection

    def _drop(self) -> None:
        """Close the connection; SQLite undoes what was not committed."""
        connection = self._connection
        self._connection = None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _unused_pages(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    return found


def _take_lock(path: Path) -> int:
    """Return the descriptor that holds the lock beside a file. Raise StoreError."""
    lock = path.with_name(LOCK)
    with errors(lock):
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise says(path, "another bridge uses it: stop that one first") from None
    return descriptor
