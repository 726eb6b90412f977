"""A whole audit log in memory, chained like the real one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from hubcore.errors import AuditError, StoreError
from hubcore.evidence.records import GENESIS, Head, Record, RecordKind, StoredRecord, chain_hash
from hubcore.evidence.uses import Use, UseTable, read_change

Hook = Callable[[Record], None]


def _nothing(_record: Record) -> None:
    return


class FakeAudit:
    """`ports.stores.AuditLog` without a disk.

    `failing`: every method that waits raises AuditError or this error.
    `hold()`: records wait for `step` or `move_on` before they are durable. They are in `held`.
    `commit_seconds`: a record is durable so long after it came.
    `on_taken` is called with each record that comes, `on_durable` once it is durable.
    `steps` has how many records each `take_back` was for.
    `went` is the newest record that went, as far as anybody is told.
    `disk`: clear it to make `acknowledge` wait.
    """

    def __init__(self, commit_seconds: float = 0.0) -> None:
        self.stored: list[StoredRecord] = []
        self.acknowledged: set[int] = set()
        self.receipts: list[int] = []
        self.steps: list[int] = []
        self.went = 0
        self.failing: StoreError | None = None
        self.commit_seconds = commit_seconds
        self.on_taken: Hook = _nothing
        self.on_durable: Hook = _nothing
        self.held: deque[tuple[Record, asyncio.Future[int]]] = deque()
        self.holding = False
        self.disk = asyncio.Event()
        self.disk.set()

    def append(self, record: Record) -> asyncio.Future[int]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()
        self.on_taken(record)
        if self.failing:
            done.set_exception(AuditError("told to fail"))
        elif self.holding:
            self.held.append((record, done))
        elif self.commit_seconds:
            loop.call_later(self.commit_seconds, self._end, record, done)
        else:
            self._end(record, done)
        return done

    def hold(self) -> None:
        """Begin a standstill."""
        self.holding = True

    def step(self, durable: bool = True) -> None:
        """Let the oldest record that waits become durable, or fail."""
        record, done = self.held.popleft()
        if durable:
            self._end(record, done)
        elif not done.done():
            done.set_exception(AuditError("the disk is full"))

    def move_on(self) -> None:
        """End a standstill: what waits becomes durable."""
        self.holding = False
        while self.held:
            self.step()

    def _end(self, record: Record, done: asyncio.Future[int]) -> None:
        number = self._store(record)
        self.on_durable(record)
        if not done.done():  # who waited may have given up; the record is durable all the same
            done.set_result(number)

    def _store(self, record: Record) -> int:
        number = len(self.stored) + 1
        body = record.encode()
        before = self.stored[-1].hash if self.stored else GENESIS
        self.stored.append(StoredRecord(number, body, chain_hash(before, number, body)))
        return number

    async def fill(self, count: int) -> None:
        """Append `count` records."""
        for _ in range(count):
            number = len(self.stored)
            await self.append(Record(RecordKind.ACCESS, 1000 * number, number, {"door": 1}))

    def newest(self, before: int, limit: int) -> Sequence[StoredRecord]:
        if limit:
            return [stored for stored in self.stored if stored.number < before][-limit:]
        return []

    async def unacknowledged(self, after: int, limit: int) -> Sequence[StoredRecord]:
        if self.failing:
            raise self.failing
        waiting = [s for s in self.stored if s.number > after and s.number not in self.acknowledged]
        return waiting[:limit]

    async def acknowledge(self, numbers: Sequence[int]) -> None:
        if self.failing:
            raise self.failing
        await self.disk.wait()
        known = [number for number in numbers if 1 <= number <= len(self.stored)]
        self.acknowledged.update(known)
        self.receipts.extend(known)
        if len(known) != len(numbers):
            raise AuditError("the backend acknowledges records that were never made here")

    async def take_back(self, after: int, limit: int) -> bool:
        if self.failing:
            raise self.failing
        self.steps.append(min(limit, self.newest_acknowledged() - after))
        end = max(after, self.went)
        newest_first = sorted((n for n in self.acknowledged if n > end), reverse=True)
        self.acknowledged.difference_update(newest_first[:limit])
        return len(newest_first) <= limit

    def newest_acknowledged(self) -> int:
        return max(self.acknowledged, default=0)

    def holds(self, head: Head) -> bool:
        if head == Head():
            return True
        found = self.newest(head.number + 1, 1)
        return bool(found) and Head(found[0].number, found[0].hash) == head

    def waiting(self) -> int:
        return len(self.stored) - len(self.acknowledged)

    def last(self) -> int:
        return len(self.stored)

    def head(self) -> Head:
        return Head(self.stored[-1].number, self.stored[-1].hash) if self.stored else Head()

    def beginning(self) -> Head:
        if not self.went:
            return Head()
        found = self.stored[self.went - 1]
        return Head(found.number, found.hash)

    def gone(self) -> int:
        return self.went

    def uses(self) -> Sequence[Use]:
        table = UseTable()
        for stored in self.stored:
            change = read_change(Record.decode(stored.body))
            if change is not None:
                table.take(change)
        return list(table.standing().values())
