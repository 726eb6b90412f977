"""For how long the oldest record that the backend has not acknowledged has waited.

Laws:
1. A record waits since it was appended, or since hubd started, whichever is later.
2. Only the receipt of that record itself ends its wait.
3. While the log cannot be read, the wait is counted since that began.
4. While receipts come, the log is asked for the next one once in LOOK_SECONDS. What is told may be
   as old as that.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from hubcore.errors import AuditError, StoreError
from hubcore.evidence.records import StoredRecord, facts
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog

LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Oldest:
    """The oldest record, None while it cannot be read; `since` in monotonic seconds."""

    number: int | None
    since: float
    answered: bool = False
    """It waits no longer, and which one waits now has not been looked for."""


class OldestWaiting:
    """Call `find` again and again, and `acknowledged` for each receipt."""

    def __init__(self, records: AuditLog, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._started = clock.monotonic()
        self._last_before_start = records.last()
        self._oldest: _Oldest | None = None
        self._looked_at = -math.inf

    def seconds(self) -> float | None:
        """Return how long it has waited, None when no record is known to wait."""
        if self._oldest is None:
            return None
        return max(0.0, self._clock.monotonic() - self._oldest.since)

    def acknowledged(self, numbers: Collection[int]) -> None:
        """The log has noted that the backend holds these records."""
        if self._oldest is not None and self._oldest.number in numbers:
            self._oldest = replace(self._oldest, answered=True)

    def begin_again(self) -> None:
        """Records wait again that did not: another may be the oldest now."""
        self._oldest = None

    async def find(self) -> float | None:
        """Find the oldest record, unless it is known; return when to look again, None for never."""
        if self._records.waiting() == 0:
            self._oldest = None
            return None
        now = self._clock.monotonic()
        if self._oldest is not None and self._oldest.number is not None:
            if not self._oldest.answered:
                return None
            if now < self._looked_at + LOOK_SECONDS:
                return self._looked_at + LOOK_SECONDS
        self._looked_at = now
        try:
            found = await self._records.unacknowledged(0, 1)
        except StoreError:  # whoever sends the records reports it
            if self._oldest is None or self._oldest.answered:
                self._oldest = _Oldest(None, self._clock.monotonic())
            return None
        for stored in found:
            self._oldest = _Oldest(stored.number, self._waits_since(stored))
        return None

    def _waits_since(self, stored: StoredRecord) -> float:
        if stored.number <= self._last_before_start:
            return self._started  # its monotonic time may be of another boot
        try:
            mono_ms = facts(stored.body)["mono"]
        except AuditError:
            return self._started
        return max(self._started, float(mono_ms) / 1000)
