"""The machine's clocks, and whether the wall clock can be believed.

Law: a wall clock before the build of this software, or well behind the newest record of this hub, is wrong, whatever it
says; then nothing that depends on validity or schedules is granted (time-untrusted). The monotonic clock is always
right and says nothing about the date.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hubd import BUILD_TIME
from hubd.ports import ClockState

BEHIND_SECONDS = 300.0
"""How far the wall clock may lie behind the newest record: what a correction by NTP may take back."""


class SystemClock:
    """`hubd.ports.Clock` of this machine.

    `newest_record_at` returns the greatest wall time among the durable records in Unix seconds, 0 when there is none.
    A record that was written while the clock ran ahead holds the hub untrusted until that moment has passed.
    """

    def __init__(
        self,
        newest_record_at: Callable[[], float],
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._newest_record_at = newest_record_at
        self._wall = wall
        self._monotonic = monotonic

    def wall(self) -> float:
        """Return Unix time in seconds."""
        return self._wall()

    def monotonic(self) -> float:
        """Return seconds of CLOCK_MONOTONIC."""
        return self._monotonic()

    def state(self) -> ClockState:
        """Judge the wall clock now."""
        now = self._wall()
        if now < BUILD_TIME:
            return ClockState.BEFORE_BUILD
        if now < self._newest_record_at() - BEHIND_SECONDS:
            return ClockState.BEHIND_RECORDS
        return ClockState.TRUSTED
