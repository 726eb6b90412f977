"""How far the backend's clock is, over all orders of questions, answers, delays and set clocks."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.backend.backendtime import DRIFT, TIME_MS_MAX, BackendTime, Offset
from tests.fakes.clock import NOON

ROUNDING = 0.002
"""Milliseconds on the wire, and floats of Unix times."""

waits = st.floats(0, 100_000)
ways = st.floats(0, 600)
rounds = st.lists(st.tuples(waits, ways, ways), min_size=1, max_size=12)
"""Each: a pause, the way of the question, the way of the answer; seconds."""


@settings(deadline=None, max_examples=200)
@given(rounds, st.floats(-(10**8), 10**8), st.floats(-DRIFT, DRIFT))
def test_an_honest_backends_clock_is_where_the_hub_says(  # laws 2 to 4
    played: Sequence[tuple[float, float, float]], ahead: float, drift: float
) -> None:
    """However slow the answers are, and however the backend's clock drifts within its bound."""
    time = BackendTime()
    now = 100.0

    def true_ahead() -> float:
        return ahead + drift * now

    for pause, there, back in played:
        now += pause
        asked_at = now
        now += there
        told = int(1000 * (NOON + now + true_ahead()))
        now += back
        time.answered(told, asked_at, now)
        offset = time.offset(NOON + now, now)
        assert offset is not None
        error = abs(offset.seconds - true_ahead())
        assert error <= offset.within_seconds + DRIFT * (there + back) + ROUNDING


def test_the_narrower_of_two_measures_holds_until_age_has_widened_it() -> None:  # laws 3 and 4
    time = BackendTime()
    time.answered(int(1000 * NOON), 10.0, 10.2)
    time.answered(int(1000 * (NOON + 10)), 11.0, 31.0)
    near = time.offset(NOON, 31.0)
    assert near is not None
    assert near.within_seconds < 0.2
    time.answered(int(1000 * (NOON + 100_000)), 100_000.0, 100_020.0)
    later = time.offset(NOON, 100_020.0)
    assert later is not None
    assert later.within_seconds == 10.0


def test_a_clock_that_was_set_is_believed_at_once() -> None:  # law 4
    time = BackendTime()
    time.answered(int(1000 * NOON), 10.0, 10.2)
    time.answered(int(1000 * (NOON + 3600)), 11.0, 21.0)
    offset = time.offset(NOON, 21.0)
    assert offset is not None
    assert offset.seconds > 3000


def test_what_nobody_asked_for_or_is_no_time_measures_nothing() -> None:  # law 1
    time = BackendTime()
    time.answered(int(1000 * NOON), None, 10.0)
    time.answered(TIME_MS_MAX + 1, 9.0, 10.0)
    time.answered((1 << 64) - 1, 9.0, 10.0)
    assert time.offset(NOON, 10.0) is None
    time.answered(TIME_MS_MAX, 9.0, 10.0)
    assert time.offset(NOON, 10.0) is not None


def test_a_wall_clock_that_is_set_shows_at_once() -> None:  # law 5
    time = BackendTime()
    time.answered(int(1000 * NOON), 10.0, 10.0)
    assert time.offset(NOON, 10.0) == Offset(0.0, 0.0)
    assert time.offset(NOON + 3600, 10.0) == Offset(-3600.0, 0.0)


@given(st.floats(-(10**6), 10**6), st.floats(0, 10**6), st.floats(0, 10**6))
def test_no_offset_both_agrees_and_is_apart(seconds: float, within: float, bound: float) -> None:
    offset = Offset(seconds, within)
    assert not (offset.agrees(bound) and offset.is_apart(bound))
    if within == 0:
        assert offset.agrees(bound) is not offset.is_apart(bound)
