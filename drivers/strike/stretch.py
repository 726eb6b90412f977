"""When one strike may be driven: the cap on a stretch, and the rest after it.

1. A stretch is all driven time since the strike last rested for `rest`; gaps shorter than that end
   no stretch.
2. Nothing drives a strike for longer than `cap` in one stretch, however many pulses prolong it.
3. So in a span of any length, the strike is driven for at most `bound(cap, rest, span)`.
4. A pulse that the cap cuts goes on after the rest, to its own end, if the rest is no longer than
   RESUME_MS.
5. A pulse that would be next to nothing is refused, and told how long to wait; it is never half
   given in silence.
6. `secure` ends a pulse for good, also one that waits for the end of a rest.
7. A new stretch begins with a rest: what drove the strike before is not known.

Times are nanoseconds of one clock that never goes back. The owner drives the line; this only says
when.
"""

from __future__ import annotations

MS = 1_000_000
RESUME_MS = 1000
"""The longest rest that a pulse waits for: people hardly notice it, and what was decided still
holds.
"""
SHORTEST_MS = 1000
"""A pulse that could be driven for less than this, and for less than was asked, waits for a rest
first.
"""


class Stretch:
    """One strike.

    `cap_ms` is at least 1; a `rest_ms` of 0 asks for no rest that could be noticed.
    """

    def __init__(self, *, cap_ms: int, rest_ms: int, now: int) -> None:
        self._cap = cap_ms * MS
        self._rest = rest_ms * MS
        self._resumes = rest_ms <= RESUME_MS
        self._spent = self._cap
        self._rested_from = now
        self._driven_from: int | None = None
        self._until: int | None = None  # where the latest pulse ends, as far as it was asked

    @property
    def driven(self) -> bool:
        """Whether the line is driven, as far as the owner has told."""
        return self._driven_from is not None

    def wait(self, milliseconds: int, now: int) -> int:
        """Return how many milliseconds a pulse of this length must wait; 0 when it may begin, or
        prolong, now.
        """
        self._forget(now)
        asked = milliseconds * MS
        left = self._left(now)
        enough = left >= min(asked, SHORTEST_MS * MS)
        if self._driven_from is None:
            ends = now if enough else self._rested_from + self._rest
        else:
            ends = now if enough or self._resumes else now + left + self._rest
        return -((now - ends) // MS)

    def began(self, milliseconds: int, now: int) -> None:
        """A pulse that need not wait is given from now on; call `rose` too if the line was not
        driven before.
        """
        self._until = max(now + milliseconds * MS, self._until or 0)

    def rose(self, now: int) -> None:
        """The line is driven since now."""
        self._forget(now)
        self._driven_from = now

    def fell(self, now: int) -> None:
        """The line is at rest since now, because the pulse or the stretch was over."""
        if self._driven_from is not None:
            self._spent += now - self._driven_from
            self._driven_from = None
            self._rested_from = now
        if self._until is not None and not (
            self._resumes and self._until > self._rested_from + self._rest
        ):
            self._until = None

    def secured(self, now: int) -> None:
        """The line is at rest since now, by order: nothing of the pulse is left."""
        self._until = None
        self.fell(now)

    def falls_at(self) -> int | None:
        """Return when a driven line must fall; None when it is not driven."""
        if self._driven_from is None:
            return None
        return min(self._until or 0, self._driven_from + self._cap - self._spent)

    def rises_at(self) -> int | None:
        """Return when the rest of a pulse that the cap cut begins; None when nothing waits."""
        if self._driven_from is not None or self._until is None:
            return None
        return self._rested_from + self._rest

    def is_over(self, now: int) -> bool:
        """Whether a pulse that waits for the end of a rest has nothing left."""
        return self._until is not None and self._until <= now

    def _left(self, now: int) -> int:
        driven = 0 if self._driven_from is None else now - self._driven_from
        return self._cap - self._spent - driven

    def _forget(self, now: int) -> None:
        """Begin a new stretch after a rest."""
        if self._driven_from is None and now - self._rested_from >= self._rest:
            self._spent = 0


def bound(cap: float, rest: float, span: float) -> float:
    """Return the longest time that a strike is driven within a span, all in one unit of time."""
    whole, part = divmod(span, cap + rest)
    return whole * cap + min(part, cap)
