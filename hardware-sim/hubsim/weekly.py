"""Weekly spans as people write them, such as "mon-fri 08:00-18:00", to the rules of a grant.

Laws: a span over midnight is the two rules that are meant, and days over the week's end are all of
them; what could never hold, or names a time that no clock shows, is refused with a sentence. A hub
reads a rule that never holds and lets nobody in by it (docs/protocol.md); here none is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hubcore.access.schedule import ALL_DAYS, MINUTES_A_DAY, Rule

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([a-z]{3})(?:-([a-z]{3}))?\s+([0-9]{1,2}:[0-9]{2})-([0-9]{1,2}:[0-9]{2})")
_EXAMPLE = '"mon-fri 08:00-18:00"'


def weekly(text: str) -> tuple[Rule, ...]:
    """Return the rules of one span: one, or two when it leads over midnight.

    Raise ValueError with a sentence.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is no span such as {_EXAMPLE}")
    first, last, begins, ends = found.groups()
    days = _days(text, first, last or first)
    start = _minute(text, begins)
    end = _minute(text, ends)
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
    return (evening, Rule(_the_days_after(days), 0, end)) if end else (evening,)


def refuse_never(rules: Iterable[Rule | int]) -> None:
    """Refuse a rule that can never hold.

    Raise ValueError; a schedule's number is for the policy to judge.
    """
    for rule in rules:
        if isinstance(rule, Rule) and (rule.start >= rule.end or not rule.days):
            raise ValueError(f"{rule} never holds: it has no day, or ends when or before it begins")


def _days(text: str, first: str, last: str) -> int:
    for day in (first, last):
        if day not in _DAYS:
            raise ValueError(f"{text!r}: {day!r} is none of {', '.join(_DAYS)}")
    begins = _DAYS.index(first)
    ends = _DAYS.index(last)
    count = (ends - begins) % len(_DAYS) + 1
    return sum(1 << (begins + more) % len(_DAYS) for more in range(count))


def _the_days_after(days: int) -> int:
    return (days << 1 | days >> (len(_DAYS) - 1)) & ALL_DAYS


def _minute(text: str, time: str) -> int:
    hour, minute = (int(part) for part in time.split(":"))
    if minute > 59 or 60 * hour + minute > MINUTES_A_DAY:
        raise ValueError(f"{text!r}: {time} is no time of a day, 00:00 to 24:00")
    return 60 * hour + minute
