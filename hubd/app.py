"""The composition root: the one place that knows both the use cases and the world. `build` makes
every object once.

A hub and a desk are built alike: they differ in the `Parts` they hand in. `serve` runs everything
in one TaskGroup and takes it down in an order that leaves every strike at rest and the last record
durable.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hubcore.access import policy
from hubcore.codec.cose import Aead, SigningKey
from hubcore.door.machine import DoorMachine
from hubcore.errors import AuditError, ConfigError, TrustError, UnguardedError, unguarded_in
from hubcore.evidence.facts import Detail, EventName, Fact
from hubcore.evidence.records import Record, RecordKind
from hubcore.evidence.statecheck import FoundState, LogFound, LoggedState, OnDisk, told_by
from hubcore.evidence.timefloor import TimeFloor, from_records
from hubcore.phone.epochs import EpochRing
from hubcore.phone.handshake import HubSide
from hubcore.phone.sealing import BLE_GATT
from hubcore.phone.tickets import TicketTable
from hubcore.ports.clock import Clock, ClockState
from hubcore.timing.budget import LINE_SECONDS, Budget
from hubd import __version__
from hubd.adapters.host import state_disk
from hubd.adapters.host.clock import BEHIND_SECONDS, SystemClock, set_by_timesyncd
from hubd.adapters.host.keyfiles import HubKeys, load_keys
from hubd.adapters.host.log import tell_left_out
from hubd.adapters.host.systemd import Notifier
from hubd.adapters.local.api import LocalApi
from hubd.adapters.local.calls import Call, CallRefused
from hubd.adapters.local.event_tail import EventTail
from hubd.adapters.local.teller import Teller
from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.database import AUDIT, POLICY
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubd.adapters.sqlite.policy_proof import PolicyFound
from hubd.backend.sync import Identity, Orders, Pace, Sync
from hubd.config.file import Config
from hubd.doors.unlock import Books, Point, SiteRules, Unlock
from hubd.doors.watch import DoorWatch
from hubd.evidence.paced import PacedLog
from hubd.evidence.refusals import Refusals
from hubd.evidence.reporting import ReportingLog
from hubd.phones.epochkeys import EpochKeys
from hubd.phones.links import Links, Means
from hubd.policy.new import PolicyIntake
from hubd.policy.proven import ProvenPolicy
from hubd.upkeep.checks import CheckId, Part, Topic, problem
from hubd.upkeep.clockcare import ClockCare
from hubd.upkeep.diskwatch import DiskWatch
from hubd.upkeep.health import Health
from hubd.upkeep.standing import READY_PARTS, StandingProblems, Watched, agrees
from hubd.upkeep.status import Status
from hubd.wiring.parts import MakeParts, Parts, RunPart

DAY_SECONDS = 86_400
REMEMBERED_RECORDS = 10_000
"""How far back a start looks for operations; `Unlock.remember` ends at those that are too old."""
LAST_RECORD_SECONDS = 1.0
END_SECONDS = 6
"""How long the daemon may take to end when a strike may be driven and nobody is left to end it."""
FIRST_RECORDS_SECONDS = 3.0
"""How long a start waits for the disk; a disk that takes nothing opens no door, and keeps nobody
from looking.
"""
FIRST_STRIKES_SECONDS = 3.0
"""How long the radio waits for the strikes at the start; well under the deadline of the links'
loop.
"""
DEADLINES = {"links": 5.0, "doors": 10.0, "epoch": 120.0}
"""The critical loops, and the greatest seconds between two beats; making an RSA key may take a
small board a minute.
"""


@dataclass(frozen=True, slots=True)
class Hub:
    """What runs, made once by `build`."""

    parts: Parts
    clock: Clock
    floor: TimeFloor
    log: ReportingLog
    health: Health
    vigil: StandingProblems
    watched: Watched
    links: Links
    watch: DoorWatch
    epochs: EpochKeys
    refusals: Refusals
    sync: Sync | None
    api: LocalApi
    unlock: Unlock
    policy: ProvenPolicy
    tell: Teller
    disk: DiskWatch


@dataclass(frozen=True, slots=True)
class Stores:
    """What is kept on the disk, as it was found at the start; `told` is what the log says of it."""

    audit: AuditStore
    policy: PolicyDatabase
    found: FoundState
    told: LoggedState


def build(config: Config, keys: HubKeys, stores: Stores, make_parts: MakeParts) -> Hub:
    """Make every object once and join them."""
    floor = from_records(stores.audit.newest, stores.audit.last())
    clock = SystemClock(
        lambda: floor.floor_ms / 1000, begins=keys.certified.not_before - BEHIND_SECONDS
    )
    health = Health(clock, DEADLINES, READY_PARTS)
    tail = EventTail()
    tell = Teller(tail, clock, health.count)
    vigil = StandingProblems(health, tell)
    appended = asyncio.Event()
    log = ReportingLog(
        log=stores.audit,
        floor=floor,
        on_append=appended.set,
        on_health=partial(vigil.part, Part.AUDIT),
    )
    parts = make_parts(config, keys, vigil.part)
    store = ProvenPolicy(
        file=stores.policy,
        log=log,
        clock=clock,
        tell=tell,
        health=health,
        found=stores.found,
        told=stores.told,
        edited=stores.policy.found.edited,
        why=stores.policy.found.why,
    )

    ring = EpochRing()
    tickets = TicketTable(keys.certified.expires)
    side = _hub_side(config, keys, ring, tickets)
    points = _points(config)
    machines = {
        door.id: DoorMachine(door.dps is not None, door.held_open_seconds) for door in config.doors
    }
    disk = DiskWatch(partial(state_disk.look, stores.audit.path), health, stores.audit.path)
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
    watch = DoorWatch(
        machines=machines,
        log=paced,
        clock=clock,
        tell=tell,
        driven=lambda door: parts.doors[door].driven,
    )
    rules = SiteRules(points, config.hub.zone, config.protocol.grant_days_max * DAY_SECONDS)
    books = Books(
        policy=store,
        log=paced,
        clock=clock,
        tell=tell,
    )
    unlock = Unlock(
        rules=rules,
        books=books,
        doors=parts.doors,
        watch=watch,
    )
    links = Links(
        side=side,
        radio=parts.radio,
        present=unlock.present,
        strike_seconds={number: point.strike_seconds for number, point in points.items()},
        means=Means(
            clock=clock,
            rsa=ThreadPoolExecutor(1, "rsa"),
            links_max=config.protocol.links_max,
            transport=BLE_GATT,
            refused=refusals.count,
            tell=tell,
            door=unlock.door_state,
        ),
    )
    watch.on_state = links.door_changed

    sync = None
    names = (config.hub.id, config.hub.site)
    if parts.uplink is not None:
        prove = partial(policy.prove, issuer=keys.issuer_key, site=config.hub.site)
        orders = Orders(
            unlock.release, PolicyIntake(prove, books, tickets, unlock).accept, store.version
        )
        who = Identity(*names, secrets.token_bytes(16), __version__)
        sync = Sync(
            link=parts.uplink,
            records=log,
            orders=orders,
            identity=who,
            pace=Pace(clock),
            appended=appended,
        )
    counted = links.__len__, lambda: ring.current is not None, lambda: len(asyncio.all_tasks())
    status = Status(config, __version__, health, clock, log, store, watch, sync, *counted)
    time = ClockCare(
        log=log,
        floor=floor,
        clock=clock,
        tell=tell,
        backend_agrees=lambda: agrees(sync),
        time_service=set_by_timesyncd,
    )
    api = LocalApi(config.api.socket, _calls(status, time, store), tail)
    aeads = tuple(Aead[name] for name in config.protocol.aead)
    epochs = EpochKeys(
        ring=ring,
        identity=SigningKey(keys.identity),
        names=names,
        aeads=aeads,
        bits=config.protocol.rsa_bits,
    )
    theirs = config.keys.backend_public
    watched = Watched(
        clock=clock,
        epochs=ring,
        certificate_expires=keys.certified.expires,
        sync=lambda: sync,
        time=time,
        certificate_begins=keys.certified.not_before,
        certificate_file=config.keys.certificate.place,
        backend_key_file=theirs.place if theirs else "",
    )
    return Hub(
        parts=parts,
        clock=clock,
        floor=floor,
        log=log,
        health=health,
        vigil=vigil,
        watched=watched,
        links=links,
        watch=watch,
        epochs=epochs,
        refusals=refusals,
        sync=sync,
        api=api,
        unlock=unlock,
        policy=store,
        tell=tell,
        disk=disk,
    )


def _hub_side(config: Config, keys: HubKeys, ring: EpochRing, tickets: TicketTable) -> HubSide:
    """What all links share of the handshake."""
    protocol = config.protocol
    return HubSide(
        hub=config.hub.id,
        site=config.hub.site,
        identity_kid=SigningKey(keys.identity).verify_key.kid,
        certificate=keys.certificate,
        issuer=keys.issuer_key,
        epochs=ring,
        tickets=tickets,
        budget=Budget(
            rate=protocol.rsa_per_second,
            burst=protocol.rsa_burst,
            at_once=protocol.links_max,
            wait_seconds=LINE_SECONDS,
        ),
        chance=secrets.token_bytes,
    )


def _points(config: Config) -> dict[int, Point]:
    """The access points by number."""
    return {
        point.number: Point(
            number=point.number,
            door=door.id,
            fresh=point.fresh,
            strike_seconds=door.strike_seconds,
            cap_seconds=door.cap_seconds,
        )
        for door in config.doors
        for point in door.access_points
    }


def _reader(config: Config, keys: HubKeys) -> Callable[[bytes], policy.Policy]:
    """Return what verifies and reads a signed policy for this site."""
    return partial(policy.read, issuer=keys.issuer_key, site=config.hub.site)


async def open_stores(
    state: Path, site: str, read: Callable[[bytes], policy.Policy], stack: AsyncExitStack
) -> Stores:
    """Open, or make, what is kept on the disk, and see what is there.

    Raise StoreError or ConfigError.
    """
    audit_path = state / "audit.db"
    policy_path = state / "policy.db"
    log_removed = AUDIT.removed(audit_path)
    policy_removed = POLICY.removed(policy_path)
    audit = await stack.enter_async_context(await AuditStore.open(audit_path))
    try:
        opened = await PolicyDatabase.open(policy_path, site, read)
    except TrustError as error:
        raise ConfigError(str(error)) from error
    kept = (await stack.enter_async_context(opened)).found
    found = FoundState(
        kept.policy, kept.version, _log_found(audit, kept), policy_removed, log_removed
    )
    return Stores(
        audit=audit,
        policy=opened,
        found=found,
        told=told_by(audit.newest_about_state()),
    )


def _log_found(audit: AuditStore, kept: PolicyFound) -> LogFound:
    """Hold the log against the noted head.

    With each policy one is noted: where it is not, it was taken away.
    """
    if audit.last() == 0:
        return LogFound.GONE if kept.noted.number else LogFound.EMPTY
    if kept.policy is OnDisk.PROVEN and not kept.noted.number:
        return LogFound.DIFFERS
    return LogFound.HOLDS if audit.holds(kept.noted) else LogFound.DIFFERS


async def serve(config: Config, make_parts: MakeParts, notifier: Notifier | None = None) -> None:
    """Run a hub until SIGTERM or SIGINT, or until cancelled.

    Raise ConfigError or StoreError when it cannot start, UnguardedError when it must end.
    """
    notifier = notifier or Notifier()
    keys = load_keys(config)
    async with AsyncExitStack() as stack:
        read = _reader(config, keys)
        stores = await open_stores(
            state=config.hub.state_directory, site=config.hub.site, read=read, stack=stack
        )
        hub = build(config=config, keys=keys, stores=stores, make_parts=make_parts)
        hub.api.bind()
        stack.callback(hub.api.close)
        remembered = hub.log.newest(hub.log.last() + 1, REMEMBERED_RECORDS)
        hub.unlock.remember(remembered)
        started: Detail = {Fact.VERSION: __version__, **hub.floor.begin(), **hub.policy.carried()}
        with suppress(
            AuditError, TimeoutError
        ):  # it stands as a problem, and `hub.log.mend` tries again
            async with asyncio.timeout(FIRST_RECORDS_SECONDS):
                await hub.log.append(_record(hub.clock, RecordKind.STARTED, started))
                await hub.policy.begin()
                await _tell_mended(hub, stores.audit.mended)
        try:
            await _until_stopped(hub, notifier)
        except BaseExceptionGroup as group:
            raise (unguarded_in(group) or group) from None
        finally:
            with suppress(AuditError, TimeoutError):
                async with asyncio.timeout(LAST_RECORD_SECONDS):
                    await hub.log.append(_record(hub.clock, RecordKind.STOPPED, {}))


async def _tell_mended(hub: Hub, records: int) -> None:
    """Records were taken out of what waits for the backend: they wait again, and somebody must
    know.
    """
    if not records:
        return
    hub.health.set(problem(CheckId.OUTBOX_EDITED, records=records))
    facts: Detail = {Fact.FAULT: "the outbox was edited", Fact.RECORDS: records}
    hub.tell(EventName.OUTBOX_EDITED, facts)
    await hub.log.append(_record(hub.clock, RecordKind.FAULT, facts))


async def _until_stopped(hub: Hub, notifier: Notifier) -> None:
    """Run every loop; a signal ends them, the doors' guard last."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loops = [
        _serve_links(hub),
        hub.watch.run(hub.parts.inputs, partial(hub.health.beat, "doors")),
        hub.epochs.run(
            hub.clock, partial(hub.health.beat, "epoch"), partial(hub.vigil.look, hub.watched)
        ),
        hub.refusals.run(),
        hub.log.mend(hub.clock),
        hub.disk.run(),
        tell_left_out(),
        hub.api.serve(),
        notifier.feed_watchdog(hub.health.alive),
        hub.vigil.run(hub.watched),
        _say_ready(hub, notifier),
    ]
    if hub.sync is not None:
        loops.append(hub.sync.run())
    async with asyncio.TaskGroup() as guards:
        held = [
            guards.create_task(_run_part(hub, name, run)) for name, run in hub.parts.runs.items()
        ]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(loop_) for loop_ in loops]
            await stop.wait()
            notifier.stopping()
            for task in running:
                task.cancel()
        for task in held:
            task.cancel()


async def _run_part(hub: Hub, name: Part, run: RunPart) -> None:
    """Run a part.

    When it says that the daemon must end, the kernel ends it after END_SECONDS, whatever still
    hangs.
    """
    try:
        await run(lambda: hub.vigil.part(name, True, "ready"))
    except UnguardedError as error:
        signal.alarm(END_SECONDS)
        facts: Detail = {Fact.PART: str(name), Fact.FAULT: str(error)}
        hub.tell(EventName.UNGUARDED, facts)
        with suppress(AuditError, TimeoutError):
            async with asyncio.timeout(LAST_RECORD_SECONDS):
                await hub.log.append(_record(hub.clock, RecordKind.FAULT, facts))
        raise


async def _serve_links(hub: Hub, strikes_seconds: float = FIRST_STRIKES_SECONDS) -> None:
    """Go on air once the strikes are held, so that the first phone is not told of a fault; or once
    they cannot be.

    Strikes of which nothing is heard are waited for `strikes_seconds`.
    """
    _tell_radio(hub, False)
    with suppress(TimeoutError):
        async with asyncio.timeout(strikes_seconds):
            for name in READY_PARTS & hub.parts.runs.keys():
                await hub.vigil.heard(name)
    await hub.links.run(partial(_tell_radio, hub), partial(hub.health.beat, "links"))


async def _say_ready(hub: Hub, notifier: Notifier) -> None:
    """READY says that the daemon works; a strike or radio that lacks is a problem that stands, no
    reason to die.
    """
    notifier.ready("starting: waiting for the strikes")
    await hub.health.wait_ready()
    notifier.status("ready")


def _tell_radio(hub: Hub, up: bool) -> None:
    if up or not hub.vigil.stands(Topic.RADIO):  # a sentence of the radio's own says more
        hub.vigil.part(Part.RADIO, up, "on air" if up else "The radio is not on air.")


def _calls(status: Status, time: ClockCare, proven: ProvenPolicy) -> tuple[Call, ...]:
    async def whole(_args: Mapping[str, object], _caller: object) -> object:
        return status.whole()

    async def doors(_args: Mapping[str, object], _caller: object) -> object:
        return status.doors()

    one_by_one = asyncio.Lock()

    async def trust_clock(_args: Mapping[str, object], _caller: object) -> object:
        """Vouch for a clock that is not believed, or that nobody has confirmed; else nothing is
        recorded.

        Answers `{state, wall, vouched}`.
        """
        async with one_by_one:
            before = status.clock.state()
            if before is ClockState.BEFORE_BUILD:
                raise CallRefused(
                    "clock-before-build",
                    "The clock stands before the day this software was built or this hub was "
                    "certified, so it is "
                    "wrong: set it with timedatectl set-time, or let it be set by NTP.",
                )
            vouched = before is not ClockState.TRUSTED or not time.confirmed()
            if vouched:
                await time.vouch("technician")
            return {
                "state": status.clock.state().value,
                "wall": status.clock.wall(),
                "vouched": vouched,
            }

    async def accept_state(_args: Mapping[str, object], _caller: object) -> object:
        async with one_by_one:
            was = await proven.accept("technician")
        return {"was": None if was is None else str(was), "policy_version": proven.version()}

    return (
        Call("status", whole),
        Call("doors", doors),
        Call("trust-clock", trust_clock, writes=True),
        Call("accept-state", accept_state, writes=True),
    )


def _record(clock: Clock, kind: RecordKind, detail: Detail) -> Record:
    return Record.at(kind, clock.wall(), clock.monotonic(), detail)
