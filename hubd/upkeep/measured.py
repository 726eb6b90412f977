"""How often what was decided, and how long it took until a strike was asked to move.

Laws:
1. No person is known here: only doors, readers, who asks by kind, and reasons of the list.
2. A point that is not this hub's counts under no door, so strangers cannot make the table grow.
3. It counts from the start of hubd, and never goes back.
4. By hour it keeps the newest HOURS_KEPT hours of the wall clock. A clock that was set back loses
   the hours that have not come yet.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from hubcore.access.words import Denial
from hubcore.evidence.facts import Detail, Fact
from hubd.doors.operation import Follower, Operation

BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""The upper ends of the histogram's buckets; what took longer is in one more. They never change:
who adds up the histograms of many hubs needs the same in all.
"""
GRANTED = "granted"
HOURS_KEPT = 24
HOUR_SECONDS = 3600


def _buckets() -> list[int]:
    return [0] * (len(BOUNDS_SECONDS) + 1)


@dataclass(slots=True)
class Histogram:
    """How often what took how long.

    A bucket counts what took as long or less, but more than the last.
    """

    counts: list[int] = field(default_factory=_buckets)
    sum_seconds: float = 0.0

    def take(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.sum_seconds += seconds

    def document(self) -> dict[str, object]:
        """Return all of it."""
        return {"counts": list(self.counts), "sum_seconds": self.sum_seconds}


class Measured(Follower):
    """The counts and the histograms."""

    def __init__(
        self,
        doors: Mapping[int, str],
        readers: Iterable[str],
        wall: Callable[[], float],
    ) -> None:
        """`doors` has the door of each access point; `wall` tells Unix seconds."""
        self._doors = dict(doors)
        self._wall = wall
        self._decisions: Counter[tuple[str | None, str, str]] = Counter()
        self._cards: dict[str, int] = dict.fromkeys(readers, 0)
        self._at_readers: Counter[tuple[str, str]] = Counter()
        self._asked = Histogram()
        self._by_hour: dict[int, Histogram] = {}

    def decided(self, operation: Operation, why: Denial | None) -> None:
        """Take a decision; `why` None is a yes."""
        reader = None if operation.claim is None else operation.claim.reader
        self._decided(operation, reader, GRANTED if why is None else str(why))

    def card_refused(self, operation: Operation, why: Denial, facts: Detail) -> None:
        """Take a card that was refused before it could be decided, such as one of nobody."""
        reader = facts.get(Fact.READER)
        self._decided(operation, reader if isinstance(reader, str) else None, str(why))

    def _decided(self, operation: Operation, reader: str | None, said: str) -> None:
        door = self._doors.get(operation.point)
        self._decisions[door, str(operation.kind), said] += 1
        if reader in self._cards:
            self._at_readers[str(reader), said] += 1

    def card(self, reader: str) -> None:
        """A reader of this hub has read a card."""
        if reader in self._cards:
            self._cards[reader] += 1

    def asked(self, operation: Operation, now: float) -> None:
        """A strike is asked to move now, by the monotonic clock; only a claim has a last byte."""
        if operation.claim is None:
            return
        seconds = max(0.0, now - operation.claim.arrived)
        self._asked.take(seconds)
        self._of_this_hour().take(seconds)

    def _of_this_hour(self) -> Histogram:
        hour = self._hour()
        if hour not in self._by_hour:
            self._by_hour = {**self._kept(hour), hour: Histogram()}
        return self._by_hour[hour]

    def _kept(self, hour: int) -> dict[int, Histogram]:
        """Return the hours that are kept at this hour."""
        kept = range(hour - HOURS_KEPT + 1, hour + 1)
        return {at: one for at, one in self._by_hour.items() if at in kept}

    def _hour(self) -> int:
        return int(self._wall() // HOUR_SECONDS)

    def document(self) -> Mapping[str, object]:
        """Return all of it; an hour is told by its number since 1970."""
        decisions = [
            {"door": door, "by": by, "why": why, "count": count}
            for (door, by, why), count in self._decisions.items()
        ]
        at_readers = [
            {"reader": reader, "why": why, "count": count}
            for (reader, why), count in self._at_readers.items()
        ]
        kept = self._kept(self._hour())
        by_hour = [{"hour": hour, **kept[hour].document()} for hour in sorted(kept)]
        return {
            "decisions": decisions,
            "cards": [{"reader": reader, "count": count} for reader, count in self._cards.items()],
            "reader_decisions": at_readers,
            "strike_asked": {"bounds_seconds": list(BOUNDS_SECONDS), **self._asked.document()},
            "strike_asked_by_hour": by_hour,
        }
