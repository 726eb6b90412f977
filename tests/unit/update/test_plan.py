"""The director's plan: what is read as one, and what it means for each hub."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.calendar.schedule import Rule, WallTime
from hubcore.codec import cbor
from hubcore.errors import FrameError
from hubcore.ports.clock import ClockState
from hubcore.update.belief import Belief, belief
from hubcore.update.director import (
    CLOCK_SECONDS,
    HAND_BACK_SECONDS,
    TURN_SECONDS,
    Word,
    bucket_of,
    has_turn,
    may_fetch,
    may_switch,
)
from hubcore.update.health import LONGEST_SECONDS
from hubcore.update.image import IMAGE_BYTES_MAX, Image
from hubcore.update.plan import (
    HUBS_MAX,
    HUNDREDTHS,
    PLAN_BYTES_MAX,
    Plan,
    Stage,
    read_plan,
    write_plan,
)
from hubcore.update.tolerance import Ending, Tolerance

IMAGE = Image("hubd-2.0-amd64.squashfs", "2.0", b"\x02" * 32, 40_000_000)
PLAN = Plan(
    issued=900,
    image=IMAGE,
    canaries=frozenset({"canary"}),
    stages=(Stage(1000, 500), Stage(2000, 5000), Stage(3000, HUNDREDTHS)),
    windows=(),
    held=frozenset({"held"}),
    is_held=False,
    areas=(frozenset({"east-1", "east-2", "east-3"}), frozenset({"west-1", "west-2"})),
)
HUBS = [f"hub-{number}" for number in range(400)]
NOON = WallTime(day=20_000, minute=720)


def test_what_was_written_is_read() -> None:
    windows = (Rule(0b11111, 60, 240), Rule(0b1100000, 0, 1440))
    plan = replace(PLAN, windows=windows, is_held=True)
    assert read_plan(write_plan(plan)) == plan


def changed(place: int, value: Any) -> bytes:
    document = cbor.decode(write_plan(PLAN))
    document[place] = value
    return cbor.encode(document)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        write_plan(PLAN) + b"\x00",
        write_plan(PLAN)[:-1],
        cbor.encode({}),
        cbor.encode(7),
        cbor.encode([1, 2]),
        changed(0, 2),
        changed(1, -1),
        changed(1, 1 << 41),
        changed(2, [IMAGE.name, IMAGE.version, IMAGE.digest, 0]),
        changed(2, [IMAGE.name, IMAGE.version, IMAGE.digest, IMAGE_BYTES_MAX + 1]),
        changed(2, [IMAGE.name, IMAGE.version, IMAGE.digest[1:], 1]),
        changed(2, ["../hubd", IMAGE.version, IMAGE.digest, 1]),
        changed(2, [IMAGE.name, "2.0 x", IMAGE.digest, 1]),
        changed(2, [IMAGE.name, IMAGE.version, "digest", 1]),
        changed(3, ["b", "a"]),
        changed(3, ["a", "a"]),
        changed(3, ["a" * 101]),
        changed(3, [7]),
        changed(3, "hubs"),
        changed(4, [[1, HUNDREDTHS + 1]]),
        changed(4, [[2, 1], [1, 2]]),
        changed(4, [[1, 2], [2, 1]]),
        changed(4, [[1, -1]]),
        changed(4, [[number, number] for number in range(33)]),
        changed(5, [[128, 0, 1]]),
        changed(5, [[127, 0, 1441]]),
        changed(7, 2),
        changed(8, [["a", "b"], ["b", "c"]]),
        changed(8, [[f"{number:05}" for number in range(16_384)], ["x"]]),
        b"\x00" * (PLAN_BYTES_MAX + 1),
    ],
)
def test_what_is_no_plan_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        read_plan(data)


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_a_plan_or_refused(data: bytes) -> None:
    try:
        plan = read_plan(data)
    except FrameError:
        return
    assert write_plan(plan) == data


def test_stages_take_more_hubs_and_never_others() -> None:
    have: set[str] = set()
    for at, share in ((999, 0.0), (1000, 0.05), (2000, 0.5), (3000, 1.0)):
        now = {hub for hub in HUBS if may_fetch(PLAN, hub, at) is Word.GO}
        assert have <= now
        assert abs(len(now) / len(HUBS) - share) < 0.08
        have = now
    assert have == set(HUBS)


def test_each_image_has_another_order_of_the_hubs() -> None:
    orders = [
        sorted(HUBS, key=lambda hub: bucket_of(hub, digest))
        for digest in (b"\x01" * 32, b"\x02" * 32)
    ]
    assert orders[0] != orders[1]


def test_a_canary_goes_first_and_a_held_hub_not_at_all() -> None:
    assert may_fetch(PLAN, "canary", 0) is Word.GO
    assert may_fetch(PLAN, "held", 9000) is Word.HELD
    held_canary = replace(PLAN, held=frozenset({"canary"}))
    assert may_fetch(held_canary, "canary", 9000) is Word.HELD


def test_a_plan_that_is_held_stops_every_hub() -> None:
    stopped = replace(PLAN, is_held=True)
    for hub in ("canary", *HUBS[:20]):
        assert may_fetch(stopped, hub, 9000) is Word.HELD
        assert may_switch(stopped, hub, 9000, NOON) is Word.HELD


def test_a_hub_switches_inside_a_window_alone() -> None:
    night = replace(PLAN, windows=(Rule(0b1111111, 120, 240),))
    assert may_fetch(night, "hub-1", 9000) is Word.GO
    assert may_switch(night, "hub-1", 9000, NOON) is Word.OUTSIDE_WINDOW
    assert may_switch(night, "hub-1", 9000, WallTime(20_000, 120)) is Word.GO
    assert may_switch(night, "hub-1", 9000, WallTime(20_000, 240)) is Word.OUTSIDE_WINDOW


def test_a_hub_whose_stage_has_not_begun_does_not_switch() -> None:
    assert may_switch(PLAN, "hub-1", 500, NOON) is Word.NOT_YET


AREAS = st.frozensets(st.sampled_from(HUBS), min_size=2, max_size=8)
SKEWS = st.floats(-CLOCK_SECONDS, CLOCK_SECONDS)


@given(
    AREAS,
    st.integers(100_000, 400_000),
    st.floats(0, TURN_SECONDS),
    st.floats(0, LONGEST_SECONDS + HAND_BACK_SECONDS),
    SKEWS,
    SKEWS,
)
def test_two_hubs_of_an_area_never_try_at_once(
    area: frozenset[str], turn: int, into: float, later: float, skew: float, other_skew: float
) -> None:
    at = turn * TURN_SECONDS + into
    began = [hub for hub in area if has_turn(area, hub, at + skew)]
    others = [hub for hub in area if has_turn(area, hub, at + later + other_skew)]
    assert len(began) <= 1
    assert len(others) <= 1
    if began and others:
        assert began == others


def test_the_last_start_of_a_turn_ends_before_the_first_of_the_next() -> None:
    """With the two clocks as wrong as they may be, in opposite directions."""
    area = frozenset({"east-1", "east-2", "east-3"})
    longest = LONGEST_SECONDS + HAND_BACK_SECONDS
    starts = [
        (real, hub)
        for turn in range(1000, 1060)
        for real in range(turn * TURN_SECONDS, (turn + 1) * TURN_SECONDS, 60)
        for number, hub in enumerate(sorted(area))
        if has_turn(area, hub, real + (-1) ** number * CLOCK_SECONDS)
    ]
    assert {hub for _, hub in starts} == area
    for real, hub in starts:
        meanwhile = {other for at, other in starts if real <= at < real + longest}
        assert meanwhile == {hub}


def test_a_turn_has_a_first_and_a_last_moment_for_a_start() -> None:
    area = frozenset({"east-1", "east-2"})
    turn = 1000 * TURN_SECONDS
    last = TURN_SECONDS - LONGEST_SECONDS - HAND_BACK_SECONDS - CLOCK_SECONDS
    for into, may in ((0, 0), (119, 0), (120, 1), (last - 1, 1), (last, 0), (7199, 0)):
        assert sum(has_turn(area, hub, turn + into) for hub in area) == may, into


@given(AREAS)
def test_every_hub_of_an_area_gets_a_turn_in_one_hour_of_the_night(area: frozenset[str]) -> None:
    nights = [20_000 * 86_400 + day * 86_400 + 2 * 3600 + 600 for day in range(200)]
    for hub in area:
        assert any(has_turn(area, hub, night) for night in nights)


def test_a_hub_without_an_area_waits_for_nobody() -> None:
    assert PLAN.area_of("hub-1") == {"hub-1"}
    assert may_switch(PLAN, "hub-1", TURN_SECONDS * 3, NOON) is Word.GO


def test_a_hub_of_an_area_waits_for_its_turn() -> None:
    at = TURN_SECONDS * 1000 + CLOCK_SECONDS
    words = {hub: may_switch(PLAN, hub, at, NOON) for hub in ("east-1", "east-2", "east-3")}
    assert sorted(words.values(), key=lambda word: word.name) == [
        Word.GO,
        Word.NOT_ITS_TURN,
        Word.NOT_ITS_TURN,
    ]
    between = TURN_SECONDS * 1001 - 1
    assert may_switch(PLAN, "east-1", between, NOON) is Word.NOT_ITS_TURN


def endings(stayed: int, failed: int, ending: Ending = Ending.CAME_BACK) -> dict[str, Ending]:
    names = iter(HUBS)
    return {
        **{next(names): Ending.STAYED for _ in range(stayed)},
        **{next(names): ending for _ in range(failed)},
    }


@pytest.mark.parametrize("ending", [Ending.CAME_BACK, Ending.SILENT])
def test_failures_above_both_bounds_stop_the_rest(ending: Ending) -> None:
    tolerance = Tolerance(failures_max=2, share_max=1000)
    assert not tolerance.is_exceeded({})
    assert not tolerance.is_exceeded(endings(0, 2, ending))
    assert tolerance.is_exceeded(endings(0, 3, ending))
    assert not tolerance.is_exceeded(endings(27, 3, ending))
    assert tolerance.is_exceeded(endings(26, 3, ending))


@pytest.mark.parametrize("bounds", [(-1, 0), (HUBS_MAX + 1, 0), (0, -1), (0, HUNDREDTHS + 1)])
def test_bounds_that_are_none_are_refused(bounds: tuple[int, int]) -> None:
    with pytest.raises(ValueError):
        Tolerance(*bounds)


@pytest.mark.parametrize("state", ClockState)
def test_only_a_trusted_clock_lets_an_update_begin(state: ClockState) -> None:
    is_good = belief(state, at=5000.0, signed_floor=4000.0) is Belief.GOOD
    assert is_good is (state is ClockState.TRUSTED)


def test_a_trusted_clock_before_a_signed_moment_is_wrong() -> None:
    assert belief(ClockState.TRUSTED, at=3999.0, signed_floor=4000.0) is Belief.BEFORE_SIGNED
    assert belief(ClockState.TRUSTED, at=4000.0, signed_floor=4000.0) is Belief.GOOD
