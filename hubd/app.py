"""The composition root: the one place that knows both the use cases and the world.

`build` makes the parts once and joins them. This file is long because it names each of them. What
only one part needs, that part makes for itself.
A hub and a desk are built alike: they differ in the `Parts` that they hand in. `hubd.serve` runs
what is built here.
"""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from hubcore.access.words import HubName
from hubcore.backend.pace import Pace
from hubcore.codec.cose import Aead, SigningKey
from hubcore.device.breaker import BreakerRule
from hubcore.device.telemetry import TelemetryTable
from hubcore.door.machine import DoorMachine
from hubcore.evidence.timefloor import TimeFloor, from_records
from hubcore.phone.epochs import EpochRing
from hubcore.phone.handshake import HubSide
from hubcore.phone.sealing import BLE_GATT
from hubcore.phone.tickets import TicketTable
from hubcore.policy import document as policies
from hubcore.ports.clock import Clock
from hubcore.ports.radio import Radio
from hubcore.ports.uplink import Uplink
from hubcore.timing.budget import LINE_SECONDS, Budget
from hubd import __version__
from hubd.adapters.host import state_disk
from hubd.adapters.host.clock import BEHIND_SECONDS, SystemClock, set_by_timesyncd
from hubd.adapters.host.keyfiles import HubKeys
from hubd.adapters.local.api import LocalApi
from hubd.adapters.local.event_tail import EventTail
from hubd.adapters.local.teller import Teller
from hubd.adapters.sqlite.audit import AuditStore
from hubd.backend.identity import Identity
from hubd.backend.orders import Orders
from hubd.backend.sync import Sync
from hubd.calls import LocalCalls
from hubd.config.file import Config
from hubd.devices.commands import RemoteCommands
from hubd.devices.supervisor import Supervisor
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubd.doors.unlock import Unlock
from hubd.doors.watch import DoorWatch
from hubd.evidence.paced import PacedLog
from hubd.evidence.refusals import Refusals
from hubd.evidence.reporting import ReportingLog
from hubd.phones.epochkeys import EpochKeys
from hubd.phones.links import Links
from hubd.policy.new import PolicyIntake
from hubd.policy.proven import ProvenPolicy
from hubd.stores import Stores
from hubd.upkeep.checks import Part
from hubd.upkeep.clockcare import ClockCare, backend_agrees
from hubd.upkeep.devicefaults import DeviceFaults
from hubd.upkeep.diskwatch import DiskWatch
from hubd.upkeep.health import Health
from hubd.upkeep.selfcheck import SelfCheck
from hubd.upkeep.standing import READY_PARTS, StandingProblems
from hubd.upkeep.status import Status
from hubd.wiring.parts import MakeParts, Parts

DAY_SECONDS = 86_400
REMEMBERED_RECORDS = 10_000
"""How far back a start looks for operations; `Unlock.remember` ends at those that are too old."""
DEADLINES = {"links": 5.0, "doors": 10.0, "epoch": 120.0}
"""The critical loops, and the greatest seconds between two beats of each.

Making an RSA key may take a small board a minute.
"""


@dataclass(frozen=True, slots=True)
class Hub:
    """What `hubd.serve` runs."""

    parts: Parts
    clock: Clock
    floor: TimeFloor
    log: ReportingLog
    tell: Teller
    health: Health
    problems: StandingProblems
    self_check: SelfCheck
    disk: DiskWatch
    refusals: Refusals
    policy: ProvenPolicy
    doors: DoorWatch
    devices: Devices
    links: Links
    epochs: EpochKeys
    sync: Sync | None
    api: LocalApi


def build(config: Config, keys: HubKeys, stores: Stores, make_parts: MakeParts) -> Hub:
    """Make every object once, and join them."""
    evidence = _make_evidence(keys, stores)
    parts = make_parts(config, keys, evidence.problems.part)
    policy = _make_policy(stores, evidence)
    doors = _make_doors(config, parts, policy, evidence)
    devices = _make_devices(config, parts, policy, evidence)
    phones = _make_phones(config, keys, parts.radio, doors.unlock, evidence)
    sync = None
    if parts.uplink is not None:
        intake = _make_policy_intake(config, keys, policy, doors.unlock, phones.tickets, evidence)
        orders = Orders(
            release=doors.unlock.release,
            accept_policy=intake.accept,
            policy_version=policy.version,
            act=devices.commands.act,
        )
        sync = _make_sync(config, parts.uplink, orders, devices, evidence)
    time = _make_clock_care(sync, evidence)
    status = _make_status(config, policy, doors.watch, devices, phones, sync, evidence)
    calls = LocalCalls(status, time, policy)
    return Hub(
        parts=parts,
        clock=evidence.clock,
        floor=evidence.floor,
        log=evidence.log,
        tell=evidence.tell,
        health=evidence.health,
        problems=evidence.problems,
        self_check=_make_self_check(config, keys, phones.ring, sync, time, evidence),
        disk=evidence.disk,
        refusals=evidence.refusals,
        policy=policy,
        doors=doors.watch,
        devices=devices,
        links=phones.links,
        epochs=phones.epochs,
        sync=sync,
        api=LocalApi(config.api.socket, calls.table(), evidence.tail),
    )


# The clock, the log, and who is told: everything else is made with these.


@dataclass(frozen=True, slots=True)
class _Evidence:
    """`appended` is set after each append to the log; `paced` is the log of decisions."""

    clock: Clock
    floor: TimeFloor
    health: Health
    problems: StandingProblems
    tail: EventTail
    tell: Teller
    log: ReportingLog
    appended: asyncio.Event
    disk: DiskWatch
    refusals: Refusals
    paced: PacedLog


def _make_evidence(keys: HubKeys, stores: Stores) -> _Evidence:
    audit = stores.audit
    floor = from_records(audit.newest, audit.last())
    begins = keys.certified.not_before - BEHIND_SECONDS
    clock = SystemClock(lambda: floor.floor_ms / 1000, begins=begins)
    health = Health(clock, DEADLINES, READY_PARTS)
    tail = EventTail()
    tell = Teller(tail, clock, health.count)
    problems = StandingProblems(health, tell)
    appended = asyncio.Event()
    log = _make_log(audit, floor, appended, problems)
    look = partial(state_disk.look, audit.path)
    disk = DiskWatch(look, health, audit.path)
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
    return _Evidence(
        clock=clock,
        floor=floor,
        health=health,
        problems=problems,
        tail=tail,
        tell=tell,
        log=log,
        appended=appended,
        disk=disk,
        refusals=refusals,
        paced=paced,
    )


def _make_log(
    audit: AuditStore, floor: TimeFloor, appended: asyncio.Event, problems: StandingProblems
) -> ReportingLog:
    return ReportingLog(
        log=audit,
        floor=floor,
        on_append=appended.set,
        on_health=partial(problems.part, Part.AUDIT),
    )


def _make_policy(stores: Stores, evidence: _Evidence) -> ProvenPolicy:
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
    )


# The doors.


@dataclass(frozen=True, slots=True)
class _Doors:
    watch: DoorWatch
    unlock: Unlock


def _make_doors(config: Config, parts: Parts, policy: ProvenPolicy, evidence: _Evidence) -> _Doors:
    machines: dict[str, DoorMachine] = {}
    for door in config.doors:
        watched = door.dps is not None
        machines[door.id] = DoorMachine(watched, door.held_open_seconds)
    watch = DoorWatch(
        machines=machines,
        log=evidence.paced,
        clock=evidence.clock,
        tell=evidence.tell,
        driven=lambda door: parts.doors[door].driven,
    )
    rules = SiteRules(
        points=_points(config),
        zone=config.hub.zone,
        grant_seconds_max=config.protocol.grant_days_max * DAY_SECONDS,
    )
    persons = Persons(evidence.clock)
    unlock = Unlock(
        rules=rules,
        policy=policy,
        log=evidence.paced,
        clock=evidence.clock,
        tell=evidence.tell,
        doors=parts.doors,
        watch=watch,
        persons=persons,
    )
    end = evidence.log.last() + 1
    unlock.remember(evidence.log.newest(end, REMEMBERED_RECORDS))
    return _Doors(watch, unlock)


def _points(config: Config) -> dict[int, Point]:
    """Return the access points by number."""
    points: dict[int, Point] = {}
    for door in config.doors:
        for point in door.access_points:
            points[point.number] = Point(
                number=point.number,
                door=door.id,
                fresh=point.fresh,
                strike_seconds=door.strike_seconds,
                cap_seconds=door.cap_seconds,
                watched=door.dps is not None,
            )
    return points


# The devices.


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices, who commands them, what they say, and what is wrong with them."""

    supervisor: Supervisor
    commands: RemoteCommands
    telemetry: TelemetryTable
    faults: DeviceFaults


def _make_devices(
    config: Config, parts: Parts, policy: ProvenPolicy, evidence: _Evidence
) -> Devices:
    faults = DeviceFaults(
        problems=evidence.problems,
        log=evidence.log,
        clock=evidence.clock,
        tell=evidence.tell,
        count=evidence.health.count,
        names={device.id: device.name for device in config.devices},
    )
    telemetry = TelemetryTable()
    supervisor = Supervisor(
        devices=parts.devices,
        clock=evidence.clock,
        tell_fault=faults,
        breaker=BreakerRule(),
        telemetry=telemetry,
    )
    commands = RemoteCommands(
        devices={id_: device for id_, (device, _) in parts.devices.items()},
        performer=supervisor,
        rights=policy,
        log=evidence.paced,
        clock=evidence.clock,
        tell=evidence.tell,
    )
    end = evidence.log.last() + 1
    commands.remember(evidence.log.newest(end, REMEMBERED_RECORDS))
    return Devices(supervisor, commands, telemetry, faults)


# The phones.


@dataclass(frozen=True, slots=True)
class _Phones:
    ring: EpochRing
    tickets: TicketTable
    links: Links
    epochs: EpochKeys


def _make_phones(
    config: Config, keys: HubKeys, radio: Radio, unlock: Unlock, evidence: _Evidence
) -> _Phones:
    ring = EpochRing()
    tickets = TicketTable(keys.certified.expires)
    strike_seconds: dict[int, float] = {}
    for number, point in _points(config).items():
        strike_seconds[number] = point.strike_seconds
    links = Links(
        side=_hub_side(config, keys, ring, tickets),
        radio=radio,
        transport=BLE_GATT,
        links_max=config.protocol.links_max,
        rsa=ThreadPoolExecutor(1, "rsa"),
        present=unlock.present,
        door_state=unlock.door_state,
        strike_seconds=strike_seconds,
        refused=evidence.refusals.count,
        tell=evidence.tell,
        clock=evidence.clock,
    )
    epochs = EpochKeys(
        ring=ring,
        identity=SigningKey(keys.identity),
        name=_name(config),
        aeads=tuple(Aead[name] for name in config.protocol.aead),
        bits=config.protocol.rsa_bits,
    )
    return _Phones(ring, tickets, links, epochs)


def _name(config: Config) -> HubName:
    """The hub and its site."""
    return HubName(site=config.hub.site, hub=config.hub.id)


def _hub_side(config: Config, keys: HubKeys, ring: EpochRing, tickets: TicketTable) -> HubSide:
    """Return what all links share of the handshake."""
    protocol = config.protocol
    budget = Budget(
        rate=protocol.rsa_per_second,
        burst=protocol.rsa_burst,
        at_once=protocol.links_max,
        wait_seconds=LINE_SECONDS,
    )
    return HubSide(
        name=_name(config),
        identity_kid=SigningKey(keys.identity).verify_key.kid,
        certificate=keys.certificate,
        issuer=keys.issuer_key,
        epochs=ring,
        tickets=tickets,
        budget=budget,
        chance=secrets.token_bytes,
    )


# The backend.


def _make_policy_intake(
    config: Config,
    keys: HubKeys,
    policy: ProvenPolicy,
    unlock: Unlock,
    tickets: TicketTable,
    evidence: _Evidence,
) -> PolicyIntake:
    prove = partial(policies.prove, issuer=keys.issuer_key, site=config.hub.site)
    return PolicyIntake(
        prove=prove,
        store=policy,
        log=evidence.paced,
        clock=evidence.clock,
        tell=evidence.tell,
        tickets=tickets,
        unlock=unlock,
    )


def _make_sync(
    config: Config, uplink: Uplink, orders: Orders, devices: Devices, evidence: _Evidence
) -> Sync:
    identity = Identity(
        hub=config.hub.id,
        site=config.hub.site,
        boot_id=secrets.token_bytes(16),
        software=__version__,
    )
    return Sync(
        uplink=uplink,
        records=evidence.log,
        orders=orders,
        identity=identity,
        clock=evidence.clock,
        pace=Pace(),
        appended=evidence.appended,
        telemetry=devices.telemetry if config.devices else None,
    )


# The upkeep.


def _make_clock_care(sync: Sync | None, evidence: _Evidence) -> ClockCare:
    return ClockCare(
        log=evidence.log,
        floor=evidence.floor,
        clock=evidence.clock,
        tell=evidence.tell,
        backend_agrees=lambda: backend_agrees(sync),
        time_service=set_by_timesyncd,
    )


def _make_status(
    config: Config,
    policy: ProvenPolicy,
    watch: DoorWatch,
    devices: Devices,
    phones: _Phones,
    sync: Sync | None,
    evidence: _Evidence,
) -> Status:
    return Status(
        config=config,
        version=__version__,
        health=evidence.health,
        clock=evidence.clock,
        log=evidence.log,
        policy=policy,
        watch=watch,
        supervisor=devices.supervisor,
        sync=sync,
        link_count=lambda: len(phones.links),
        has_epoch_key=lambda: phones.ring.current is not None,
        task_count=lambda: len(asyncio.all_tasks()),
    )


def _make_self_check(
    config: Config,
    keys: HubKeys,
    ring: EpochRing,
    sync: Sync | None,
    time: ClockCare,
    evidence: _Evidence,
) -> SelfCheck:
    backend_key = config.keys.backend_public
    return SelfCheck(
        problems=evidence.problems,
        clock=evidence.clock,
        clock_care=time,
        epochs=ring,
        sync=sync,
        certificate_begins=keys.certified.not_before,
        certificate_expires=keys.certified.expires,
        certificate_file=config.keys.certificate.place,
        backend_key_file=backend_key.place if backend_key else "",
    )
