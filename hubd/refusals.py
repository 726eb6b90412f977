"""What peers do wrong, in sums.

Law: a flood of nonsense leaves evidence, and costs at most one record a minute, with one number for each kind of error.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

from hubd.core.records import Kind, Record, Value
from hubd.errors import AuditError, PeerError
from hubd.ports import AuditLog, Clock

RECORD_SECONDS = 60.0
WRITE_SECONDS = 1.0


class Refusals:
    """Counts causes by kind of error, and records the counts once a minute when there are any."""

    def __init__(self, log: AuditLog, clock: Clock, tell: Callable[[str, Mapping[str, Value]], None]) -> None:
        self._log, self._clock, self._tell = log, clock, tell
        self._counts: Counter[str] = Counter()

    def count(self, cause: PeerError) -> None:
        """Take one refusal."""
        self._counts[type(cause).__name__] += 1
        self._tell("refused", {"error": type(cause).__name__, "why": str(cause)})

    async def run(self) -> None:
        """Write the sums until cancelled, and the last ones then."""
        try:
            while True:
                await asyncio.sleep(RECORD_SECONDS)
                await self.write()
        finally:
            await self.write()

    async def write(self) -> None:
        """Record what was counted since the last time."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        wall, mono = self._clock.wall(), self._clock.monotonic()
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._log.append(Record.at(Kind.REFUSED, wall, mono, dict(counts)))
        except AuditError as error:
            self._counts.update(counts)
            self._tell("audit_failed", {"why": str(error)})
        except TimeoutError:  # it is on its way, and may still become durable
            self._tell("audit_failed", {"why": "the disk does not answer"})
