"""Evidence in SQLite: `AuditStore` is the port `AuditLog`.

Laws:
1. One thread owns the connection that writes.
2. A number is given out only after the commit that holds its record. The head of the chain in
   memory is always the last durable one.
3. Records that come while a commit runs share the next one: one alone waits for no other.
4. A commit that fails fails its whole batch and leaves nothing behind. The next append tries again.
5. A caller that goes away takes nothing with it: its record is written all the same.
6. Who hands the log on need not wait for the disk with his last record (`relax`): it is there with
   the first commit of who goes on. Until that commit the one who goes on tells nobody of a record
   that was not there at his look: neither by `head` nor by `unacknowledged`.
7. The newest records that wait are in memory (`evidence.recent`): while they go up as they come, no
   thread reads the disk beside the one that writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from hubcore.errors import AuditError, HardwareError
from hubcore.evidence.carried_orders import is_about_orders
from hubcore.evidence.recent import RecentRecords
from hubcore.evidence.records import Head, Record, StoredRecord
from hubcore.evidence.statecheck import is_about_state
from hubcore.evidence.uses import Use, read_change
from hubcore.ports.stores import RecordsRoom
from hubd.adapters.sqlite.audit_start import OpenedLog, open_log
from hubd.adapters.sqlite.audit_writer import (
    Acknowledge,
    Append,
    BatchResult,
    Job,
    TakeBack,
    Writer,
    Written,
)
from hubd.adapters.sqlite.database import AUDIT
from hubd.adapters.sqlite.tables.records import ABOUT_ORDERS, ABOUT_STATE, newest
from hubd.adapters.sqlite.tables.retention import Remover, Retention
from hubd.adapters.sqlite.tables.uses import standing_uses
from hubd.adapters.sqlite.worker import Worker
from hubd.threads import call_in_loop, run_in_thread

QUEUE_LIMIT = 1024
"""Appends and acknowledgements under way at once; one more is refused at once."""

HELD_SECONDS = 0.5
"""How long the first records of one who goes on may wait for phones to be answered."""

CLOSE_SECONDS = 2.0
"""How long a close waits for the disk, in all."""


class AuditStore:
    """`ports.stores.AuditLog` on one SQLite file.

    Open with `await AuditStore.open(path)`, end with `aclose`.
    """

    def __init__(
        self,
        path: Path,
        opened: OpenedLog,
        retention: Retention | None,
        reader: sqlite3.Connection | None = None,
        worker: Worker | None = None,
    ) -> None:
        """`reader` is a connection, `worker` the thread that is to write; None for new ones.

        A thread that waits goes on waiting: it begins with `begin`, or after HELD_SECONDS.
        """
        self._loop = asyncio.get_running_loop()
        self._lock = opened.lock
        self.path = path
        self._head = opened.head
        self._waiting = opened.waiting
        self._acknowledged = opened.acknowledged
        self._checkpoint = opened.checkpoint
        self._room = RecordsRoom()
        self._recent = RecentRecords(opened.head.number)
        self._durable = opened.durable
        self._is_durable = asyncio.Event()
        """Whether all of the log is on the disk."""
        if opened.durable == opened.head:
            self._is_durable.set()
        self._pending = 0
        self._closed = False
        self._reading = threading.Lock()
        self._reader = reader or AUDIT.reader(path)
        self._writer = Writer(
            path=path,
            connection=opened.connection,
            head=opened.head,
            waiting=opened.waiting,
            acknowledged=opened.acknowledged,
            remover=Remover(retention, opened.checkpoint),
            deliver=self._delivered,
            is_room_taken=opened.is_room_taken,
            is_durable=opened.durable == opened.head,
            worker=worker,
        )
        if worker is None:
            self.begin()
        else:
            self._loop.call_later(HELD_SECONDS, self.begin)
        self.mended = opened.mended
        """Records that were found neither waiting for the backend nor acknowledged.

        They wait again.
        """
        self.uses_mended = opened.uses_mended
        """Rows of uses that did not fit the records, and were made again."""

    @classmethod
    async def open(cls, path: Path, retention: Retention | None = None) -> Self:
        """Open, or make, the log; check its newest records.

        None: no record ever goes, and a log of which some went is not opened. Raise AuditError when
        the file cannot serve as evidence.
        """
        with contextlib.ExitStack() as undo:
            opened = await asyncio.to_thread(open_log, path, retention=retention)
            undo.callback(os.close, opened.lock)
            undo.callback(opened.connection.close)
            store = cls(path, opened, retention)
            undo.pop_all()
            return store

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def pending(self) -> int:
        """How many records and receipts are on their way to the disk."""
        return self._pending

    def begin(self) -> None:
        """Begin to write what was appended, and what will be."""
        if not self._closed:
            self._writer.start()

    def relax(self) -> None:
        """What is appended from now on is on the disk with the first commit of who goes on."""
        self._writer.relax()

    async def hand_on(self) -> None:
        """Write what is pending and close, with the journal as it is: another process goes on.

        Raise AuditError when the disk does not answer in time.
        """
        if self._closed:
            return
        self._closed = True
        left: asyncio.Future[None] = self._loop.create_future()
        self._writer.hand_on(partial(call_in_loop, self._loop, self._left, left))
        await AUDIT.in_time(self.path, left, CLOSE_SECONDS)

    def _left(self, left: asyncio.Future[None]) -> None:
        """The writer has ended."""
        with contextlib.suppress(AuditError), self._reading, AUDIT.errors(self.path):
            self._reader.close()
        os.close(self._lock)
        if not left.done():
            left.set_result(None)

    async def aclose(self) -> None:
        """Write what is pending, fold the journal in, close.

        Raise AuditError when the disk does not answer in time.
        """
        if self._closed:
            return
        self.begin()
        self._closed = True
        self._writer.put(None)
        await AUDIT.close_in_thread(
            path=self.path,
            thread="audit-closer",
            finish=self._finish,
            seconds=CLOSE_SECONDS,
        )

    def _finish(self) -> None:
        """In a thread of its own, so that it comes to its end even when the closer has gone."""
        self._writer.join()
        with self._reading, AUDIT.errors(self.path):
            self._reader.close()
        os.close(self._lock)

    def append(self, record: Record) -> asyncio.Future[int]:
        """Hand the record to the writer; the future gives its number once it is durable.

        Raise AuditError at once when the record is invalid or too many wait. When the disk refuses,
        the future raises it. A cancelled caller does not take its record back. There is no time
        limit here: whoever waits has one.
        """
        body = record.encode()
        done: asyncio.Future[int] = self._loop.create_future()
        job = Append(body=body, at_ms=record.at_ms, done=done, change=read_change(record))
        self._submit(job)
        return done

    async def acknowledge(self, numbers: Sequence[int]) -> None:
        """Drop these from the outbox, durably.

        Raise AuditError, after the others, for numbers never given out.
        """
        last = self._head.number
        known = tuple(number for number in numbers if 1 <= number <= last)
        if known:
            done: asyncio.Future[None] = self._loop.create_future()
            self._submit(Acknowledge(known, done))
            await done
        if len(known) != len(numbers):
            raise AUDIT.says(
                self.path,
                f"the backend acknowledges records beyond {last}, the newest here: "
                "records were lost, or the file is an older copy; compare with the backend",
            )

    async def take_back(self, after: int, limit: int) -> bool:
        """Let at most `limit` acknowledged records above `after` wait again, the newest first.

        Durable on return; True when no more are to be taken back. What has gone is not.
        """
        end = max(after, self._checkpoint.head.number)
        low = max(end, self._acknowledged - limit)
        done: asyncio.Future[None] = self._loop.create_future()
        self._submit(TakeBack(low, low == end, done))
        await done
        return low == end

    def newest_acknowledged(self) -> int:
        """The highest number that the backend has acknowledged, 0 for none."""
        return self._acknowledged

    def newest(self, before: int, limit: int) -> Sequence[StoredRecord]:
        """At most `limit` records, those with the greatest numbers below `before`, oldest first."""
        query = (
            "SELECT number, body, hash FROM records WHERE number < ? ORDER BY number DESC LIMIT ?"
        )
        rows_max = max(0, limit)
        newest_first = self._read(query, (before, rows_max))
        return newest_first[::-1]

    async def unacknowledged(self, after: int, limit: int) -> Sequence[StoredRecord]:
        """At most `limit` records above `after` that the backend has not acknowledged, in order.

        A caller that is cancelled does not wait for the disk.
        """
        await self._is_durable.wait()
        recent = self._recent.after(after, limit, self._waiting)
        if recent is not None:
            return recent
        query = (
            "SELECT number, body, hash FROM outbox CROSS JOIN records USING (number) "
            "WHERE number > ? ORDER BY number LIMIT ?"
        )
        try:
            rows_max = max(0, limit)
            read = partial(self._read, query, (after, rows_max))
            return await run_in_thread("audit-reader", read)
        except HardwareError as error:
            raise AUDIT.says(self.path, str(error)) from error

    def waiting(self) -> int:
        """How many records the backend has not acknowledged."""
        return self._waiting

    def last(self) -> int:
        """The number of the newest durable record, 0 when there is none."""
        return self._head.number

    def beginning(self) -> Head:
        """The record before the oldest one that is here."""
        return self._checkpoint.head

    def gone(self) -> int:
        """The number of the newest record that went, 0 for none."""
        return self._checkpoint.head.number

    def room(self) -> RecordsRoom:
        """What the records take of their budget."""
        return self._room

    def head(self) -> Head:
        """The head of the chain: number and hash of the newest durable record."""
        return self._head if self._is_durable.is_set() else self._durable

    def uses(self) -> Sequence[Use]:
        """The uses of grants that durable records spent and did not give back."""
        with self._reading, AUDIT.errors(self.path):
            return standing_uses(self._reader)

    def holds(self, noted: Head) -> bool:
        """Tell whether the chain holds this head; every chain holds the one before record 1.

        For a record that has gone the signed checkpoint stands, and it is believed.
        """
        gone = self._checkpoint.head
        if noted in (Head(), gone) or noted.number < gone.number:
            return True
        query = "SELECT number, body, hash FROM records WHERE number = ?"
        found = self._read(query, (noted.number,))
        return bool(found) and found[0].hash == noted.hash

    def newest_about_state(self) -> Record | None:
        """Return the newest record that says something of the state, None when there is none.

        `statecheck.is_about_state` knows which do.
        """
        found = self._newest(ABOUT_STATE, is_about_state) or self._checkpoint.state
        return None if found is None else Record.decode(found.body)

    def newest_about_orders(self) -> StoredRecord | None:
        """Return the newest record that carries the orders that stand, None when there is none."""
        return self._newest(ABOUT_ORDERS, is_about_orders) or self._checkpoint.orders

    def _newest(self, query: str, is_wanted: Callable[[Record], bool]) -> StoredRecord | None:
        with self._reading, AUDIT.errors(self.path):
            return newest(self._reader, query, is_wanted)

    def _read(self, query: str, arguments: tuple[int, ...]) -> list[StoredRecord]:
        with self._reading, AUDIT.errors(self.path):
            rows = self._reader.execute(query, arguments)
            return [StoredRecord(*row) for row in rows]

    def _submit(self, job: Job) -> None:
        if self._closed:
            raise AUDIT.says(self.path, "it is closed")
        if self._pending >= QUEUE_LIMIT:
            sentence = f"{QUEUE_LIMIT} records wait for the disk: it hangs or is too slow"
            raise AUDIT.says(self.path, sentence)
        self._pending += 1
        self._writer.put(job)

    def _delivered(self, batch: BatchResult) -> None:
        """In the writer's thread: hand the result to the event loop, in one call for the batch."""
        # without a loop, which has ended without a close, nobody waits any more
        call_in_loop(self._loop, self._settle, batch)

    def _settle(self, batch: BatchResult) -> None:
        self._head = batch.head
        self._waiting = batch.waiting
        self._acknowledged = batch.acknowledged
        self._checkpoint = batch.checkpoint
        self._room = batch.room
        self._pending -= len(batch.results)
        if batch.is_durable:
            self._is_durable.set()
        if batch.written is not None:
            self._note_recent(batch.written)
        for done, result in batch.results:
            if done.done():  # cancelled: the record stands, nobody asks for its number
                continue
            if isinstance(result, AuditError):
                done.set_exception(result)
            else:
                done.set_result(result)

    def _note_recent(self, written: Written) -> None:
        records = (StoredRecord(number, body, hash_) for number, _, body, hash_ in written.rows)
        self._recent.appended(records)
        self._recent.acknowledged(written.acknowledged)
        if written.taken_back:
            self._recent.taken_back(written.head.number)
