"""When a strike guard that another hubd has started is renewed, and what is told of it.

How it works: a hubd that takes a hub over goes on with the former version's guard. Once it drives
alone, it wants one of its own. Its own spare guard then waits beside the former one for a moment in
which nothing moves. That may take days. At that moment the former guard ends, and the spare one
holds the lines.

Laws:
1. Nothing is renewed before `want`.
2. The moment has come when every line has been at rest for the longest rest and `settled_ms` more:
   then no pulse waits in the guard for the end of a rest (`drivers.strike.stretch`, law 4).
3. How long the lines have been at rest is counted from what a guard has said here. It is never
   guessed, and the end of a guard ends it.
4. What came to nothing is told. The next attempt waits for FIRST_PAUSE_SECONDS, and then for twice
   as long each time, up to LAST_PAUSE_SECONDS. The former guard goes on meanwhile.
5. `tell` hears of an own guard only after it has heard that there is none.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from drivers.strike.stretch import MS, RESUME_MS
from drivers.strike.wire import Answer

SETTLED_MS = RESUME_MS
FIRST_PAUSE_SECONDS = 1.0
LAST_PAUSE_SECONDS = 600.0
_NS = 1_000_000_000


def _nobody(_is_own: bool, _why: str) -> None:
    """Hear nothing."""


class Pause:
    """How long to wait before the next attempt."""

    def __init__(self) -> None:
        self._next_seconds = FIRST_PAUSE_SECONDS

    def next(self) -> float:
        """Return the pause after one more attempt that came to nothing."""
        seconds = self._next_seconds
        self._next_seconds = min(seconds * 2, LAST_PAUSE_SECONDS)
        return seconds


class Renewal:
    """Whether the guard at work may be renewed now."""

    def __init__(
        self,
        longest_rest_ms: int,
        tell: Callable[[bool, str], None] = _nobody,
        settled_ms: int = SETTLED_MS,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`tell(is_own, why)` hears that no own guard can be had, and the end of that."""
        self._settled_ms = longest_rest_ms + settled_ms
        self._tell = tell
        self._now_ns = now_ns
        self._is_wanted = False
        self._rests_since: int | None = None
        self._not_before = 0
        self._pause = Pause()
        self._is_told = False

    def want(self) -> None:
        """Renew the guard when its moment comes."""
        self._is_wanted = True

    def heard(self, answer: Answer) -> None:
        """The guard at work has said how the lines are."""
        if answer.active:
            self._rests_since = None
        elif self._rests_since is None:
            self._rests_since = answer.at_ns

    def guard_ended(self) -> None:
        """Nobody knows how the lines are."""
        self._rests_since = None

    def rested_ms(self) -> int:
        """Return for how long every line has been at rest; 0 when nobody knows."""
        if self._rests_since is None:
            return 0
        return max(0, self._now_ns() - self._rests_since) // MS

    def is_due(self) -> bool:
        """Tell whether its moment has come."""
        if not self._is_wanted or self._now_ns() < self._not_before:
            return False
        return self._rests_since is not None and self.rested_ms() >= self._settled_ms

    def put_off(self, why: str) -> None:
        """No own guard could be had."""
        self._not_before = self._now_ns() + int(self._pause.next() * _NS)
        self.not_had(why)

    def not_had(self, why: str) -> None:
        """Tell that the former guard goes on."""
        self._is_told = True
        self._tell(False, f"The strike guard is still that of the version before: {why}")

    def done(self) -> None:
        """A guard of this hubd holds the lines."""
        self._pause = Pause()
        if self._is_told:
            self._is_told = False
            self._tell(True, "The strike guard is of this version.")
