"""What is found at the start, judged: the table of verdicts, and what holds of every row of it."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.evidence.records import Record, RecordKind, Value
from hubcore.evidence.statecheck import (
    Belief,
    Doubt,
    FoundState,
    LogFound,
    LoggedState,
    OnDisk,
    accepted_facts,
    carried_facts,
    doubt_facts,
    edited_facts,
    is_about_state,
    judge,
    read_logged_state,
)

HELD = LogFound.HOLDS
TABLE = [
    # what is there                                        what the log says          verdict
    (FoundState(OnDisk.NONE, 0, LogFound.EMPTY), LoggedState(), Belief.NEW),
    (FoundState(OnDisk.NONE, 0, HELD), LoggedState(), Belief.AS_RECORDED),
    (FoundState(OnDisk.PROVEN, 3, HELD), LoggedState(3), Belief.AS_RECORDED),
    (FoundState(OnDisk.PROVEN, 4, HELD), LoggedState(3), Belief.UNRECORDED),
    (FoundState(OnDisk.PROVEN, 1, HELD), LoggedState(), Belief.UNRECORDED),
    (FoundState(OnDisk.NONE, 0, HELD), LoggedState(3), Doubt.POLICY_MISSING),
    (FoundState(OnDisk.NONE, 0, HELD, policy_removed=True), LoggedState(), Doubt.POLICY_MISSING),
    (
        FoundState(OnDisk.NONE, 0, LogFound.EMPTY, policy_removed=True),
        LoggedState(),
        Doubt.POLICY_MISSING,
    ),
    (FoundState(OnDisk.PROVEN, 2, HELD), LoggedState(3), Doubt.POLICY_OLDER),
    (FoundState(OnDisk.UNPROVEN, 0, HELD), LoggedState(3), Doubt.POLICY_UNPROVEN),
    (FoundState(OnDisk.UNPROVEN, 0, LogFound.EMPTY), LoggedState(), Doubt.POLICY_UNPROVEN),
    (FoundState(OnDisk.PROVEN, 3, LogFound.EMPTY), LoggedState(), Doubt.LOG_MISSING),
    (FoundState(OnDisk.PROVEN, 3, LogFound.GONE), LoggedState(), Doubt.LOG_MISSING),
    (FoundState(OnDisk.NONE, 0, LogFound.GONE), LoggedState(), Doubt.LOG_MISSING),
    (
        FoundState(OnDisk.NONE, 0, LogFound.EMPTY, log_removed=True),
        LoggedState(),
        Doubt.LOG_MISSING,
    ),
    (FoundState(OnDisk.PROVEN, 3, LogFound.DIFFERS), LoggedState(3), Doubt.LOG_REPLACED),
    (FoundState(OnDisk.NONE, 0, LogFound.DIFFERS), LoggedState(), Doubt.LOG_REPLACED),
    (
        FoundState(OnDisk.PROVEN, 3, LogFound.DIFFERS),
        LoggedState(3, Doubt.LOG_MISSING, 3),
        Doubt.LOG_MISSING,
    ),
    # a doubt that was recorded stands, whatever the next start finds, until what was missing is
    # back
    (FoundState(OnDisk.PROVEN, 3, HELD), LoggedState(3, Doubt.LOG_MISSING, 3), Doubt.LOG_MISSING),
    (FoundState(OnDisk.NONE, 0, HELD), LoggedState(0, Doubt.LOG_MISSING, 0), Doubt.LOG_MISSING),
    (
        FoundState(OnDisk.NONE, 0, HELD),
        LoggedState(0, Doubt.POLICY_UNPROVEN, 0),
        Doubt.POLICY_UNPROVEN,
    ),
    (
        FoundState(OnDisk.PROVEN, 3, HELD),
        LoggedState(3, Doubt.POLICY_MISSING, 0),
        Belief.AS_RECORDED,
    ),
    (FoundState(OnDisk.PROVEN, 3, HELD), LoggedState(3, Doubt.POLICY_OLDER, 2), Belief.AS_RECORDED),
    (FoundState(OnDisk.PROVEN, 4, HELD), LoggedState(3, Doubt.LOG_REPLACED, 3), Belief.UNRECORDED),
]

OLDER: dict[str, Value] = {"found": "policy-older", "policy": 2, "expected": 3}

founds = st.builds(
    lambda policy, version, log, gone, lost: FoundState(
        policy, version if policy is OnDisk.PROVEN else 0, log, gone, lost
    ),
    st.sampled_from(OnDisk),
    st.integers(1, 5),
    st.sampled_from(LogFound),
    st.booleans(),
    st.booleans(),
)
tolds = st.builds(
    lambda version, doubt, doubted: LoggedState(version, doubt, doubted if doubt else 0),
    st.integers(0, 5),
    st.none() | st.sampled_from(Doubt),
    st.integers(0, 5),
)


@pytest.mark.parametrize(("found", "told", "verdict"), TABLE)
def test_the_table(found: FoundState, told: LoggedState, verdict: Belief | Doubt) -> None:
    assert judge(found, told) is verdict


def test_the_table_has_every_verdict() -> None:
    assert {verdict for _, _, verdict in TABLE} == {*Belief, *Doubt}


@given(founds, tolds)
def test_nothing_is_believed_that_is_missing_older_or_unproven(
    found: FoundState, told: LoggedState
) -> None:
    if isinstance(judge(found, told), Belief):
        assert found.policy is not OnDisk.UNPROVEN
        assert found.version >= told.version
        assert found.log not in (LogFound.GONE, LogFound.DIFFERS)
        assert not found.log_removed
        assert found.log is LogFound.HOLDS or found.policy is OnDisk.NONE


@given(founds, tolds)
def test_only_a_hub_with_nothing_at_all_is_new(found: FoundState, told: LoggedState) -> None:
    nothing = found == FoundState(OnDisk.NONE, 0, LogFound.EMPTY) and told == LoggedState()
    assert (judge(found, told) is Belief.NEW) == nothing or told != LoggedState()
    if nothing:
        assert judge(found, told) is Belief.NEW


@given(founds, tolds)
def test_a_doubt_that_was_recorded_is_found_again_at_the_next_start(
    found: FoundState, told: LoggedState
) -> None:
    verdict = judge(found, told)
    if isinstance(verdict, Doubt):
        recorded = read_logged_state(
            Record(RecordKind.STATE, 0, 0, doubt_facts(verdict, found, told))
        )
        # By the next start the files are there again, and the log has begun.
        next_found = FoundState(found.policy, found.version, LogFound.HOLDS)
        assert isinstance(judge(next_found, recorded), Doubt)


@given(founds, tolds)
def test_an_accepted_state_is_believed_at_the_next_start(
    found: FoundState, told: LoggedState
) -> None:
    verdict = judge(found, told)
    if isinstance(verdict, Doubt) and found.policy is not OnDisk.UNPROVEN:
        recorded = read_logged_state(
            Record(RecordKind.STATE, 0, 0, accepted_facts(verdict, found.version, "technician", 7))
        )
        next_found = FoundState(found.policy, found.version, LogFound.HOLDS)
        assert judge(next_found, recorded) is Belief.AS_RECORDED
        if found.version:  # and what was accepted cannot be taken back to an older one
            older = FoundState(OnDisk.NONE, 0, LogFound.HOLDS)
            assert judge(older, recorded) is Doubt.POLICY_MISSING


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (None, LoggedState()),
        (Record(RecordKind.POLICY, 0, 0, {"version": 3, "tickets_dropped": 1}), LoggedState(3)),
        (
            Record(RecordKind.STATE, 0, 0, OLDER),
            LoggedState(3, Doubt.POLICY_OLDER, 2),
        ),
        (
            Record(RecordKind.STATE, 0, 0, accepted_facts(Doubt.LOG_MISSING, 2, "technician", 7)),
            LoggedState(2),
        ),
        (Record(RecordKind.STATE, 0, 0, edited_facts(4)), LoggedState(4)),
        (Record(RecordKind.STATE, 0, 0, {"found": 7}), LoggedState()),
        (Record(RecordKind.STARTED, 0, 0, {"version": "1.0"}), LoggedState()),
        (
            Record(RecordKind.STARTED, 0, 0, {"version": "1.0", "expected": 3, "doubt": None}),
            LoggedState(3),
        ),
        (
            Record(
                RecordKind.STARTED,
                0,
                0,
                {"version": "1.0", "expected": 3, "doubt": "newer", "doubted": 2},
            ),
            LoggedState(3),
        ),
    ],
)
def test_what_a_record_says(record: Record | None, said: LoggedState) -> None:
    assert read_logged_state(record) == said


@given(tolds)
def test_a_start_says_again_what_was_said_before_it(told: LoggedState) -> None:
    record = Record(RecordKind.STARTED, 0, 0, {"version": "1.0", "floor": 7, **carried_facts(told)})
    assert is_about_state(record)
    assert read_logged_state(record) == told
    assert not is_about_state(Record(RecordKind.STARTED, 0, 0, {"version": "1.0", "floor": 7}))


def test_every_state_has_a_verdict() -> None:
    for policy, log, gone, lost, doubt in product(
        OnDisk, LogFound, (False, True), (False, True), (None, *Doubt)
    ):
        version = 2 if policy is OnDisk.PROVEN else 0
        assert isinstance(
            judge(FoundState(policy, version, log, gone, lost), LoggedState(2, doubt, 0)),
            Belief | Doubt,
        )
