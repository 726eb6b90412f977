"""A whole audit log in memory: chained like the real one, and it can be told to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hubcore.errors import AuditError, StoreError
from hubcore.evidence.records import GENESIS, Head, Kind, Record, StoredRecord, link


class FakeAudit:
    """`ports.stores.AuditLog` without a disk. Set `failing` to a StoreError to make every waiting method raise it.

    Clear `disk` to make `acknowledge` wait for it. Set `still` to an empty list to make appends wait for `move_on`.
    """

    def __init__(self) -> None:
        self.stored: list[StoredRecord] = []
        self.acknowledged: set[int] = set()
        self.receipts: list[int] = []
        self.failing: StoreError | None = None
        self.still: list[tuple[Record, asyncio.Future[int]]] | None = None
        self.disk = asyncio.Event()
        self.disk.set()

    def append(self, record: Record) -> asyncio.Future[int]:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self.failing:
            done.set_exception(AuditError("told to fail"))
        elif self.still is not None:
            self.still.append((record, done))
        else:
            done.set_result(self._store(record))
        return done

    def move_on(self) -> None:
        """End a standstill: what waits becomes durable."""
        waiting, self.still = self.still or [], None
        for record, done in waiting:
            number = self._store(record)
            if not done.done():
                done.set_result(number)

    def _store(self, record: Record) -> int:
        number, body = len(self.stored) + 1, record.encode()
        before = self.stored[-1].hash if self.stored else GENESIS
        self.stored.append(StoredRecord(number, body, link(before, number, body)))
        return number

    async def fill(self, count: int) -> None:
        """Append `count` records."""
        for _ in range(count):
            await self.append(Record(Kind.ACCESS, 1000 * len(self.stored), len(self.stored), {"door": 1}))

    def recent(self, since_ms: int) -> Sequence[StoredRecord]:
        return [stored for stored in self.stored if Record.decode(stored.body).at_ms >= since_ms][:10_000]

    def newest(self, before: int, limit: int) -> Sequence[StoredRecord]:
        return [stored for stored in self.stored if stored.number < before][-limit:] if limit else []

    async def unacknowledged(self, after: int, limit: int) -> Sequence[StoredRecord]:
        if self.failing:
            raise self.failing
        waiting = [s for s in self.stored if s.number > after and s.number not in self.acknowledged]
        return waiting[:limit]

    async def acknowledge(self, numbers: Sequence[int]) -> None:
        if self.failing:
            raise self.failing
        await self.disk.wait()
        self.acknowledged.update(numbers)
        self.receipts.extend(numbers)

    def waiting(self) -> int:
        return len(self.stored) - len(self.acknowledged)

    def last(self) -> int:
        return len(self.stored)

    def head(self) -> Head:
        return Head(self.stored[-1].number, self.stored[-1].hash) if self.stored else Head()
