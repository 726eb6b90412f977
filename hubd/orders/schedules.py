"""Which doors the policy's schedules hold open now.

Laws:
1. A schedule is asked by arithmetic, once a minute and after each change of the policy.
2. A clock that is not trusted holds nothing open, as it grants nothing.
3. With `first_person_in` a span holds the door open only once somebody came in, by a grant, within
   it. A restart forgets that: somebody must come in again.
4. A schedule that the policy does not have, or that cannot be read, holds nothing open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo

from hubcore.errors import StoreError
from hubcore.ports.clock import Clock, ClockState
from hubcore.ports.stores import PolicyLookups

MINUTE_SECONDS = 60


class HoldSchedules:
    """The schedules of all doors; `points` are the access points by door id."""

    def __init__(
        self,
        points: Mapping[str, Sequence[int]],
        policy: PolicyLookups,
        clock: Clock,
        zone: tzinfo,
    ) -> None:
        self._points = {door: tuple(numbers) for door, numbers in points.items()}
        self._policy = policy
        self._clock = clock
        self._zone = zone
        self._entered: set[int] = set()
        """Access points by which somebody came in within the span that holds now."""
        self._looked: tuple[object, ...] = ()
        self._open: frozenset[str] = frozenset()

    def came_in(self, access_point: int) -> None:
        """Somebody was granted and came in by an access point just now."""
        if self._span_holds(access_point):
            self._entered.add(access_point)
            self._looked = ()

    def open_now(self) -> frozenset[str]:
        """Return the doors that a schedule holds open now."""
        minute = self._clock.wall() // MINUTE_SECONDS
        at = (minute, self._clock.state(), self._policy.version())
        if at != self._looked:
            self._open = frozenset(self._doors_held())
            self._looked = at
        return self._open

    def _doors_held(self) -> Iterator[str]:
        """Yield the doors of which an access point is held open; all points are asked."""
        for door, numbers in self._points.items():
            held = [number for number in numbers if self._point_holds(number)]
            if held:
                yield door

    def _point_holds(self, number: int) -> bool:
        if not self._span_holds(number):
            self._entered.discard(number)
            return False
        try:
            rule = self._policy.point(number).hold_open
        except StoreError:
            return False
        if rule is None:
            return False
        return number in self._entered or not rule.first_person_in

    def _span_holds(self, number: int) -> bool:
        """Tell whether the schedule of an access point's hold-open holds now."""
        if self._clock.state() is not ClockState.TRUSTED:
            return False
        try:
            rule = self._policy.point(number).hold_open
            schedule = None if rule is None else self._policy.schedule(rule.schedule)
        except StoreError:
            return False
        return schedule is not None and schedule.holds(self._clock.wall(), self._zone)
