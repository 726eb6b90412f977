"""Tells the backend what is wrong with this hub: the checks that stand, by their names.

How it works: whoever sees that something is wrong lets a check stand (`hubcore/checks/`). When
another list stands than the backend was told, the whole new list goes.

Laws:
1. It goes once on each connection, when another list stands, and again after AGAIN_SECONDS: nobody
   answers it.
2. A part that goes and comes all the time costs PACE at most, over all connections. What stands in
   the end is told, at the latest when the pace lets it.
3. No words of a check go, only its name and the ids of its parts: causes hold what devices, files
   and errors say. What has no such name or id is counted.
4. What only stands while the backend does not hear of it is left out (`hubcore.afar`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hubcore.afar import UNTOLD
from hubcore.backend.pace import Pace
from hubcore.backend.uplink.from_hub import HubMessage
from hubcore.backend.uplink.health import (
    COUNT_MAX,
    NAME,
    PARTS_MAX,
    TROUBLES_MAX,
    HealthState,
    Trouble,
    TroubleSeverity,
)
from hubcore.checks import Severity, Standing
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Bucket, Rate

AGAIN_SECONDS = 3600.0
PACE = Rate(burst=6, per_second=1 / 20)
LOOK_SECONDS = 5.0
"""Between two looks for a token."""
_SEVERITIES = {
    Severity.WARNING: TroubleSeverity.WARNING,
    Severity.ERROR: TroubleSeverity.ERROR,
}

ReadStanding = Callable[[], Iterable[Standing]]
"""Returns what stands now, the gravest first; it does not wait."""
_List = tuple[tuple[str, tuple[str, ...]], ...]
"""What a list is about, without its ages."""


class HealthTeller:
    """`say` hands a message to the uplink; False when it takes none. Without `read`: silent."""

    def __init__(
        self,
        *,
        read: ReadStanding | None,
        clock: Clock,
        pace: Pace,
        say: Callable[[HubMessage], bool],
    ) -> None:
        self._read = read
        self._clock = clock
        self._retry_seconds = pace.retry_seconds
        self._say = say
        self._bucket = Bucket(PACE)
        self._told: _List | None = None
        self._told_at = 0.0

    def rewind(self) -> None:
        """The connection has ended: it is told on the next one."""
        self._told = None

    def tell(self) -> float | None:
        """Say what is new; return when to look again, in monotonic seconds, None for never."""
        if self._read is None:
            return None
        now = self._clock.monotonic()
        standing = _told_ones(self._read())
        listed = tuple((one.problem.check, one.problem.parts) for one in standing)
        if listed == self._told and now - self._told_at < AGAIN_SECONDS:
            return self._told_at + AGAIN_SECONDS
        if not self._bucket.take(now):
            return now + LOOK_SECONDS
        if not self._say(health_of(standing, now)):
            self._bucket.give_back()
            return now + self._retry_seconds
        self._told = listed
        self._told_at = now
        return now + AGAIN_SECONDS


def health_of(standing: Iterable[Standing], now: float) -> HealthState:
    """Return what is said of this list, as far as it has room; `now` is monotonic."""
    troubles: list[Trouble] = []
    room = PARTS_MAX
    more = 0
    for one in standing:
        if len(troubles) == TROUBLES_MAX:
            more += 1
            continue
        trouble = _trouble(one, now, room)
        room -= len(trouble.parts)
        troubles.append(trouble)
    return HealthState(tuple(troubles), more)


def _told_ones(standing: Iterable[Standing]) -> list[Standing]:
    return [one for one in standing if one.problem.id not in UNTOLD]


def _trouble(one: Standing, now: float, room: int) -> Trouble:
    problem = one.problem
    parts = [part for part in problem.parts if NAME.fullmatch(part)][:room]
    return Trouble(
        code=str(problem.check),
        severity=_SEVERITIES[problem.severity],
        age_seconds=min(COUNT_MAX, max(0, int(now - one.since))),
        parts=tuple(parts),
        more=len(problem.parts) - len(parts),
    )
