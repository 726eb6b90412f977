"""A circuit breaker: who does not answer is left alone for a while, and asked now and then.

Laws:
1. After `failures` failures in a row nothing is sent for a pause.
2. After the pause one probe may go. While it is under way nothing else may.
3. A probe that fails makes the next pause twice as long, up to a cap. One that succeeds ends it.
4. What speaks of its own accord may be asked at once, but not within SPOKEN_SECONDS of the last
   probe: one that chatters and obeys nothing is not asked at the pace of its chatter.
5. A probe that told nothing of its device, because the way to it was gone, leaves the pause as it
   was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

SPOKEN_SECONDS = 1.0


class BreakerState(Enum):
    """Where a breaker stands; words of the pattern (Nygard, Release It!)."""

    CLOSED = "commands go"
    OPEN = "nothing goes until the pause is over"
    HALF_OPEN = "a probe is under way"


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """After how many failures, and for how many seconds at first and at most."""

    failures: int = 3
    first_pause_seconds: float = 5.0
    last_pause_seconds: float = 300.0


class Breaker:
    """One device's; times are monotonic seconds."""

    def __init__(self, rule: BreakerRule = BreakerRule()) -> None:
        self._rule = rule
        self._failures = 0
        self._pause_seconds = rule.first_pause_seconds
        self.state = BreakerState.CLOSED
        self.probe_at = 0.0
        """When the next probe may go, while the breaker is open."""
        self._probed_at = -math.inf

    def probe(self, now: float) -> bool:
        """Begin a probe if it may go now; tell whether it may."""
        if self.state is not BreakerState.OPEN or now < self.probe_at:
            return False
        self.state = BreakerState.HALF_OPEN
        self._probed_at = now
        return True

    def succeeded(self) -> None:
        """A command or a probe was answered."""
        self.state = BreakerState.CLOSED
        self._failures = 0
        self._pause_seconds = self._rule.first_pause_seconds

    def failed(self, now: float) -> bool:
        """A command or a probe was not answered; tell whether this opened the breaker."""
        if self.state is BreakerState.HALF_OPEN:
            doubled = 2 * self._pause_seconds
            self._pause_seconds = min(doubled, self._rule.last_pause_seconds)
            self._open(now)
            return False
        self._failures += 1
        if self.state is BreakerState.OPEN or self._failures < self._rule.failures:
            return False
        self._open(now)
        return True

    def told_nothing(self, now: float) -> None:
        """What was sent did not get as far as the device."""
        if self.state is BreakerState.HALF_OPEN:
            self._open(now)

    def spoke(self, now: float) -> None:
        """The device said something of its own accord."""
        if self.state is BreakerState.OPEN:
            soonest = max(now, self._probed_at + SPOKEN_SECONDS)
            self.probe_at = min(self.probe_at, soonest)

    def _open(self, now: float) -> None:
        self.state = BreakerState.OPEN
        self.probe_at = now + self._pause_seconds
