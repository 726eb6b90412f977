"""A week's hours as people write them, and as hubs have them.

Laws:
1. A day has spans that do not touch: what is written as two that do is refused, with a sentence.
2. A span belongs to one day. One over midnight is written on both days.
3. The same week is always the same rules, in the same order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from hubcore.calendar.recurrence import MINUTES_A_DAY
from hubcore.calendar.schedule import Rule, Span

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SPANS_A_DAY = 6
TEXT_LENGTH = 120
CLOSED = "closed"
_SPAN = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*[-–]\s*([0-9]{1,2}):([0-9]{2})")
_EXAMPLE = '"08:00-12:00, 13:00-18:00"'

Day = tuple[Span, ...]
Week = tuple[Day, ...]
EMPTY: Week = ((),) * len(DAYS)


def read_day(text: str) -> Day:
    """Return the spans of a day, in order; "" and "closed" have none.

    Raise ValueError with a sentence.
    """
    stripped = text.strip()
    if not stripped or stripped.lower() == CLOSED:
        return ()
    spans = sorted(_read_span(part.strip()) for part in stripped.split(","))
    if len(spans) > SPANS_A_DAY:
        raise ValueError(f"A day has at most {SPANS_A_DAY} spans.")
    for before, after in pairwise(spans):
        if after[0] <= before[1]:
            raise ValueError(
                f"{write_span(before)} and {write_span(after)} touch: write them as one."
            )
    return tuple(spans)


def _read_span(text: str) -> Span:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no span of a day. Write such as {_EXAMPLE}.")
    start_hour, start_minute, end_hour, end_minute = map(int, found.groups())
    start = _minute(text, start_hour, start_minute)
    end = _minute(text, end_hour, end_minute)
    if start >= end:
        raise ValueError(
            f"{text}: it ends before it begins. Write a span over midnight on both days, such as "
            '"22:00-24:00", and "00:00-06:00" on the next.'
        )
    return start, end


def _minute(text: str, hour: int, minute: int) -> int:
    if minute > 59 or 60 * hour + minute > MINUTES_A_DAY:
        raise ValueError(f"{text}: a day has the times 00:00 to 24:00.")
    return 60 * hour + minute


def write_span(span: Span) -> str:
    """Return a span as people write it."""
    start, end = span
    return f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"


def write_day(day: Iterable[Span]) -> str:
    """Return the spans of a day as people write them; "" for none."""
    return ", ".join(map(write_span, day))


def week_from(stored: Sequence[Iterable[Sequence[int]]]) -> Week:
    """Return a week as it was stored: seven lists of pairs. Raise ValueError for what is none."""
    if len(stored) != len(DAYS):
        raise ValueError("a week has seven days")
    return tuple(day_from(day) for day in stored)


def day_from(stored: Iterable[Sequence[int]]) -> Day:
    """Return a day as it was stored: a list of pairs. Raise ValueError for what is none."""
    return read_day(write_day((int(start), int(end)) for start, end in stored))


def rules_of(week: Sequence[Day]) -> tuple[Rule, ...]:
    """Return the rules of a week: one for each span, with the days on which it holds (law 3)."""
    days: dict[Span, int] = {}
    for number, day in enumerate(week):
        for span in day:
            days[span] = days.get(span, 0) | 1 << number
    return tuple(Rule(bits, start, end) for (start, end), bits in sorted(days.items()))
