"""The machine's clocks, and whether the wall clock can be believed.

Laws:
1. A wall clock before the build of this software, or before the hub's certificate, is wrong.
2. So is one that stands well behind what the records prove (`hubcore.evidence.timefloor`).
3. So is one that the backend contradicts, while nothing else has proven it
   (`hubd.upkeep.backendtime`).
4. While it is wrong, nothing that depends on validity or schedules is granted (time-untrusted).
5. The monotonic clock is always right and says nothing about the date.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from hubcore.ports.clock import ClockState
from hubcore.version import BUILD_TIME

BEHIND_SECONDS = 300.0
"""How far the wall clock may lie behind what is proven: what a correction by NTP may take back."""
TIMESYNCD_MARK = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd touches this file each time it has set the clock by a server."""


class SystemClock:
    """`hubcore.ports.clock.Clock` of this machine.

    `floor` returns what the records prove in Unix seconds, 0 when they prove nothing; `begins` is
    the moment before which no clock is right. `is_contradicted` takes both clocks' seconds.
    """

    def __init__(
        self,
        floor: Callable[[], float],
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        begins: float = BUILD_TIME,
        is_contradicted: Callable[[float, float], bool] = lambda _wall, _monotonic: False,
    ) -> None:
        self._floor = floor
        self._wall = wall
        self._monotonic = monotonic
        self._begins = max(begins, BUILD_TIME)
        self._is_contradicted = is_contradicted

    def wall(self) -> float:
        """Return Unix time in seconds."""
        return self._wall()

    def monotonic(self) -> float:
        """Return seconds of CLOCK_MONOTONIC."""
        return self._monotonic()

    def state(self) -> ClockState:
        """Judge the wall clock now."""
        now = self._wall()
        if now < self._begins:
            return ClockState.BEFORE_BUILD
        if now < self._floor() - BEHIND_SECONDS:
            return ClockState.BEHIND_RECORDS
        if self._is_contradicted(now, self._monotonic()):
            return ClockState.CONTRADICTED
        return ClockState.TRUSTED


def set_by_timesyncd(mark: Path = TIMESYNCD_MARK) -> int | None:
    """Return what changes each time systemd-timesyncd has set the clock.

    None while it has not since the boot.
    """
    try:
        return mark.stat().st_mtime_ns
    except OSError:
        return None
