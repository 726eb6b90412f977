"""The window over what goes up, beside a plain count of the same: whatever the order of events."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.outbox import Outbox

pytestmark = pytest.mark.once

WIDTH = 8
PATIENCE = 10.0
HELD_SECONDS = 25.0


@dataclass
class Plain:
    """What was sent in this round and nobody has, looked through each time."""

    sent: dict[int, float] = field(default_factory=dict)
    held: dict[int, float] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    progress_at: float = 0.0

    def due(self, patience: float) -> float | None:
        overdue = [max(at, self.progress_at) + patience for at in self.sent.values()]
        overdue += [at + HELD_SECONDS for at in self.held.values()]
        return min(overdue, default=None)


EVENTS = st.lists(
    st.tuples(st.sampled_from(["send"] * 4 + ["has", "held", "rewind", "late"]), st.integers(1, 9)),
    max_size=60,
)


@given(EVENTS)
def test_room_and_patience_are_those_of_a_plain_count(events: list[tuple[str, int]]) -> None:
    """outbox, laws 2, 3 and 6"""
    outbox = Outbox(WIDTH, PATIENCE, PATIENCE, HELD_SECONDS)
    plain = Plain()
    for now, (what, number) in enumerate(events):
        if what == "send" and outbox.room():
            newest = max(plain.waiting, default=0)
            again = [one for one in sorted(plain.waiting) if one > outbox.after]
            goes = again[0] if again else max(newest, outbox.after) + 1
            outbox.sent(goes, now)
            plain.waiting.add(goes)
            plain.sent[goes] = now
            plain.held.pop(goes, None)
        elif what == "has":
            assert outbox.acknowledged(number, now) == (number in plain.waiting)
            if number in plain.waiting:
                plain.progress_at = now
            plain.waiting.discard(number)
            plain.sent.pop(number, None)
            plain.held.pop(number, None)
        elif what == "held":
            assert outbox.held(number, now) == (number in plain.sent)
            if plain.sent.pop(number, None) is not None:
                plain.held[number] = now
        elif what == "rewind":
            outbox.rewind()
            plain.sent.clear()
            plain.held.clear()
        elif outbox.begin_again_if_overdue(now):
            plain.sent.clear()
            plain.held.clear()
        assert outbox.due() == plain.due(PATIENCE)
        assert outbox.room() in (WIDTH - len(plain.sent), max(0, 1 - len(plain.sent)))
