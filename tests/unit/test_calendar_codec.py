"""Schedules as bytes: what is written is read again, and what makes no sense is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.calendar import codec
from hubcore.calendar.codec import (
    RULES_A_SCHEDULE,
    SPANS_A_SPECIAL,
    PatternKind,
    read_days,
    read_rule,
    read_rules,
    read_spans,
    write_rule,
)
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
from hubcore.calendar.schedule import ALL_DAYS, Rule
from hubcore.codec import cbor
from hubcore.codec.cbor import Cursor
from hubcore.errors import FrameError

THURSDAY = 0
"""1970-01-01, which was one."""
DAYS_MOST = 5


class Counted:
    """A ceiling on items, as the reader of a policy has it."""

    def __init__(self, most: int = 10_000) -> None:
        self.left = most

    def __call__(self, items: int) -> int:
        if items > self.left:
            raise FrameError("too many items")
        self.left -= items
        return items


def read_one(items: Any, take: codec.Take | None = None) -> Rule | Recurrence:
    cursor = Cursor(cbor.encode(items))
    rule = read_rule(cursor, take or Counted())
    cursor.end()
    return rule


# By hand: the numbers that stand in policies of today.
WRITTEN: list[tuple[Rule | Recurrence, list[Any]]] = [
    (Rule(0b11, 480, 1020), [3, 480, 1020]),
    (Rule(ALL_DAYS, 0, MINUTES_A_DAY), [127, 0, 1440]),
    (Recurrence(Daily(), 0, 60, 30), [1, [], 0, 60, 30, 1, None, []]),
    (
        Recurrence(Weekly(0b1001), THURSDAY, 0, 1, interval=2, until=9, deleted=frozenset({7, 4})),
        [2, [9], 0, 0, 1, 2, 9, [4, 7]],
    ),
    (
        Recurrence(MonthlyByDay(frozenset({-1, 1, 31, -31})), 0, 1439, 4320),
        [3, [1, 31, 33, 63], 0, 1439, 4320, 1, None, []],
    ),
    (
        Recurrence(MonthlyByWeekday(frozenset({(1, 3), (-1, 6), (-5, 0), (5, 6)})), 0, 5, 6),
        [4, [7 + 3, 35 + 6, 7 * 59, 7 * 63 + 6], 0, 5, 6, 1, None, []],
    ),
    (Recurrence(Yearly(frozenset({12, 1})), 0, 5, 6), [5, [1, 12], 0, 5, 6, 1, None, []]),
]


@pytest.mark.parametrize(("rule", "items"), WRITTEN)
def test_a_rule_has_the_bytes_of_the_documents(rule: Rule | Recurrence, items: list[Any]) -> None:
    assert write_rule(rule) == items
    assert read_one(items) == rule


def test_every_kind_of_pattern_is_among_them() -> None:
    kinds = [items[0] for rule, items in WRITTEN if isinstance(rule, Recurrence)]
    assert kinds == [int(kind) for kind in PatternKind]


LIMITS = [
    [1, [], DAY_MAX, MINUTES_A_DAY - 1, SPAN_DAYS_MAX * MINUTES_A_DAY, INTERVAL_MAX, DAY_MAX, []],
    [1, [], 0, 0, 1, 1, 0, []],
    [1, [], 0, 0, 1, 1, None, list(range(1, DELETED_MAX + 1))],
    [1, [], 0, 0, 1, 1, None, [DAY_MAX]],
    [3, [*range(1, 32), *range(33, 64)], 0, 0, 1, 1, None, []],
    [127, MINUTES_A_DAY, MINUTES_A_DAY],
]


@pytest.mark.parametrize("items", LIMITS)
def test_what_stands_at_a_limit_is_read_and_written_the_same(items: list[Any]) -> None:  # law 2
    assert write_rule(read_one(items)) == items


DAILY: dict[str, Any] = {
    "kind": 1,
    "by": [],
    "first": 0,
    "start": 0,
    "minutes": 1,
    "interval": 1,
    "until": None,
    "deleted": [],
}
BEYOND: list[dict[str, Any]] = [
    {"kind": 0},
    {"kind": 6},
    {"by": [1]},
    {"first": DAY_MAX + 1},
    {"start": MINUTES_A_DAY},
    {"minutes": 0},
    {"minutes": SPAN_DAYS_MAX * MINUTES_A_DAY + 1},
    {"interval": 0},
    {"interval": INTERVAL_MAX + 1},
    {"first": 1, "until": 0},
    {"until": DAY_MAX + 1},
    {"deleted": [DAY_MAX + 1]},
    {"deleted": [1, 1]},
    {"deleted": [2, 1]},
    {"deleted": list(range(DELETED_MAX + 1))},
    {"kind": 2, "by": []},
    {"kind": 2, "by": [127, 128]},
    {"kind": 2, "by": [8, 9]},
    {"kind": 2, "by": [0]},
    {"kind": 2, "by": [128]},
    {"kind": 3, "by": []},
    {"kind": 3, "by": [0, 1]},
    {"kind": 3, "by": [1, 1]},
    {"kind": 3, "by": [2, 1]},
    {"kind": 3, "by": [1, 32]},
    {"kind": 3, "by": [1, 64]},
    {"kind": 3, "by": [65]},  # else the first day had two spellings
    {"kind": 3, "by": [1, 65]},
    {"kind": 3, "by": [95]},
    {"kind": 3, "by": [*range(1, 32), *range(32, 64)]},
    {"kind": 4, "by": []},
    {"kind": 4, "by": [3, 10]},
    {"kind": 4, "by": [10, 10]},
    {"kind": 4, "by": [10, 42]},
    {"kind": 4, "by": [10, 448]},
    {"kind": 4, "by": [10, 449]},
    {"kind": 4, "by": [10, 7 * 65 + 3]},  # else the first Thursday had two spellings
    {"kind": 5, "by": []},
    {"kind": 5, "by": [0, 1]},
    {"kind": 5, "by": [1, 13]},
]


@pytest.mark.parametrize("change", BEYOND)
def test_a_recurrence_without_sense_is_refused(change: dict[str, Any]) -> None:  # law 1
    assert read_one(list(DAILY.values())) == Recurrence(Daily(), 0, 0, 1)
    with pytest.raises((FrameError, ValueError)):
        read_one(list((DAILY | change).values()))


@pytest.mark.parametrize(
    "items",
    [
        [],
        [127, 0],
        [128, 0, 1],
        [127, 1441, 1],
        [127, 0, 1441],
        [127, 0, 1, 1],
        [1, [], 0, 0, 1, 1, None],
        [1, [], 0, 0, 1, 1, None, [], 0],
        ["1", 0, 1],
        {1: 2},
    ],
)
def test_what_has_no_shape_of_a_rule_is_refused(items: Any) -> None:
    with pytest.raises((FrameError, ValueError)):
        read_one(items)


SENTENCES: list[tuple[list[Any], str]] = [
    ([127, 0], r"a rule is \[days, from, to\] or a recurrence of 8 items"),
    ([3, [2, 1], 0, 0, 1, 1, None, []], "a recurrence names a day twice, or not in order"),
    ([1, [1], 0, 0, 1, 1, None, []], "a daily recurrence names days"),
    ([2, [1, 2], 0, 0, 1, 1, None, []], "a weekly recurrence has one set of weekdays"),
    ([1, [], 0, 0, 1, 1, None, [2, 1]], "days unsorted or repeated"),
    ([3, list(range(1, 64)), 0, 0, 1, 1, None, []], "a list of 63 items, more than 62"),
    ([3, [65], 0, 0, 1, 1, None, []], "a day of a month is written as less than 64"),
]


@pytest.mark.parametrize(("items", "sentence"), SENTENCES)
def test_a_refusal_says_what_is_wrong(items: list[Any], sentence: str) -> None:
    with pytest.raises(FrameError, match=f"^{sentence}$"):
        read_one(items)


def test_lists_are_counted_before_they_are_read() -> None:
    """Each list against its own ceiling, and all together against the reader's."""
    items = [3, [1, 2], 0, 0, 1, 1, None, [5, 6, 7]]
    take = Counted(5)
    read_one(items, take)
    assert take.left == 0
    with pytest.raises(FrameError, match="too many items"):
        read_one(items, Counted(4))
    with pytest.raises(FrameError, match="too many items"):
        read_one(items, Counted(1))


def days_in(days: list[int], most: int = DAYS_MOST, counted: int = DAYS_MOST) -> list[int]:
    return read_days(Cursor(cbor.encode(days)), Counted(counted), most)


@given(st.lists(st.integers(0, DAY_MAX), max_size=DAYS_MOST + 1))
def test_days_rise_and_have_a_ceiling(days: list[int]) -> None:
    is_right = days == sorted(set(days)) and len(days) <= DAYS_MOST
    if is_right:
        assert days_in(days) == days
        return
    with pytest.raises(FrameError):
        days_in(days)


def test_days_are_counted() -> None:
    with pytest.raises(FrameError, match="too many items"):
        days_in([1, 2], counted=1)
    assert days_in([0, DAY_MAX], most=2, counted=2) == [0, DAY_MAX]


def test_rules_have_a_ceiling_and_are_counted() -> None:
    rules = [[127, 0, 1]] * RULES_A_SCHEDULE
    take = Counted(RULES_A_SCHEDULE)
    read = read_rules(Cursor(cbor.encode(rules)), take)
    assert read == (Rule(127, 0, 1),) * RULES_A_SCHEDULE
    assert take.left == 0
    with pytest.raises(FrameError, match="1025 items"):
        read_rules(Cursor(cbor.encode([*rules, [127, 0, 1]])), Counted())


def test_a_rule_counts_against_the_same_ceiling_as_its_list() -> None:
    recurrence = [3, [1, 2], 0, 0, 1, 1, None, []]
    with pytest.raises(FrameError, match="too many items"):
        read_rules(Cursor(cbor.encode([recurrence])), Counted(2))
    assert len(read_rules(Cursor(cbor.encode([recurrence])), Counted(3))) == 1


def test_spans_have_a_ceiling_and_are_counted() -> None:
    spans = [[0, MINUTES_A_DAY]] * SPANS_A_SPECIAL
    take = Counted(SPANS_A_SPECIAL)
    read = read_spans(Cursor(cbor.encode(spans)), take)
    assert read == ((0, MINUTES_A_DAY),) * SPANS_A_SPECIAL
    assert take.left == 0
    with pytest.raises(FrameError, match="17 items"):
        read_spans(Cursor(cbor.encode([*spans, [0, 1]])), Counted())


@pytest.mark.parametrize("span", [[], [1], [1, 2, 3], [1441, 1], [1, 1441], 7])
def test_what_is_no_span_is_refused(span: Any) -> None:
    with pytest.raises(FrameError):
        read_spans(Cursor(cbor.encode([span])), Counted())
    with pytest.raises(FrameError, match=r"^a span of a special day is \[from, to\]$"):
        read_spans(Cursor(cbor.encode([[1, 2, 3]])), Counted())


MONTHDAYS = st.frozensets(st.integers(-31, 31).filter(bool), min_size=1)
NTH = st.frozensets(st.tuples(st.integers(-5, 5).filter(bool), st.integers(0, 6)), min_size=1)
PATTERNS: st.SearchStrategy[Pattern] = st.one_of(
    st.just(Daily()),
    st.builds(Weekly, st.integers(1, 127)),
    st.builds(MonthlyByDay, MONTHDAYS),
    st.builds(MonthlyByWeekday, NTH),
    st.builds(Yearly, st.frozensets(st.integers(1, 12), min_size=1)),
)


@given(PATTERNS, st.integers(0, 2000), st.frozensets(st.integers(0, DAY_MAX), max_size=5))
def test_whatever_is_written_is_read_again(
    pattern: Pattern, day: int, deleted: frozenset[int]
) -> None:
    first = next((one for one in range(day, day + 800) if pattern.begins(one, one, 1)), None)
    if first is None:
        return
    rule = Recurrence(pattern, first, 0, 1, deleted=deleted)
    assert read_one(write_rule(rule)) == rule
