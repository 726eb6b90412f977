"""What the hub shows of its talk with the backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hubcore.backend.talk.effects import UplinkPhase


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
    endpoint: str = ""
    """Where the uplink is, or tried to be last."""
    server_key: int = 1
    """With which of the backend's pinned keys, counted from 1."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """The last cause at each endpoint that has not worked since."""
    key: str = ""
    """The hub's own public key, in Z85; "" where the uplink has none."""
    key_since: float | None = None
    """When that key was made, or first seen, Unix seconds."""
    key_trouble: str = ""
    """What keeps the hub from changing its key, or from using the one that it ought to."""
    policy_refused: str = ""
    """Why the newest policy that it offered is not in force, "" when it is."""
