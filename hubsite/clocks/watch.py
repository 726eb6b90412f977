"""Looks at this server's clock, and keeps what is known of it.

Laws:
1. What is known outlives a start. It is written at each look that changes whether the clock is
   believed or how long it has run evenly, and each KEPT_SECONDS.
2. Who asks whether the clock is believed writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from hubsite.clocks.judging import EVEN_SECONDS, Clock, judge
from hubsite.clocks.models import ONE, KeptClock

KEPT_SECONDS = 600


def known() -> Clock | None:
    """Return what is kept, None for nothing."""
    row = KeptClock.objects.filter(pk=ONE).first()
    return None if row is None else Clock(row.believed, row.doubted, row.even)


def is_believed(wall: int) -> bool:
    """Tell whether things may be removed by their age at this moment, in Unix seconds (law 2)."""
    return judge(known(), wall, 0).is_believed


class ClockWatch:
    """Looks in turns; `wall` in Unix seconds, `ran` in seconds by a clock that nobody sets."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        ran: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._ran = ran
        self._looked_at: float | None = None

    def look(self) -> Clock:
        """Look once more, and keep what is known (law 1)."""
        before = known()
        ran = self._ran()
        since = 0 if self._looked_at is None else int(ran - self._looked_at)
        self._looked_at = ran if self._looked_at is None else self._looked_at + since
        now = judge(before, int(self._wall()), since)
        if _is_to_keep(before, now):
            kept = {"believed": now.believed, "doubted": now.doubted, "even": now.even}
            KeptClock.objects.update_or_create(pk=ONE, defaults=kept)
        return now


def _is_to_keep(before: Clock | None, now: Clock) -> bool:
    if before is None or not (before.is_believed and now.is_believed):
        return True
    return abs(now.believed - before.believed) >= KEPT_SECONDS


def problem_of(clock: Clock) -> str:
    """Return what is wrong with the clock and what to do, "" for one that is believed."""
    if clock.doubted is None:
        return ""
    hours = -(-(EVEN_SECONDS - clock.even) // 3600)
    return (
        f"The clock of this server says {_said(clock.doubted)}, and about {_said(clock.believed)} "
        "was expected: it was set, or this server was off. Nothing is removed for its age until it "
        f"has run evenly for {hours} hours more. Look at it with timedatectl: while it is wrong, "
        "no operator's code counts."
    )


def _said(moment: int) -> str:
    """Return a moment in words, also one that no calendar has."""
    try:
        return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{moment} seconds"
