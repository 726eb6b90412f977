"""The base of an audit log around another: it hands on all but `append`."""

from __future__ import annotations

from collections.abc import Sequence

from hubcore.evidence.records import Head, StoredRecord
from hubcore.evidence.uses import Use
from hubcore.ports.stores import AuditLog


class ForwardingLog:
    """`ports.stores.AuditLog` without `append`, which its subclasses add."""

    def __init__(self, log: AuditLog) -> None:
        self._inner = log

    def newest(self, before: int, limit: int) -> Sequence[StoredRecord]:
        """See `ports.stores.AuditLog.newest`."""
        return self._inner.newest(before, limit)

    async def unacknowledged(self, after: int, limit: int) -> Sequence[StoredRecord]:
        """See `ports.stores.AuditLog.unacknowledged`."""
        return await self._inner.unacknowledged(after, limit)

    async def acknowledge(self, numbers: Sequence[int]) -> None:
        """See `ports.stores.AuditLog.acknowledge`."""
        await self._inner.acknowledge(numbers)

    async def take_back(self, after: int, limit: int) -> bool:
        """See `ports.stores.AuditLog.take_back`."""
        return await self._inner.take_back(after, limit)

    def newest_acknowledged(self) -> int:
        """See `ports.stores.AuditLog.newest_acknowledged`."""
        return self._inner.newest_acknowledged()

    def holds(self, head: Head) -> bool:
        """See `ports.stores.AuditLog.holds`."""
        return self._inner.holds(head)

    def waiting(self) -> int:
        """See `ports.stores.AuditLog.waiting`."""
        return self._inner.waiting()

    def last(self) -> int:
        """See `ports.stores.AuditLog.last`."""
        return self._inner.last()

    def head(self) -> Head:
        """See `ports.stores.AuditLog.head`."""
        return self._inner.head()

    def beginning(self) -> Head:
        """See `ports.stores.AuditLog.beginning`."""
        return self._inner.beginning()

    def gone(self) -> int:
        """See `ports.stores.AuditLog.gone`."""
        return self._inner.gone()

    def uses(self) -> Sequence[Use]:
        """See `ports.stores.AuditLog.uses`."""
        return self._inner.uses()
