"""Anti-passback: each kind, over all orders of events, and a ceiling on what is remembered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.passback import (
    TIMED_SECONDS_MAX,
    PassbackKind,
    PassbackRule,
    Place,
    Places,
    Violation,
    judge,
)

OUTSIDE = 0
LOBBY = 1
LAB = 2

HARD_IN = PassbackRule(PassbackKind.HARD, OUTSIDE, LOBBY)
SOFT_IN = PassbackRule(PassbackKind.SOFT, OUTSIDE, LOBBY)
TIMED_IN = PassbackRule(PassbackKind.TIMED, OUTSIDE, LOBBY, 300)


@pytest.mark.parametrize(
    ("rule", "place", "expected"),
    [
        (HARD_IN, None, Violation.NONE),
        (HARD_IN, Place(OUTSIDE, 0), Violation.NONE),
        (HARD_IN, Place(LOBBY, 0), Violation.DENIED),
        (HARD_IN, Place(LAB, 0), Violation.DENIED),
        (SOFT_IN, None, Violation.NONE),
        (SOFT_IN, Place(OUTSIDE, 0), Violation.NONE),
        (SOFT_IN, Place(LOBBY, 0), Violation.NOTED),
        (TIMED_IN, None, Violation.NONE),
        (TIMED_IN, Place(LOBBY, 1000), Violation.DENIED),
        (TIMED_IN, Place(LOBBY, 701), Violation.DENIED),
        (TIMED_IN, Place(LOBBY, 700), Violation.NONE),
        (TIMED_IN, Place(LOBBY, 1001), Violation.NONE),
        (TIMED_IN, Place(LAB, 1000), Violation.NONE),
    ],
)
def test_each_kind_of_rule(rule: PassbackRule, place: Place | None, expected: Violation) -> None:
    assert judge(rule, place, at=1000) is expected


@pytest.mark.parametrize(
    ("kind", "areas", "seconds"),
    [
        (PassbackKind.HARD, (1, 1), 0),
        (PassbackKind.HARD, (0, 1), 5),
        (PassbackKind.TIMED, (0, 1), 0),
        (PassbackKind.TIMED, (0, 1), TIMED_SECONDS_MAX + 1),
    ],
)
def test_a_rule_without_sense_cannot_be_made(
    kind: PassbackKind, areas: tuple[int, int], seconds: int
) -> None:
    with pytest.raises(ValueError, match=r"into itself|passback"):
        PassbackRule(kind, *areas, seconds)


@pytest.mark.parametrize("seconds", [1, TIMED_SECONDS_MAX])
def test_a_timed_rule_lasts_a_second_to_a_day(seconds: int) -> None:
    rule = PassbackRule(PassbackKind.TIMED, OUTSIDE, LOBBY, seconds)
    assert judge(rule, Place(LOBBY, 0), at=seconds - 0.5) is Violation.DENIED
    assert judge(rule, Place(LOBBY, 0), at=seconds) is Violation.NONE


def test_a_place_is_known_with_its_time() -> None:
    places = Places()
    places.went("anna", LOBBY, at=1000)
    assert places.of("anna") == Place(LOBBY, 1000)
    assert places.of("ben") is None


credentials = st.sampled_from(["anna", "ben", "cleo"])
walks = st.lists(st.tuples(credentials, st.booleans()), max_size=40)


@given(walks)
def test_nobody_goes_in_twice_without_going_out(walk: list[tuple[str, bool]]) -> None:
    places = Places()
    inside: set[str] = set()
    way_out = PassbackRule(PassbackKind.HARD, LOBBY, OUTSIDE)
    for credential, goes_in in walk:
        rule = HARD_IN if goes_in else way_out
        known = places.of(credential)
        may = judge(rule, known, at=0) is Violation.NONE
        assert may == (known is None or (credential in inside) is not goes_in)
        if may:
            places.went(credential, rule.to_area, at=0)
            inside = inside | {credential} if goes_in else inside - {credential}


def test_a_reset_forgets_one_or_all() -> None:
    places = Places()
    for credential in ("anna", "ben"):
        places.went(credential, LOBBY, at=0)
    places.reset("anna")
    assert judge(HARD_IN, places.of("anna"), at=1) is Violation.NONE
    assert judge(HARD_IN, places.of("ben"), at=1) is Violation.DENIED
    places.reset("nobody")
    places.reset()
    assert len(places) == 0


@given(st.lists(st.integers(0, 30), max_size=100))
def test_the_oldest_place_gives_way(visitors: list[int]) -> None:
    places = Places(places_max=10)
    for visitor in visitors:
        places.went(str(visitor), LOBBY, at=0)
    newest = list(dict.fromkeys(reversed(visitors)))[:10]
    assert {visitor for visitor in range(31) if places.of(str(visitor))} == set(newest)
