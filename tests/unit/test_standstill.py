"""Since when bytes may have waited, on a clock that only the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.timing.standstill import DRAIN_SECONDS, STANDSTILL_SECONDS, TURN_SECONDS, Standstill


def turning(seconds: float) -> tuple[Standstill, float]:
    """Return one whose loop has come round for so long, and the time then."""
    loop = Standstill(0.0)
    now = 0.0
    while now < seconds:
        now += TURN_SECONDS
        loop.turned(now)
    return loop, now


def test_bytes_came_when_they_are_read_while_the_loop_comes_round() -> None:
    loop, now = turning(10.0)
    assert loop.came(now) == now
    assert loop.came(now + STANDSTILL_SECONDS) == now + STANDSTILL_SECONDS


@pytest.mark.parametrize(
    "turned_first", [False, True], ids=["bytes are read first", "the loop turns first"]
)
def test_what_a_standstill_left_waiting_counts_from_its_beginning(turned_first: bool) -> None:
    loop, stood = turning(10.0)
    moves = stood + 15.0
    if turned_first:
        loop.turned(moves)
    assert loop.came(moves) == stood
    loop.turned(moves + 0.01)
    assert loop.came(moves + 0.02) == stood, "what waited takes more than one turn to read"
    now = moves + 0.02
    while now < moves + DRAIN_SECONDS:
        loop.turned(now)
        now += TURN_SECONDS
    assert loop.came(now) == now


def test_a_second_standstill_before_all_is_read_counts_from_the_first() -> None:
    loop, stood = turning(10.0)
    loop.turned(stood + 5.0)
    assert loop.came(stood + 5.0 + DRAIN_SECONDS + 1.0) == stood


@given(st.lists(st.floats(0.0, 3.0), max_size=30), st.floats(0.0, 5.0))
def test_bytes_are_never_taken_for_younger_than_they_may_be(
    pauses: list[float], after: float
) -> None:
    """Whatever came while the loop stood still was sent after it last came round, and not one
    moment earlier.
    """
    loop = Standstill(0.0)
    now = 0.0
    turned = 0.0
    for pause in [*pauses, after]:
        now += pause
        came = loop.came(now)
        assert came <= now
        if now - turned > STANDSTILL_SECONDS:
            assert came <= turned
        loop.turned(now)
        turned = now
