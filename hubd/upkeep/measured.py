"""How often what was decided, and how long it took until a strike was asked to move.

Laws:
1. No person is known here: only doors, who asks by kind, and reasons of the list.
2. A point that is not this hub's counts under no door, so strangers cannot make the table grow.
3. It counts from the start of hubd, and never goes back.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

from hubcore.access.words import Denial
from hubd.doors.operation import Operation

BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""The upper ends of the histogram's buckets; what took longer is in one more. They never change:
who adds up the histograms of many hubs needs the same in all.
"""
GRANTED = "granted"


class Measured:
    """The counts and the histogram."""

    def __init__(self, doors: Mapping[int, str]) -> None:
        """`doors` has the door of each access point."""
        self._doors = dict(doors)
        self._decisions: Counter[tuple[str | None, str, str]] = Counter()
        self._buckets = [0] * (len(BOUNDS_SECONDS) + 1)
        self._sum_seconds = 0.0

    def decided(self, operation: Operation, why: Denial | None) -> None:
        """Take a decision; `why` None is a yes."""
        door = self._doors.get(operation.point)
        said = GRANTED if why is None else str(why)
        self._decisions[door, str(operation.kind), said] += 1

    def asked(self, operation: Operation, now: float) -> None:
        """A strike is asked to move now, by the monotonic clock; only a claim has a last byte."""
        if operation.claim is None:
            return
        seconds = max(0.0, now - operation.claim.arrived)
        self._buckets[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self._sum_seconds += seconds

    def document(self) -> Mapping[str, object]:
        """Return all of it: a bucket counts what took as long or less, but more than the last."""
        decisions = [
            {"door": door, "by": by, "why": why, "count": count}
            for (door, by, why), count in self._decisions.items()
        ]
        return {
            "decisions": decisions,
            "strike_asked": {
                "bounds_seconds": list(BOUNDS_SECONDS),
                "counts": list(self._buckets),
                "sum_seconds": self._sum_seconds,
            },
        }
