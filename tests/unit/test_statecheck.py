"""What is found at the start, judged: the table of verdicts, and what holds of every row of it."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.evidence.records import Kind, Record, Value
from hubcore.evidence.statecheck import (
    Belief,
    Doubt,
    Found,
    LogFound,
    OnDisk,
    Told,
    accepted_facts,
    carried_facts,
    doubt_facts,
    edited_facts,
    judge,
    tells,
    told_by,
)

HELD = LogFound.HOLDS
TABLE = [
    # what is there                                        what the log says          verdict
    (Found(OnDisk.NONE, 0, LogFound.EMPTY), Told(), Belief.NEW),
    (Found(OnDisk.NONE, 0, HELD), Told(), Belief.AS_RECORDED),
    (Found(OnDisk.PROVEN, 3, HELD), Told(3), Belief.AS_RECORDED),
    (Found(OnDisk.PROVEN, 4, HELD), Told(3), Belief.UNRECORDED),
    (Found(OnDisk.PROVEN, 1, HELD), Told(), Belief.UNRECORDED),
    (Found(OnDisk.NONE, 0, HELD), Told(3), Doubt.POLICY_MISSING),
    (Found(OnDisk.NONE, 0, HELD, policy_removed=True), Told(), Doubt.POLICY_MISSING),
    (Found(OnDisk.NONE, 0, LogFound.EMPTY, policy_removed=True), Told(), Doubt.POLICY_MISSING),
    (Found(OnDisk.PROVEN, 2, HELD), Told(3), Doubt.POLICY_OLDER),
    (Found(OnDisk.UNPROVEN, 0, HELD), Told(3), Doubt.POLICY_UNPROVEN),
    (Found(OnDisk.UNPROVEN, 0, LogFound.EMPTY), Told(), Doubt.POLICY_UNPROVEN),
    (Found(OnDisk.PROVEN, 3, LogFound.EMPTY), Told(), Doubt.LOG_MISSING),
    (Found(OnDisk.PROVEN, 3, LogFound.GONE), Told(), Doubt.LOG_MISSING),
    (Found(OnDisk.NONE, 0, LogFound.GONE), Told(), Doubt.LOG_MISSING),
    (Found(OnDisk.NONE, 0, LogFound.EMPTY, log_removed=True), Told(), Doubt.LOG_MISSING),
    (Found(OnDisk.PROVEN, 3, LogFound.DIFFERS), Told(3), Doubt.LOG_REPLACED),
    (Found(OnDisk.NONE, 0, LogFound.DIFFERS), Told(), Doubt.LOG_REPLACED),
    (Found(OnDisk.PROVEN, 3, LogFound.DIFFERS), Told(3, Doubt.LOG_MISSING, 3), Doubt.LOG_MISSING),
    # a doubt that was recorded stands, whatever the next start finds, until what was missing is
    # back
    (Found(OnDisk.PROVEN, 3, HELD), Told(3, Doubt.LOG_MISSING, 3), Doubt.LOG_MISSING),
    (Found(OnDisk.NONE, 0, HELD), Told(0, Doubt.LOG_MISSING, 0), Doubt.LOG_MISSING),
    (Found(OnDisk.NONE, 0, HELD), Told(0, Doubt.POLICY_UNPROVEN, 0), Doubt.POLICY_UNPROVEN),
    (Found(OnDisk.PROVEN, 3, HELD), Told(3, Doubt.POLICY_MISSING, 0), Belief.AS_RECORDED),
    (Found(OnDisk.PROVEN, 3, HELD), Told(3, Doubt.POLICY_OLDER, 2), Belief.AS_RECORDED),
    (Found(OnDisk.PROVEN, 4, HELD), Told(3, Doubt.LOG_REPLACED, 3), Belief.UNRECORDED),
]

OLDER: dict[str, Value] = {"found": "policy-older", "policy": 2, "expected": 3}

founds = st.builds(
    lambda policy, version, log, gone, lost: Found(
        policy, version if policy is OnDisk.PROVEN else 0, log, gone, lost
    ),
    st.sampled_from(OnDisk),
    st.integers(1, 5),
    st.sampled_from(LogFound),
    st.booleans(),
    st.booleans(),
)
tolds = st.builds(
    lambda version, doubt, doubted: Told(version, doubt, doubted if doubt else 0),
    st.integers(0, 5),
    st.none() | st.sampled_from(Doubt),
    st.integers(0, 5),
)


@pytest.mark.parametrize(("found", "told", "verdict"), TABLE)
def test_the_table(found: Found, told: Told, verdict: Belief | Doubt) -> None:
    assert judge(found, told) is verdict


def test_the_table_has_every_verdict() -> None:
    assert {verdict for _, _, verdict in TABLE} == {*Belief, *Doubt}


@given(founds, tolds)
def test_nothing_is_believed_that_is_missing_older_or_unproven(found: Found, told: Told) -> None:
    if isinstance(judge(found, told), Belief):
        assert found.policy is not OnDisk.UNPROVEN
        assert found.version >= told.version
        assert found.log not in (LogFound.GONE, LogFound.DIFFERS)
        assert not found.log_removed
        assert found.log is LogFound.HOLDS or found.policy is OnDisk.NONE


@given(founds, tolds)
def test_only_a_hub_with_nothing_at_all_is_new(found: Found, told: Told) -> None:
    nothing = found == Found(OnDisk.NONE, 0, LogFound.EMPTY) and told == Told()
    assert (judge(found, told) is Belief.NEW) == nothing or told != Told()
    if nothing:
        assert judge(found, told) is Belief.NEW


@given(founds, tolds)
def test_a_doubt_that_was_recorded_is_found_again_at_the_next_start(
    found: Found, told: Told
) -> None:
    verdict = judge(found, told)
    if isinstance(verdict, Doubt):
        recorded = told_by(Record(Kind.STATE, 0, 0, doubt_facts(verdict, found, told)))
        # By the next start the files are there again, and the log has begun.
        next_found = Found(found.policy, found.version, LogFound.HOLDS)
        assert isinstance(judge(next_found, recorded), Doubt)


@given(founds, tolds)
def test_an_accepted_state_is_believed_at_the_next_start(found: Found, told: Told) -> None:
    verdict = judge(found, told)
    if isinstance(verdict, Doubt) and found.policy is not OnDisk.UNPROVEN:
        recorded = told_by(
            Record(Kind.STATE, 0, 0, accepted_facts(verdict, found.version, "technician"))
        )
        next_found = Found(found.policy, found.version, LogFound.HOLDS)
        assert judge(next_found, recorded) is Belief.AS_RECORDED
        if found.version:  # and what was accepted cannot be taken back to an older one
            older = Found(OnDisk.NONE, 0, LogFound.HOLDS)
            assert judge(older, recorded) is Doubt.POLICY_MISSING


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (None, Told()),
        (Record(Kind.POLICY, 0, 0, {"version": 3, "tickets_dropped": 1}), Told(3)),
        (
            Record(Kind.STATE, 0, 0, OLDER),
            Told(3, Doubt.POLICY_OLDER, 2),
        ),
        (Record(Kind.STATE, 0, 0, accepted_facts(Doubt.LOG_MISSING, 2, "technician")), Told(2)),
        (Record(Kind.STATE, 0, 0, edited_facts(4)), Told(4)),
        (Record(Kind.STATE, 0, 0, {"found": 7}), Told()),
        (Record(Kind.STARTED, 0, 0, {"version": "1.0"}), Told()),
        (Record(Kind.STARTED, 0, 0, {"version": "1.0", "expected": 3, "doubt": None}), Told(3)),
        (
            Record(
                Kind.STARTED,
                0,
                0,
                {"version": "1.0", "expected": 3, "doubt": "newer", "doubted": 2},
            ),
            Told(3),
        ),
    ],
)
def test_what_a_record_says(record: Record | None, said: Told) -> None:
    assert told_by(record) == said


@given(tolds)
def test_a_start_says_again_what_was_said_before_it(told: Told) -> None:
    record = Record(Kind.STARTED, 0, 0, {"version": "1.0", "floor": 7, **carried_facts(told)})
    assert tells(record)
    assert told_by(record) == told
    assert not tells(Record(Kind.STARTED, 0, 0, {"version": "1.0", "floor": 7}))


def test_every_state_has_a_verdict() -> None:
    for policy, log, gone, lost, doubt in product(
        OnDisk, LogFound, (False, True), (False, True), (None, *Doubt)
    ):
        version = 2 if policy is OnDisk.PROVEN else 0
        assert isinstance(
            judge(Found(policy, version, log, gone, lost), Told(2, doubt, 0)), Belief | Doubt
        )
