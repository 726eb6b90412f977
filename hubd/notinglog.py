"""The audit log with somebody told of each durable record and of each failure, and the newest wall time known.

Law: it changes no record and no order; who is told is told after the fact.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from hubd.core.records import Head, Kind, Record, StoredRecord, facts
from hubd.errors import AuditError
from hubd.ports import AuditLog


class NotingLog:
    """`ports.AuditLog` around another; `on_append` is called after each record is durable.

    `on_health` takes whether records can be written, and the sentence why not.
    """

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self.newest_ms = 0
        self.on_append: Callable[[], None] = lambda: None
        self.on_health: Callable[[bool, str], None] = lambda _up, _why: None

    def remember(self, records: Sequence[StoredRecord]) -> None:
        """Learn the newest wall time from records of before, oldest first by number; a vouched clock begins anew."""
        for stored in sorted(records, key=lambda record: record.number):
            told = facts(stored.body)
            at_ms = told["at"]
            if isinstance(at_ms, int):
                self.newest_ms = at_ms if told["kind"] == str(Kind.CLOCK) else max(self.newest_ms, at_ms)

    async def vouch(self, record: Record) -> None:
        """Somebody who must know says that the wall clock is right: believe it, whatever was recorded before."""
        self.newest_ms = record.at_ms
        await self.append(record)

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
        self.newest_ms = max(self.newest_ms, record.at_ms)
        self.on_append()
        return number

    def recent(self, since_ms: int) -> Sequence[StoredRecord]:
        """See `ports.AuditLog.recent`."""
        return self._log.recent(since_ms)

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
