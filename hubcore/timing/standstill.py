"""When bytes may have come, at the earliest: a loop that stood still cannot say it exactly.

Bytes carry no time. While the loop runs, what it reads has just come. A loop that stood still (its
process was stopped, or starved) finds everything that came meanwhile at once, and all of it looks
new.

Laws:
1. While the loop runs, bytes came when they are read.
2. After the loop stood still, bytes count as come at its last turn: the earliest moment that is
   possible.
3. That holds until DRAIN_SECONDS after it moves again, when all that waited has been read.
"""

from __future__ import annotations

TURN_SECONDS = 0.1
"""How often the loop says that it runs."""
STANDSTILL_SECONDS = 0.5
"""Silence of this length is a standstill.

A shorter one is not noticed, and bytes may be older by as much.
"""
DRAIN_SECONDS = 2.0


class Standstill:
    """Notices that the loop stood still. All times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._last_turn = now
        self._stood_since = now
        self._drained_at = now

    def turned(self, now: float) -> None:
        """The loop has made a turn."""
        self._look(now)
        self._last_turn = now

    def came(self, now: float) -> float:
        """Return the earliest moment at which bytes that are read now may have come."""
        self._look(now)
        if now < self._drained_at:
            return self._stood_since
        return now

    def _look(self, now: float) -> None:
        if now - self._last_turn <= STANDSTILL_SECONDS:
            return
        if self._last_turn >= self._drained_at:
            self._stood_since = self._last_turn
        self._drained_at = now + DRAIN_SECONDS
        self._last_turn = now
