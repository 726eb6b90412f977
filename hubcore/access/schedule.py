"""Weekly schedules in the site's time zone: half-open spans of minutes on a set of weekdays.

Law: a rule speaks of the *wall clock at the door*. A local time that a DST change skips never
occurs. One that it repeats counts both times. So a moment is inside when its local weekday and
minute are, and nothing else is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo

MINUTES_A_DAY = 1440
ALL_DAYS = 0b1111111


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


ALWAYS = (Rule(ALL_DAYS, 0, MINUTES_A_DAY),)


def inside(rules: Iterable[Rule], at: float, zone: tzinfo) -> bool:
    """Tell whether `at` (Unix seconds) lies in one of the rules, in local time of `zone`."""
    local = datetime.fromtimestamp(at, zone)
    day = 1 << local.weekday()
    minute = local.hour * 60 + local.minute
    return any(rule.days & day and rule.start <= minute < rule.end for rule in rules)
