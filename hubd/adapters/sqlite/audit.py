"""Evidence in SQLite: `AuditStore` is the port `AuditLog`.

Laws: one thread owns the write connection; a number is given out only after the commit that holds
its record, and the head of the chain in memory is always the last durable one. Whoever waits while
a commit runs shares the next one: no window, no delay for one alone. A commit that fails fails its
whole batch, leaves nothing behind, and the next append tries again. A caller that goes away takes
nothing with it: its record is written all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Self

from hubcore.errors import AuditError, HardwareError
from hubcore.evidence.records import Head, Record, StoredRecord, Walk, agrees
from hubcore.evidence.statecheck import is_about_state
from hubd.adapters.host.state_disk import has_room
from hubd.adapters.sqlite.audit_writer import (
    AUDIT,
    Acknowledge,
    Append,
    BatchResult,
    Job,
    Writer,
    give_up_reserve,
    keep_reserve,
)
from hubd.adapters.sqlite.database import WARM_BYTES, WARM_BYTES_MIN, no_room, warm
from hubd.aside import aside

QUEUE_LIMIT = 1024
"""Appends and acknowledgements under way at once; one more is refused at once."""

CHECKED_AT_START = 1000
"""How many of the newest records have their chain checked at start; `hubctl audit verify` checks
all.
"""


CLOSE_SECONDS = 2.0
"""How long a close waits for the disk, in all."""

_ABOUT_STATE = (
    "SELECT body FROM records NOT INDEXED "
    "WHERE instr(body, x'646b696e6466706f6c696379') > 0 OR instr(body, "
    "x'646b696e64657374617465') > 0 "
    "OR instr(body, x'646b696e646773746172746564') > 0 "
    "ORDER BY number DESC"
)
"""Bodies that hold `kind` and then `policy`, `state` or `started` in deterministic CBOR, the newest
first.

An index may have been edited, or be of another copy of the file: none is asked. Each start ends the
reading.
"""


class AuditStore:
    """`ports.stores.AuditLog` on one SQLite file.

    Open with `await AuditStore.open(path)`, end with `aclose`.
    """

    def __init__(
        self, path: Path, lock: int, connection: sqlite3.Connection, head: Head, waiting: int
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = lock
        self.path = self._path = path
        self._head = head
        self._waiting = waiting
        self._pending = 0
        self._closed = False
        self._reading = threading.Lock()
        self._reader = AUDIT.reader(path)
        self._writer = Writer(
            path=path,
            connection=connection,
            head=head,
            waiting=waiting,
            deliver=self._delivered,
        )
        self._writer.start()
        self.mended = 0
        """Records that were found neither waiting for the backend nor acknowledged; they wait
        again.
        """

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open, or make, the log; check its newest records.

        Raise AuditError when the file cannot serve as evidence.
        """
        with contextlib.ExitStack() as undo:
            lock, connection, head, waiting, mended = await asyncio.to_thread(_open, path)
            undo.callback(os.close, lock)
            undo.callback(connection.close)
            store = cls(path, lock, connection, head, waiting)
            store.mended = mended
            undo.pop_all()
            return store

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Write what is pending, fold the journal in, close.

        Raise AuditError when the disk does not answer in time.
        """
        if not self._closed:
            self._closed = True
            self._writer.put(None)
            await AUDIT.close_aside(
                path=self._path, thread="audit-closer", finish=self._finish, seconds=CLOSE_SECONDS
            )

    def _finish(self) -> None:
        """In a thread of its own, so that it comes to its end even when the closer has gone."""
        self._writer.join()
        with self._reading, AUDIT.errors(self._path):
            self._reader.close()
        os.close(self._lock)

    def append(self, record: Record) -> asyncio.Future[int]:
        """Hand the record to the writer; the future gives its number once it is durable, or
        AuditError.

        Raise AuditError for a record that cannot be one, and when too many wait. A cancelled caller
        does not take its record back. There is no time limit in here: a disk that hangs hangs.
        """
        body = record.encode()
        done: asyncio.Future[int] = self._loop.create_future()
        self._submit(Append(body, record.at_ms, done))
        return done

    async def acknowledge(self, numbers: Sequence[int]) -> None:
        """Drop these from the outbox, durably.

        Raise AuditError, after the others, for numbers never given out.
        """
        known = tuple(number for number in numbers if 1 <= number <= self._head.number)
        last = self._head.number
        if known:
            done: asyncio.Future[None] = self._loop.create_future()
            self._submit(Acknowledge(known, done))
            await done
        if len(known) != len(numbers):
            raise AUDIT.says(
                self._path,
                f"the backend acknowledges records beyond {last}, the newest here: records "
                "were lost, or the "
                "file is an older copy; compare with the backend",
            )

    def newest(self, before: int, limit: int) -> Sequence[StoredRecord]:
        """At most `limit` records, those with the greatest numbers below `before`, oldest first."""
        query = (
            "SELECT number, body, hash FROM records WHERE number < ? ORDER BY number DESC LIMIT ?"
        )
        return self._read(query, (before, max(0, limit)))[::-1]

    async def unacknowledged(self, after: int, limit: int) -> Sequence[StoredRecord]:
        """At most `limit` records numbered above `after` that the backend has not acknowledged, in
        order.

        A caller that is cancelled does not wait for the disk.
        """
        query = (
            "SELECT number, body, hash FROM outbox CROSS JOIN records USING (number) "
            "WHERE number > ? ORDER BY number LIMIT ?"
        )
        try:
            return await aside("audit-reader", partial(self._read, query, (after, max(0, limit))))
        except HardwareError as error:
            raise AUDIT.says(self._path, str(error)) from error

    def waiting(self) -> int:
        """How many records the backend has not acknowledged."""
        return self._waiting

    def last(self) -> int:
        """The number of the newest durable record, 0 when there is none."""
        return self._head.number

    def head(self) -> Head:
        """The head of the chain: number and hash of the newest durable record."""
        return self._head

    def holds(self, noted: Head) -> bool:
        """Tell whether the chain holds this head; every chain holds the one before record 1."""
        row = self._read("SELECT number, body, hash FROM records WHERE number = ?", (noted.number,))
        return noted == Head() or (bool(row) and row[0].hash == noted.hash)

    def newest_about_state(self) -> Record | None:
        """Return the newest record that says something of the state; None when there is none.

        See `statecheck.is_about_state`.
        """
        with self._reading, AUDIT.errors(self._path):
            for (body,) in self._reader.execute(_ABOUT_STATE):
                with contextlib.suppress(
                    AuditError
                ):  # the bytes that are looked for, in a record of another kind
                    record = Record.decode(body)
                    if is_about_state(record):
                        return record
        return None

    def _read(self, query: str, arguments: tuple[int, ...]) -> list[StoredRecord]:
        with self._reading, AUDIT.errors(self._path):
            return [StoredRecord(*row) for row in self._reader.execute(query, arguments)]

    def _submit(self, job: Job) -> None:
        if self._closed:
            raise AUDIT.says(self._path, "it is closed")
        if self._pending >= QUEUE_LIMIT:
            raise AUDIT.says(
                self._path, f"{QUEUE_LIMIT} records wait for the disk: it hangs or is too slow"
            )
        self._pending += 1
        self._writer.put(job)

    def _delivered(self, outcome: BatchResult) -> None:
        """In the writer's thread: hand the outcome to the event loop, in one call for the batch."""
        with contextlib.suppress(
            RuntimeError
        ):  # the loop has ended without a close: nobody waits any more
            self._loop.call_soon_threadsafe(self._settle, outcome)

    def _settle(self, outcome: BatchResult) -> None:
        self._head = outcome.head
        self._waiting = outcome.waiting
        self._pending -= len(outcome.results)
        for done, result in outcome.results:
            if done.done():  # cancelled: the record stands, nobody asks for its number
                continue
            if isinstance(result, AuditError):
                done.set_exception(result)
            else:
                done.set_result(result)


def _open(path: Path) -> tuple[int, sqlite3.Connection, Head, int, int]:
    """Return the lock, the checked write connection, the chain's head, the size of the outbox and
    what it had lost.
    """
    AUDIT.prepare(path)
    with contextlib.ExitStack() as undo:
        lock = AUDIT.hold(path)
        undo.callback(os.close, lock)
        connection = _opened(path)
        undo.callback(connection.close)
        with AUDIT.errors(path):
            head, waiting = _check(connection, path)
        mended = _mend_outbox(connection)
        with contextlib.suppress(sqlite3.Error):
            warm(connection, WARM_BYTES if has_room(path.parent, WARM_BYTES) else WARM_BYTES_MIN)
            keep_reserve(connection, path)
        undo.pop_all()
        return lock, connection, head, waiting + mended, mended


def _first_missing(connection: sqlite3.Connection) -> int:
    """Return the lowest number from 1 on that no record has."""
    query = (
        "SELECT min(number) FROM (SELECT 1 AS number UNION ALL SELECT number + 1 FROM records "
        "NOT INDEXED) "
        "AS wanted WHERE number NOT IN (SELECT number FROM records NOT INDEXED)"
    )
    return int(connection.execute(query).fetchone()[0])


def _mend_outbox(connection: sqlite3.Connection) -> int:
    """Let every record wait for the backend that it has not acknowledged; return how many did not.
    A full disk is none.

    Records up to the highest acknowledged one that were acknowledged in another order are not known
    to be waiting.
    """
    mended = 0
    with contextlib.suppress(sqlite3.Error):
        mended = connection.execute(
            "INSERT OR IGNORE INTO outbox SELECT number FROM records "
            "WHERE number > (SELECT coalesce(max(number), 0) FROM acknowledged)"
        ).rowcount
    return max(0, mended)


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file; where there is no room for what SQLite needs, give up the reserve and try
    again.
    """
    try:
        return AUDIT.open(path)
    except AuditError:
        if not (no_room(path) and give_up_reserve(path)):
            raise
    return AUDIT.open(path)


def _check(connection: sqlite3.Connection, path: Path) -> tuple[Head, int]:
    """Check the newest records, that none is missing, and the marks; return the head and the size
    of the outbox.

    Raise AuditError. An outbox that lost records is made up for: `_mend_outbox`.
    """
    rows = connection.execute(
        "SELECT number, at_ms, body, hash FROM records ORDER BY number DESC LIMIT ?",
        (CHECKED_AT_START + 1,),
    ).fetchall()[::-1]
    start = None
    if len(rows) > CHECKED_AT_START:
        number, _, _, hash_ = rows.pop(0)
        start = Head(number, hash_)
    try:
        walk = Walk(start=start)
        for number, at_ms, body, hash_ in rows:
            walk.take(StoredRecord(number, body, hash_), at_ms)
        head = walk.finish()
        (count,) = connection.execute("SELECT count(*) FROM records NOT INDEXED").fetchone()
        if count > head.number:
            raise AuditError(
                f"record {head.number} is the last, but there are {count}: some have no place "
                "in the chain"
            )
        if count < head.number:
            raise AuditError(
                f"record {_first_missing(connection)} is missing: {head.number} is the last"
            )
        mark = connection.execute("SELECT number, hash FROM acknowledged").fetchone()
        if mark:
            row = connection.execute(
                "SELECT number, body, hash FROM records WHERE number = ?", mark[:1]
            ).fetchone()
            agrees(Head(*mark), StoredRecord(*row) if row else None)
        waiting, highest = connection.execute("SELECT count(*), max(number) FROM outbox").fetchone()
        if highest is not None and highest > head.number:
            raise AuditError(
                f"record {head.number + 1} is missing, for {highest} waits for the backend"
            )
    except AuditError as error:
        raise AUDIT.broken(path, str(error)) from error
    return head, waiting
