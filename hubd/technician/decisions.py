"""The last decisions at each door, since the start: who asked, where, and what he was told.

Laws:
1. At most DECISIONS_A_DOOR of each door; the oldest leaves first.
2. No whole id is told, as everywhere outside the records.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from hubcore.access.words import Denial
from hubcore.evidence.facts import Fact, shown
from hubcore.ports.clock import Clock
from hubd.doors.operation import Follower, Operation

DECISIONS_A_DOOR = 10


@dataclass(frozen=True, slots=True)
class LastDecision:
    """What was decided; `at` in Unix seconds, `why` None for a yes."""

    at: float
    operation: Operation
    why: Denial | None

    def document(self) -> Mapping[str, object]:
        """Return what an onlooker sees."""
        operation = self.operation
        return {
            "at": self.at,
            "by": operation.by,
            "asker": shown({Fact.ASKER: operation.asker})["asker"],
            "uid": operation.uid,
            "point": operation.point,
            "decided": "granted" if self.why is None else str(self.why),
        }


class LastDecisions(Follower):
    """Remembers them by door."""

    def __init__(self, door_of: Mapping[int, str], clock: Clock) -> None:
        """`door_of` has the doors by their access points."""
        self._door_of = door_of
        self._clock = clock
        self._last = {
            door: deque[LastDecision](maxlen=DECISIONS_A_DOOR) for door in set(door_of.values())
        }
        self.since = clock.wall()

    def decided(self, operation: Operation, why: Denial | None) -> None:
        """Take a decision; one at a point that is not this hub's is of no door."""
        door = self._door_of.get(operation.point)
        if door is not None:
            self._last[door].append(LastDecision(self._clock.wall(), operation, why))

    def newest_first(self, door: str) -> list[LastDecision]:
        """Return those of a door."""
        return list(reversed(self._last[door]))
