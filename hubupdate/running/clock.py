"""The machine's clocks, as an update believes them.

Laws:
1. The wall clock is believed while hubd believes it: hubd holds it against its records and its
   backend. A hub whose hubd does not answer has no believed time, and begins no update.
2. A clock before the build of this software is wrong, whatever hubd says.
3. The monotonic clock is always right. A trial and a switch ask it alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hubcore.ports.clock import ClockState
from hubcore.version import BUILD_TIME
from hubupdate.running.daemon import Ask, has_right_time


class HubClock:
    """`hubcore.ports.clock.Clock` of a machine whose hubd answers to `ask`."""

    def __init__(
        self,
        ask: Ask,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._wall = wall
        self._monotonic = monotonic

    def wall(self) -> float:
        """Return Unix time in seconds."""
        return self._wall()

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""
        return self._monotonic()

    def state(self) -> ClockState:
        """Judge the wall clock now."""
        if self._wall() < BUILD_TIME:
            return ClockState.BEFORE_BUILD
        return ClockState.TRUSTED if has_right_time(self._ask()) else ClockState.CONTRADICTED
