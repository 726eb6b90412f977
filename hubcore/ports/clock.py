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
    """Time. Validity and records use the wall clock, spans and deadlines the monotonic one."""

    def wall(self) -> float:
        """Unix time in seconds."""

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""

    def state(self) -> ClockState:
        """Whether `wall` can be believed."""
