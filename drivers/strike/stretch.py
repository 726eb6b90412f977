"""When one strike may be driven: the cap on a stretch, and the rest after it.

A stretch is all the time that a strike is driven without a whole rest in between.

Laws:
1. A gap shorter than `rest` ends no stretch.
2. A strike is never driven for longer than `cap` in one stretch, however many pulses prolong it.
3. So in a span of any length, it is driven for at most `bound(cap, rest, span)`.
4. A pulse that the cap cuts goes on after the rest, if the rest is no longer than RESUME_MS.
5. A pulse that would be next to nothing is refused with how long to wait, never half given.
6. `secured` ends a pulse for good, also one that waits for the end of a rest.
7. A new stretch begins with a rest, since nobody knows what drove the strike before.
8. A cap of 0 is none: then no pulse waits, none is cut, and laws 2 to 5 and 7 have nothing to say.
   Each pulse still ends by itself.

Times are nanoseconds of one clock that never goes back. The owner drives the line; this only says
when.
"""

from __future__ import annotations

MS = 1_000_000
RESUME_MS = 1000
"""The longest rest that a pulse waits for: hardly noticed, and the decision still holds."""
SHORTEST_MS = 1000
"""A pulse that could be driven for less than this, and for less than asked, waits for a rest."""


class Stretch:
    """The stretch of one strike.

    A `cap_ms` of 0 is none; a `rest_ms` of 0 asks for no rest that could be noticed.
    """

    def __init__(self, *, cap_ms: int, rest_ms: int, now: int) -> None:
        self._has_cap = cap_ms > 0
        self._cap = cap_ms * MS
        self._rest = rest_ms * MS
        self._resumes = rest_ms <= RESUME_MS
        self._used = self._cap
        """How much of the cap this stretch has used, without what is being driven now."""
        self._at_rest_since = now
        self._driven_since: int | None = None
        self._pulse_ends: int | None = None
        """Where the latest pulse ends, as it was asked."""

    @property
    def driven(self) -> bool:
        """Whether the line is driven, as the owner has said."""
        return self._driven_since is not None

    def wait(self, milliseconds: int, now: int) -> int:
        """Return how many milliseconds a pulse of this length must wait; 0: it may begin now."""
        if not self._has_cap:
            return 0
        self._begin_new_stretch_after_rest(now)
        left = self._left(now)
        if left >= min(milliseconds, SHORTEST_MS) * MS:
            return 0
        if self._driven_since is None:
            may_begin = self._rest_ends()
        elif self._resumes:
            may_begin = now
        else:
            may_begin = now + left + self._rest
        return rounded_up(may_begin - now, MS)

    def began(self, milliseconds: int, now: int) -> None:
        """A pulse that need not wait begins now; call `rose` too if the line was not driven."""
        ends = now + milliseconds * MS
        self._pulse_ends = max(ends, self._pulse_ends or 0)

    def rose(self, now: int) -> None:
        """The line is driven since now."""
        self._begin_new_stretch_after_rest(now)
        self._driven_since = now

    def fell(self, now: int) -> None:
        """The line is at rest since now, because the pulse or the stretch was over."""
        if self._driven_since is not None:
            self._used += now - self._driven_since
            self._driven_since = None
            self._at_rest_since = now
        if not self._goes_on_after_rest():
            self._pulse_ends = None

    def secured(self, now: int) -> None:
        """The line is at rest since now, by order: nothing of the pulse is left."""
        self._pulse_ends = None
        self.fell(now)

    def falls_at(self) -> int | None:
        """Return when a driven line must fall; None when it is not driven."""
        if self._driven_since is None:
            return None
        if not self._has_cap:
            return self._pulse_ends or 0
        cap_ends = self._driven_since + self._cap - self._used
        return min(self._pulse_ends or 0, cap_ends)

    def rises_at(self) -> int | None:
        """Return when a pulse that the cap has cut goes on; None when none waits."""
        if self._driven_since is not None or self._pulse_ends is None:
            return None
        return self._rest_ends()

    def is_over(self, now: int) -> bool:
        """Whether a pulse that waits for the end of a rest has nothing left."""
        return self._pulse_ends is not None and self._pulse_ends <= now

    def _left(self, now: int) -> int:
        """Return how long the line may still be driven in this stretch."""
        left = self._cap - self._used
        if self._driven_since is not None:
            left -= now - self._driven_since
        return left

    def _rest_ends(self) -> int:
        return self._at_rest_since + self._rest

    def _goes_on_after_rest(self) -> bool:
        if self._pulse_ends is None or not (self._resumes and self._has_cap):
            return False
        return self._pulse_ends > self._rest_ends()

    def _begin_new_stretch_after_rest(self, now: int) -> None:
        if self._driven_since is None and now >= self._rest_ends():
            self._used = 0


def bound(cap: float, rest: float, span: float) -> float:
    """Return the longest time that a strike is driven within a span, all in one unit of time."""
    whole, part = divmod(span, cap + rest)
    return whole * cap + min(part, cap)


def rounded_up(number: int, unit: int) -> int:
    """Return how many whole units cover a number."""
    return -(-number // unit)
