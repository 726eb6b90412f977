"""The use case that looks after the hub itself: what is wrong stands as a problem, with what to do
about it.

Laws:
1. A problem stands while its cause does and not longer.
2. Its sentences are for a technician who stands at the hub.
3. The journal has each problem when it begins to stand, when it becomes graver, when it ends, and
   once a day meanwhile.
4. The beginning of a part's problem is in the journal once: as the part's own event. What stands at
   every start for a moment (QUIET) is in the journal only when it has stood for a day.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.phone.certificates import DAY_SECONDS
from hubcore.phone.epochs import EpochRing
from hubcore.ports.clock import Clock
from hubd.backend.state import UplinkState
from hubd.backend.sync import Sync
from hubd.upkeep.checks import (
    CHECK_OF_PART,
    CHECKS,
    LOOKS,
    Part,
    Problem,
    Seen,
    Severity,
    Topic,
    UplinkSeen,
    problem,
)
from hubd.upkeep.clockcare import ClockCare
from hubd.upkeep.health import Health

CHECK_SECONDS = 2.0
AGREE_SECONDS = 60.0
READY_PARTS = frozenset({Part.STRIKES})

QUIET = frozenset({Topic.EPOCH})
"""What stands at every start for a moment."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked after; `certificate_expires` in Unix seconds."""

    clock: Clock
    epochs: EpochRing
    certificate_expires: int
    sync: Callable[[], Sync | None]
    time: ClockCare
    certificate_begins: int = 0
    certificate_file: str = "the file of [keys] certificate"
    backend_key_file: str = "the file of [keys] backend_public"
    """Files as the installer knows them."""


class StandingProblems:
    """Keeps the standing problems."""

    def __init__(self, health: Health, tell: Tell) -> None:
        self._health = health
        self._tell = tell
        self._parts: dict[Topic, tuple[bool, str]] = {}
        self._told: dict[Topic, tuple[Severity, float]] = {}
        """The problems that the journal has as standing: how grave, and when it was told last,
        monotonic seconds.
        """
        self._said = set[Topic]()
        """Those of them that it has as problems: the rest it has as parts, or does not have yet."""
        self._heard: defaultdict[Part, asyncio.Event] = defaultdict(asyncio.Event)

    async def heard(self, name: Part) -> None:
        """Return once a part has come up or said why it cannot."""
        await self._heard[name].wait()

    def part(self, name: Part, up: bool, why: str) -> None:
        """A part came up or went down, or is down for another reason; `why` is a sentence."""
        if name in READY_PARTS:
            self._health.part(name, up)
        check = CHECK_OF_PART[name]
        topic = CHECKS[check].topic
        self._stand(topic, None if up else problem(check, why=why or f"{name}: down"))
        told, said = self._parts.get(topic, (None, ""))
        if told is not up or (not up and why != said):
            self._parts[topic] = up, why
            self._told.pop(topic, None)  # its day begins again
            self._tell(EventName.PART, {Fact.PART: str(name), Fact.UP: up, Fact.WHY: why})
        self._heard[name].set()

    async def run(self, watched: Watched) -> None:
        """Look again every CHECK_SECONDS until cancelled."""
        while True:
            await self.care(watched)
            await asyncio.sleep(CHECK_SECONDS)

    async def care(self, watched: Watched) -> None:
        """Look once, and do what can be done without a person."""
        self.look(watched)
        await watched.time.care()

    def stands(self, topic: Topic) -> bool:
        """Tell whether a problem stands."""
        return any(found.id is topic for found in self._health.problems())

    def look(self, watched: Watched) -> None:
        """Compare what is with what should be."""
        seen = _see(watched)
        self._stand(Topic.CLOCK, watched.time.trouble())
        for topic, look in LOOKS.items():
            self._stand(topic, look(seen))
        self._journal(watched.clock.monotonic())

    def _stand(self, topic: Topic, found: Problem | None) -> None:
        if found is None:
            self._health.clear(topic)
        else:
            self._health.set(found)

    def _journal(self, now: float) -> None:
        """Tell the journal which problems began, became graver, ended, or stand for another day."""
        standing = {found.id: found for found in self._health.problems()}
        self._told = {name: told for name, told in self._told.items() if name in standing}
        for name in sorted(self._said - standing.keys()):
            self._said.remove(name)
            self._tell(EventName.PROBLEM, {Fact.PROBLEM: str(name), Fact.STANDS: False})
        for name, found in standing.items():
            begins = name not in self._told
            severity, at = self._told.get(name, (found.severity, now))
            if not begins and severity is found.severity and now - at < DAY_SECONDS:
                continue
            self._told[name] = found.severity, now
            if begins and (name in QUIET or name in self._parts):
                continue
            self._said.add(name)
            facts: Detail = {
                Fact.PROBLEM: str(name),
                Fact.STANDS: True,
                Fact.SEVERITY: str(found.severity),
                Fact.WHAT: found.what,
                Fact.REMEDY: found.remedy,
            }
            self._tell(EventName.PROBLEM, facts)


def _see(watched: Watched) -> Seen:
    """Gather what the checks are held against."""
    sync = watched.sync()
    return Seen(
        now=watched.clock.wall(),
        epoch_is_ready=watched.epochs.current is not None,
        certificate_begins=watched.certificate_begins,
        certificate_expires=watched.certificate_expires,
        certificate_file=watched.certificate_file,
        backend_key_file=watched.backend_key_file,
        uplink=None if sync is None else _see_uplink(sync.state),
    )


def _see_uplink(state: UplinkState) -> UplinkSeen:
    return UplinkSeen(
        connected=state.connected,
        since=state.since,
        why=state.why,
        waiting=state.waiting,
        unacknowledged_seconds=state.unacknowledged_seconds,
        halt=state.halt,
        known=state.known,
        boot=state.boot,
    )


def agrees(sync: Sync | None) -> bool:
    """Tell whether the backend's time is this hub's."""
    offset = sync.state.clock_offset_seconds if sync and sync.state.connected else None
    return offset is not None and abs(offset) <= AGREE_SECONDS
