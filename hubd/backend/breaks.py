"""Records of what the backend holds against this hub's records.

Law: each cause is recorded once, however often the backend says it.
"""

from __future__ import annotations

from hubcore.backend.uplink.from_backend import Halt
from hubcore.backend.uplink.words import Cause
from hubcore.evidence.facts import Detail, Fact
from hubcore.evidence.records import Record, RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog


class BreakRecorder:
    """Records each cause of a Halt, once in the daemon's life."""

    def __init__(self, records: AuditLog, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._recorded: set[Cause] = set()

    async def record(self, halt: Halt | None) -> None:
        """Record the Halt that holds now, unless its cause is recorded. Raise StoreError."""
        if halt is None or halt.cause in self._recorded:
            return
        detail: Detail = {
            Fact.CAUSE: halt.cause.name.lower(),
            Fact.KNOWN: halt.number,
            Fact.KNOWN_HASH: halt.hash,
        }
        wall = self._clock.wall()
        monotonic = self._clock.monotonic()
        await self._records.append(Record.at(RecordKind.BREAK, wall, monotonic, detail))
        self._recorded.add(halt.cause)
