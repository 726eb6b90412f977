"""Room on the disk that is taken in advance, so that a full disk stops no door for a long time.

Laws:
1. Room is taken only while the disk has some to spare.
2. Of the reserve, the free pages inside the file (RESERVE_PAGES) can be used by records alone.
3. The file beside it (RESERVE_FILE) is given up when a start finds no room for what SQLite needs.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from hubd.adapters.host.state_disk import has_room

WARM_BYTES = 1 << 20
"""How large `warm` makes the write-ahead log, and how much it leaves free inside the file."""

WARM_BYTES_MIN = 1 << 18
"""The same where the disk has no room to spare."""

PAGE_BYTES = 4096
RESERVE_PAGES = 256
"""Some 5,000 releases on a full disk."""
RESERVE_SLACK_PAGES = 64
"""So many may be missing before they are made up for, at an idle moment."""
RESERVE_FILE = "audit.reserve"
RESERVE_FILE_BYTES = 1 << 20

_FILLER = "CREATE TABLE filler (data BLOB)"
"""`schema` leaves it out of what a file must hold."""


def warm(connection: sqlite3.Connection, size_bytes: int) -> None:
    """Grow the write-ahead log once, so that commits overwrite its blocks.

    A sync of a file that grows costs twice. As many bytes stay free inside the file: records go
    there when the disk is full. A full disk is no error here.
    """
    with contextlib.suppress(sqlite3.Error):
        connection.execute("DROP TABLE IF EXISTS filler")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_FILLER)
        connection.execute("INSERT INTO filler VALUES (zeroblob(?))", (size_bytes,))
        connection.execute("COMMIT")
        connection.execute("DROP TABLE filler")
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    with contextlib.suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def keep_reserve(connection: sqlite3.Connection, path: Path) -> None:
    """Make up for the reserve that was used, while the disk has room. Raise sqlite3.Error."""
    (free_pages,) = connection.execute("PRAGMA freelist_count").fetchone()
    missing_pages = max(0, RESERVE_PAGES - free_pages)
    missing_bytes = missing_pages * PAGE_BYTES
    if missing_pages > RESERVE_SLACK_PAGES and has_room(path.parent, missing_bytes):
        warm(connection, RESERVE_PAGES * PAGE_BYTES)
    if has_room(path.parent, RESERVE_FILE_BYTES):
        with contextlib.suppress(OSError):
            _allocate(path.with_name(RESERVE_FILE))


def give_up_reserve(path: Path) -> bool:
    """Give the file beside the log back to the disk; tell whether there was one."""
    file = path.with_name(RESERVE_FILE)
    try:
        held = file.stat().st_size > 0
        os.truncate(file, 0)
    except OSError:
        return False
    return held


def _allocate(file: Path) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(file, flags, 0o600)
    try:
        if os.fstat(descriptor).st_size < RESERVE_FILE_BYTES:
            os.posix_fallocate(descriptor, 0, RESERVE_FILE_BYTES)
    finally:
        os.close(descriptor)
