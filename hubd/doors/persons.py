"""What other claims mean for this one: who waits for a second person, and who is in which area.

Laws:
1. It keeps opaque ids and areas, in memory only. A hub that has just started knows of nobody and
   keeps nobody out for it.
2. A place changes when the door is used: when it is seen to open after the release, or at the
   release where no position switch can tell.
3. One release is open at a door: a later one takes its place. One that nobody used puts nobody
   anywhere, whatever opens the door after it.
4. Somebody came in only by a claim. A release from afar, the exit button and force are nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hubcore.access.claim import Claim
from hubcore.access.passback import PassbackRule, Places, Violation, judge
from hubcore.access.two_person import TwoPersons
from hubcore.access.words import Denial
from hubcore.evidence.facts import Detail, Fact, Value
from hubcore.ports.clock import Clock
from hubd.doors.rules import Point


@dataclass(frozen=True, slots=True)
class _Passage:
    """Somebody was let in and has not been seen to go through.

    `area` is where that leads; None where no passback rule says so.
    """

    access_point: int
    credential: str
    area: int | None


def _nobody(_access_point: int) -> None:
    return


class Persons:
    """Who waits and who is where, at all doors of the hub."""

    def __init__(self, clock: Clock, came_in: Callable[[int], None] = _nobody) -> None:
        """`came_in` takes the access point by which somebody came in by a claim."""
        self._clock = clock
        self._came_in = came_in
        self._two = TwoPersons()
        self._places = Places()
        self._passages: dict[str, _Passage] = {}

    def second_waits(self, claim: Claim) -> bool:
        """Tell whether somebody else waits at the claim's access point for a second person."""
        now = self._clock.monotonic()
        return self._two.partner(claim.access_point, claim.credential, now, claim.op)

    def passed_back(self, rule: PassbackRule | None, claim: Claim) -> Violation:
        """Tell what an access point's passback rule says of a claim."""
        if rule is None:
            return Violation.NONE
        place = self._places.of(claim.credential)
        return judge(rule, place, self._clock.wall())

    def facts(self, claim: Claim, rule: PassbackRule | None) -> Detail:
        """Return what the record of a claim says of others, and of what its holder hides."""
        facts: dict[Fact, Value] = {}
        if claim.duress:
            facts[Fact.DURESS] = True
        waiting = self._two.waiting(claim.access_point)
        if waiting is not None and self.second_waits(claim):
            facts[Fact.PARTNER] = waiting
        if self.passed_back(rule, claim) is Violation.NOTED:
            facts[Fact.PASSED_BACK] = True
        return facts

    def begins(self, claim: Claim) -> None:
        """A claim got a yes: who waits for a second person waits for no other one."""
        if self.second_waits(claim):
            self._two.take(claim.access_point, claim.op)

    def came_to_nothing(self, claim: Claim) -> None:
        """Nothing was released for a claim that had got a yes."""
        if self.second_waits(claim):
            self._two.take(claim.access_point, None)

    def denied(self, claim: Claim, why: Denial) -> None:
        """A claim was denied, and that is on record."""
        if why is Denial.SECOND_PERSON_NEEDED:
            now = self._clock.monotonic()
            self._two.wait(claim.access_point, claim.credential, now)

    def released(self, claim: Claim, point: Point, rule: PassbackRule | None) -> None:
        """A door was released for a claim."""
        self._two.completed(claim.access_point)
        area = None if rule is None else rule.to_area
        passage = _Passage(point.number, claim.credential, area)
        if point.watched:
            self._passages[point.door] = passage
        else:
            self._went(passage)

    def released_from_afar(self, door: str) -> None:
        """A door was released by an order: whoever goes through now is not known."""
        self._passages.pop(door, None)

    def came_in(self, access_point: int) -> None:
        """A door that was released for an access point was seen to open."""
        for door, passage in list(self._passages.items()):
            if passage.access_point == access_point:
                del self._passages[door]
                self._went(passage)

    def known(self, credential: str | None = None) -> int:
        """Count whose place is known or is about to be: one credential's, or all."""
        passages = self._passages.values()
        going = {passage.credential for passage in passages if passage.area is not None}
        if credential is not None:
            return int(credential in going or self._places.of(credential) is not None)
        return len(self._places) + sum(self._places.of(one) is None for one in going)

    def reset(self, credential: str | None = None) -> None:
        """Forget where one credential is, or where all are."""
        for door, passage in list(self._passages.items()):
            if credential in (None, passage.credential):
                del self._passages[door]
        self._places.reset(credential)

    def _went(self, passage: _Passage) -> None:
        self._came_in(passage.access_point)
        if passage.area is None:
            return
        self._places.went(passage.credential, passage.area, self._clock.wall())
