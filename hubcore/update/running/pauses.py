"""How long an update rests between two steps, by what came of the last one.

Laws:
1. What moved on goes on at once.
2. A trial, and a wait for rest at the doors, are looked at every WATCH_SECONDS.
3. A hub that waits for its window or its turn looks again soon enough to meet a turn, and seldom
   enough that a fleet that waits asks its server little.
4. Who has nothing to do looks after LOOK_SECONDS, give or take a share drawn by chance: hubs that
   were switched on together do not ask together.
5. After an error the pause doubles, up to BACKOFF_SECONDS_MAX. While the hub changes hands it stays
   short: a hub must not stay between two versions.
"""

from __future__ import annotations

from typing import assert_never

from hubcore.update.director import Word
from hubcore.update.health import Verdict
from hubcore.update.slots import Event, Phase, Refusal

WATCH_SECONDS = 5.0
WAIT_SECONDS = 300.0
LOOK_SECONDS = 3600.0
BACKOFF_SECONDS = 60.0
BACKOFF_SECONDS_MAX = 6 * 3600.0
HANDS_SECONDS_MAX = 30.0
SHARE = 0.25
"""How much of a long pause is drawn by chance, to either side."""

Outcome = Event | Word | Refusal | Verdict | None
"""What came of a step; None where there is no plan."""

CHANGES_HANDS = frozenset({Phase.SWITCHING, Phase.TRIAL, Phase.RETURNING})


def pause_after(outcome: Outcome, phase: Phase, chance: float) -> float:
    """Return the seconds until the next step; `phase` is that after it, `chance` in 0..1."""
    match outcome:
        case Event():
            return 0.0
        case Verdict():
            return WATCH_SECONDS
        case Word():
            return _after_word(outcome, phase, chance)
        case Refusal() | None:
            return _drawn(LOOK_SECONDS, chance)
    assert_never(outcome)


def pause_after_error(failures: int, phase: Phase, chance: float) -> float:
    """Return the seconds until the next step after so many errors in a row, 1 or more."""
    if phase in CHANGES_HANDS:
        return min(HANDS_SECONDS_MAX, WATCH_SECONDS * failures)
    doublings = min(failures - 1, 16)
    return _drawn(min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2**doublings), chance)


def _after_word(word: Word, phase: Phase, chance: float) -> float:
    if word is Word.GO:
        return WATCH_SECONDS if phase is Phase.WAITING else 0.0
    waits = phase is Phase.WAITING
    return _drawn(WAIT_SECONDS if waits else LOOK_SECONDS, chance)


def _drawn(seconds: float, chance: float) -> float:
    return seconds * (1 - SHARE + 2 * SHARE * chance)
