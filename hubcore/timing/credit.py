"""A pace that refuses nothing: tokens may be taken before they are there, and are waited for.

Laws:
1. In any span of t seconds no more is paid for than the burst and the rate times t.
2. Turns come in the order of asking.
"""

from __future__ import annotations

import math

from hubcore.timing.pace import Rate


class Credit:
    """The tokens of one source, full at the beginning."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._burst_seconds = rate.burst / rate.per_second
        self._paid_at = -math.inf
        """When all that was taken is paid for."""

    def take(self, now: float, tokens: float = 1.0) -> float:
        """Take tokens at monotonic time `now`; return the seconds until they are paid for."""
        begin = max(self._paid_at, now - self._burst_seconds)
        self._paid_at = begin + tokens / self._rate.per_second
        return max(0.0, self._paid_at - now)

    def give_back(self, tokens: float = 1.0) -> None:
        """Undo a `take` that is not paid for; whoever waits already keeps its own turn."""
        self._paid_at -= tokens / self._rate.per_second

    def is_full(self, now: float) -> bool:
        """Tell whether it is as good as a new one."""
        return self._paid_at <= now - self._burst_seconds
