"""Records of what the backend holds against this hub's records, and of what it has lost.

Laws:
1. Each cause of a Halt is recorded once, however often the backend says it.
2. What the backend has lost is recorded before the records wait again for it.
"""

from __future__ import annotations

from hubcore.backend.uplink.from_backend import Halt
from hubcore.backend.uplink.words import Cause
from hubcore.evidence.facts import Detail, Fact
from hubcore.evidence.records import Head, Record, RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog

RESTORED = "restored"
"""The cause of a break that no Halt tells: the backend came back with an older copy."""

_NOTHING: Detail = {}


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
        known = Head(halt.number, halt.hash)
        await self._append(halt.cause.name.lower(), known)
        self._recorded.add(halt.cause)

    async def record_loss(self, durable: Head) -> None:
        """Record that the backend has lost what it once held after `durable`.

        What has gone here cannot be sent again: the record says how many. Raise StoreError.
        """
        gone = max(0, self._records.gone() - durable.number)
        await self._append(RESTORED, durable, {Fact.LOST: gone} if gone else {})

    async def _append(self, cause: str, known: Head, more: Detail = _NOTHING) -> None:
        detail: Detail = {
            Fact.CAUSE: cause,
            Fact.KNOWN: known.number,
            Fact.KNOWN_HASH: known.hash,
            **more,
        }
        wall = self._clock.wall()
        monotonic = self._clock.monotonic()
        await self._records.append(Record.at(RecordKind.BREAK, wall, monotonic, detail))
