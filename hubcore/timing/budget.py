"""A token bucket over RSA decryptions: it bounds the work that strangers can make for the hub.

Laws:
1. The bound is on the rate and on the number at once.
2. The short path never asks this budget.
3. When no token is left, requests wait in line: one place a link, first come, first served. So
   strangers who ask again and again share with an honest phone and cannot lock it out.
4. Nobody waits in line for longer than a request may take.
5. A request that leaves the line gives its token back.
"""

from __future__ import annotations

import math

LINE_SECONDS = 1.75
"""How long a full open may wait in line: less than `unlock.LATE_SECONDS`."""


def rate_min(links_max: int) -> float:
    """Return the lowest rate a second, to one decimal, at which full links turn nobody away.

    All links ask without end, so a new request finds every other link before it in the line.
    """
    return math.ceil(10 * links_max / LINE_SECONDS) / 10


class Budget:
    """`rate` tokens a second, at most `burst` of them saved up.

    At most `at_once` are taken or waited for and not given back. Nobody waits for a token for
    longer than `wait_seconds`.
    """

    def __init__(
        self,
        rate: float,
        burst: float,
        at_once: int,
        wait_seconds: float = 0.0,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._at_once = at_once
        self._wait_seconds = wait_seconds
        self._tokens = burst
        """Below 0 while requests wait in line."""
        self._since = 0.0
        self._taken = 0

    def take(self, now: float) -> float | None:
        """Take a token at monotonic time `now`; return the seconds until its turn, or None."""
        elapsed = max(0.0, now - self._since)
        self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
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

    def return_token(self) -> None:
        """Give back the token of work that never began; its place comes back with `done`."""
        self._tokens = min(self._burst, self._tokens + 1)
