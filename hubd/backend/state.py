"""What the hub shows of its talk with the backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hubcore.backend.talk import UplinkPhase


@dataclass(frozen=True, slots=True)
class UplinkState:
    """The talk as it is now: `hubctl status` shows these fields under these names."""

    phase: UplinkPhase
    connected: bool
    since: float
    """When the phase began, Unix seconds."""
    why: str
    """Why it is in this phase, or what keeps records from going up."""
    waiting: int
    """So many records are not acknowledged."""
    last_welcome: float | None
    """Unix seconds."""
    clock_offset_seconds: float | None
    """The backend's time less this hub's."""
    clock_within_seconds: float | None = None
    """The bound of that difference's error."""
    counters: Mapping[str, int] = field(default_factory=dict)
    unacknowledged_seconds: float | None = None
    """How long the oldest of those has waited, since it was appended or hubd started."""
    halt: str | None = None
    """Why the backend takes no records."""
    known: str | None = None
    """The newest record that it held at the Halt, as `NUMBER:HASH`."""
    boot: str = ""
    """The id of this start, in hexadecimal digits."""
