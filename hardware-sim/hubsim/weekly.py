"""Weekly spans as people write them, such as "mon-fri 08:00-18:00", to the rules of a grant.

Laws:
1. A span over midnight becomes two rules.
2. Days may go over the end of the week.
3. A span that never holds, or a time that no clock shows, is refused with a sentence. A hub would
   read such a rule and let nobody in by it (docs/protocol.md); here none is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hubcore.calendar.recurrence import MINUTES_A_DAY, Recurrence
from hubcore.calendar.schedule import ALL_DAYS, Rule

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([a-z]{3})(?:-([a-z]{3}))?\s+([0-9]{1,2}:[0-9]{2})-([0-9]{1,2}:[0-9]{2})")
_EXAMPLE = '"mon-fri 08:00-18:00"'


def weekly(text: str) -> tuple[Rule, ...]:
    """Return the rules of one span: one, or two when it goes over midnight.

    Raise ValueError with a sentence.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is no span such as {_EXAMPLE}")
    first_day, last_day, start_text, end_text = found.groups()
    days = _days(text, first_day, last_day or first_day)
    start = _minute(text, start_text)
    end = _minute(text, end_text)
    if start == MINUTES_A_DAY:
        raise ValueError(
            f"{text!r}: a span begins at 23:59 at the latest; write 00:00 of the next day"
        )
    if start == end:
        raise ValueError(
            f"{text!r} never holds: it ends when it begins; the whole day is 00:00-24:00"
        )
    if start < end:
        return (Rule(days, start, end),)
    evening = Rule(days, start, MINUTES_A_DAY)
    if end == 0:
        return (evening,)
    morning = Rule(_the_days_after(days), 0, end)
    return (evening, morning)


def refuse_never(rules: Iterable[Rule | Recurrence | int]) -> None:
    """Refuse a rule that can never hold.

    Raise ValueError; a schedule's number is for the policy to judge.
    """
    for rule in rules:
        if not isinstance(rule, Rule):
            continue
        if rule.start >= rule.end or not rule.days:
            raise ValueError(f"{rule} never holds: it has no day, or ends when or before it begins")


def _days(text: str, first: str, last: str) -> int:
    """Return the bits of the days from `first` to `last`."""
    for name in (first, last):
        if name not in _DAYS:
            raise ValueError(f"{text!r}: {name!r} is none of {', '.join(_DAYS)}")
    day = _DAYS.index(first)
    end = _DAYS.index(last)
    bits = 1 << day
    while day != end:
        day = (day + 1) % len(_DAYS)
        bits |= 1 << day
    return bits


def _the_days_after(days: int) -> int:
    return (days << 1 | days >> (len(_DAYS) - 1)) & ALL_DAYS


def _minute(text: str, time: str) -> int:
    hour_text, minute_text = time.split(":")
    hour = int(hour_text)
    minute = int(minute_text)
    if minute > 59 or 60 * hour + minute > MINUTES_A_DAY:
        raise ValueError(f"{text!r}: {time} is no time of a day, 00:00 to 24:00")
    return 60 * hour + minute
