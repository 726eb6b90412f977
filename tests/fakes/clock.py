"""A clock that stands still until the test moves it."""

from __future__ import annotations

from typing import Protocol

from hubcore.ports.clock import ClockState
from hubsim.timeline import VirtualTime

NOON = 1_800_014_400.0
"""2027-01-15T12:00:00Z, a Friday."""


class Ticking(Protocol):
    """What says how late it is: a `VirtualTime`, or an event loop."""

    def time(self) -> float:
        """Seconds."""


class FakeClock:
    """`ports.clock.Clock`. Its `timeline` is the time of simulated doors, too.

    `offset` is the Unix time at 0 of the timeline, and sets the wall clock alone. `trust` is what
    `state` says.
    """

    def __init__(self, offset: float = NOON, timeline: Ticking | None = None) -> None:
        self.timeline = VirtualTime() if timeline is None else timeline
        self.offset = offset
        self.trust = ClockState.TRUSTED

    def wall(self) -> float:
        return self.offset + self.timeline.time()

    def monotonic(self) -> float:
        return self.timeline.time()

    def state(self) -> ClockState:
        return self.trust

    def advance(self, seconds: float) -> None:
        """Let time pass, for both clocks and the doors. Only for a clock on a `VirtualTime`."""
        self.timeline.advance(seconds)

    def go_to(self, monotonic: float) -> None:
        """Let time pass until the monotonic clock says this.

        Only for a clock on a `VirtualTime`.
        """
        self.timeline.go_to(monotonic)
