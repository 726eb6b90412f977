"""For how long the oldest record that the backend has not acknowledged has waited.

Laws:
1. A record waits since it was appended, or since hubd started, whichever is later.
2. Only the receipt of that record itself ends its wait.
3. While the log cannot be read, the wait is counted since that began.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hubcore.errors import AuditError, StoreError
from hubcore.evidence.records import StoredRecord, facts
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog


@dataclass(frozen=True, slots=True)
class _Oldest:
    """The oldest record, None while it cannot be read; `since` in monotonic seconds."""

    number: int | None
    since: float


class OldestWaiting:
    """Call `find` again and again, and `acknowledged` for each receipt."""

    def __init__(self, records: AuditLog, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._started = clock.monotonic()
        self._last_before_start = records.last()
        self._oldest: _Oldest | None = None

    def seconds(self) -> float | None:
        """Return how long it has waited, None when no record is known to wait."""
        if self._oldest is None:
            return None
        return max(0.0, self._clock.monotonic() - self._oldest.since)

    def acknowledged(self, numbers: Collection[int]) -> None:
        """The log has noted that the backend holds these records."""
        if self._oldest is not None and self._oldest.number in numbers:
            self._oldest = None

    def begin_again(self) -> None:
        """Records wait again that did not: another may be the oldest now."""
        self._oldest = None

    async def find(self) -> None:
        """Find the oldest record, unless it is known."""
        if self._records.waiting() == 0:
            self._oldest = None
            return
        if self._oldest is not None and self._oldest.number is not None:
            return
        try:
            found = await self._records.unacknowledged(0, 1)
        except StoreError:  # whoever sends the records reports it
            if self._oldest is None:
                self._oldest = _Oldest(None, self._clock.monotonic())
            return
        for stored in found:
            self._oldest = _Oldest(stored.number, self._waits_since(stored))

    def _waits_since(self, stored: StoredRecord) -> float:
        if stored.number <= self._last_before_start:
            return self._started  # its monotonic time may be of another boot
        try:
            mono_ms = facts(stored.body)["mono"]
        except AuditError:
            return self._started
        return max(self._started, float(mono_ms) / 1000)
