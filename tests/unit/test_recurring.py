"""Recurring spans as text: what a calendar library makes of the same rule, and what is refused."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from dateutil.rrule import rrulestr

from hubcore.calendar.recurrence import date_of, day_of
from hubcore.calendar.schedule import SpecialDays
from hubsim.recurring import recurring, special_days

RULES = [
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3",
    "FREQ=WEEKLY",
    "FREQ=WEEKLY;BYDAY=MO,WE,FR;INTERVAL=2",
    "FREQ=MONTHLY",
    "FREQ=MONTHLY;BYMONTHDAY=7,-1",
    "FREQ=MONTHLY;BYDAY=1MO,-1FR",
    "FREQ=YEARLY",
    "FREQ=YEARLY;BYMONTH=6,12",
    "FREQ=DAILY;UNTIL=20270301",
]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_holds_when_a_calendar_says_so(rule: str) -> None:
    ours = recurring(f"2026-12-07 08:00-12:00 {rule}")
    theirs = {
        when.date()
        for when in rrulestr(rule, dtstart=datetime(2026, 12, 7)).between(
            datetime(2026, 12, 1), datetime(2029, 1, 1), inc=True
        )
    }
    days = range(day_of(date(2026, 12, 1)), day_of(date(2029, 1, 1)))
    assert {date_of(day) for day in days if ours.begins(day)} == theirs - {date(2029, 1, 1)}
    assert (ours.start, ours.minutes) == (480, 240)


def test_a_span_over_midnight_ends_on_the_next_day() -> None:
    night = recurring("2026-12-07 22:00-06:00 FREQ=DAILY")
    assert (night.start, night.minutes) == (22 * 60, 8 * 60)
    assert recurring("2026-12-07 08:00-08:00 FREQ=DAILY").minutes == 24 * 60


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("every day", "is no span such as"),
        ("2026-12-07 08:00-12:00 FREQ=HOURLY", "a policy knows DAILY"),
        ("2026-12-07 08:00-12:00 BYDAY=MO", "a policy knows DAILY"),
        ("2026-12-07 08:00-12:00 FREQ=DAILY;COUNT=3", "a policy knows no COUNT"),
        ("2026-12-07 08:00-12:00 FREQ=DAILY;FREQ=DAILY", "FREQ once"),
        ("2026-12-07 08:00-12:00 FREQ=DAILY;INTERVAL=", "INTERVAL once"),
        ("2026-12-07 08:00-12:00 FREQ=DAILY;INTERVAL=0", "interval 0"),
        ("2026-12-07 08:00-12:00 FREQ=DAILY;INTERVAL=x", "invalid literal"),
        ("2026-12-07 08:00-12:00 FREQ=DAILY;UNTIL=20261206", "until"),
        ("2026-12-07 08:00-12:00 FREQ=DAILY;UNTIL=soon", "Invalid isoformat"),
        ("2026-12-07 08:00-12:00 FREQ=WEEKLY;BYDAY=1MO", "is none of MO"),
        ("2026-12-07 08:00-12:00 FREQ=MONTHLY;BYDAY=MO", "no weekday of a month"),
        ("2026-12-07 08:00-12:00 FREQ=MONTHLY;BYMONTHDAY=8", "the first day is none"),
        ("2026-12-07 08:00-12:00 FREQ=WEEKLY;WKST=SU", "begin on Monday"),
        ("2026-12-07 25:00-12:00 FREQ=DAILY", "no time of a day"),
        ("2026-13-07 08:00-12:00 FREQ=DAILY", "month must be"),
    ],
)
def test_what_a_policy_cannot_say_is_refused_with_a_sentence(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        recurring(text)


def test_special_days_have_a_span_or_are_closed() -> None:
    days = frozenset({day_of(date(2026, 12, 24)), day_of(date(2026, 12, 31))})
    assert special_days("2026-12-24,2026-12-31 08:00-12:00") == SpecialDays(days, ((480, 720),))
    assert special_days("2026-12-24,2026-12-31") == SpecialDays(days, ())


@pytest.mark.parametrize(
    "text", ["", "christmas", "2026-12-24 08:00", "2026-12-24 12:00-08:00", "2026-12-24 x-y"]
)
def test_special_days_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no special days|no time|no span of a day"):
        special_days(text)
