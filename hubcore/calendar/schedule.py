"""Schedules: when something holds, by the wall clock at the door.

Laws:
1. A schedule speaks of the *wall clock at the door*. A local time that a DST change skips never
   occurs. One that it repeats counts both times. So a moment is inside when its local day and
   minute are, and nothing else is asked.
2. Spans are half-open: `from` is inside, `to` is not.
3. A special day replaces the whole day: on it the spans of the special day hold, and no other. A
   span of the day before ends at its midnight.
4. Of several special days on one date the first of the schedule counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from hubcore.calendar.recurrence import MINUTES_A_DAY, Recurrence, day_of

ALL_DAYS = 0b1111111


@dataclass(frozen=True, slots=True)
class WallTime:
    """What the wall clock at the door shows: the day since 1970-01-01, the minute of that day."""

    day: int
    minute: int

    @classmethod
    def at(cls, at: float, zone: tzinfo) -> WallTime:
        """Return what it shows at `at` (Unix seconds) in `zone`."""
        local = datetime.fromtimestamp(at, zone)
        return cls(day_of(local.date()), local.hour * 60 + local.minute)


@dataclass(frozen=True, slots=True)
class Rule:
    """A span on some weekdays, from `start` to before `end`, in minutes after midnight, 0..1440.

    `days` has bit 0 for Monday, bit 6 for Sunday. `end` <= `start` is an empty span. A span over
    midnight is two rules, so that every span belongs to one day.
    """

    days: int
    start: int
    end: int

    def __post_init__(self) -> None:
        """Raise ValueError for days or minutes out of range."""
        if not 0 <= self.days <= ALL_DAYS:
            raise ValueError(f"days {self.days} is not within 0..127")
        if not (0 <= self.start <= MINUTES_A_DAY and 0 <= self.end <= MINUTES_A_DAY):
            raise ValueError(f"minutes {self.start}..{self.end} are not within 0..{MINUTES_A_DAY}")

    def holds(self, day: int, minute: int) -> bool:
        """Tell whether a minute of a day since 1970-01-01 lies inside."""
        if not self.start <= minute < self.end:
            return False
        weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
        return bool(self.days >> weekday & 1)


ALWAYS = (Rule(ALL_DAYS, 0, MINUTES_A_DAY),)
Span = tuple[int, int]
"""From and to, in minutes after midnight, 0..1440; `to` is not inside."""


@dataclass(frozen=True, slots=True)
class SpecialDays:
    """Dates with spans of their own; no spans: nothing holds on them.

    `days` are days since 1970-01-01 (RFC 8943).
    """

    days: frozenset[int]
    spans: tuple[Span, ...]

    def __post_init__(self) -> None:
        """Raise ValueError for a span that is out of range or empty."""
        for start, end in self.spans:
            if not 0 <= start < end <= MINUTES_A_DAY:
                raise ValueError(f"{start}..{end} is no span of a day")

    def hold(self, minute: int) -> bool:
        """Tell whether a minute of one of these days is inside."""
        return any(start <= minute < end for start, end in self.spans)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of the policy: one of its rules must hold, and special days go before them."""

    rules: tuple[Rule | Recurrence, ...]
    special: tuple[SpecialDays, ...] = ()

    def holds(self, at: float, zone: tzinfo) -> bool:
        """Tell whether `at` (Unix seconds) lies inside, in local time of `zone`."""
        return self.holds_on(WallTime.at(at, zone))

    def holds_on(self, now: WallTime) -> bool:
        """Tell whether a minute at the door lies inside."""
        for special in self.special:
            if now.day in special.days:
                return special.hold(now.minute)
        return one_holds(self.rules, now)


def one_holds(rules: Iterable[Rule | Recurrence], now: WallTime) -> bool:
    """Tell whether a minute at the door lies in one of the rules."""
    day = now.day
    minute = now.minute
    for rule in rules:  # noqa: SIM110 (a generator for each schedule would cost more than its rules)
        if rule.holds(day, minute):
            return True
    return False


def inside(rules: Iterable[Rule], at: float, zone: tzinfo) -> bool:
    """Tell whether `at` (Unix seconds) lies in one of the rules, in local time of `zone`."""
    return one_holds(rules, WallTime.at(at, zone))
