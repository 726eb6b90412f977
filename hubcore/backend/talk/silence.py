"""How long the backend was silent, and when the hub asks it something.

Laws:
1. A backend that was quiet for `ping_seconds` gets one Ping. One that stays quiet for
   `silent_seconds` is silent.
2. A Ping also goes when the last measure of the backend's time is older than `measure_seconds`.
3. A Pong answers the newest Ping alone, and only once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hubcore.backend.pace import Pace
from hubcore.backend.uplink.from_backend import Pong
from hubcore.backend.uplink.from_hub import Ping
from hubcore.backend.uplink.words import NONCE_BYTES

MEASURE_SECONDS_MAX = 2.0
"""A Welcome that came later after its Hello is no good measure of the backend's time."""


@dataclass(frozen=True, slots=True)
class _SentPing:
    """A Ping without a Pong yet; `at` in monotonic seconds."""

    nonce: bytes
    at: float


class Silence:
    """Moments are monotonic seconds. `chance` returns so many random bytes."""

    def __init__(self, pace: Pace, chance: Callable[[int], bytes]) -> None:
        self._pace = pace
        self._chance = chance
        self._heard_at = 0.0
        self._measure_at = 0.0
        self._ping: _SentPing | None = None

    def heard(self, now: float) -> None:
        """The backend has said something."""
        self._heard_at = now

    def changed(self) -> None:
        """The talk is in another phase: a Pong to what was asked before answers nothing."""
        self._ping = None

    def welcomed(self, asked_at: float | None, now: float) -> None:
        """A Welcome has come, to a Hello of this moment: too late for a measure, or not."""
        is_late = asked_at is None or now - asked_at > MEASURE_SECONDS_MAX
        self._measure_at = now if is_late else now + self._pace.measure_seconds

    def seconds(self, now: float) -> float | None:
        """Return for how long the backend was silent, None while it is not."""
        quiet_seconds = now - self._heard_at
        return quiet_seconds if quiet_seconds >= self._pace.silent_seconds else None

    def due(self, now: float) -> float:
        """Return when something is to be done again."""
        ping_at = self._heard_at + self._pace.ping_seconds
        silent_at = self._heard_at + self._pace.silent_seconds
        return min(ping_at if now < ping_at else silent_at, self._measure_at)

    def ask(self, now: float) -> Ping | None:
        """Return the Ping that is due now."""
        is_pinged = self._ping is not None and self._ping.at >= self._heard_at
        is_quiet = now >= self._heard_at + self._pace.ping_seconds and not is_pinged
        if not is_quiet and now < self._measure_at:
            return None
        self._measure_at = now + self._pace.measure_seconds
        self._ping = _SentPing(self._chance(NONCE_BYTES), now)
        return Ping(self._ping.nonce)

    def answered(self, pong: Pong) -> float | None:
        """Return when the Ping went that this answers, None when it answers none."""
        if self._ping is None or self._ping.nonce != pong.nonce:
            return None
        asked_at = self._ping.at
        self._ping = None
        return asked_at
