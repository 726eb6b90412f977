"""What a door is in under several orders: the table row by row, and its laws."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.precedence import (
    MODE_OF,
    ORDERS_MAX,
    RULES_OF,
    DoorMode,
    DoorOrder,
    Refusal,
    StandingOrder,
    end,
    mode_of,
    take,
)
from hubcore.access.words import Denial

HIGHEST_FIRST = (
    (DoorOrder.FIRE, DoorMode.LOCKED_OPEN),
    (DoorOrder.LOCKDOWN, DoorMode.LOCKED_DOWN),
    (DoorOrder.NO_ENTRY, DoorMode.BLOCKED),
    (DoorOrder.HOLD_OPEN, DoorMode.UNLOCKED),
    (DoorOrder.GRANT, DoorMode.ACCESSED),
)

orders = st.builds(
    StandingOrder, st.sampled_from(DoorOrder), st.sampled_from(["policy", "backend", "input"])
)
steps = st.lists(st.tuples(st.booleans(), orders), max_size=30)


@pytest.mark.parametrize("place", range(len(HIGHEST_FIRST)))
def test_each_order_goes_before_all_below_it(place: int) -> None:
    order, mode = HIGHEST_FIRST[place]
    below = [lower for lower, _ in HIGHEST_FIRST[place:]]
    for some in permutations(below):
        assert mode_of(some) is mode
    assert mode_of([order]) is mode


def test_without_an_order_a_door_is_locked() -> None:
    assert mode_of([]) is DoorMode.LOCKED


@pytest.mark.parametrize(
    ("mode", "released", "refuses"),
    [
        (DoorMode.LOCKED, False, None),
        (DoorMode.ACCESSED, True, None),
        (DoorMode.UNLOCKED, True, None),
        (DoorMode.BLOCKED, False, Denial.NO_ENTRY),
        (DoorMode.LOCKED_DOWN, False, Denial.LOCKDOWN),
        (DoorMode.LOCKED_OPEN, True, None),
    ],
)
def test_what_each_mode_means(mode: DoorMode, released: bool, refuses: Denial | None) -> None:
    assert RULES_OF[mode].released is released
    assert RULES_OF[mode].refuses is refuses


def test_the_tables_are_whole() -> None:
    assert set(MODE_OF) == set(DoorOrder)
    assert set(RULES_OF) == set(DoorMode)
    assert set(MODE_OF.values()) == set(DoorMode) - {DoorMode.LOCKED}


def stand(*given_orders: DoorOrder) -> frozenset[StandingOrder]:
    """These orders, as they stand after each was given by the backend."""
    standing: frozenset[StandingOrder] = frozenset()
    for order in given_orders:
        after = take(standing, StandingOrder(order, "backend"))
        assert isinstance(after, frozenset)
        standing = after
    return standing


@given(steps, orders)
def test_the_end_of_an_order_gives_back_what_stood_before(
    before: list[tuple[bool, StandingOrder]], order: StandingOrder
) -> None:
    standing = play(before) - {order}
    after = take(standing, order)
    if isinstance(after, Refusal):
        assert mode_of(one.order for one in standing) is not DoorMode.LOCKED
    else:
        assert end(after, order) == standing


def play(given_steps: list[tuple[bool, StandingOrder]]) -> frozenset[StandingOrder]:
    """What stands after orders were given and called off in this order."""
    standing: frozenset[StandingOrder] = frozenset()
    for gives, order in given_steps:
        if not gives:
            standing = end(standing, order)
            continue
        after = take(standing, order)
        if isinstance(after, frozenset):
            standing = after
    return standing


@given(steps)
def test_nothing_opens_by_an_order_that_was_given_under_a_lockdown(
    given_steps: list[tuple[bool, StandingOrder]],
) -> None:
    lockdown = StandingOrder(DoorOrder.LOCKDOWN, "site")
    standing = stand() | {lockdown}
    for gives, order in given_steps:
        after = take(standing, order) if gives else end(standing, order)
        if isinstance(after, frozenset):
            standing = after
    opening = {
        one.order for one in end(standing, lockdown) if RULES_OF[MODE_OF[one.order]].released
    }
    assert opening <= {DoorOrder.FIRE}


@given(steps)
def test_a_shutting_order_is_taken_and_fire_always(
    given_steps: list[tuple[bool, StandingOrder]],
) -> None:
    standing = play(given_steps)
    for order in (DoorOrder.FIRE, DoorOrder.LOCKDOWN, DoorOrder.NO_ENTRY):
        after = take(standing, StandingOrder(order, "input"))
        assert isinstance(after, frozenset)
        assert StandingOrder(order, "input") in after


def test_hold_open_is_refused_under_a_lockdown_and_taken_under_a_fire() -> None:
    hold = StandingOrder(DoorOrder.HOLD_OPEN, "backend")
    assert take(stand(DoorOrder.LOCKDOWN), hold) is Refusal.OVERRULED
    assert take(stand(DoorOrder.NO_ENTRY), hold) is Refusal.OVERRULED
    assert isinstance(take(stand(DoorOrder.FIRE), hold), frozenset)
    under_both = take(stand(DoorOrder.LOCKDOWN, DoorOrder.FIRE), hold)
    assert under_both is Refusal.OVERRULED, "the lockdown stands below the fire"


def test_only_the_source_of_an_order_ends_it() -> None:
    standing = stand(DoorOrder.LOCKDOWN)
    assert end(standing, StandingOrder(DoorOrder.LOCKDOWN, "hubctl")) == standing
    assert end(standing, StandingOrder(DoorOrder.NO_ENTRY, "backend")) == standing
    assert end(standing, StandingOrder(DoorOrder.LOCKDOWN, "backend")) == frozenset()


def test_a_door_has_a_ceiling_of_orders() -> None:
    standing: frozenset[StandingOrder] = frozenset()
    for number in range(ORDERS_MAX):
        after = take(standing, StandingOrder(DoorOrder.LOCKDOWN, str(number)))
        assert isinstance(after, frozenset)
        standing = after
    assert take(standing, StandingOrder(DoorOrder.LOCKDOWN, "more")) is Refusal.TOO_MANY
    assert take(standing, StandingOrder(DoorOrder.LOCKDOWN, "0")) == standing
