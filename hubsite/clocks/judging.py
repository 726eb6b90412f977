"""Whether a clock is believed: it has gone on from where it was, and has not jumped.

How it works: what a clock says is held against what it was last believed to be, and the seconds
that a second clock, which nobody sets, has counted since. A clock may be far ahead because the
machine was off. So what has jumped is doubted, and no more: while it is, nothing is removed by
its age.

Laws:
1. A clock is believed that is at most AHEAD_SECONDS ahead of what is expected, and at most
   BACK_SECONDS behind it. The first one is believed.
2. Any other is doubted, until it is back, or has run evenly for EVEN_SECONDS. Seconds while nobody
   looks do not count for that.
3. A clock that jumps while it is doubted begins to count again.
"""

from __future__ import annotations

from dataclasses import dataclass

DAY = 86_400
AHEAD_SECONDS = 3 * DAY
BACK_SECONDS = 3_600
EVEN_SECONDS = DAY


@dataclass(frozen=True, slots=True)
class Clock:
    """What is known of a clock. Moments in Unix seconds.

    `believed` is what it is expected to be, `doubted` what it said while that is not believed, None
    for a clock that is. `even` is for how many seconds it has run evenly since.
    """

    believed: int
    doubted: int | None = None
    even: int = 0

    @property
    def is_believed(self) -> bool:
        """Tell whether things may be removed by their age."""
        return self.doubted is None


def judge(known: Clock | None, wall: int, ran: int) -> Clock:
    """Return what is known once the clock says `wall`, `ran` seconds after it was looked at last.

    `ran` is counted by a clock that nobody sets, 0 where nobody has looked before.
    """
    if known is None:
        return Clock(wall)
    expected = known.believed + ran
    if _goes_on(expected, wall):
        return Clock(wall)
    if known.doubted is None or not _goes_on(known.doubted + ran, wall):
        return Clock(expected, wall)
    even = known.even + ran
    if even >= EVEN_SECONDS:
        return Clock(wall)
    return Clock(expected, wall, even)


def _goes_on(expected: int, wall: int) -> bool:
    return expected - BACK_SECONDS <= wall <= expected + AHEAD_SECONDS
