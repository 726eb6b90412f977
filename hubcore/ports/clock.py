"""Time: the wall clock and whether it may be believed, and the monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class ClockState(Enum):
    """Whether the wall clock may decide about schedules and validity."""

    TRUSTED = "trusted"
    BEFORE_BUILD = "before_build"
    BEHIND_RECORDS = "behind_records"
    CONTRADICTED = "contradicted"
    """The backend's time is another, and nothing else has proven this one."""


@dataclass(frozen=True, slots=True)
class KernelTime:
    """What the machine knows of its own clock; errors in seconds."""

    synchronised: bool
    """A time service keeps it, and has not been silent for hours."""
    error_seconds_max: float
    """It is wrong by no more than this, if the time service is right."""
    error_seconds: float
    """The time service's own estimate."""


class Clock(Protocol):
    """The two clocks: the wall clock for validity and records, the monotonic one for spans."""

    def wall(self) -> float:
        """Unix time in seconds."""

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""

    def state(self) -> ClockState:
        """Whether `wall` can be believed."""
