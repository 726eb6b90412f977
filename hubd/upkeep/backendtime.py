"""What the backend's time does to the belief in this hub's clock.

The backend may be wrong, or hostile. Its word is bounded:

Laws:
1. It moves no clock and proves no time (`evidence.timefloor`, law 3).
2. It casts doubt on a clock that nothing else has proven, when the two are surely APART_SECONDS
   apart, in either direction. Such a clock is not trusted: cards, tickets and schedules wait.
3. It casts no doubt on a clock that a phone by the full path, a time service or a person has
   proven. Then the difference is told to people, and doors go on.
4. A doubted clock still serves a phone by the full path, which has compared it with its own. The
   first one that is let in proves the clock, so no doubt lasts for ever.
5. Each record tells the difference when the clocks are surely TOLD_SECONDS apart, and is no longer
   than before when they are not.
"""

from __future__ import annotations

from hubcore.backend.backendtime import BackendTime, Offset
from hubcore.evidence.facts import Detail, Fact
from hubcore.evidence.timefloor import TimeFloor
from hubcore.ports.clock import Clock

APART_SECONDS = 300.0
"""More than a phone allows (`evidence.timefloor.PHONE_CLOCK_SECONDS`): one of the two is wrong."""
AGREE_SECONDS = 60.0
"""The backend's time is this hub's when they surely differ by no more than this."""
TOLD_SECONDS = 2.0
"""More than the way between them explains."""


class Contradiction:
    """Compares this hub's clock with the backend's."""

    def __init__(self, floor: TimeFloor, backend_time: BackendTime) -> None:
        self._floor = floor
        self._backend_time = backend_time

    def stands(self, wall: float, monotonic: float) -> bool:
        """Tell whether the backend contradicts a clock that nothing else has proven."""
        offset = self._backend_time.offset(wall, monotonic)
        if offset is None or not offset.is_apart(APART_SECONDS):
            return False
        return not self._floor.proven(int(1000 * wall), int(1000 * monotonic))

    def offset(self, clock: Clock) -> Offset | None:
        """Return how far the clocks are apart now."""
        return self._backend_time.offset(clock.wall(), clock.monotonic())

    def facts(self, clock: Clock) -> Detail:
        """Return what a record of now tells of it."""
        offset = self.offset(clock)
        if offset is None or not offset.is_apart(TOLD_SECONDS):
            return {}
        return {
            Fact.BACKEND_AHEAD: round(1000 * offset.seconds),
            Fact.BACKEND_WITHIN: round(1000 * offset.within_seconds),
        }
