"""A token bucket over RSA decryptions: what strangers can make the hub work is bounded in rate and
in number at once.

Laws: the short path never asks this budget; who comes when no token is left stands in line, one
place a link, first come, first served, so that strangers who ask again and again share with an
honest phone, and cannot lock it out; nobody stands in line for longer than a request may take; who
leaves the line gives its token back.
"""

from __future__ import annotations

import math

LINE_SECONDS = 1.75
"""How long a full open may stand in line: less than `unlock.LATE_SECONDS`."""


def rate_min(links_max: int) -> float:
    """Return the fewest RSA operations a second at which nobody is turned away by links that all
    ask without end.

    Who comes then finds every other link before him in the line. To one decimal, upwards.
    """
    return math.ceil(10 * links_max / LINE_SECONDS) / 10


class Budget:
    """`rate` tokens a second, at most `burst` saved up, at most `at_once` taken or waited for and
    not given back.

    Nobody waits for a token for longer than `wait_seconds`.
    """

    def __init__(self, rate: float, burst: float, at_once: int, wait_seconds: float = 0.0) -> None:
        self._rate = rate
        self._burst = burst
        self._at_once = at_once
        self._wait_seconds = wait_seconds
        self._tokens = burst
        self._since = 0.0
        self._taken = 0

    def take(self, now: float) -> float | None:
        """Take one at monotonic time `now` (seconds); return the seconds until its turn, None when
        there is none.
        """
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._since) * self._rate)
        self._since = now
        wait_seconds = max(0.0, 1 - self._tokens) / self._rate
        if wait_seconds > self._wait_seconds or self._taken >= self._at_once:
            return None
        self._tokens -= 1
        self._taken += 1
        return wait_seconds

    def done(self) -> None:
        """Give back the place (not the token) of work that ended."""
        self._taken -= 1

    def spare(self) -> None:
        """Give back the token of work that was never begun; its place comes back with `done`."""
        self._tokens = min(self._burst, self._tokens + 1)
