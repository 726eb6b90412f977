"""Recurring spans: as a calendar library has them, flat in a rule's age, and never nonsense."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from types import FrameType

import pytest
from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, weekday
from hypothesis import assume, given
from hypothesis import strategies as st

from hubcore.calendar import recurrence
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
    date_of,
    day_of,
)

MONDAY = day_of(date(2026, 1, 5))
STEPS_MAX = 150
"""Lines of code for the four days that may be asked; a walk from 1970 would take thousands."""

nths = st.tuples(st.sampled_from([-5, -2, -1, 1, 2, 3, 4, 5]), st.integers(0, 6))
month_days = st.integers(1, 31) | st.integers(-31, -1)
patterns = st.one_of(
    st.just(Daily()),
    st.builds(Weekly, st.integers(1, 127)),
    st.builds(MonthlyByDay, st.frozensets(month_days, min_size=1, max_size=4)),
    st.builds(MonthlyByWeekday, st.frozensets(nths, min_size=1, max_size=3)),
    st.builds(Yearly, st.frozensets(st.integers(1, 12), min_size=1, max_size=4)),
)


def oracle(rule: Recurrence) -> rrule:
    """The same rule for dateutil."""
    facts: dict[str, object] = {}
    match rule.pattern:
        case Daily():
            frequency = DAILY
        case Weekly(weekdays):
            frequency = WEEKLY
            facts["byweekday"] = [day for day in range(7) if weekdays >> day & 1]
        case MonthlyByDay(days):
            frequency = MONTHLY
            facts["bymonthday"] = sorted(days)
        case MonthlyByWeekday(nth):
            frequency = MONTHLY
            facts["byweekday"] = [weekday(day, n) for n, day in sorted(nth)]
        case Yearly(months):
            frequency = YEARLY
            facts["bymonth"] = sorted(months)
    begins = datetime.combine(date_of(rule.first), datetime.min.time())
    ends = None
    if rule.until is not None:
        ends = datetime.combine(date_of(rule.until), datetime.max.time())
    return rrule(frequency, dtstart=begins, interval=rule.interval, until=ends, **facts)


def first_occurrence(pattern: Pattern, near: int, interval: int) -> int:
    """The first day from `near` on that a rule of this pattern may begin with."""
    days = (day for day in range(near, near + 400) if pattern.begins(day, day, interval))
    first = next(days, None)
    assume(first is not None)
    assert first is not None
    return first


@st.composite
def rules(draw: st.DrawFn, pattern: st.SearchStrategy[Pattern] = patterns) -> Recurrence:
    """A rule that begins between 2000 and 2030, on an occurrence of its pattern."""
    chosen = draw(pattern)
    interval = draw(st.integers(1, 5))
    near = draw(st.integers(day_of(date(2000, 1, 1)), day_of(date(2030, 1, 1))))
    first = next(
        (day for day in range(near, near + 400) if chosen.begins(day, day, interval)), None
    )
    assume(first is not None)
    assert first is not None
    until = draw(st.none() | st.integers(first, first + 1500))
    return Recurrence(
        pattern=chosen,
        first=first,
        start=draw(st.integers(0, MINUTES_A_DAY - 1)),
        minutes=draw(st.integers(1, SPAN_DAYS_MAX * MINUTES_A_DAY)),
        interval=interval,
        until=until,
    )


@given(rules(), st.data())
def test_days_are_those_of_the_calendar_library(rule: Recurrence, data: st.DataObject) -> None:
    begin = rule.first + data.draw(st.integers(-10, 1200))
    window = range(max(0, begin), begin + 70)
    first = datetime.combine(date_of(window[0]), datetime.min.time())
    last = datetime.combine(date_of(window[-1]), datetime.min.time())
    expected = {day_of(found.date()) for found in oracle(rule).between(first, last, inc=True)}
    assert {day for day in window if rule.begins(day)} == expected


@given(rules(), st.integers(-2, 900), st.integers(0, MINUTES_A_DAY - 1))
def test_minutes_are_those_of_the_spans(rule: Recurrence, after: int, minute: int) -> None:
    day = max(0, rule.first + after)
    now = datetime.combine(date_of(day), datetime.min.time()) + timedelta(minutes=minute)
    length = timedelta(minutes=rule.minutes)
    begins = [
        datetime.combine(date_of(earlier), datetime.min.time()) + timedelta(minutes=rule.start)
        for earlier in range(max(0, day - SPAN_DAYS_MAX), day + 1)
        if rule.begins(earlier)
    ]
    assert rule.holds(day, minute) == any(begin <= now < begin + length for begin in begins)


@given(rules(), st.data())
def test_a_deleted_occurrence_never_holds(rule: Recurrence, data: st.DataObject) -> None:
    window = range(rule.first, rule.first + 500)
    occurrences = [day for day in window if rule.begins(day)]
    gone = data.draw(st.sampled_from(occurrences))
    less = Recurrence(
        pattern=rule.pattern,
        first=rule.first,
        start=rule.start,
        minutes=rule.minutes,
        interval=rule.interval,
        until=rule.until,
        deleted=frozenset({gone}),
    )
    assert [day for day in window if less.begins(day)] == [d for d in occurrences if d != gone]


def test_a_span_is_half_open_and_leads_over_midnight() -> None:
    night = Recurrence(pattern=Weekly(1), first=MONDAY, start=22 * 60, minutes=8 * 60)
    assert not night.holds(MONDAY, 22 * 60 - 1)
    assert night.holds(MONDAY, 22 * 60)
    assert night.holds(MONDAY + 1, 0)
    assert night.holds(MONDAY + 1, 6 * 60 - 1)
    assert not night.holds(MONDAY + 1, 6 * 60)
    assert not night.holds(MONDAY, 0), "nothing began before the first day"


def steps_of(rule: Recurrence, day: int) -> int:
    """How many lines of the rule's own module one answer takes."""
    steps = 0

    def count(frame: FrameType, *_: object) -> object:
        nonlocal steps
        if frame.f_code.co_filename != recurrence.__file__:
            return None  # what the garbage collector runs meanwhile
        steps += 1
        return count

    sys.settrace(count)
    try:
        rule.holds(day, 600)
    finally:
        sys.settrace(None)
    return steps


@given(patterns, st.integers(1, 3))
def test_an_answer_costs_the_same_however_old_the_rule_is(pattern: Pattern, interval: int) -> None:
    now = day_of(date(2026, 11, 27))
    costs = []
    for year in (1970, 1999, 2026):
        rule = Recurrence(
            pattern=pattern,
            first=first_occurrence(pattern, day_of(date(year, 1, 1)), interval),
            start=0,
            minutes=SPAN_DAYS_MAX * MINUTES_A_DAY,
            interval=interval,
        )
        costs.append(steps_of(rule, now))
    assert max(costs) < STEPS_MAX


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"interval": 0}, "interval 0 is not within"),
        ({"interval": INTERVAL_MAX + 1}, "interval"),
        ({"first": -1}, "first day"),
        ({"first": DAY_MAX + 1}, "first day"),
        ({"start": MINUTES_A_DAY}, "start"),
        ({"start": -1}, "start"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": SPAN_DAYS_MAX * MINUTES_A_DAY + 1}, "minutes"),
        ({"until": MONDAY - 1}, "until"),
        ({"until": DAY_MAX + 1}, "until"),
        ({"pattern": Weekly(0b10)}, "first day is none"),
        ({"pattern": MonthlyByDay(frozenset({30}))}, "first day is none"),
        ({"pattern": Yearly(frozenset({2}))}, "first day is none"),
        ({"deleted": frozenset(range(DELETED_MAX + 1))}, "deleted"),
    ],
)
def test_a_rule_that_makes_no_sense_cannot_be_made(facts: dict[str, object], why: str) -> None:
    good: dict[str, object] = {"pattern": Daily(), "first": MONDAY, "start": 0, "minutes": 60}
    Recurrence(**good)
    with pytest.raises(ValueError, match=why):
        Recurrence(**{**good, **facts})


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Weekly(0), "weekdays 0"),
        (lambda: Weekly(128), "weekdays 128"),
        (lambda: MonthlyByDay(frozenset()), "names no day"),
        (lambda: MonthlyByDay(frozenset({0})), "day 0"),
        (lambda: MonthlyByDay(frozenset({32})), "day 32"),
        (lambda: MonthlyByDay(frozenset({-32})), "day -32"),
        (lambda: MonthlyByWeekday(frozenset()), "names no weekday"),
        (lambda: MonthlyByWeekday(frozenset({(0, 1)})), "0th weekday"),
        (lambda: MonthlyByWeekday(frozenset({(6, 1)})), "6th weekday"),
        (lambda: MonthlyByWeekday(frozenset({(1, 7)})), "weekday 7"),
        (lambda: Yearly(frozenset()), "names no month"),
        (lambda: Yearly(frozenset({13})), "month 13"),
    ],
)
def test_a_pattern_that_makes_no_sense_cannot_be_made(make: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: MonthlyByDay(frozenset()), "a monthly rule names no day"),
        (lambda: MonthlyByWeekday(frozenset()), "a monthly rule names no weekday"),
        (lambda: Yearly(frozenset()), "a yearly rule names no month"),
        (
            lambda: Recurrence(Weekly(0b10), MONDAY, 0, 60),
            "the first day is none on which the rule holds",
        ),
        (lambda: Recurrence(Daily(), -1, 0, 60), f"first day -1 is not within 0..{DAY_MAX}"),
        (lambda: Recurrence(Daily(), MONDAY, -1, 60), "start -1 is not within 0..1439"),
        (
            lambda: Recurrence(Daily(), MONDAY, 0, 0),
            f"minutes 0 is not within 1..{SPAN_DAYS_MAX * MINUTES_A_DAY}",
        ),
        (
            lambda: Recurrence(Daily(), MONDAY, 0, 60, until=MONDAY - 1),
            f"until {MONDAY - 1} is not within {MONDAY}..{DAY_MAX}",
        ),
    ],
)
def test_a_refusal_is_a_whole_sentence(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        make()


def begun(pattern: Pattern, first: date, interval: int, asked: list[date]) -> list[bool]:
    rule = Recurrence(pattern, day_of(first), 0, 60, interval=interval)
    return [rule.begins(day_of(one)) for one in asked]


def test_a_rule_whose_only_occurrence_is_deleted_never_holds() -> None:
    rule = Recurrence(Daily(), MONDAY, 0, 60, until=MONDAY, deleted=frozenset({MONDAY}))
    assert not rule.holds(MONDAY, 0)
    assert not rule.holds(MONDAY + 1, 0)


def test_a_rule_of_every_third_day_counts_from_its_first() -> None:
    days = [date(2026, 11, day) for day in (2, 3, 4, 5, 6, 7, 8)]
    held = begun(Daily(), date(2026, 11, 2), 3, days)
    assert held == [True, False, False, True, False, False, True]
    assert begun(Daily(), date(2026, 11, 3), 3, days[:5]) == [False, True, False, False, True]


def test_a_rule_of_every_third_year_holds_in_that_year_alone() -> None:
    years = [date(year, 5, 1) for year in range(2020, 2028)]
    held = begun(Yearly(frozenset({5, 7})), date(2021, 5, 1), 3, years)
    assert held == [False, True, False, False, True, False, False, True]
    others = [date(2024, 7, 1), date(2024, 6, 1), date(2024, 5, 2), date(2025, 7, 1)]
    assert begun(Yearly(frozenset({5, 7})), date(2021, 5, 1), 3, others) == [True] + [False] * 3


def test_a_rule_of_every_third_month_holds_in_that_month_alone() -> None:
    months = [date(2022 + month // 12, month % 12 + 1, 31) for month in (9, 11, 12, 14, 18)]
    held = begun(MonthlyByDay(frozenset({31, -1})), date(2022, 10, 31), 3, months)
    assert held == [True, False, True, False, True]
    last_monday = MonthlyByWeekday(frozenset({(-1, 0)}))
    mondays = [date(2023, 1, 30), date(2023, 1, 23), date(2023, 2, 27), date(2023, 4, 24)]
    assert begun(last_monday, date(2022, 10, 31), 3, mondays) == [True, False, False, True]


def test_a_rule_of_every_second_week_counts_weeks_from_monday() -> None:
    """It begins on a Sunday: its first week is that Sunday's."""
    days = [date(2026, 11, day) for day in (1, 2, 8, 9, 15, 16)]
    held = begun(Weekly(0b1000001), date(2026, 11, 1), 2, days)
    assert held == [True, False, False, True, True, False]
