"""How long the backend has been away: since its last message, or since it held our records last.

Laws:
1. A message counts once it was read and was in turn: noise on the socket does not.
2. A hub that starts goes on from its newest record that the backend held. One whose backend never
   held a record has been alone for ever.
"""

from __future__ import annotations

import math

from hubcore.evidence.records import facts
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog


class LastHeard:
    """When the backend was heard last; nothing here waits."""

    def __init__(self, clock: Clock, seconds_ago: float = math.inf) -> None:
        self._clock = clock
        self._at = clock.monotonic() - seconds_ago

    def heard(self) -> None:
        """The backend said something, now."""
        self._at = self._clock.monotonic()

    def seconds(self) -> float:
        """Return for how long it has been away."""
        return self._clock.monotonic() - self._at


def unheard_seconds(log: AuditLog, clock: Clock) -> float:
    """Return how old the newest record is that the backend holds. Raise AuditError."""
    held = log.last() - log.waiting()
    newest = log.newest(held + 1, 1)
    if not newest:
        return math.inf
    at_ms: int = facts(newest[-1].body)["at"]
    return max(0.0, clock.wall() - at_ms / 1000)
