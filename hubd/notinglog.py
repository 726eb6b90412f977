"""The audit log with somebody told of each durable record and of each failure, and with what the records prove of time.

1. It changes no record and no order; who is told is told after the fact.
2. What a record says of the clock is believed once the record is durable, and not before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from hubd.core.records import Head, Record, StoredRecord
from hubd.core.timefloor import TimeFloor, from_records
from hubd.errors import AuditError
from hubd.ports import AuditLog


class NotingLog:
    """`ports.AuditLog` around another; `on_append` is called after each record is durable.

    `on_health` takes whether records can be written, and the sentence why not.
    """

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self.time = TimeFloor()
        self.on_append: Callable[[], None] = lambda: None
        self.on_health: Callable[[bool, str], None] = lambda _up, _why: None

    def remember(self) -> None:
        """Learn what the records of before prove of the time."""
        self.time = from_records(self._log.newest, self._log.last())

    def append(self, record: Record) -> Awaitable[int]:
        """See `ports.AuditLog.append`."""
        try:
            durable = self._log.append(record)
        except AuditError as error:
            self.on_health(False, str(error))
            raise
        return self._noted(record, durable)

    async def _noted(self, record: Record, durable: Awaitable[int]) -> int:
        try:
            number = await durable
        except AuditError as error:
            self.on_health(False, str(error))
            raise
        self.on_health(True, "")
        self.time.take(record.kind, record.at_ms, record.mono_ms, record.detail)
        self.on_append()
        return number

    def recent(self, since_ms: int) -> Sequence[StoredRecord]:
        """See `ports.AuditLog.recent`."""
        return self._log.recent(since_ms)

    def newest(self, before: int, limit: int) -> Sequence[StoredRecord]:
        """See `ports.AuditLog.newest`."""
        return self._log.newest(before, limit)

    async def unacknowledged(self, after: int, limit: int) -> Sequence[StoredRecord]:
        """See `ports.AuditLog.unacknowledged`."""
        return await self._log.unacknowledged(after, limit)

    async def acknowledge(self, numbers: Sequence[int]) -> None:
        """See `ports.AuditLog.acknowledge`."""
        await self._log.acknowledge(numbers)

    def waiting(self) -> int:
        """See `ports.AuditLog.waiting`."""
        return self._log.waiting()

    def last(self) -> int:
        """See `ports.AuditLog.last`."""
        return self._log.last()

    def head(self) -> Head:
        """See `ports.AuditLog.head`."""
        return self._log.head()
