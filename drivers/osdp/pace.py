"""How many reads of one reader go further, and when it chatters.

Laws:
1. In any second at most READS_MAX reads pass. The rest are counted.
2. A reader chatters from its first read too many until QUIET_SECONDS have gone by without one.
"""

from __future__ import annotations

from collections import deque

from hubcore.ports.reader import READS_MAX

QUIET_SECONDS = 2.0


class ReadPace:
    """The reads of one reader; times are monotonic seconds."""

    def __init__(self) -> None:
        self._passed: deque[float] = deque(maxlen=READS_MAX)
        self._last_refused: float | None = None
        self.refused = 0

    def take(self, now: float) -> bool:
        """Tell whether a read may pass at `now`."""
        if len(self._passed) == READS_MAX and now - self._passed[0] < 1.0:
            self.refused += 1
            self._last_refused = now
            return False
        self._passed.append(now)
        return True

    def chatters(self, now: float) -> bool:
        """Tell whether the reader sends more than a person can do."""
        return self._last_refused is not None and now - self._last_refused < QUIET_SECONDS
