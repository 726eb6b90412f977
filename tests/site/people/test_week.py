"""A week's hours as text, as they are stored, and as rules of hubs: all the same hours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.calendar.schedule import Rule, Schedule, WallTime
from hubsite.rules import week

pytestmark = pytest.mark.once

_MINUTES = st.lists(st.integers(0, 1440), max_size=12, unique=True).map(sorted)


@st.composite
def days(draw: st.DrawFn) -> week.Day:
    """Spans that do not touch."""
    minutes = draw(_MINUTES)
    pairs = zip(minutes[::2], minutes[1::2], strict=False)
    return tuple(pairs)


@given(st.lists(days(), min_size=7, max_size=7))
def test_text_storage_and_rules_say_the_same(drawn: list[week.Day]) -> None:
    typed = tuple(week.read_day(week.write_day(day)) for day in drawn)
    assert typed == tuple(drawn)
    assert week.week_from([[list(span) for span in day] for day in drawn]) == typed
    schedule = Schedule(week.rules_of(typed))
    monday = 4  # 1970-01-05
    for number, day in enumerate(drawn):
        for minute in {0, 1439, *(one for span in day for one in (*span, span[1] - 1))} - {1440}:
            expected = any(start <= minute < end for start, end in day)
            assert schedule.holds_on(WallTime(monday + number, minute)) is expected


def test_equal_spans_are_one_rule() -> None:
    office = ((480, 720), (780, 1080))
    assert week.rules_of((office,) * 5 + ((), ())) == (Rule(31, 480, 720), Rule(31, 780, 1080))
    assert week.rules_of(week.EMPTY) == ()


@pytest.mark.parametrize("stored", [[], [[]] * 6, [[[5, 5]]] * 7, [[[0, 1441]]] * 7])
def test_what_is_no_week_is_refused(stored: list[list[list[int]]]) -> None:
    with pytest.raises(ValueError):
        week.week_from(stored)
