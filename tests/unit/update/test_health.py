"""The trial of a new version: what ends it well and what ends it badly."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.update.health import (
    BEFORE_BYTES_MAX,
    GRACE_SECONDS,
    LAPSE_SECONDS,
    LONGEST_SECONDS,
    TRIAL_SECONDS,
    Look,
    Peer,
    Required,
    Seen,
    Spans,
    Trial,
    Verdict,
    look,
    read_seen,
    write_seen,
)

ALL = frozenset(Required)
BEGAN = 1000.0
LOCK = "lock-1"
NOBODY: frozenset[Seen] = frozenset()


def trial(*before: Seen) -> Trial:
    return Trial(began=BEGAN, unseen=frozenset(before))


def after(start: Trial, *looks: tuple[float, Look]) -> Verdict:
    """The verdict after looks at these seconds of the trial."""
    steps = ((BEGAN + seconds, found) for seconds, found in looks)
    return reduce(lambda so_far, step: look(so_far, step[1], step[0]), steps, start).verdict


def well(*seen: Seen) -> Look:
    return Look(ALL, frozenset(seen))


def without(missing: Required) -> Look:
    return Look(ALL - {missing}, NOBODY)


def test_a_version_that_is_right_from_its_start_to_the_end_stays() -> None:
    assert after(trial(), (1, well()), (TRIAL_SECONDS - 1, well())) is Verdict.GOES_ON
    assert after(trial(), (1, well()), (TRIAL_SECONDS, well())) is Verdict.WELL


@pytest.mark.parametrize("missing", Required)
def test_what_never_gets_right_ends_the_trial_after_the_grace(missing: Required) -> None:
    lacking = without(missing)
    early = (GRACE_SECONDS, lacking)
    late = (GRACE_SECONDS + 1, lacking)
    assert after(trial(), (1, lacking), early) is Verdict.GOES_ON
    assert after(trial(), (1, lacking), early, late) is Verdict.ILL


@pytest.mark.parametrize("missing", Required)
def test_what_dies_later_ends_the_trial_after_a_lapse(missing: Required) -> None:
    dies = (300.0, without(missing))
    lasts = (300 + LAPSE_SECONDS, without(missing))
    ends = (301 + LAPSE_SECONDS, without(missing))
    assert after(trial(), (1, well()), dies, lasts) is Verdict.GOES_ON
    assert after(trial(), (1, well()), dies, lasts, ends) is Verdict.ILL


def test_who_watches_says_how_long_a_trial_is() -> None:
    quick = Trial(BEGAN, frozenset(), spans=Spans(grace=3.0, lapse=1.0, trial=5.0, longest=9.0))
    assert after(quick, (1, well()), (4.9, well())) is Verdict.GOES_ON
    assert after(quick, (1, well()), (5.0, well())) is Verdict.WELL
    lacking = without(Required.ON_AIR)
    assert after(quick, (1, lacking), (3.0, lacking)) is Verdict.GOES_ON
    assert after(quick, (1, lacking), (3.1, lacking)) is Verdict.ILL
    never_seen = Trial(BEGAN, frozenset({LOCK}), spans=quick.spans)
    assert after(never_seen, (1, well()), (9.0, well())) is Verdict.UNSEEN


def test_a_short_lapse_is_forgiven_and_the_next_begins_anew() -> None:
    lapses = [
        (300.0, without(Required.ON_AIR)),
        (320.0, well()),
        (325.0, without(Required.ON_AIR)),
        (354.0, without(Required.ON_AIR)),
        (355.0, well()),
    ]
    assert after(trial(), *lapses) is Verdict.GOES_ON
    assert after(trial(), *lapses, (TRIAL_SECONDS, well())) is Verdict.WELL


def test_a_lapse_at_the_very_end_is_waited_for() -> None:
    lapse = (TRIAL_SECONDS, without(Required.GUARD))
    assert after(trial(), (1, well()), lapse) is Verdict.GOES_ON
    assert after(trial(), (1, well()), lapse, (TRIAL_SECONDS + 5, well())) is Verdict.WELL


def test_what_was_not_there_before_is_not_asked_for() -> None:
    assert after(trial(), (TRIAL_SECONDS, well())) is Verdict.WELL
    assert after(trial(Peer.BACKEND), (TRIAL_SECONDS, well())) is Verdict.GOES_ON


def test_to_have_seen_it_once_is_enough() -> None:
    seen = (5.0, well(Peer.BACKEND, LOCK))
    assert after(trial(Peer.BACKEND, LOCK), seen, (TRIAL_SECONDS, well())) is Verdict.WELL


def test_what_is_seen_late_lengthens_the_trial_and_what_never_is_ends_it() -> None:
    start = trial(Peer.BRIDGE, LOCK)
    waits = (LONGEST_SECONDS - 1, well(LOCK))
    assert after(start, waits) is Verdict.GOES_ON
    assert after(start, waits, (LONGEST_SECONDS, well(Peer.BRIDGE))) is Verdict.WELL
    assert after(start, waits, (LONGEST_SECONDS, well())) is Verdict.UNSEEN


def test_a_watcher_that_looked_away_blames_nobody() -> None:
    gap = (250.0, without(Required.RECORDS))
    assert after(trial(), (1, well()), gap) is Verdict.GOES_ON
    assert after(trial(), gap, (260.0, well()), (TRIAL_SECONDS, well())) is Verdict.WELL


LOOKS = st.lists(
    st.tuples(
        st.floats(0, 2 * LONGEST_SECONDS),
        st.builds(
            Look,
            st.frozensets(st.sampled_from(Required)),
            st.frozensets(st.sampled_from([*Peer, LOCK])),
        ),
    ),
    max_size=40,
).map(lambda looks: sorted(looks, key=lambda one: one[0]))


@given(LOOKS)
def test_no_order_of_looks_ends_well_too_early_or_with_something_missing(
    looks: list[tuple[float, Look]],
) -> None:
    state = trial(Peer.BACKEND, LOCK)
    seen: frozenset[Seen] = frozenset()
    for seconds, found in looks:
        before = state
        state = look(before, found, BEGAN + seconds)
        if before.verdict is not Verdict.GOES_ON:
            assert state == before
            continue
        seen |= found.seen
        if state.verdict is Verdict.WELL:
            assert seconds >= TRIAL_SECONDS - 1e-6
            assert found.right == ALL
            assert seen >= {Peer.BACKEND, LOCK}
        if seconds > LONGEST_SECONDS:
            assert state.verdict is not Verdict.GOES_ON


NAMES = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=40)


@given(st.frozensets(st.one_of(st.sampled_from(Peer), NAMES), max_size=20))
def test_who_was_there_before_is_read_as_it_was_written(seen: frozenset[Seen]) -> None:
    assert read_seen(write_seen(seen)) == seen


@given(st.binary(max_size=200))
def test_lines_that_are_none_count_as_nobody(data: bytes) -> None:
    again = read_seen(data)
    assert read_seen(write_seen(again)) == again
    assert read_seen(b"\xff" + data.replace(b"peer ", b"").replace(b"device ", b"")) == frozenset()


def test_a_name_with_a_line_break_and_what_has_no_room_are_left_out() -> None:
    many: frozenset[Seen] = frozenset(f"{number:08}" * 10 for number in range(1000))
    written = write_seen(many | {"one\npeer bridge"})
    assert len(written) <= BEFORE_BYTES_MAX
    assert read_seen(written) < many
