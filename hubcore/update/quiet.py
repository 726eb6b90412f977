"""Whether this is a moment in which a hub may change hands.

Laws:
1. While a release runs, or a door is between its release and its rest, it is never quiet.
2. While a record is being written or a message of D-Bus is half sent, it is never quiet: nothing
   may be lost between two processes.
3. A phone in the middle of a handshake is waited for, but not for ever: after `patience_seconds`
   it counts no more. It begins again, with the new process.
4. A phone that is connected and rests does not count: it notices nothing.
5. Somebody at the hub who waits for an answer is waited for like a phone. So is somebody who has
   asked to leave: the next process would take his opening for forced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hubcore.errors import ConfigError

PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Activity:
    """What a hub does at this moment; each is a count."""

    releases: int = 0
    """Movers that are driven, or were told to move and have not answered."""
    door_cycles: int = 0
    """Doors that are released or open, until they rest."""
    records: int = 0
    """Records that are not durable yet."""
    replies: int = 0
    """Calls and replies of D-Bus that are not whole, in either direction."""
    handshakes: int = 0
    """Phones whose request is not answered to its end."""
    calls: int = 0
    """Clients of the local sockets who wait for an answer."""
    exits: int = 0
    """Doors at which somebody has just asked to leave, and has not left yet."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long phones are waited for."""

    patience_seconds: float = PATIENCE_SECONDS

    def __post_init__(self) -> None:
        if not math.isfinite(self.patience_seconds) or self.patience_seconds < 0:
            raise ConfigError("The patience of an update is a number of seconds, 0 or more.")

    def is_quiet(self, activity: Activity, waited_seconds: float) -> bool:
        """Return whether the hub may change hands.

        `waited_seconds`: since the new process was ready.
        """
        must_rest = (
            activity.releases,
            activity.door_cycles,
            activity.records,
            activity.replies,
        )
        if any(must_rest):
            return False
        waits = activity.handshakes or activity.calls or activity.exits
        return not waits or waited_seconds >= self.patience_seconds
