"""How long an update rests between two steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubcore.update.director import TURN_SECONDS, Word
from hubcore.update.health import LAPSE_SECONDS, Verdict
from hubcore.update.running.pauses import (
    BACKOFF_SECONDS_MAX,
    CHANGES_HANDS,
    HANDS_SECONDS_MAX,
    LOOK_SECONDS,
    SHARE,
    WAIT_SECONDS,
    Outcome,
    pause_after,
    pause_after_error,
)
from hubcore.update.slots import Event, Phase, Refusal

CHANCE = st.floats(0, 1)
OUTCOMES = [*Event, *Word, *Verdict, *Refusal, None]


@given(st.sampled_from(OUTCOMES), st.sampled_from(list(Phase)), CHANCE)
def test_no_pause_is_endless_and_none_is_below_nothing(
    outcome: Outcome, phase: Phase, chance: float
) -> None:
    assert 0 <= pause_after(outcome, phase, chance) <= LOOK_SECONDS * (1 + SHARE)


@given(st.sampled_from(list(Event)), st.sampled_from(list(Phase)), CHANCE)
def test_what_moved_on_goes_on_at_once(event: Event, phase: Phase, chance: float) -> None:
    assert pause_after(event, phase, chance) == 0


@given(st.sampled_from([Verdict.GOES_ON]), CHANCE)
def test_a_trial_is_looked_at_more_often_than_what_may_lapse(v: Verdict, chance: float) -> None:
    assert pause_after(v, Phase.TRIAL, chance) * 3 <= LAPSE_SECONDS


@given(st.sampled_from([Word.NOT_ITS_TURN, Word.OUTSIDE_WINDOW]), CHANCE)
def test_who_waits_for_a_turn_meets_it_and_asks_seldom(word: Word, chance: float) -> None:
    seconds = pause_after(word, Phase.WAITING, chance)
    assert seconds * 10 < TURN_SECONDS
    assert seconds >= WAIT_SECONDS * (1 - SHARE)


@given(st.integers(1, 10**6), CHANCE, st.sampled_from(list(Phase)))
def test_errors_wait_longer_and_longer_up_to_a_bound(
    failures: int, chance: float, phase: Phase
) -> None:
    seconds = pause_after_error(failures, phase, chance)
    if phase in CHANGES_HANDS:
        assert 0 < seconds <= HANDS_SECONDS_MAX
    else:
        assert 0 < seconds <= BACKOFF_SECONDS_MAX * (1 + SHARE)
    assert pause_after_error(failures + 1, phase, chance) >= seconds


def test_hubs_that_were_switched_on_together_do_not_ask_together() -> None:
    drawn = {pause_after(None, Phase.RESTING, number / 100) for number in range(101)}
    assert len(drawn) == 101
    assert max(drawn) - min(drawn) == 2 * SHARE * LOOK_SECONDS
