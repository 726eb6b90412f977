"""What peers do wrong or ask in vain, in sums.

1. A flood leaves evidence, and costs at most SUMS_MAX + 2 records in RECORD_SECONDS.
2. A sum says what was refused, how often, when first and when last; of proven phones and the
   backend also whose it was.
3. What cannot be written, or for which the disk has no room (`room`), is kept and written later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from hubcore.errors import AuditError, PeerError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import Record, RecordKind, Value
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog

RECORD_SECONDS = 60.0
WRITE_SECONDS = 1.0
SUMS_MAX = 30
"""Different sums at once; what comes beyond is summed under SEVERAL."""
SEVERAL = "several"
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class What:
    """What is summed: an access, a remote release; whose; and why not (`query`: it was allowed, and
    moved nothing).
    """

    kind: RecordKind
    source: str
    why: str


@dataclass(frozen=True, slots=True)
class Sum:
    """How often, and when first and last, in Unix milliseconds."""

    count: int
    first_ms: int
    last_ms: int

    def joined(self, other: Sum) -> Sum:
        """Return the sum of both."""
        first_ms = min(self.first_ms, other.first_ms)
        last_ms = max(self.last_ms, other.last_ms)
        return Sum(self.count + other.count, first_ms, last_ms)


class Refusals:
    """Sums up, and records the sums once a minute when there are any."""

    def __init__(
        self,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._log = log
        self._clock = clock
        self._tell = tell
        self._room = room
        self._strangers: dict[str, Sum] = {}
        self._known: dict[What, Sum] = {}

    def count(self, cause: PeerError) -> None:
        """Take one refusal of a peer that has proven nothing."""
        name = type(cause).__name__
        now_ms = self._now_ms()
        _add(self._strangers, name, Sum(1, now_ms, now_ms))
        self._tell(EventName.REFUSED, {Fact.ERROR: name, Fact.WHY: str(cause)})

    def add(self, what: What) -> None:
        """Take one decision that gets no record of its own."""
        now_ms = self._now_ms()
        room = what in self._known or len(self._known) < SUMS_MAX
        _add(
            self._known,
            what if room else replace(what, source=SEVERAL, why=SEVERAL),
            Sum(1, now_ms, now_ms),
        )

    async def run(self) -> None:
        """Write the sums until cancelled, and the last ones then."""
        try:
            while True:
                await asyncio.sleep(RECORD_SECONDS)
                await self.write()
        finally:
            await self.write()

    async def write(self) -> None:
        """Record what was summed since the last time, when the disk has room for it."""
        if not self._room():
            return
        strangers = self._strangers
        self._strangers = {}
        known = self._known
        self._known = {}
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                if strangers:
                    await self._append(_of_strangers(strangers))
                    strangers = {}
                for what, found in list(known.items()):
                    await self._append(_of_known(what, found))
                    del known[what]
        except AuditError as error:
            self._keep(strangers, known)
            self._tell(EventName.AUDIT_FAILED, {Fact.WHY: str(error)})
        except (
            TimeoutError
        ):  # one is on its way, and may still become durable: then it is told twice
            self._keep(strangers, known)
            self._tell(EventName.AUDIT_FAILED, {Fact.WHY: "the disk does not answer"})

    async def _append(self, detail: Detail) -> None:
        await self._log.append(
            Record.at(RecordKind.REFUSED, self._clock.wall(), self._clock.monotonic(), detail)
        )

    def _keep(self, strangers: Mapping[str, Sum], known: Mapping[What, Sum]) -> None:
        for name, found in strangers.items():
            _add(self._strangers, name, found)
        for what, found in known.items():
            _add(self._known, what, found)

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)


def _add(sums: dict[_Key, Sum], key: _Key, more: Sum) -> None:
    before = sums.get(key)
    sums[key] = before.joined(more) if before else more


def _of_strangers(sums: Mapping[str, Sum]) -> Detail:
    """One record with a number for each kind of error."""
    counts: dict[Fact, Value] = {Fact(name): found.count for name, found in sums.items()}
    first_ms = min(found.first_ms for found in sums.values())
    last_ms = max(found.last_ms for found in sums.values())
    return {**counts, Fact.FIRST: first_ms, Fact.LAST: last_ms}


def _of_known(what: What, found: Sum) -> Detail:
    return {
        Fact.SUMMED: str(what.kind),
        Fact.SOURCE: what.source,
        Fact.WHY: what.why,
        Fact.COUNT: found.count,
        Fact.FIRST: found.first_ms,
        Fact.LAST: found.last_ms,
    }
