"""What a door demands, and when; two persons: the tables, and all orders of coming."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.factors import (
    ALL_FACTORS,
    ALTERNATIVES_MAX,
    ANY_FACTOR,
    Demand,
    Factor,
    demanded,
    strictest,
)
from hubcore.access.two_person import TwoPersons

DAY = 1
NIGHT = 2
CARD_BY_DAY = Demand((Factor.CARD,), schedule=DAY)
CARD_AND_PIN = Demand((Factor.CARD | Factor.PIN, Factor.PHONE | Factor.INTENT), schedule=NIGHT)

factors = st.integers(1, int(ALL_FACTORS)).map(Factor)


@pytest.mark.parametrize(
    ("holding", "expected"),
    [
        ({DAY}, CARD_BY_DAY),
        ({NIGHT}, CARD_AND_PIN),
        ({DAY, NIGHT}, CARD_BY_DAY),
        (set(), ANY_FACTOR),
    ],
)
def test_the_first_demand_whose_schedule_holds_counts(holding: set[int], expected: Demand) -> None:
    assert demanded((CARD_BY_DAY, CARD_AND_PIN), holding.__contains__) is expected


def test_a_demand_without_schedule_always_counts() -> None:
    always = Demand((Factor.PHONE,), persons=2)
    assert demanded((CARD_BY_DAY, always), lambda _: False) is always


@pytest.mark.parametrize(
    ("shown", "met"),
    [
        (Factor.CARD, False),
        (Factor.PIN, False),
        (Factor.CARD | Factor.PIN, True),
        (Factor.PHONE, False),
        (Factor.PHONE | Factor.INTENT, True),
        (Factor.PHONE | Factor.PIN, False),
        (ALL_FACTORS, True),
    ],
)
def test_a_demand_is_met_by_one_alternative_whole(shown: Factor, met: bool) -> None:
    assert CARD_AND_PIN.met_by(shown) is met


@given(st.lists(factors, min_size=1, max_size=ALTERNATIVES_MAX), factors, factors)
def test_more_factors_than_demanded_do_no_harm(
    alternatives: list[Factor], shown: Factor, more: Factor
) -> None:
    demand = Demand(tuple(alternatives))
    assert demand.met_by(shown) == any(set(one) <= set(shown) for one in alternatives)
    if demand.met_by(shown):
        assert demand.met_by(shown | more)
    assert not demand.met_by(Factor(0))


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"alternatives": ()}, "alternatives"),
        ({"alternatives": (Factor.CARD,) * (ALTERNATIVES_MAX + 1)}, "alternatives"),
        ({"alternatives": (Factor(0),)}, "factors 0"),
        ({"alternatives": (Factor.CARD,), "persons": 0}, "0 persons"),
        ({"alternatives": (Factor.CARD,), "persons": 3}, "3 persons"),
    ],
)
def test_a_demand_of_nothing_cannot_be_made(facts: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Demand(**facts)


@pytest.mark.parametrize("persons", [(1, 2), (2, 1), (2, 2), (1, 1)])
def test_the_strictest_demand_asks_for_the_most_persons(persons: tuple[int, int]) -> None:
    demands = [Demand((Factor.CARD,), persons=number) for number in persons]
    assert strictest(demands).persons == max(persons)


comings = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.sampled_from(["anna", "ben", "cleo"]), st.floats(0, 15)),
    max_size=40,
)


@given(comings)
def test_a_door_opens_for_two_and_for_nobody_alone(visits: list[tuple[int, str, float]]) -> None:
    rule = TwoPersons(within_seconds=20.0)
    first: dict[int, tuple[str, float]] = {}
    now = 0.0
    for access_point, credential, later in visits:
        now += later
        waiting = first.get(access_point)
        expected = waiting is not None and waiting[0] != credential and now - waiting[1] <= 20.0
        assert rule.partner(access_point, credential, now) is expected
        if expected:
            rule.completed(access_point)
            del first[access_point]
        else:
            rule.wait(access_point, credential, now)
            first[access_point] = credential, now
