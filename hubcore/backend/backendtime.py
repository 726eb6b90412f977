"""How far the backend's clock is from this hub's, as far as the uplink can tell.

The hub asks and the backend answers with its time. It read its clock between the two, so half the
round trip bounds the error: `within_seconds`.

Laws:
1. Only an answer to a question of this hub measures anything. An answer without a question, or with
   a time outside the years 1970 to 9999, measures nothing.
2. The difference of an honest backend lies within `seconds` plus or minus `within_seconds`,
   however slow the answer was.
3. A measure widens with its age, because no two clocks run alike.
4. Of two measures that can both be right, the narrower one holds. Of two that cannot, the newer
   one: a clock was set.
5. A measure is kept by the monotonic clock. So a wall clock that is set meanwhile shows at once.
6. Nothing here sets a clock or proves a time (`evidence.timefloor`).
"""

from __future__ import annotations

from dataclasses import dataclass

DRIFT = 0.0005
"""How much a clock may gain on another: what Linux lets a time service correct, 500 ppm."""
TIME_MS_MAX = 253_402_300_799_999
"""The end of the year 9999."""


@dataclass(frozen=True, slots=True)
class Offset:
    """The backend's time less this hub's, and the bound of its error, in seconds."""

    seconds: float
    within_seconds: float

    def agrees(self, bound_seconds: float) -> bool:
        """Tell whether the clocks surely differ by no more than the bound."""
        return abs(self.seconds) + self.within_seconds <= bound_seconds

    def is_apart(self, bound_seconds: float) -> bool:
        """Tell whether the clocks surely differ by more than the bound."""
        return abs(self.seconds) - self.within_seconds > bound_seconds


@dataclass(frozen=True, slots=True)
class _Measure:
    """`ahead` is the backend's Unix time less this hub's monotonic time, at the monotonic `at`."""

    ahead: float
    within_seconds: float
    at: float

    def within(self, now: float) -> float:
        """Return the bound of its error now."""
        age_seconds = max(0.0, now - self.at)
        return self.within_seconds + DRIFT * age_seconds


class BackendTime:
    """What was measured last. All times are seconds, monotonic but for `wall`."""

    def __init__(self) -> None:
        self._measure: _Measure | None = None

    def answered(self, time_ms: int, asked_at: float | None, now: float) -> None:
        """The backend answered now with its Unix time; `asked_at` None: nobody had asked."""
        if asked_at is None or not 0 <= time_ms <= TIME_MS_MAX:
            return
        half_seconds = max(0.0, now - asked_at) / 2
        read_at = now - half_seconds
        new = _Measure(
            ahead=time_ms / 1000 - read_at,
            within_seconds=half_seconds,
            at=now,
        )
        if self._measure is None or not _old_one_holds(self._measure, new):
            self._measure = new

    def offset(self, wall: float, monotonic: float) -> Offset | None:
        """Return how far the clocks are apart at this moment, None before the first measure."""
        if self._measure is None:
            return None
        backend_wall = self._measure.ahead + monotonic
        return Offset(
            seconds=backend_wall - wall,
            within_seconds=self._measure.within(monotonic),
        )


def _old_one_holds(old: _Measure, new: _Measure) -> bool:
    """Tell whether the old measure can still be right and is the narrower one."""
    old_within = old.within(new.at)
    both_can_be_right = abs(old.ahead - new.ahead) <= old_within + new.within_seconds
    return both_can_be_right and old_within < new.within_seconds
