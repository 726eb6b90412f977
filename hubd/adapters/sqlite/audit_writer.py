"""The one thread that writes evidence: it gathers what is pending into one commit.

Laws:
1. A number is given out only after the commit that holds its record. The head in memory is always
   the last durable one.
2. Every job handed in is answered, whatever happens, in one call a batch.
3. Nothing of a failed commit stays: the connection is dropped with it.
4. When the disk is full the write-ahead log is folded and used again from its beginning, and the
   commit is tried once more.
5. The oldest records go (`retention`) in a pause, when nothing has come for a while: one bounded
   step, then another look for what has come. A log that is pressed waits for no pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubcore.errors import AuditError
from hubcore.evidence.checkpoint import Checkpoint
from hubcore.evidence.records import Head, chain_hash
from hubcore.evidence.uses import UseChange
from hubcore.ports.stores import RecordsRoom
from hubd.adapters.sqlite.database import AUDIT
from hubd.adapters.sqlite.errors import primary_code
from hubd.adapters.sqlite.files import sync_journal
from hubd.adapters.sqlite.room import keep_reserve
from hubd.adapters.sqlite.tables.records import (
    RecordRow,
    acknowledge,
    head_of,
    insert_records,
    take_back,
)
from hubd.adapters.sqlite.tables.retention import Remover
from hubd.adapters.sqlite.tables.uses import Numbered, change_uses
from hubd.adapters.sqlite.worker import Worker

WRITER = "audit-writer"
"""The thread's name."""

BATCH_LIMIT = 256
"""Appends and acknowledgements in one transaction."""

IDLE_SECONDS = 1.0
"""Nothing must have come for so long before the write-ahead log is folded into the file."""

FOLD_COMMITS = 64
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


@dataclass(frozen=True, slots=True)
class TakeBack:
    """All records above this one wait for the backend again; `is_last`: no more will follow."""

    after: int
    is_last: bool
    done: asyncio.Future[None]


Job = Append | Acknowledge | TakeBack


_Answer = tuple[asyncio.Future[Any], int | AuditError | None]
"""The future of a caller, and its result."""


@dataclass(slots=True)
class Written:
    """What a batch writes; `numbers` has one entry a job, `head` is the one after it."""

    head: Head
    rows: list[RecordRow] = field(default_factory=list)
    numbers: list[int | None] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    taken_back: list[TakeBack] = field(default_factory=list)
    changes: list[Numbered] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What one batch came to: each future with its result or error, and the state on the disk.

    `written` is None for a batch that failed, and for a step of retention. `room` is what was seen
    after the commit before. `is_durable`: all of the log is on the disk.
    """

    results: Sequence[_Answer]
    written: Written | None
    head: Head
    waiting: int
    acknowledged: int
    checkpoint: Checkpoint
    room: RecordsRoom
    is_durable: bool


class Writer:
    """The connection that writes, and its thread; `deliver` is called in it."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        head: Head,
        waiting: int,
        acknowledged: int,
        remover: Remover,
        deliver: Callable[[BatchResult], None],
        is_room_taken: bool = True,
        is_durable: bool = True,
        worker: Worker | None = None,
    ) -> None:
        """`is_room_taken`: the room that `room` takes in advance is there.

        `is_durable`: the head is surely on the disk. If not, the first commit brings it there, or
        the first pause, or a commit that failed.
        `worker` is a thread that waits for this, None for a new one.
        """
        self._path = path
        self._inode = path.stat().st_ino
        self._connection: sqlite3.Connection | None = connection
        self._head = head
        self._waiting = waiting
        self._acknowledged = acknowledged
        self._remover = remover
        self._deliver = deliver
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._commits = 0 if is_room_taken else FOLD_COMMITS
        self._is_durable = is_durable
        self._is_relaxed = False
        self._has_begun = False
        self._worker = worker
        self._left: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to write, unless that has begun."""
        if self._has_begun:
            return
        self._has_begun = True
        if self._worker is None:
            self._worker = Worker(WRITER)
        self._worker.submit(self._run)

    def put(self, job: Job | None) -> None:
        """Hand in a job; None: finish what is pending and end."""
        self._jobs.put(job)

    def hand_on(self, left: Callable[[], None]) -> None:
        """Finish what is pending, end without a fold, and call `left`, in the thread.

        Who comes next folds in a pause.
        """
        self.start()
        self._left = left
        self._jobs.put(None)
        if self._worker is not None:
            self._worker.submit_end()

    def relax(self) -> None:
        """Let commits from now on be on the disk with the first one of who comes next."""
        self._is_relaxed = True

    def join(self) -> None:
        """Wait for the end, in a thread that may wait as long as the disk takes."""
        if self._worker is not None:
            self._worker.end()

    def _run(self) -> None:
        self._look()
        going = True
        while going:
            try:
                first = self._jobs.get(timeout=self._patience())
            except queue.Empty:
                self._use_pause()
                continue
            batch: list[Job] = []
            going = self._collect(first, batch)
            if batch:
                result = self._write(batch)
                self._deliver(result)
                if result.written is None:
                    self._sync()
                if not self._is_relaxed:
                    self._look()  # whoever waits for a record waits for no look
            if self._remover.pressed():
                self._remove_oldest()
        left = self._left
        if left is None:
            self._fold()
        self._drop_connection()
        if left is not None:
            left()

    def _patience(self) -> float | None:
        """Return how long nothing must come before there is something else to do."""
        if self._remover.has_work():
            return self._remover.pause_seconds()
        return None if self._is_durable and self._commits < FOLD_COMMITS else IDLE_SECONDS

    def _use_pause(self) -> None:
        self._sync()
        if self._remover.has_work():
            self._remove_oldest()
        else:
            self._fold()

    def _sync(self) -> None:
        """Have what came before the first commit on the disk. A failure waits for the next try."""
        if self._is_durable:
            return
        with contextlib.suppress(OSError):
            if os.stat(self._path).st_ino != self._inode:
                return
            sync_journal(self._path)
            self._is_durable = True
            self._deliver(self._result([], None))

    def _remove_oldest(self) -> None:
        """Remove one step of the oldest records."""
        try:
            self._remover.step(self._ready())
            self._commits += 1
        except (AuditError, sqlite3.Error, OSError):  # it shows in the next commit
            self._drop_connection()
            self._remover.failed()
        self._look()
        self._deliver(self._result([], None))

    def _look(self) -> None:
        """Measure what the records take. A disk that cannot be read shows in the next commit."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._remover.look(self._connection, self._head, self._acknowledged)

    def _collect(self, job: Job | None, batch: list[Job]) -> bool:
        """Take all that is pending, up to the ceiling; False when the end was asked for."""
        most = self._remover.pressed() or BATCH_LIMIT
        while job is not None:
            batch.append(job)
            if len(batch) == most:
                return True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return True
        return False

    def _write(self, batch: Sequence[Job]) -> BatchResult:
        try:
            written = self._committed(batch)
        except AuditError as error:
            return self._failed(batch, str(error), error)
        except (sqlite3.Error, OSError) as error:
            sentence = str(AUDIT.translate(error, self._path))
            return self._failed(batch, sentence, error)
        except Exception as error:  # a caller must never wait for a thread that died
            return self._failed(batch, f"{AUDIT.name}: {error!r}", error)
        self._commits += 1
        self._is_durable = True
        self._remover.committed()
        waiters = [job.done for job in batch]
        results = list(zip(waiters, written.numbers, strict=True))
        return self._result(results, written)

    def _result(self, results: Sequence[_Answer], written: Written | None) -> BatchResult:
        return BatchResult(
            results=results,
            written=written,
            head=self._head,
            waiting=self._waiting,
            acknowledged=self._acknowledged,
            checkpoint=self._remover.checkpoint,
            room=self._remover.room(),
            is_durable=self._is_durable,
        )

    def _committed(self, batch: Sequence[Job]) -> Written:
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
    ) -> Written:
        """Write the batch in one commit; only then move the head."""
        gathered = _gather(batch, self._head)
        if self._is_relaxed:
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        waiting = self._waiting
        newest_acknowledged = self._acknowledged
        if gathered.rows:
            insert_records(connection, gathered.rows)
            waiting += len(gathered.rows)
            change_uses(connection, gathered.changes)
        if gathered.acknowledged:
            waiting -= acknowledge(connection, gathered.acknowledged)
            newest_acknowledged = max(newest_acknowledged, *gathered.acknowledged)
        for job in gathered.taken_back:
            waiting += take_back(connection, job.after)
            newest_acknowledged = min(newest_acknowledged, job.after)
        connection.execute("COMMIT")
        for job in gathered.taken_back:
            self._remover.taking_back = not job.is_last
        self._head = gathered.head
        self._waiting = waiting
        self._acknowledged = newest_acknowledged
        return gathered

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
        return self._result(results, None)

    def _drop_connection(self) -> None:
        """Close the connection; SQLite rolls back what was not committed."""
        connection = self._connection
        self._connection = None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _fold(self) -> None:
        """Fold the write-ahead log into the file.

        What is committed is durable without it, so a failure waits.
        """
        self._commits = 0
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                keep_reserve(self._connection, self._path)


def _gather(batch: Sequence[Job], head: Head) -> Written:
    """Number and chain the batch's records after `head`, and sort its other jobs."""
    found = Written(head)
    for job in batch:
        match job:
            case Append(body, at_ms, _, change):
                number = found.head.number + 1
                hash_ = chain_hash(found.head.hash, number, body)
                found.head = Head(number, hash_)
                found.rows.append((number, at_ms, body, hash_))
                found.numbers.append(number)
                if change is not None:
                    found.changes.append((number, change))
            case Acknowledge(numbers):
                found.acknowledged.extend(numbers)
                found.numbers.append(None)
            case TakeBack():
                found.taken_back.append(job)
                found.numbers.append(None)
    return found
