"""The one thread that writes evidence: it gathers what is pending into one commit and answers in
one call.

1. A number is given out only after the commit that holds its record; the head in memory is always
   the last durable one.
2. Every job handed in is answered, whatever happens; nothing of a failed commit lingers.
3. A reserve is kept while the disk has room: free pages inside the file (RESERVE_PAGES), which only
   records can use, and a file beside it (RESERVE_FILE), which is given up when a start finds no
   room for what SQLite needs.
4. When the disk is full the write-ahead log is folded and used again from its beginning, and the
   commit tried once more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcore.errors import AuditError
from hubcore.evidence.records import Head, chain_hash
from hubd.adapters.host.state_disk import has_room
from hubd.adapters.sqlite.database import DatabaseKind, warm

BATCH_LIMIT = 256
"""Appends and acknowledgements in one transaction."""

IDLE_SECONDS = 1.0
"""So long nothing must have come before the write-ahead log is folded into the file."""

RESERVE_PAGES = 256
"""Pages of 4 KiB: some 5,000 releases on a full disk."""
RESERVE_SLACK_PAGES = 64
"""So many may lack before they are made up for, at an idle moment."""
PAGE_BYTES = 4096
RESERVE_FILE = "audit.reserve"
RESERVE_FILE_BYTES = 1 << 20

CHECKPOINT_COMMITS = 64
"""After so many commits the write-ahead log is folded into the file at the next idle moment."""

AUDIT = DatabaseKind(
    name="audit log",
    schema="audit",
    application_id=0x68756241,  # "hubA"
    lock="hubd.lock",
    error=AuditError,
    damaged="Look at it with `hubctl audit verify --file {path}`; to start a new chain stop "
    "hubd and move the file "
    "aside, with its -wal beside it (keep both: they are evidence)",
    # records are written at the end and seldom read: more would only grow, by 1 MiB in some 10,000
    cache_kib=256,
)


@dataclass(frozen=True, slots=True)
class Append:
    """One record, encoded; `done` gets its number."""

    body: bytes
    at_ms: int
    done: asyncio.Future[int]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Numbers of records that exist, for the outbox to drop."""

    numbers: tuple[int, ...]
    done: asyncio.Future[None]


Job = Append | Acknowledge


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What one batch came to: each future with its result or error, and the state on the disk."""

    results: Sequence[tuple[asyncio.Future[Any], int | AuditError | None]]
    head: Head
    waiting: int


class Writer:
    """The write connection and its thread.

    Whatever happens, every job handed in is answered, in one call a batch.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        head: Head,
        waiting: int,
        deliver: Callable[[BatchResult], None],
    ) -> None:
        self._path = path
        self._inode = path.stat().st_ino
        self._connection: sqlite3.Connection | None = connection
        self._head = head
        self._waiting = waiting
        self._deliver = deliver
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._commits = 0
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, job: Job | None) -> None:
        """Hand in a job; None: finish what is pending and end."""
        self._jobs.put(job)

    def join(self) -> None:
        """Wait for the end, in a thread that may wait as long as the disk takes."""
        self._thread.join()

    def _run(self) -> None:
        going = True
        while going:
            try:
                first = self._jobs.get(
                    timeout=IDLE_SECONDS if self._commits >= CHECKPOINT_COMMITS else None
                )
            except queue.Empty:
                self._checkpoint()
                continue
            batch: list[Job] = []
            going = self._collect(first, batch)
            if batch:
                self._deliver(self._write(batch))
        self._checkpoint()
        self._drop_connection()

    def _collect(self, job: Job | None, batch: list[Job]) -> bool:
        """Take all that is pending, up to the ceiling; False when the end was asked for."""
        while job is not None:
            batch.append(job)
            if len(batch) == BATCH_LIMIT:
                return True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return True
        return False

    def _write(self, batch: Sequence[Job]) -> BatchResult:
        try:
            numbers = self._committed(batch)
        except (sqlite3.Error, OSError) as error:
            return self._failed(batch, AUDIT.translate(error, self._path), error)
        except Exception as error:  # a caller must never wait for a thread that died
            return self._failed(batch, error, error)
        self._commits += 1
        results = [(job.done, number) for job, number in zip(batch, numbers, strict=True)]
        return BatchResult(results, self._head, self._waiting)

    def _committed(self, batch: Sequence[Job]) -> list[int | None]:
        """Write the batch; on a full disk once more, with the write-ahead log begun again."""
        try:
            return self._transaction(self._ready(), batch)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_FULL:
                raise
        self._drop_connection()
        connection = self._ready()
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        return self._transaction(connection, batch)

    def _transaction(
        self, connection: sqlite3.Connection, batch: Sequence[Job]
    ) -> list[int | None]:
        """Write the batch in one commit; only then move the head.

        Return the numbers of the appends.
        """
        head = self._head
        rows = list[tuple[int, int, bytes, bytes]]()
        numbers = list[int | None]()
        acknowledged = list[int]()
        for job in batch:
            if isinstance(job, Append):
                head = Head(head.number + 1, chain_hash(head.hash, head.number + 1, job.body))
                rows.append((head.number, job.at_ms, job.body, head.hash))
                numbers.append(head.number)
            else:
                acknowledged.extend(job.numbers)
                numbers.append(None)
        connection.execute("BEGIN IMMEDIATE")
        if rows:
            connection.executemany(
                "INSERT INTO records (number, at_ms, body, hash) VALUES (?, ?, ?, ?)", rows
            )
            connection.executemany(
                "INSERT INTO outbox (number) VALUES (?)", [row[:1] for row in rows]
            )
        waiting = self._waiting + len(rows)
        if acknowledged:
            waiting -= _acknowledge(connection, acknowledged)
        connection.execute("COMMIT")
        self._head = head
        self._waiting = waiting
        return numbers

    def _ready(self) -> sqlite3.Connection:
        """Return the write connection, opened anew after a failure, its file still the one under
        the name.
        """
        try:
            inode = os.stat(self._path).st_ino
        except FileNotFoundError:
            inode = 0
        if inode != self._inode:
            raise AUDIT.says(
                self._path,
                "it was removed or replaced while hubd runs: put it back and restart hubd",
            )
        if self._connection is None:
            self._connection = AUDIT.connect(self._path)
            if head_of(self._connection) != self._head:
                self._drop_connection()
                raise AUDIT.broken(self._path, "another process has written to it")
        return self._connection

    def _failed(self, batch: Sequence[Job], error: Exception, cause: Exception) -> BatchResult:
        """Undo the batch, and begin with a new connection next time: nothing of a failed commit
        must linger.
        """
        self._drop_connection()
        results = []
        for job in batch:
            answer = AuditError(
                str(error) if isinstance(error, AuditError) else f"{AUDIT.name}: {error!r}"
            )
            answer.__cause__ = cause
            results.append((job.done, answer))
        return BatchResult(results, self._head, self._waiting)

    def _drop_connection(self) -> None:
        """Close the connection; SQLite rolls back what was not committed."""
        connection = self._connection
        self._connection = None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _checkpoint(self) -> None:
        """Fold the write-ahead log into the file.

        What is committed is durable without it, so a failure waits.
        """
        self._commits = 0
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                keep_reserve(self._connection, self._path)


def keep_reserve(connection: sqlite3.Connection, path: Path) -> None:
    """Make up for the reserve that was used, while the disk has room. Raise sqlite3.Error."""
    (free_pages,) = connection.execute("PRAGMA freelist_count").fetchone()
    missing_bytes = max(0, RESERVE_PAGES - free_pages) * PAGE_BYTES
    if missing_bytes > RESERVE_SLACK_PAGES * PAGE_BYTES and has_room(path.parent, missing_bytes):
        warm(connection, RESERVE_PAGES * PAGE_BYTES)
    if has_room(path.parent, RESERVE_FILE_BYTES):
        with contextlib.suppress(OSError):
            _allocate(path.with_name(RESERVE_FILE))


def _allocate(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_size < RESERVE_FILE_BYTES:
            os.posix_fallocate(descriptor, 0, RESERVE_FILE_BYTES)
    finally:
        os.close(descriptor)


def give_up_reserve(path: Path) -> bool:
    """Give the file beside the log back to the disk; tell whether there was one."""
    file = path.with_name(RESERVE_FILE)
    try:
        held = file.stat().st_size > 0
        os.truncate(file, 0)
    except OSError:
        return False
    return held


def head_of(connection: sqlite3.Connection) -> Head:
    """Return the head of the chain as it is on the disk."""
    row = connection.execute(
        "SELECT number, hash FROM records ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return Head(*row) if row else Head()


def _acknowledge(connection: sqlite3.Connection, numbers: Sequence[int]) -> int:
    """Take the numbers out of the outbox and remember the highest; return how many were in it."""
    deleted = connection.executemany(
        "DELETE FROM outbox WHERE number = ?", [(number,) for number in numbers]
    ).rowcount
    connection.execute(
        "INSERT INTO acknowledged SELECT 1, number, hash FROM records WHERE number = ? "
        "ON CONFLICT (only_row) DO UPDATE SET number = excluded.number, hash = excluded.hash "
        "WHERE excluded.number > acknowledged.number",
        (max(numbers),),
    )
    return deleted
