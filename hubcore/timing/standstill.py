"""Since when bytes may have waited: a loop that stood still cannot say when they came.

Bytes bear no time. While the loop comes round, what is read has just come. A loop that stood still
(its process was stopped, or starved) finds everything that came meanwhile at once, and looks as if
it had come now.

Laws:
1. While the loop comes round, bytes came when they are read.
2. After the loop stood still, bytes count as come when it last came round: the earliest moment that
   is possible.
3. That holds until DRAIN_SECONDS after it moves again, when all that waited has been read.
"""

from __future__ import annotations

TURN_SECONDS = 0.1
"""How often the loop says that it comes round."""
STANDSTILL_SECONDS = 0.5
"""Silence of this length is a standstill; a shorter one goes unnoticed, and bytes may be older by
as much.
"""
DRAIN_SECONDS = 2.0


class Standstill:
    """Notices that the loop stood still. All times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._turned = now
        self._stood_since = now
        self._drained_at = now

    def turned(self, now: float) -> None:
        """The loop has come round."""
        self._look(now)
        self._turned = now

    def came(self, now: float) -> float:
        """Return the earliest moment at which bytes that are read now may have come."""
        self._look(now)
        return self._stood_since if now < self._drained_at else now

    def _look(self, now: float) -> None:
        if now - self._turned <= STANDSTILL_SECONDS:
            return
        if self._turned >= self._drained_at:
            self._stood_since = self._turned
        self._drained_at = now + DRAIN_SECONDS
        self._turned = now
