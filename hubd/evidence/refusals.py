"""What peers do wrong or ask in vain, in sums.

Laws:
1. A flood leaves evidence, and costs at most SUMS_MAX + 2 records in RECORD_SECONDS.
2. A sum says what was refused, how often, when first and when last. For proven phones and the
   backend it also says whose it was.
3. What cannot be written, or has no room on the disk, is kept and written later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import TypeVar

from hubcore.errors import AuditError, PeerError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import Record, RecordKind, Value
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog

RECORD_SECONDS = 60.0
WRITE_SECONDS = 1.0
SUMS_MAX = 30
"""So many sums of decisions at once; more decisions are summed under SEVERAL."""
SEVERAL = "several"
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class SumKey:
    """Which decisions share a sum: an access or a remote release; whose; and why not.

    `why` is a denial, or "query": it was allowed, and moved nothing.
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
        """`room` tells whether the disk has room for more than releases."""
        self._log = log
        self._clock = clock
        self._tell = tell
        self._room = room
        self._strangers: dict[str, Sum] = {}
        """Refusals of peers that have proven nothing, by the name of the error."""
        self._decisions: dict[SumKey, Sum] = {}

    def count(self, cause: PeerError) -> None:
        """Take one refusal of a peer that has proven nothing."""
        name = type(cause).__name__
        _add(self._strangers, name, self._once())
        self._tell(EventName.REFUSED, {Fact.ERROR: name, Fact.WHY: str(cause)})

    def add(self, key: SumKey) -> None:
        """Take one decision that gets no record of its own."""
        if key not in self._decisions and len(self._decisions) >= SUMS_MAX:
            key = replace(key, source=SEVERAL, why=SEVERAL)
        _add(self._decisions, key, self._once())

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
        decisions = self._decisions
        self._strangers = {}
        self._decisions = {}
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._append_all(strangers, decisions)
        except AuditError as error:
            self._tell(EventName.AUDIT_FAILED, {Fact.WHY: str(error)})
        except TimeoutError:
            self._tell(EventName.AUDIT_FAILED, {Fact.WHY: "the disk does not answer"})
        finally:
            # one may be on its way and still become durable: then it is recorded twice
            self._put_back(strangers, decisions)

    async def _append_all(self, strangers: dict[str, Sum], decisions: dict[SumKey, Sum]) -> None:
        """Record both; what is durable is taken out of them."""
        if strangers:
            await self._append(_strangers_detail(strangers))
            strangers.clear()
        for key, total in list(decisions.items()):
            await self._append(_decision_detail(key, total))
            del decisions[key]

    async def _append(self, detail: Detail) -> None:
        wall = self._clock.wall()
        monotonic = self._clock.monotonic()
        await self._log.append(Record.at(RecordKind.REFUSED, wall, monotonic, detail))

    def _put_back(self, strangers: Mapping[str, Sum], decisions: Mapping[SumKey, Sum]) -> None:
        """Keep what was not written."""
        for name, total in strangers.items():
            _add(self._strangers, name, total)
        for key, total in decisions.items():
            _add(self._decisions, key, total)

    def _once(self) -> Sum:
        """Return the sum of one refusal, now."""
        now_ms = int(self._clock.wall() * 1000)
        return Sum(1, now_ms, now_ms)


def _add(sums: dict[_Key, Sum], key: _Key, more: Sum) -> None:
    before = sums.get(key)
    sums[key] = before.joined(more) if before else more


def _strangers_detail(sums: Mapping[str, Sum]) -> Detail:
    """One record with a number for each kind of error."""
    counts: dict[Fact, Value] = {Fact(name): total.count for name, total in sums.items()}
    whole = reduce(Sum.joined, sums.values())
    return {**counts, Fact.FIRST: whole.first_ms, Fact.LAST: whole.last_ms}


def _decision_detail(key: SumKey, total: Sum) -> Detail:
    return {
        Fact.SUMMED: str(key.kind),
        Fact.SOURCE: key.source,
        Fact.WHY: key.why,
        Fact.COUNT: total.count,
        Fact.FIRST: total.first_ms,
        Fact.LAST: total.last_ms,
    }
