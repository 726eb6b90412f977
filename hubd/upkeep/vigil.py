"""The use case that looks after the hub itself: what is wrong stands as a problem, with what to do about it.

Laws:
1. A problem stands while its cause does and not longer.
2. Its sentences are for a technician who stands at the hub.
3. The journal has each problem when it begins to stand, when it becomes graver, when it ends, and once a day meanwhile.
4. The beginning of a part's problem is in the journal once: as the part's own event. What stands at every start for a
   moment (QUIET) is in the journal only when it has stood for a day.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hubcore.backend.uplink import Cause
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.phone.certificates import DAY_SECONDS
from hubcore.phone.epochs import EpochRing
from hubcore.ports.clock import Clock
from hubd.backend.sync import LinkState, Sync
from hubd.upkeep.checks import (
    CHECK_OF_PART,
    CHECKS,
    CheckId,
    Part,
    Problem,
    Severity,
    Topic,
    certificate_problem,
    problem,
)
from hubd.upkeep.clockcare import ClockCare
from hubd.upkeep.health import Health

CHECK_SECONDS = 2.0
BACKEND_DOWN_SECONDS = 60.0
AGREE_SECONDS = 60.0
EVIDENCE_SECONDS = 150.0
"""For so long the backend may acknowledge nothing while records wait."""
READY_PARTS = frozenset({Part.STRIKES})

QUIET = frozenset({Topic.EPOCH})
"""What stands at every start for a moment."""
CHECK_OF_HALT: Mapping[Cause, CheckId] = {
    Cause.TWO_HUBS: CheckId.TWO_HUBS,
    Cause.FORK: CheckId.FORK,
    Cause.GAP: CheckId.GAP,
}
"""What stands after what a backend says of a hub's records."""


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


class Vigil:
    """Keeps the standing problems."""

    def __init__(self, health: Health, tell: Tell) -> None:
        self._health, self._tell = health, tell
        self._parts: dict[Topic, tuple[bool, str]] = {}
        self._told: dict[Topic, tuple[Severity, float]] = {}
        """The problems that the journal has as standing: how grave, and when it was told last, monotonic seconds."""
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
        sync = watched.sync()
        state = sync.state if sync else None
        self._stand(Topic.CLOCK, watched.time.trouble())
        self._stand(Topic.EPOCH, None if watched.epochs.current else problem(CheckId.EPOCH_NONE))
        self._stand(Topic.CERTIFICATE, _certificate(watched))
        self._stand(Topic.BACKEND, _backend(watched, state))
        self._stand(Topic.EVIDENCE, _evidence(state))
        for cause, check in CHECK_OF_HALT.items():
            halted = state is not None and state.halt == cause.name.lower()
            self._stand(CHECKS[check].topic, problem(check, held=_held(state)) if halted and state else None)
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


def _certificate(watched: Watched) -> Problem | None:
    return certificate_problem(
        begins=watched.certificate_begins,
        expires=watched.certificate_expires,
        now=watched.clock.wall(),
        file=watched.certificate_file,
    )


def _backend(watched: Watched, state: LinkState | None) -> Problem | None:
    """Tell whether the backend has been out of reach for BACKEND_DOWN_SECONDS."""
    if state is None or state.connected or watched.clock.wall() - state.since <= BACKEND_DOWN_SECONDS:
        return None
    return problem(CheckId.BACKEND_AWAY, why=state.why, file=watched.backend_key_file)


def _evidence(state: LinkState | None) -> Problem | None:
    """Tell whether records go nowhere, though the backend is there and has said nothing against them."""
    if state is None or not state.connected or state.halt:
        return None
    waited = state.unacknowledged_seconds
    if waited is None or waited <= EVIDENCE_SECONDS:
        return None
    why = state.why or "it takes them and says nothing"
    return problem(CheckId.EVIDENCE_STUCK, waiting=state.waiting, waited=waited, why=why)


def _held(state: LinkState) -> str:
    """Say what the backend knows this hub by."""
    if state.halt == Topic.TWO_HUBS:
        return f"This one's boot id begins with {state.boot[:8]}."
    number = (state.known or "0:").partition(":")[0]
    return "It holds none." if number == "0" else f"The newest that it holds is {state.known}."


def agrees(sync: Sync | None) -> bool:
    """Tell whether the backend's time is this hub's."""
    offset = sync.state.clock_offset_seconds if sync and sync.state.connected else None
    return offset is not None and abs(offset) <= AGREE_SECONDS
