"""How something is measured, and what the figures mean for an unlock.

Laws:
1. A measurement ends after SECONDS or COUNT_MAX times, whatever comes first. It is made COUNT_MIN
   times at least.
2. Between two times the hub gets room: PAUSE_SECONDS.
3. The verdict goes by the slow end, p99: the person who waits longest is the one who complains.
4. What was not measured says why, and never looks like something that is well.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

BUDGET_MS = 500.0
"""What an unlock may take of the hub: a person at a door feels half a second."""
SECONDS = 1.5
COUNT_MIN = 5
COUNT_MAX = 100
PAUSE_SECONDS = 0.005
SHARE_OK = 0.2
"""Of the budget, for one step. There are several, and the air takes its part, too."""
SHARE_WARNING = 0.5

OK = "ok"
UNKNOWN = "unknown"
WARNING = "warning"
FAILED = "failed"
STATES = (OK, UNKNOWN, WARNING, FAILED)
"""From the best to the worst, as `hubctl doctor` has them."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. `times_ms` is empty where nothing was measured, and `why` says why.

    `each` tells how often an unlock by the full path needs it; 0: none waits for it.
    """

    id: str
    what: str
    each: int
    times_ms: Sequence[float] = ()
    why: str = ""

    @property
    def median_ms(self) -> float | None:
        """The middle; None where nothing was measured."""
        return quantile(self.times_ms, 0.5)

    @property
    def p99_ms(self) -> float | None:
        """What 99 of 100 are not above; of fewer than 100 the slowest."""
        return quantile(self.times_ms, 0.99)

    @property
    def share(self) -> float | None:
        """Which part of the budget its slow end takes of one unlock."""
        slow = self.p99_ms
        return None if slow is None else self.each * slow / BUDGET_MS

    @property
    def state(self) -> str:
        """What that means for an unlock."""
        share = self.share
        if share is None:
            return UNKNOWN
        if share <= SHARE_OK:
            return OK
        return WARNING if share <= SHARE_WARNING else FAILED

    def document(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "id": self.id,
            "what": self.what,
            "state": self.state,
            "count": len(self.times_ms),
            "median_ms": _rounded(self.median_ms),
            "p99_ms": _rounded(self.p99_ms),
            "each": self.each,
            "share": _rounded(self.share),
            "why": self.why or None,
        }


def quantile(values: Sequence[float], part: float) -> float | None:
    """Return the smallest value that `part` of all are not above (nearest rank)."""
    if not values:
        return None
    rank = max(1, math.ceil(part * len(values)))
    return sorted(values)[rank - 1]


def timed(
    work: Callable[[], object],
    *,
    clock: Callable[[], float] = time.perf_counter,
    pause: Callable[[float], None] = time.sleep,
    seconds: float = SECONDS,
) -> list[float]:
    """Return how long each time took, in milliseconds. The first, a warm-up, does not count."""
    work()
    took: list[float] = []
    ends = clock() + seconds
    while len(took) < COUNT_MIN or (len(took) < COUNT_MAX and clock() < ends):
        began = clock()
        work()
        took.append(1000 * (clock() - began))
        pause(PAUSE_SECONDS)
    return took


def unlock_ms(figures: Sequence[Figure]) -> float | None:
    """Return what an unlock by the full path takes of this hub; None: a step was not measured."""
    total = 0.0
    for figure in figures:
        if not figure.each:
            continue
        slow = figure.p99_ms
        if slow is None:
            return None
        total += figure.each * slow
    return total


def worst(figures: Sequence[Figure]) -> str:
    """Return the worst state of what an unlock waits for."""
    states = [figure.state for figure in figures if figure.each]
    return max(states, key=STATES.index, default=UNKNOWN)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
