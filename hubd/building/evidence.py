"""The clock, the log and who is told: everything else of a hub is made with these."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from hubcore.access import revocations
from hubcore.access.revocations import CarriedRevocations
from hubcore.backend.backendtime import BackendTime
from hubcore.checks import Part
from hubcore.evidence.facts import Detail
from hubcore.evidence.timefloor import TimeFloor, from_records
from hubcore.ports.clock import Clock
from hubd.adapters.host import state_disk
from hubd.adapters.host.clock import BEHIND_SECONDS, SystemClock
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.adapters.local.teller import Teller
from hubd.adapters.sqlite.audit import AuditStore
from hubd.config.file import Config
from hubd.evidence.paced import PacedLog
from hubd.evidence.refusals import Refusals
from hubd.evidence.reporting import ReportingLog
from hubd.policy.carried import CarriedFound, find_carried
from hubd.policy.proven import ProvenPolicy
from hubd.stores import Stores
from hubd.upkeep.backendtime import Contradiction
from hubd.upkeep.diskwatch import DiskWatch
from hubd.upkeep.health import Health
from hubd.upkeep.standing import READY_PARTS, StandingProblems
from hublocal.tail.events import EventTail

REMEMBERED_RECORDS = 10_000
"""How far back a start looks for operations; `Unlock.remember` ends at those that are too old."""
DEADLINES = {"links": 5.0, "doors": 10.0, "epoch": 120.0}
"""The critical loops, and the greatest seconds between two beats of each.

Making an RSA key may take a small board a minute.
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`appended` is set after each append to the log, for the uplink, which clears it.

    It is set when another problem stands, too. `appended_for_bridge` is the same for the way over
    a bridge, without that. `paced` is the log of decisions.
    """

    clock: Clock
    floor: TimeFloor
    backend_time: BackendTime
    contradiction: Contradiction
    health: Health
    problems: StandingProblems
    tail: EventTail
    tell: Teller
    log: ReportingLog
    appended: asyncio.Event
    appended_for_bridge: asyncio.Event
    disk: DiskWatch
    refusals: Refusals
    paced: PacedLog


def make_evidence(config: Config, keys: HubKeys, stores: Stores) -> Evidence:
    """Make the clock, the log, and who is told."""
    audit = stores.audit
    floor = from_records(audit.newest, audit.last())
    begins = keys.certified.not_before - BEHIND_SECONDS
    backend_time = BackendTime()
    contradiction = Contradiction(floor, backend_time)
    clock = SystemClock(
        lambda: floor.floor_ms / 1000,
        begins=begins,
        is_contradicted=contradiction.stands,
    )
    appended = asyncio.Event()
    health = Health(clock, DEADLINES, READY_PARTS, changed=appended.set)
    tail = EventTail(begins=clock.wall())
    tell = Teller(tail, clock, health.count, config.doors_of_points())
    problems = StandingProblems(health, tell)
    appended_for_bridge = asyncio.Event()
    apart = partial(contradiction.facts, clock)
    log = _make_log(audit, floor, apart, (appended, appended_for_bridge), problems)
    look = partial(state_disk.look, audit.path)
    disk = DiskWatch(look, health, audit.path, records=audit.room)
    refusals = Refusals(
        log=log,
        clock=clock,
        tell=tell,
        room=disk.room,
    )
    paced = PacedLog(
        log=log,
        refusals=refusals,
        clock=clock,
        room=disk.room,
    )
    return Evidence(
        clock=clock,
        floor=floor,
        backend_time=backend_time,
        contradiction=contradiction,
        health=health,
        problems=problems,
        tail=tail,
        tell=tell,
        log=log,
        appended=appended,
        appended_for_bridge=appended_for_bridge,
        disk=disk,
        refusals=refusals,
        paced=paced,
    )


def _make_log(
    audit: AuditStore,
    floor: TimeFloor,
    apart: Callable[[], Detail],
    appended: Sequence[asyncio.Event],
    problems: StandingProblems,
) -> ReportingLog:
    def wake() -> None:
        for event in appended:
            event.set()

    return ReportingLog(
        log=audit,
        floor=floor,
        apart=apart,
        on_append=wake,
        on_health=partial(problems.part, Part.AUDIT),
    )


def find_revocations(config: Config, keys: HubKeys, stores: Stores) -> CarriedFound:
    """Find the revocations that phones brought before this start."""
    read = partial(revocations.read, issuer=keys.issuer_key, site=config.hub.site)
    return find_carried(stores.revocations, read)


def make_policy(stores: Stores, carried: CarriedRevocations, evidence: Evidence) -> ProvenPolicy:
    """Make the policy in force, proven as far as it is."""
    kept = stores.policy.found
    return ProvenPolicy(
        file=stores.policy,
        log=evidence.log,
        clock=evidence.clock,
        tell=evidence.tell,
        health=evidence.health,
        found=stores.found,
        told=stores.told,
        edited=kept.edited,
        why=kept.why,
        carried=carried,
    )
