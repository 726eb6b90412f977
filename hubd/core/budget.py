"""A token bucket over RSA decryptions: what strangers can make the hub work is bounded in rate and in number at once.

Law: the short path never asks this budget.
"""

from __future__ import annotations


class Budget:
    """`rate` tokens a second, at most `burst` saved up, at most `at_once` taken and not given back."""

    def __init__(self, rate: float, burst: float, at_once: int) -> None:
        self._rate, self._burst, self._at_once = rate, burst, at_once
        self._tokens, self._since, self._taken = burst, 0.0, 0

    def take(self, now: float) -> bool:
        """Take one at monotonic time `now` (seconds); False when there is none."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._since) * self._rate)
        self._since = now
        if self._tokens < 1 or self._taken >= self._at_once:
            return False
        self._tokens -= 1
        self._taken += 1
        return True

    def done(self) -> None:
        """Give back the place (not the token) of work that ended."""
        self._taken -= 1
