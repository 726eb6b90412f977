"""Weekly schedules: half-open spans on the wall clock at the door, through both changes of the
clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.calendar.schedule import (
    ALL_DAYS,
    ALWAYS,
    MINUTES_A_DAY,
    Rule,
    Schedule,
    SpecialDays,
    WallTime,
    inside,
)

BERLIN = ZoneInfo("Europe/Berlin")
SYDNEY = ZoneInfo("Australia/Sydney")
MONDAY = 1
SATURDAY = 1 << 5
SUNDAY = 1 << 6


def at(text: str) -> float:
    """Unix seconds of an ISO time with its offset."""
    return datetime.fromisoformat(text).timestamp()


def test_a_span_is_half_open() -> None:
    office = (Rule(MONDAY, 8 * 60, 17 * 60),)
    assert not inside(office, at("2026-11-23T07:59:59.999+01:00"), BERLIN)
    assert inside(office, at("2026-11-23T08:00:00+01:00"), BERLIN)
    assert inside(office, at("2026-11-23T16:59:59.999+01:00"), BERLIN)
    assert not inside(office, at("2026-11-23T17:00:00+01:00"), BERLIN)


def test_days_begin_and_end_at_local_midnight() -> None:
    monday = (Rule(MONDAY, 0, MINUTES_A_DAY),)
    assert not inside(monday, at("2026-11-22T23:59:59+01:00"), BERLIN)
    assert inside(monday, at("2026-11-23T00:00:00+01:00"), BERLIN)
    assert inside(monday, at("2026-11-23T23:59:59+01:00"), BERLIN)
    assert not inside(monday, at("2026-11-24T00:00:00+01:00"), BERLIN)
    # the same moments are other days in the south
    assert inside(monday, at("2026-11-22T14:00:00+01:00"), SYDNEY)
    assert not inside(monday, at("2026-11-23T14:00:00+01:00"), SYDNEY)


def test_a_week_wraps_from_sunday_to_monday() -> None:
    night = (Rule(SUNDAY, 22 * 60, MINUTES_A_DAY), Rule(MONDAY, 0, 6 * 60))
    assert inside(night, at("2026-11-22T23:59:59+01:00"), BERLIN)
    assert inside(night, at("2026-11-23T00:00:00+01:00"), BERLIN)
    assert not inside(night, at("2026-11-23T06:00:00+01:00"), BERLIN)
    assert not inside(night, at("2026-11-22T05:00:00+01:00"), BERLIN)


def test_empty_rules_and_empty_spans_hold_nothing() -> None:
    moment = at("2026-11-23T12:00:00+01:00")
    assert not inside((), moment, BERLIN)
    assert not inside((Rule(ALL_DAYS, 720, 720),), moment, BERLIN)
    assert not inside((Rule(ALL_DAYS, 1320, 360),), moment, BERLIN)
    assert not inside((Rule(0, 0, MINUTES_A_DAY),), moment, BERLIN)
    assert inside(ALWAYS, moment, BERLIN)


@pytest.mark.parametrize(
    "fields", [(-1, 0, 1), (128, 0, 1), (1, -1, 1), (1, 0, 1441), (1, 1441, 0)]
)
def test_a_rule_out_of_range_is_refused(fields: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="not within"):
        Rule(*fields)


def test_in_spring_the_skipped_hour_never_occurs() -> None:
    # Berlin, 2026-03-29: 01:59:59+01:00 is followed by 03:00:00+02:00
    skipped = (Rule(SUNDAY, 2 * 60, 3 * 60),)
    before = at("2026-03-29T01:59:59+01:00")
    after = at("2026-03-29T03:00:00+02:00")
    assert after - before == 1
    assert not inside(skipped, before, BERLIN)
    assert not inside(skipped, after, BERLIN)
    assert inside((Rule(SUNDAY, 3 * 60, 4 * 60),), after, BERLIN)


def test_in_autumn_the_repeated_hour_counts_twice() -> None:
    # Berlin, 2026-10-25: 02:00..03:00 occurs at +02:00 and again at +01:00
    repeated = (Rule(SUNDAY, 2 * 60, 3 * 60),)
    assert not inside(repeated, at("2026-10-25T01:59:59+02:00"), BERLIN)
    assert inside(repeated, at("2026-10-25T02:00:00+02:00"), BERLIN)
    assert inside(repeated, at("2026-10-25T02:59:59+02:00"), BERLIN)
    assert inside(repeated, at("2026-10-25T02:00:00+01:00"), BERLIN)
    assert inside(repeated, at("2026-10-25T02:59:59+01:00"), BERLIN)
    assert not inside(repeated, at("2026-10-25T03:00:00+01:00"), BERLIN)


def test_the_south_changes_the_other_way_round() -> None:
    two_to_three = (Rule(SUNDAY, 2 * 60, 3 * 60),)
    # 2026-04-05: 03:00+11:00 falls back to 02:00+10:00; 2026-10-04: 02:00+10:00 jumps to
    # 03:00+11:00
    assert inside(two_to_three, at("2026-04-05T02:30:00+11:00"), SYDNEY)
    assert inside(two_to_three, at("2026-04-05T02:30:00+10:00"), SYDNEY)
    assert not inside(two_to_three, at("2026-04-05T03:00:00+10:00"), SYDNEY)
    assert not inside(two_to_three, at("2026-10-04T01:59:59+10:00"), SYDNEY)
    assert not inside(two_to_three, at("2026-10-04T03:00:00+11:00"), SYDNEY)


# An independent reckoning: whole minutes since 1970, the legal rules for 2026 written out, no zone
# database.
def minute_of(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) // 60


def berlin_offset(minute: int) -> int:
    """EU: one hour more from the last Sunday of March to the last of October, each time at 01:00
    UTC.
    """
    return 120 if minute_of("2026-03-29T01:00") <= minute < minute_of("2026-10-25T01:00") else 60


def sydney_offset(minute: int) -> int:
    """New South Wales: from the first Sunday of October to the first of April, at 02:00 standard
    time.
    """
    return 600 if minute_of("2026-04-04T16:00") <= minute < minute_of("2026-10-03T16:00") else 660


def lord_howe_offset(minute: int) -> int:
    """Lord Howe Island: half an hour more, at 02:00 of the clock then in force."""
    return 630 if minute_of("2026-04-04T15:00") <= minute < minute_of("2026-10-03T15:30") else 660


WEEKS = [
    (BERLIN, berlin_offset, "2026-03-25T23:00"),
    (BERLIN, berlin_offset, "2026-10-21T22:00"),
    (SYDNEY, sydney_offset, "2026-04-01T13:00"),
    (SYDNEY, sydney_offset, "2026-09-30T14:00"),
    (ZoneInfo("Australia/Lord_Howe"), lord_howe_offset, "2026-04-01T13:00"),
    (ZoneInfo("Australia/Lord_Howe"), lord_howe_offset, "2026-09-30T13:30"),
]


def slow_week(rules: list[Rule]) -> list[bool]:
    """Return the 10,080 minutes of the local week, each filled by the rules one by one, from
    Thursday 00:00 on.
    """
    week = [False] * (7 * MINUTES_A_DAY)
    for rule in rules:
        for day in range(7):
            if rule.days >> day & 1:
                for minute in range(rule.start, rule.end):
                    week[(day + 4) % 7 * MINUTES_A_DAY + minute] = True  # 1970-01-01 was a Thursday
    return week


MINUTES = st.integers(0, MINUTES_A_DAY)
RULES = st.lists(st.builds(Rule, st.integers(0, ALL_DAYS), MINUTES, MINUTES), max_size=4)


@pytest.mark.parametrize(("zone", "offset", "start"), WEEKS)
@settings(max_examples=8, deadline=None)
@given(rules=RULES, second=st.integers(0, 59))
def test_inside_agrees_with_a_slow_reckoning_minute_by_minute(
    zone: ZoneInfo, offset: Callable[[int], int], start: str, rules: list[Rule], second: int
) -> None:
    week = slow_week(rules)
    first = minute_of(start)
    for minute in range(first, first + 7 * MINUTES_A_DAY):
        expected = week[(minute + offset(minute)) % len(week)]
        assert inside(rules, minute * 60 + second, zone) == expected, datetime.fromtimestamp(
            minute * 60, zone
        )


DAY_AFTER = 20_001
CHRISTMAS = SpecialDays(frozenset({20_000}), ((480, 720), (900, 960)))
CLOSED = SpecialDays(frozenset({DAY_AFTER}), ())


@pytest.mark.parametrize(
    ("minute", "inside_it"), [(479, False), (480, True), (719, True), (720, False), (900, True)]
)
def test_a_special_day_has_its_own_spans_and_no_others(minute: int, inside_it: bool) -> None:
    """Schedules, law 3: also where the week says something else."""
    for rules in (ALWAYS, ()):
        schedule = Schedule(rules, (CHRISTMAS, CLOSED))
        assert schedule.holds_on(WallTime(20_000, minute)) is inside_it
        assert not schedule.holds_on(WallTime(DAY_AFTER, minute))
        assert schedule.holds_on(WallTime(20_002, minute)) is (rules == ALWAYS)


def test_of_two_special_days_on_one_date_the_first_counts() -> None:  # law 4
    closed_too = SpecialDays(CHRISTMAS.days, ())
    now = WallTime(20_000, 500)
    assert Schedule(ALWAYS, (CHRISTMAS, closed_too)).holds_on(now)
    assert not Schedule(ALWAYS, (closed_too, CHRISTMAS)).holds_on(now)


@pytest.mark.parametrize("span", [(-1, 60), (60, 60), (61, 60), (0, 1441)])
def test_a_span_of_a_special_day_that_makes_no_sense_cannot_be_made(span: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{span[0]}..{span[1]} is no span of a day"):
        SpecialDays(frozenset({0}), ((0, MINUTES_A_DAY), span))


def test_a_schedule_asks_the_wall_clock_at_the_door() -> None:
    monday = Schedule((Rule(MONDAY, 0, MINUTES_A_DAY),))
    moment = at("2026-11-22T14:00:00+01:00")
    assert monday.holds(moment, SYDNEY)
    assert not monday.holds(moment, BERLIN)
    assert WallTime.at(at("1970-01-02T03:04:59+00:00"), UTC) == WallTime(1, 3 * 60 + 4)


def test_one_rule_that_holds_is_enough() -> None:
    schedule = Schedule((Rule(SUNDAY, 0, 1), Rule(ALL_DAYS, 0, 2)))
    assert schedule.holds_on(WallTime(0, 1))
    assert not schedule.holds_on(WallTime(0, 2))
