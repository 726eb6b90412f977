"""Time: the wall clock and whether it may be believed, and the monotonic clock."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class ClockState(Enum):
    """Whether the wall clock may decide about schedules and validity."""

    TRUSTED = "trusted"
    BEFORE_BUILD = "before_build"
    BEHIND_RECORDS = "behind_records"


class Clock(Protocol):
    """The two clocks: the wall clock for validity and records, the monotonic one for spans."""

    def wall(self) -> float:
        """Unix time in seconds."""

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""

    def state(self) -> ClockState:
        """Whether `wall` can be believed."""
