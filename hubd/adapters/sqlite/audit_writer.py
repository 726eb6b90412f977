"""The one thread that writes evidence: it gathers what is pending into one commit.

Laws:
1. A number is given out only after the commit that holds its record. The head in memory is always
   the last durable one.
2. Every job handed in is answered, whatever happens, in one call a batch.
3. Nothing of a failed commit stays: the connection is dropped with it.
4. When the disk is full the write-ahead log is folded and used again from its beginning, and the
   commit is tried once more.
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
from hubcore.evidence.uses import UseChange
from hubd.adapters.sqlite.database import AUDIT
from hubd.adapters.sqlite.errors import primary_code
from hubd.adapters.sqlite.room import keep_reserve
from hubd.adapters.sqlite.tables.uses import Numbered, change_uses

BATCH_LIMIT = 256
"""Appends and acknowledgements in one transaction."""

IDLE_SECONDS = 1.0
"""Nothing must have come for so long before the write-ahead log is folded into the file."""

CHECKPOINT_COMMITS = 64
"""After so many commits the write-ahead log is folded into the file at the next idle moment."""


@dataclass(frozen=True, slots=True)
class Append:
    """One record, encoded, and what it does to uses; `done` gets its number."""

    body: bytes
    at_ms: int
    done: asyncio.Future[int]
    change: UseChange | None = None


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Numbers of records that exist, for the outbox to drop."""

    numbers: tuple[int, ...]
    done: asyncio.Future[None]


Job = Append | Acknowledge

_Row = tuple[int, int, bytes, bytes]
"""number, at_ms, body, hash."""


_Answer = tuple[asyncio.Future[Any], int | AuditError | None]
"""The future of a caller, and its result."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What one batch came to: each future with its result or error, and the state on the disk."""

    results: Sequence[_Answer]
    head: Head
    waiting: int


class Writer:
    """The connection that writes, and its thread; `deliver` is called in it."""

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
        self._thread = threading.Thread(
            target=self._run,
            name="audit-writer",
            daemon=True,
        )

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
            wants_checkpoint = self._commits >= CHECKPOINT_COMMITS
            try:
                first = self._jobs.get(timeout=IDLE_SECONDS if wants_checkpoint else None)
            except queue.Empty:
                self._checkpoint()
                continue
            batch: list[Job] = []
            going = self._collect(first, batch)
            if batch:
                result = self._write(batch)
                self._deliver(result)
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
        except AuditError as error:
            return self._failed(batch, str(error), error)
        except (sqlite3.Error, OSError) as error:
            sentence = str(AUDIT.translate(error, self._path))
            return self._failed(batch, sentence, error)
        except Exception as error:  # a caller must never wait for a thread that died
            return self._failed(batch, f"{AUDIT.name}: {error!r}", error)
        self._commits += 1
        waiters = [job.done for job in batch]
        results = list(zip(waiters, numbers, strict=True))
        return BatchResult(results, self._head, self._waiting)

    def _committed(self, batch: Sequence[Job]) -> list[int | None]:
        """Write the batch; on a full disk once more, with the write-ahead log begun again."""
        try:
            return self._transaction(self._ready(), batch)
        except sqlite3.Error as error:
            if primary_code(error) != sqlite3.SQLITE_FULL:
                raise
        self._drop_connection()
        connection = self._ready()
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        return self._transaction(connection, batch)

    def _transaction(
        self,
        connection: sqlite3.Connection,
        batch: Sequence[Job],
    ) -> list[int | None]:
        """Write the batch in one commit; only then move the head.

        Return the numbers of the appends.
        """
        head = self._head
        rows: list[_Row] = []
        numbers: list[int | None] = []
        acknowledged: list[int] = []
        changes: list[Numbered] = []
        for job in batch:
            if isinstance(job, Append):
                number = head.number + 1
                hash_ = chain_hash(head.hash, number, job.body)
                head = Head(number, hash_)
                rows.append((number, job.at_ms, job.body, hash_))
                numbers.append(number)
                if job.change is not None:
                    changes.append((number, job.change))
            else:
                acknowledged.extend(job.numbers)
                numbers.append(None)
        connection.execute("BEGIN IMMEDIATE")
        waiting = self._waiting
        if rows:
            _insert(connection, rows)
            waiting += len(rows)
            change_uses(connection, changes)
        if acknowledged:
            waiting -= _acknowledge(connection, acknowledged)
        connection.execute("COMMIT")
        self._head = head
        self._waiting = waiting
        return numbers

    def _ready(self) -> sqlite3.Connection:
        """Return the connection, opened again after a failure.

        Raise AuditError when the file under the name is another one by now.
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

    def _failed(self, batch: Sequence[Job], sentence: str, cause: Exception) -> BatchResult:
        """Undo the batch; the next one begins with a new connection.

        Each caller gets an error of its own.
        """
        self._drop_connection()
        results = []
        for job in batch:
            error = AuditError(sentence)
            error.__cause__ = cause
            results.append((job.done, error))
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


def head_of(connection: sqlite3.Connection) -> Head:
    """Return the head of the chain as it is on the disk."""
    row = connection.execute(
        "SELECT number, hash FROM records ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return Head(*row) if row else Head()


def _insert(connection: sqlite3.Connection, rows: Sequence[_Row]) -> None:
    """Write records, and let them wait for the backend."""
    connection.executemany(
        "INSERT INTO records (number, at_ms, body, hash) VALUES (?, ?, ?, ?)", rows
    )
    numbers = [row[:1] for row in rows]
    connection.executemany("INSERT INTO outbox (number) VALUES (?)", numbers)


def _acknowledge(connection: sqlite3.Connection, numbers: Sequence[int]) -> int:
    """Take the numbers out of the outbox and remember the highest; return how many were in it."""
    wanted = [(number,) for number in numbers]
    deleted = connection.executemany("DELETE FROM outbox WHERE number = ?", wanted).rowcount
    connection.execute(
        "INSERT INTO acknowledged SELECT 1, number, hash FROM records WHERE number = ? "
        "ON CONFLICT (only_row) DO UPDATE SET number = excluded.number, hash = excluded.hash "
        "WHERE excluded.number > acknowledged.number",
        (max(numbers),),
    )
    return deleted
