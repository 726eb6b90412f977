"""Schedules as bytes: how a policy, and the row of a schedule, hold them.

Laws:
1. What is read is checked while it is read. A schedule that makes no sense is refused as a whole.
2. What was read is written again as the same bytes.

Shapes: `schedule`, `recurrence` and `special` of docs/protocol.cddl.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from itertools import pairwise
from typing import Any

from hubcore.calendar.recurrence import (
    DAY_MAX,
    DELETED_MAX,
    INTERVAL_MAX,
    MINUTES_A_DAY,
    SPAN_DAYS_MAX,
    Daily,
    MonthlyByDay,
    MonthlyByWeekday,
    Pattern,
    Recurrence,
    Weekly,
    Yearly,
)
from hubcore.calendar.schedule import ALL_DAYS, Rule, Span
from hubcore.codec.cbor import Cursor
from hubcore.errors import FrameError

RULES_A_SCHEDULE = 1024
SPECIALS_A_SCHEDULE = 16
SPANS_A_SPECIAL = 16
DAYS_A_GROUP = 1000
_BY_MAX = 62
"""Days of a month, from both ends."""
_RULE_ITEMS = 3
_RECURRENCE_ITEMS = 8

Take = Callable[[int], int]
"""Counts items against a ceiling before they are read; raises FrameError beyond it."""


class PatternKind(IntEnum):
    """The first item of a recurrence. The numbers stand in policies: they are never changed."""

    DAILY = 1
    WEEKLY = 2
    MONTHLY_BY_DAY = 3
    MONTHLY_BY_WEEKDAY = 4
    YEARLY = 5


def write_rule(rule: Rule | Recurrence) -> list[Any]:
    """Return a rule as CBOR has it."""
    if isinstance(rule, Rule):
        return [rule.days, rule.start, rule.end]
    kind, by = _write_pattern(rule.pattern)
    return [
        int(kind),
        by,
        rule.first,
        rule.start,
        rule.minutes,
        rule.interval,
        rule.until,
        sorted(rule.deleted),
    ]


def _write_pattern(pattern: Pattern) -> tuple[PatternKind, list[int]]:
    match pattern:
        case Daily():
            return PatternKind.DAILY, []
        case Weekly(weekdays):
            return PatternKind.WEEKLY, [weekdays]
        case MonthlyByDay(days):
            return PatternKind.MONTHLY_BY_DAY, sorted(day % _BY_BASE for day in days)
        case MonthlyByWeekday(nth):
            return PatternKind.MONTHLY_BY_WEEKDAY, sorted(_pack_nth(one) for one in nth)
        case Yearly(months):
            return PatternKind.YEARLY, sorted(months)


_BY_BASE = 64
"""Days and weeks that count from the end are written as 64 less: 63 is the last."""


def _pack_nth(nth: tuple[int, int]) -> int:
    return 7 * (nth[0] % _BY_BASE) + nth[1]


def _from_end(number: int) -> int:
    return number - _BY_BASE if number > _BY_BASE // 2 else number


def read_rule(cursor: Cursor, take: Take) -> Rule | Recurrence:
    """Read a weekly span or a recurrence. Raise FrameError or ValueError."""
    items = cursor.array()
    if items == _RULE_ITEMS:
        days = cursor.uint(ALL_DAYS)
        start = cursor.uint(MINUTES_A_DAY)
        return Rule(days, start, cursor.uint(MINUTES_A_DAY))
    if items != _RECURRENCE_ITEMS:
        raise FrameError("a rule is [days, from, to] or a recurrence of 8 items")
    kind = PatternKind(cursor.uint(max(PatternKind)))
    by = [cursor.uint(7 * _BY_BASE) for _ in range(_count(cursor, take, _BY_MAX))]
    return Recurrence(
        pattern=_read_pattern(kind, by),
        first=cursor.uint(DAY_MAX),
        start=cursor.uint(MINUTES_A_DAY - 1),
        minutes=cursor.uint(SPAN_DAYS_MAX * MINUTES_A_DAY),
        interval=cursor.uint(INTERVAL_MAX),
        until=cursor.uint_or_null(DAY_MAX),
        deleted=frozenset(read_days(cursor, take, DELETED_MAX)),
    )


def _read_pattern(kind: PatternKind, by: list[int]) -> Pattern:
    if any(later <= earlier for earlier, later in pairwise(by)):
        raise FrameError("a recurrence names a day twice, or not in order")
    match kind:
        case PatternKind.DAILY:
            if by:
                raise FrameError("a daily recurrence names days")
            return Daily()
        case PatternKind.WEEKLY:
            if len(by) != 1:
                raise FrameError("a weekly recurrence has one set of weekdays")
            return Weekly(by[0])
        case PatternKind.MONTHLY_BY_DAY:
            if any(day >= _BY_BASE for day in by):
                raise FrameError(f"a day of a month is written as less than {_BY_BASE}")
            return MonthlyByDay(frozenset(_from_end(day) for day in by))
        case PatternKind.MONTHLY_BY_WEEKDAY:
            return MonthlyByWeekday(frozenset((_from_end(one // 7), one % 7) for one in by))
        case PatternKind.YEARLY:
            return Yearly(frozenset(by))


def read_days(cursor: Cursor, take: Take, most: int) -> list[int]:
    """Read days since 1970-01-01, which must rise."""
    days: list[int] = []
    for _ in range(_count(cursor, take, most)):
        day = cursor.uint(DAY_MAX)
        if days and day <= days[-1]:
            raise FrameError("days unsorted or repeated")
        days.append(day)
    return days


def read_rules(cursor: Cursor, take: Take) -> tuple[Rule | Recurrence, ...]:
    """Read the rules of one schedule."""
    return tuple(read_rule(cursor, take) for _ in range(_count(cursor, take, RULES_A_SCHEDULE)))


def read_spans(cursor: Cursor, take: Take) -> tuple[Span, ...]:
    """Read the spans of a special day."""
    spans: list[Span] = []
    for _ in range(_count(cursor, take, SPANS_A_SPECIAL)):
        if cursor.array() != 2:
            raise FrameError("a span of a special day is [from, to]")
        start = cursor.uint(MINUTES_A_DAY)
        spans.append((start, cursor.uint(MINUTES_A_DAY)))
    return tuple(spans)


def _count(cursor: Cursor, take: Take, most: int) -> int:
    count = cursor.array()
    if count > most:
        raise FrameError(f"a list of {count} items, more than {most}")
    return take(count)
