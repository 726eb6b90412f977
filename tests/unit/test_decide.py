"""The decision, fact by fact: each reason alone, and that nothing restrictive helps."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.claim import FACTORS_OF, Claim, Strength
from hubcore.access.decide import (
    AHEAD_SECONDS,
    LEEWAY_SECONDS,
    STEP_SECONDS,
    Denied,
    Facts,
    Granted,
    decide,
    hours_begin,
)
from hubcore.access.factors import ALL_FACTORS, Demand, Factor, strictest
from hubcore.access.grant import IN_BROWSER, KEY_ASKS, Access
from hubcore.access.passback import Violation
from hubcore.access.words import Action, Denial
from hubcore.calendar.schedule import ALWAYS, MINUTES_A_DAY, Rule, Schedule, WallTime

NOW = 1_790_000_000.0
DAY = 86_400
OPEN_AND_QUERY = 9
ALL_DAY = Schedule(ALWAYS)
NEVER = Schedule(())
CARD = Demand((Factor.CARD,))
INTENT = Demand((Factor.INTENT,))
TWO = Demand(tuple(Factor), persons=2)

FACTS = Facts(
    served=True,
    fresh=False,
    refused=None,
    revoked=False,
    disabled=False,
    time_trusted=True,
    without_time=False,
    offline_too_long=False,
    schedules={1: ALL_DAY, 2: NEVER},
    demands=(),
    second_waits=False,
    passed_back=Violation.NONE,
    zone=UTC,
    grant_seconds_max=90 * DAY,
    used=0,
)
CLAIM = Claim(
    credential="anna",
    grant_id=b"grant-01",
    not_before=int(NOW) - DAY,
    expires=int(NOW) + DAY,
    entry=Access(1, OPEN_AND_QUERY, ()),
    access_point=1,
    action=Action.OPEN,
    op=bytes(8),
    strength=Strength.FULL,
    arrived=0.0,
)


def why(facts: Facts = FACTS, claim: Claim = CLAIM, at: float = NOW) -> Denial | None:
    decision = decide(facts, claim, at)
    return decision.why if isinstance(decision, Denied) else None


def with_rules(*rules: Any) -> Claim:
    return replace(CLAIM, entry=Access(1, OPEN_AND_QUERY, rules))


DENIED: list[tuple[Denial, Facts, Claim]] = [
    (Denial.CREDENTIAL_REVOKED, replace(FACTS, revoked=True), CLAIM),
    (Denial.CREDENTIAL_DISABLED, replace(FACTS, disabled=True), CLAIM),
    (Denial.NO_GRANT, replace(FACTS, served=False), CLAIM),
    (Denial.NO_GRANT, FACTS, replace(CLAIM, entry=None)),
    (Denial.NO_GRANT, FACTS, replace(CLAIM, entry=Access(1, 8, ()))),
    (Denial.NO_GRANT, FACTS, replace(CLAIM, entry=Access(1, KEY_ASKS | IN_BROWSER, ()))),
    (Denial.NO_GRANT, FACTS, replace(CLAIM, action=Action.HOLD_OPEN, entry=Access(1, 15, ()))),
    (Denial.NO_GRANT, FACTS, replace(CLAIM, action=Action.END_HOLD, entry=Access(1, 15, ()))),
    (
        Denial.FULL_PROOF_NEEDED,
        replace(FACTS, fresh=True),
        replace(CLAIM, strength=Strength.SHORT),
    ),
    (Denial.TIME_UNTRUSTED, replace(FACTS, time_trusted=False), CLAIM),
    (
        Denial.TIME_UNTRUSTED,
        replace(FACTS, time_trusted=False, without_time=True),
        with_rules(1),
    ),
    (Denial.CREDENTIAL_NOT_ACTIVE, FACTS, replace(CLAIM, not_before=int(NOW) + 61)),
    (Denial.CREDENTIAL_EXPIRED, FACTS, replace(CLAIM, expires=int(NOW) - 61)),
    (
        Denial.CREDENTIAL_EXPIRED,
        replace(FACTS, time_trusted=False, without_time=True),
        replace(CLAIM, expires=int(NOW) - 1),
    ),
    (Denial.GRANT_TOO_LONG, replace(FACTS, grant_seconds_max=DAY), CLAIM),
    (
        Denial.GRANT_TOO_LONG,
        replace(FACTS, grant_seconds_max=DAY, time_trusted=False, without_time=True),
        CLAIM,
    ),
    (Denial.LOCKDOWN, replace(FACTS, refused=Denial.LOCKDOWN), CLAIM),
    (Denial.NO_ENTRY, replace(FACTS, refused=Denial.NO_ENTRY), CLAIM),
    (Denial.OFFLINE_TOO_LONG, replace(FACTS, offline_too_long=True), CLAIM),
    (Denial.OUT_OF_SCHEDULE, FACTS, with_rules(2)),
    (Denial.OUT_OF_SCHEDULE, FACTS, with_rules(3)),
    (Denial.USES_SPENT, replace(FACTS, used=2), replace(CLAIM, uses=2)),
    (Denial.USES_SPENT, replace(FACTS, used=3), replace(CLAIM, uses=2)),
    (Denial.FACTOR_NEEDED, replace(FACTS, demands=(CARD,)), CLAIM),
    (Denial.FACTOR_NEEDED, replace(FACTS, demands=(INTENT,)), CLAIM),
    (
        Denial.FULL_PROOF_NEEDED,
        replace(FACTS, demands=(INTENT,)),
        replace(CLAIM, strength=Strength.SHORT),
    ),
    (Denial.ANTI_PASSBACK, replace(FACTS, passed_back=Violation.DENIED), CLAIM),
    (Denial.SECOND_PERSON_NEEDED, replace(FACTS, demands=(TWO,)), CLAIM),
]


@pytest.mark.parametrize(("denial", "facts", "claim"), DENIED)
def test_each_reason_stands_alone(denial: Denial, facts: Facts, claim: Claim) -> None:
    assert why(facts, claim) is denial


def test_what_nothing_speaks_against_is_granted() -> None:
    assert decide(FACTS, CLAIM, NOW) == Granted()
    assert why(claim=with_rules(2, 1)) is None
    assert why(replace(FACTS, used=1), replace(CLAIM, uses=2)) is None
    assert why(replace(FACTS, used=65535)) is None  # a grant without a number of uses


def test_a_ticket_is_enough_where_the_full_path_is_not_demanded() -> None:
    short = replace(CLAIM, strength=Strength.SHORT)
    fresh = replace(FACTS, fresh=True)
    assert why(claim=short) is None
    assert why(fresh, CLAIM) is None
    assert why(fresh, short) is Denial.FULL_PROOF_NEEDED


ELSEWHERE = {
    Denial.UNKNOWN_CREDENTIAL: "test_card_readers::"
    "test_an_unknown_card_is_denied_and_recorded_by_its_digest_alone",
    Denial.OP_CONFLICT: "test_persons::test_one_operation_at_two_access_points_is_a_conflict",
    Denial.TOO_LATE: "test_resting::test_a_phone_that_has_gone_in_the_rest_moves_nothing",
    Denial.DOOR_FAULT: "test_unlock::test_a_policy_that_cannot_be_read_opens_nothing",
    Denial.BUSY: "test_resting::test_who_comes_in_a_long_rest_is_told_to_come_again",
    Denial.WRONG_PIN: "test_card_readers::test_a_wrong_pin_is_denied_recorded_and_counted",
    Denial.TOO_MANY_ATTEMPTS: "test_card_readers::test_a_wrong_pin_is_denied_recorded_and_counted",
}
"""Reasons that are found outside of the decision, each with the test beside this one that reaches
it by the daemon's way.
"""


def test_every_reason_is_reached_here_or_found_elsewhere() -> None:
    assert {denial for denial, _, _ in DENIED} | set(ELSEWHERE) == set(Denial)


@pytest.mark.parametrize(("denial", "place"), ELSEWHERE.items())
def test_what_is_found_elsewhere_is_asserted_there(denial: Denial, place: str) -> None:
    assert reaches(place, denial)


def test_a_place_that_has_gone_or_asserts_another_reason_is_noticed() -> None:
    place = ELSEWHERE[Denial.BUSY]
    assert not reaches(place, Denial.WRONG_PIN)
    assert not reaches(f"{place}_and_has_gone", Denial.BUSY)
    assert not reaches("test_that_has_gone::test_x", Denial.BUSY)


def reaches(place: str, denial: Denial) -> bool:
    """Tell whether there is such a test and one of its assertions names the reason."""
    module, _, name = place.partition("::")
    file = Path(__file__).with_name(f"{module}.py")
    if not file.is_file():
        return False
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            asserted = [part for part in ast.walk(node) if isinstance(part, ast.Assert)]
            return any(_names(part, denial) for part in asserted)
    return False


def _names(asserted: ast.Assert, denial: Denial) -> bool:
    text = ast.unparse(asserted)
    return f"Denial.{denial.name}" in text.split() or repr(str(denial)) in text


@pytest.mark.parametrize("seconds", [-LEEWAY_SECONDS, 0, LEEWAY_SECONDS])
def test_both_ends_of_a_grant_have_a_leeway(seconds: int) -> None:
    assert why(at=CLAIM.not_before - abs(seconds)) is None
    assert why(at=CLAIM.expires + abs(seconds)) is None


QUERIED: list[Callable[[Facts], Facts]] = [
    lambda facts: replace(facts, refused=Denial.LOCKDOWN),
    lambda facts: replace(facts, refused=Denial.NO_ENTRY),
    lambda facts: replace(facts, offline_too_long=True),
    lambda facts: replace(facts, demands=(CARD, TWO)),
    lambda facts: replace(facts, passed_back=Violation.DENIED),
    lambda facts: replace(facts, time_trusted=False),
    lambda facts: replace(facts, used=3),
]


@pytest.mark.parametrize("change", QUERIED)
def test_a_query_moves_nothing_so_that_less_is_asked(change: Callable[[Facts], Facts]) -> None:
    counted = replace(CLAIM, uses=3)
    query = replace(counted, action=Action.QUERY)
    assert why(change(FACTS), query) is None
    assert why(change(FACTS), counted) is not None


def test_without_time_only_a_grant_without_a_schedule_opens() -> None:
    facts = replace(FACTS, time_trusted=False, without_time=True)
    assert why(facts) is None
    assert why(facts, replace(CLAIM, not_before=int(NOW) + DAY)) is None  # the clock may be behind
    assert why(facts, with_rules(1)) is Denial.TIME_UNTRUSTED


def test_without_time_nobody_asks_for_the_schedule_of_a_query() -> None:
    untrusted = replace(FACTS, time_trusted=False)
    query = replace(with_rules(2), action=Action.QUERY)
    assert why(untrusted, query) is None
    assert why(FACTS, query) is Denial.OUT_OF_SCHEDULE


def test_without_time_the_last_second_and_the_longest_life_still_count() -> None:
    facts = replace(FACTS, time_trusted=False, without_time=True, grant_seconds_max=DAY)
    claim = replace(CLAIM, not_before=int(NOW) - DAY, expires=int(NOW))
    assert why(facts, claim) is None
    assert why(replace(facts, time_trusted=True), claim) is None
    assert why(facts, replace(claim, not_before=int(NOW) - DAY - 1)) is Denial.GRANT_TOO_LONG
    assert why(facts, claim, at=NOW + 1) is Denial.CREDENTIAL_EXPIRED


ZONE = timezone(timedelta(hours=5, minutes=30))
THERE = WallTime.at(NOW, ZONE)


@pytest.mark.parametrize("minutes", range(-2, 3))
def test_a_rule_that_a_grant_carries_counts_by_the_wall_clock_at_the_door(minutes: int) -> None:
    start = THERE.minute + minutes
    today = 1 << (THERE.day + 3) % 7
    facts = replace(FACTS, zone=ZONE)
    claim = with_rules(Rule(today, start, start + 1))
    assert why(facts, claim) is (None if minutes == 0 else Denial.OUT_OF_SCHEDULE)
    assert why(FACTS, claim) is Denial.OUT_OF_SCHEDULE
    tomorrow = with_rules(Rule(today ^ 127, 0, MINUTES_A_DAY))
    assert why(facts, tomorrow) is Denial.OUT_OF_SCHEDULE


def test_demands_and_schedules_count_by_the_wall_clock_at_the_door() -> None:
    now = Schedule((Rule(127, THERE.minute, THERE.minute + 1),))
    demand = replace(CARD, schedule=1)
    there = replace(FACTS, schedules={1: now}, zone=ZONE)
    assert why(there, with_rules(1)) is None
    assert why(replace(there, zone=UTC), with_rules(1)) is Denial.OUT_OF_SCHEDULE
    assert why(replace(there, demands=(demand,))) is Denial.FACTOR_NEEDED
    assert why(replace(there, zone=UTC, demands=(demand,))) is None


def test_without_time_every_demand_may_count() -> None:
    facts = replace(
        FACTS,
        time_trusted=False,
        without_time=True,
        demands=(Demand((Factor.PHONE,), schedule=1), Demand((Factor.INTENT,), schedule=2)),
    )
    assert why(facts) is Denial.FACTOR_NEEDED
    assert why(facts, replace(CLAIM, intent=True)) is None


def test_the_first_demand_whose_schedule_holds_counts() -> None:
    by_night = Demand((Factor.CARD | Factor.PIN,), schedule=2)
    by_day = Demand((Factor.CARD, Factor.PHONE), schedule=1)
    facts = replace(FACTS, demands=(by_night, by_day, CARD))
    assert why(facts) is None
    assert why(replace(facts, schedules={1: ALL_DAY, 2: ALL_DAY})) is Denial.FACTOR_NEEDED
    assert why(replace(facts, schedules={})) is Denial.FACTOR_NEEDED


def test_the_second_person_is_let_in() -> None:
    assert why(replace(FACTS, demands=(TWO,), second_waits=True)) is None


def test_a_soft_passback_lets_in() -> None:
    assert why(replace(FACTS, passed_back=Violation.NOTED)) is None


def test_each_strength_has_its_factors() -> None:
    assert set(FACTORS_OF) == set(Strength)
    short = replace(CLAIM, strength=Strength.SHORT)
    assert short.factors == Factor.PHONE
    assert replace(CLAIM, intent=True).factors == Factor.PHONE | Factor.INTENT


# Over all facts at once.

RESTRICTIONS: list[Callable[[Facts], Facts]] = [
    lambda facts: replace(facts, served=False),
    lambda facts: replace(facts, fresh=True),
    lambda facts: replace(facts, refused=Denial.LOCKDOWN),
    lambda facts: replace(facts, revoked=True),
    lambda facts: replace(facts, disabled=True),
    lambda facts: replace(facts, offline_too_long=True),
    lambda facts: replace(facts, without_time=False),
    lambda facts: replace(facts, second_waits=False),
    lambda facts: replace(facts, passed_back=Violation.DENIED),
    lambda facts: replace(facts, schedules={}, demands=(TWO,)),
    lambda facts: replace(facts, grant_seconds_max=0),
    lambda facts: replace(facts, used=facts.used + 1),
]
factor_sets = st.sampled_from([Factor(bits) for bits in range(1, int(ALL_FACTORS) + 1)])
demands = st.builds(
    Demand,
    alternatives=st.lists(factor_sets, min_size=1, max_size=4).map(tuple),
    persons=st.sampled_from([1, 2]),
    schedule=st.sampled_from([None, 1, 2, 3]),
)
facts_of_any_kind = st.builds(
    Facts,
    served=st.booleans(),
    fresh=st.booleans(),
    refused=st.sampled_from([None, Denial.LOCKDOWN, Denial.NO_ENTRY]),
    revoked=st.booleans(),
    disabled=st.booleans(),
    time_trusted=st.booleans(),
    without_time=st.booleans(),
    offline_too_long=st.booleans(),
    schedules=st.sampled_from([{}, {1: ALL_DAY}, {1: ALL_DAY, 2: NEVER}]),
    demands=st.lists(demands, max_size=3).map(tuple),
    second_waits=st.booleans(),
    passed_back=st.sampled_from(Violation),
    zone=st.just(UTC),
    grant_seconds_max=st.sampled_from([0, 90 * DAY]),
    used=st.integers(0, 3),
)
claims = st.builds(
    replace,
    st.just(CLAIM),
    not_before=st.sampled_from([int(NOW) - DAY, int(NOW) + DAY]),
    expires=st.sampled_from([int(NOW) - DAY, int(NOW) + DAY]),
    entry=st.sampled_from([None, Access(1, 0, ()), Access(1, 15, ()), Access(1, 9, (1,))]),
    action=st.sampled_from(Action),
    strength=st.sampled_from(Strength),
    intent=st.booleans(),
    uses=st.sampled_from([None, 1, 3]),
)


@given(facts=facts_of_any_kind, claim=claims, restrict=st.sampled_from(RESTRICTIONS))
def test_what_restricts_lets_nobody_in(
    facts: Facts, claim: Claim, restrict: Callable[[Facts], Facts]
) -> None:
    if why(restrict(facts), claim) is None:
        assert why(facts, claim) is None


@given(facts=facts_of_any_kind, claim=claims)
def test_duress_is_decided_as_if_there_were_none(facts: Facts, claim: Claim) -> None:
    assert why(facts, claim) is why(facts, replace(claim, duress=True))


@given(facts=facts_of_any_kind, claim=claims)
def test_whatever_is_let_in_has_right_time_and_factors(facts: Facts, claim: Claim) -> None:
    if why(facts, claim) is not None or claim.action is Action.QUERY:
        return
    assert facts.served
    assert not facts.revoked
    assert not facts.disabled
    assert facts.refused is None
    assert not facts.offline_too_long
    assert facts.passed_back is not Violation.DENIED
    assert claim.uses is None or facts.used < claim.uses
    assert claim.entry is not None
    assert claim.entry.rights & 1
    assert facts.time_trusted or facts.without_time
    assert claim.expires + LEEWAY_SECONDS >= NOW


def test_the_strictest_demand_meets_all() -> None:
    every = [Factor(bits) for bits in range(1, int(ALL_FACTORS) + 1)]
    several = [Demand((one, other)) for one, other in combinations(every, 2)]
    for mine, theirs in combinations(several[::7], 2):
        both = strictest((mine, theirs))
        for factors in every:
            assert both.met_by(factors) == (mine.met_by(factors) and theirs.met_by(factors))


@given(
    days=st.integers(1, 127),
    start=st.integers(0, MINUTES_A_DAY - 16),
    length=st.integers(15, MINUTES_A_DAY),
    at=st.integers(int(NOW), int(NOW) + 7 * DAY),
)
def test_hours_begin_at_the_first_minute_that_holds(
    days: int, start: int, length: int, at: int
) -> None:
    rule = Rule(days, start, min(start + length, MINUTES_A_DAY))
    found = hours_begin(FACTS, with_rules(rule), at)
    assert found is not None  # each weekday comes within 8 days
    assert why(claim=replace(with_rules(rule), expires=int(NOW) + 30 * DAY), at=found) is None
    if found > at:
        assert found % 60 == 0
        before = WallTime.at(found - 60, UTC)
        assert found - 60 < at or not rule.holds(before.day, before.minute)
        for quarter in range(at, int(found), STEP_SECONDS):
            moment = WallTime.at(quarter, UTC)
            assert not rule.holds(moment.day, moment.minute)


def test_hours_that_do_not_come_soon_begin_at_no_time() -> None:
    assert hours_begin(FACTS, with_rules(2), NOW) is None
    assert hours_begin(FACTS, with_rules(3), NOW) is None  # no such schedule
    assert hours_begin(FACTS, replace(CLAIM, entry=None), NOW) is None
    assert AHEAD_SECONDS > 7 * DAY
