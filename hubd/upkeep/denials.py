"""The last denials at the doors, for who stands in front of one: `hubctl why`.

Laws:
1. One place each for who asked, where and why. At most DENIALS_MAX; the longest ago leaves first.
2. No whole id is told, as everywhere outside the records. Duress is never told.
3. What would be so now is judged anew. Nothing is recorded and nothing changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hubcore.access.claim import Claim
from hubcore.access.words import Denial
from hubcore.evidence.facts import Detail, Fact, shown
from hubcore.ports.clock import Clock
from hubd.config.file import Config
from hubd.doors.operation import Operation

DENIALS_MAX = 64
WhyDenied = Callable[[Claim], Denial | None]
HoursBegin = Callable[[Claim], float | None]


@dataclass(frozen=True, slots=True)
class LastDenial:
    """What was denied last, and how often in all; `at` in Unix seconds."""

    at: float
    operation: Operation
    why: Denial
    facts: Detail
    count: int


class LastDenials:
    """Remembers, since the start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[tuple[str, int, Denial], LastDenial] = {}
        self.since = clock.wall()

    def note(self, operation: Operation, why: Denial, facts: Detail) -> None:
        """Take a denial."""
        key = (operation.source, operation.point, why)
        before = self._last.pop(key, None)
        self._last[key] = LastDenial(
            at=self._clock.wall(),
            operation=operation,
            why=why,
            facts=facts,
            count=1 if before is None else before.count + 1,
        )
        if len(self._last) > DENIALS_MAX:
            del self._last[next(iter(self._last))]

    def newest_first(self) -> list[LastDenial]:
        """Return them all."""
        return list(reversed(self._last.values()))


class DenialReport:
    """Says what `hubctl why` shows."""

    def __init__(
        self, config: Config, last: LastDenials, why_denied: WhyDenied, hours_begin: HoursBegin
    ) -> None:
        """`why_denied` judges a claim now; `hours_begin` tells when its hours begin next."""
        self._zone = config.hub.time_zone
        self._points = {
            point.number: (door, point) for door in config.doors for point in door.access_points
        }
        self._last = last
        self._why_denied = why_denied
        self._hours_begin = hours_begin

    async def document(self) -> Mapping[str, object]:
        """Return the denials, newest first; other tasks have their turn between two of them."""
        denials: list[Mapping[str, object]] = []
        for denial in self._last.newest_first():
            denials.append(self._shown(denial))
            await asyncio.sleep(0)
        return {"zone": self._zone, "since": self._last.since, "denials": denials}

    def _shown(self, denial: LastDenial) -> Mapping[str, object]:
        operation = denial.operation
        place = self._points.get(operation.point)
        facts = shown({Fact.ASKER: operation.asker, **_told(denial.facts)})
        return {
            "at": denial.at,
            "count": denial.count,
            "by": str(operation.kind),
            "asker": facts["asker"],
            "uid": operation.uid,
            "path": facts.get("path"),
            "reader": facts.get("reader"),
            "point": operation.point,
            "point_name": None if place is None else place[1].name,
            "door": None if place is None else place[0].id,
            "door_name": None if place is None else place[0].name,
            "why": str(denial.why),
            **self._of_claim(operation.claim, denial.why),
        }

    def _of_claim(self, claim: Claim | None, why: Denial) -> Mapping[str, object]:
        """Say what only a claim tells; without one nobody knows it: null."""
        if claim is None:
            return {"begins": None, "expires": None, "hours_begin": None, "now": None}
        now = self._why_denied(claim)
        is_by_hours = why is Denial.OUT_OF_SCHEDULE
        return {
            "begins": claim.not_before,
            "expires": claim.expires,
            "hours_begin": self._hours_begin(claim) if is_by_hours else None,
            "now": "granted" if now is None else str(now),
        }


def _told(facts: Detail) -> Detail:
    return {fact: value for fact, value in facts.items() if fact in (Fact.PATH, Fact.READER)}
