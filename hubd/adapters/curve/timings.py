"""How long the uplink waits, and for how long it pauses between two attempts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """How long the uplink waits, in seconds."""

    resolve_seconds: float = 5.0
    connect_seconds: float = 10.0
    """For each of the backend's addresses."""
    handshake_seconds: float = 5.0
    heartbeat_seconds: float = 5.0
    heartbeat_timeout_seconds: float = 15.0
    backoff_first_seconds: float = 0.5
    backoff_cap_seconds: float = 60.0
    settled_seconds: float = 60.0
    """A connection that was up for longer starts the back-off from its beginning."""


class Backoff:
    """The pauses between attempts.

    Each is drawn between half the first and a limit. The limit doubles up to the cap, once for each
    round over all endpoints and keys.
    """

    def __init__(self, timings: Timings, chance: Callable[[], float]) -> None:
        self._timings = timings
        self._chance = chance
        self._limit = timings.backoff_first_seconds

    def after(self, up_seconds: float, round_over: bool = True) -> float:
        """Return the seconds to pause after an attempt.

        `up_seconds` is for how long its connection was up, 0 if it never was. `round_over`: the
        next attempt begins a new round.
        """
        first = self._timings.backoff_first_seconds
        if up_seconds > self._timings.settled_seconds:
            self._limit = first
        limit = self._limit
        if round_over:
            self._limit = min(2 * limit, self._timings.backoff_cap_seconds)
        lowest = first / 2
        return lowest + self._chance() * (limit - lowest)
