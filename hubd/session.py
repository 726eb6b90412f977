"""One session of a hub, from the first record to the last.

Everything runs in one TaskGroup. It is taken down in an order that leaves every strike at rest and
the last record durable.

A process has one session after another when its hub changes hands and comes back. A session begins
with what another one has left, and leaves what the next may begin with.

Laws:
1. What is given is taken up, or closed: no descriptor is forgotten.
2. A session that begins with something first takes up the radio, for phones wait for that; its
   first record is in line before any other. Then it takes up the guard, then all else begins.
3. A session that is handed on ends nothing that it hands on.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

from hubcore.codec.cose import SigningKey
from hubcore.door.state import DoorState
from hubcore.errors import AuditError, HardwareError, HubError, UnguardedError, unguarded_in
from hubcore.evidence.facts import Detail, EventName, Fact
from hubcore.evidence.records import RecordKind, keep_what_is_read
from hubcore.phone.epochs import EpochRing
from hubcore.policy import document as policies
from hubcore.update.gap import Gap, GapStep
from hubcore.update.packets import Descriptor
from hubcore.update.quiet import Activity
from hubcore.version import __version__
from hubd.adapters.host.log import tell_left_out
from hubd.adapters.host.systemd import Notifier
from hubd.ahead import Ahead
from hubd.app import Hub, build
from hubd.config.file import Config
from hubd.recording import record_now
from hubd.stores import Stores, make_retention, open_stores
from hubd.takeover.changing import Changing
from hubd.upkeep.checks import CheckId, Part, Topic, problem
from hubd.upkeep.standing import READY_PARTS
from hubd.wiring.handed.belongings import Belongings, Handed
from hubd.wiring.parts import MakeParts, RunPart

LAST_RECORD_SECONDS = 1.0
TAKEN_SECONDS = 1.0
"""How long the rest of a session waits for what is taken up first.

Less than a pulse of a strike that is held open: whatever bluetoothd does, it is renewed.
"""
END_SECONDS = 6
"""How long the daemon may take to end when a strike may be driven and nobody is left to end it."""
FIRST_RECORDS_SECONDS = 3.0
"""How long a start waits for the disk. One that takes nothing opens no door, but hubd still starts,
so that somebody can look.
"""
FIRST_STRIKES_SECONDS = 3.0
"""How long the radio waits for the strikes at a start; less than the deadline of the links' loop.
"""

Work = Callable[[], Coroutine[Any, Any, None]]


class Session:
    """Runs once. `given`: what it begins with, which is its own from now on."""

    def __init__(
        self,
        config: Config,
        make_parts: MakeParts,
        notifier: Notifier,
        ring: EpochRing,
        changing: Changing,
        ahead: Ahead,
        gap: Gap,
        given: Belongings | None = None,
    ) -> None:
        self._config = config
        self._make_parts = make_parts
        self._notifier = notifier
        self._ring = ring
        self._changing = changing
        self._ahead = ahead
        self._gap = gap
        self._given = given
        self._stop = asyncio.Event()
        self._built = asyncio.Event()
        self._is_handed_on = False
        self._hub: Hub | None = None
        self._stores: Stores | None = None
        self.left = Belongings()
        """What the next session may begin with, once this one has ended to be handed on."""

    @property
    def is_built(self) -> bool:
        """Whether its parts have what was given."""
        return self._hub is not None

    def stop(self) -> None:
        """End it, with every strike at rest."""
        self._stop.set()

    def hand_on(self) -> None:
        """End it, and leave what can be handed on."""
        self._gap.note(GapStep.SETTLED)
        self._is_handed_on = True
        for part in self._hands():
            part.hand_on()
        self._stop.set()

    def alone(self) -> None:
        """Let every part know that this process drives alone."""
        for part in self._hands():
            part.alone()

    async def taken(self) -> None:
        """Return once it drives with all that was given. Raise HubError when something cannot be.

        A session that was given nothing drives once it is built.
        """
        await self._built.wait()
        if self._hub is None:
            raise HardwareError("The hub cannot be taken up: its lines before say why.")
        for part in self._hub.handed:
            await part.taken()

    def missing(self) -> tuple[str, ...]:
        """Return the parts that are not up, and must be."""
        return () if self._hub is None else self._hub.health.missing()

    def activity(self) -> Activity:
        """Return what happens at this moment."""
        hub = self._hub
        if hub is None or self._stores is None:
            return Activity(records=1)
        return Activity(
            releases=hub.unlock.at_work,
            door_cycles=sum(hub.doors.is_in_cycle(door.id) for door in self._config.doors),
            records=self._stores.audit.pending,
            replies=sum(part.half_done() for part in hub.handed),
            handshakes=hub.links.unanswered(),
            calls=hub.api.asking,
            exits=sum(hub.doors.asks_out(door.id) for door in self._config.doors),
        )

    def _hands(self) -> Sequence[Handed]:
        return () if self._hub is None else self._hub.handed

    async def run(self) -> None:
        """Run until it is stopped or handed on.

        Raise ConfigError or StoreError when it cannot start, UnguardedError when it must end.
        """
        try:
            await self._run()
        finally:
            self._built.set()  # nobody waits for what does not come

    async def _run(self) -> None:
        config = self._config
        keys = self._ahead.keys(config)
        site = config.hub.site
        prove = partial(policies.prove, issuer=keys.issuer_key, site=site)
        async with AsyncExitStack() as stack:
            retention = make_retention(
                budget_bytes=config.hub.records_mib << 20,
                hub=config.hub.id,
                site=site,
                key=SigningKey(keys.identity),
            )
            keep_what_is_read(True)
            look = self._ahead.look()
            if look is not None:
                stack.callback(look.end)
            try:
                stores = await open_stores(
                    config.hub.state_directory, site, prove, stack, retention, look
                )
                self._gap.note(GapStep.OPEN)
                hub = build(config, keys, stores, self._make_parts, self._ring, self._changing)
            finally:
                keep_what_is_read(False)
            self._take_up(hub)
            hub.api.bind()
            self._gap.note(GapStep.BUILT)
            stack.callback(hub.api.close)
            self._hub = hub
            self._stores = stores
            self._built.set()
            first = _first_of(hub, stores)
            if self._given is None:
                await first
            is_well_left = False
            try:
                goes_on = self._given is not None
                beside = []
                if goes_on:
                    beside = [first, _after_taken(hub.parts.handed, partial(_begin, stores))]
                await _until_stopped(
                    hub,
                    self._notifier,
                    self._stop,
                    beside,
                    self._is_leaving,
                    goes_on,
                )
                is_well_left = self._is_handed_on
            except BaseExceptionGroup as group:
                raise (unguarded_in(group) or group) from None
            finally:
                self._gap.note(GapStep.ENDED)
                if not is_well_left:
                    await _in_time(LAST_RECORD_SECONDS, _append(hub, RecordKind.STOPPED, {}))
            if is_well_left:
                await self._leave(hub, stores)

    async def _leave(self, hub: Hub, stores: Stores) -> None:
        """Write the last record, close the databases, and leave what can be handed on."""
        stores.audit.relax()
        self.left = _left_by(hub.handed)
        await asyncio.gather(
            _in_time(LAST_RECORD_SECONDS, _append(hub, RecordKind.STOPPED, {})),
            stores.audit.hand_on(),
            stores.policy.hand_on(),
        )
        self._gap.note(GapStep.CLOSED)

    def _is_leaving(self) -> bool:
        return self._is_handed_on

    def _take_up(self, hub: Hub) -> None:
        """Give each part what is its own, and close the rest."""
        given = self._given or Belongings()
        taken: set[Descriptor] = set()
        for part in hub.handed:
            taken |= part.take_up(given)
        given.without(*(one for one in given.descriptors if one not in taken))


def _left_by(parts: Sequence[Handed]) -> Belongings:
    left = Belongings()
    for part in parts:
        left = left.joined(part.left())
    return left


async def _begin(stores: Stores) -> None:
    """Let records go to the disk: phones are answered."""
    stores.audit.begin()


def _first_of(hub: Hub, stores: Stores) -> Coroutine[Any, Any, None]:
    return _record_start(hub, stores.audit.mended, stores.audit.uses_mended)


async def _record_start(hub: Hub, mended: int, uses_mended: int) -> None:
    """Write the first records; what cannot be written stands as a problem.

    `mended` is the count of records that were taken out of the outbox, `uses_mended` of rows of
    uses that did not fit the records.
    """
    started: Detail = {
        Fact.VERSION: __version__,
        **hub.floor.begin(),
        **hub.policy.carried(),
        **hub.carried_orders.begin(),
    }
    await _in_time(FIRST_RECORDS_SECONDS, _first_records(hub, started, mended, uses_mended))


async def _first_records(hub: Hub, started: Detail, mended: int, uses_mended: int) -> None:
    await _append(hub, RecordKind.STARTED, started)
    await hub.policy.begin()
    hub.carried.begin()
    if mended:
        await _tell_mended(hub, mended)
    if uses_mended:
        await _tell_uses_mended(hub, uses_mended)


async def _tell_mended(hub: Hub, records: int) -> None:
    """Records were taken out of the outbox: they wait again, and somebody must know."""
    hub.health.set(problem(CheckId.OUTBOX_EDITED, records=records))
    facts: Detail = {
        Fact.FAULT: "the outbox was edited",
        Fact.RECORDS: records,
    }
    hub.tell(EventName.OUTBOX_EDITED, facts)
    await _append(hub, RecordKind.FAULT, facts)


async def _tell_uses_mended(hub: Hub, rows: int) -> None:
    """The table of uses was edited: it is what the records say again, and somebody must know."""
    hub.health.set(problem(CheckId.USES_EDITED, rows=rows))
    facts: Detail = {
        Fact.FAULT: "the table of uses was edited",
        Fact.RECORDS: rows,
    }
    hub.tell(EventName.USES_EDITED, facts)
    await _append(hub, RecordKind.FAULT, facts)


async def _until_stopped(
    hub: Hub,
    notifier: Notifier,
    stop: asyncio.Event,
    beside: Sequence[Coroutine[Any, Any, None]],
    is_leaving: Callable[[], bool],
    goes_on: bool,
) -> None:
    """Run every loop until the stop, and what moves the doors after them: the guard is last.

    `beside` ends by itself. The supervisor of devices is among what moves the doors: it commands
    their locks. `goes_on`: the session begins with what another one has left.
    """
    async with asyncio.TaskGroup() as guards:
        parts = []
        for name, run in hub.runs.items():
            after = hub.parts.handed if name in READY_PARTS else hub.handed
            parts.append(
                guards.create_task(_after_taken(after, partial(_run_part, hub, name, run)))
            )
        supervised = _after_taken(hub.handed, hub.devices.supervisor.run)
        parts.append(guards.create_task(supervised))
        async with asyncio.TaskGroup() as tasks:
            loops = _after_taken(hub.handed, partial(_run_loops, hub, notifier))
            first = (_serve_links(hub, goes_on), *beside, loops)
            running = [tasks.create_task(work) for work in first]
            await stop.wait()
            if not is_leaving():
                notifier.stopping()
            _cancel(running)
        _cancel(parts)


def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()


async def _after_taken(parts: Sequence[Handed], work: Work) -> None:
    """Do this once what was given to these parts is taken up, or cannot be (law 2)."""
    with suppress(HubError, TimeoutError):  # whoever gave it is told
        async with asyncio.timeout(TAKEN_SECONDS):
            for part in parts:
                await part.taken()
    await work()


async def _run_loops(hub: Hub, notifier: Notifier) -> None:
    """Run the other loops until cancelled. Between two beginnings phones are heard."""
    loops = _loops(hub, notifier)
    try:
        async with asyncio.TaskGroup() as tasks:
            while loops:
                tasks.create_task(loops.pop(0))
                await asyncio.sleep(0)
    finally:
        for work in loops:  # it was ended meanwhile
            work.close()


def _loops(hub: Hub, notifier: Notifier) -> list[Coroutine[Any, Any, None]]:
    """Return what runs until the stop."""
    beat_of_doors = partial(hub.health.beat, "doors")
    beat_of_epochs = partial(hub.health.beat, "epoch")
    look = hub.self_check.check

    def door_changed(access_point: int, state: DoorState) -> None:
        hub.links.door_changed(access_point, state)
        hub.traces.door_changed(access_point, state)

    loops = [
        hub.doors.run(hub.parts.inputs, beat_of_doors, door_changed, hub.keeper.fire),
        hub.keeper.run(partial(_look_at_orders, hub)),
        hub.devices.faults.run(),
        hub.epochs.run(hub.clock, beat_of_epochs, look),
        hub.refusals.run(),
        hub.loads.run(),
        hub.acts.run(),
        hub.log.mend(hub.clock),
        hub.disk.run(),
        tell_left_out(),
        hub.api.serve(),
        notifier.feed_watchdog(hub.health.alive),
        hub.self_check.run(),
        _say_ready(hub, notifier),
    ]
    if hub.readers is not None:
        loops.append(hub.readers.run())
    if hub.network_acts is not None:
        loops.append(hub.network_acts.run())
    if hub.sync is not None:
        loops.append(hub.sync.run())
    if hub.way is not None:
        loops.append(hub.way.run())
    return loops


async def _run_part(hub: Hub, name: Part, run: RunPart) -> None:
    """Run a part.

    When it says that the daemon must end, the kernel ends it after END_SECONDS, whatever hangs.
    """
    ready = partial(hub.problems.part, name, True, "ready")
    try:
        await run(ready)
    except UnguardedError as error:
        signal.alarm(END_SECONDS)
        facts: Detail = {
            Fact.PART: str(name),
            Fact.FAULT: str(error),
        }
        hub.tell(EventName.UNGUARDED, facts)
        await _in_time(LAST_RECORD_SECONDS, _append(hub, RecordKind.FAULT, facts))
        raise


async def _look_at_orders(hub: Hub) -> None:
    """End what is over of the orders that somebody gave."""
    await hub.orders.look()
    await hub.site_orders.look()


async def _serve_links(
    hub: Hub, goes_on: bool, strikes_seconds: float = FIRST_STRIKES_SECONDS
) -> None:
    """Go on air once the strikes are held, or cannot be, so that no first phone meets a fault.

    Strikes that say nothing are waited for `strikes_seconds`. With `goes_on` the hub is on air, and
    its guard at work: a release waits for that until it is taken up (`drivers.strike`).
    """
    for name in READY_PARTS - hub.runs.keys():
        hub.health.part(name, True)  # a hub without such a part waits for none
    tell_radio = partial(_tell_radio, hub)
    tell_radio(False)
    if not goes_on:
        await _strikes_reported(hub, strikes_seconds)
    beat = partial(hub.health.beat, "links")
    await hub.links.run(tell_radio, beat)


async def _strikes_reported(hub: Hub, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for name in READY_PARTS & hub.runs.keys():
                await hub.problems.reported(name)


async def _say_ready(hub: Hub, notifier: Notifier) -> None:
    """Say READY at once: a strike or a radio that is missing stands as a problem."""
    notifier.ready("starting: waiting for the strikes")
    await hub.health.wait_ready()
    notifier.status("ready")


def _tell_radio(hub: Hub, up: bool) -> None:
    if up:
        hub.problems.part(Part.RADIO, True, "on air")
    elif not hub.problems.stands(Topic.RADIO):  # a sentence of the radio's own says more
        hub.problems.part(Part.RADIO, False, "The radio is not on air.")


async def _append(hub: Hub, kind: RecordKind, detail: Detail) -> None:
    record = record_now(hub.clock, kind, detail)
    await hub.log.append(record)


async def _in_time(seconds: float, writing: Awaitable[None]) -> None:
    """Write for so many seconds at most; what the disk refuses, `hub.log.mend` tries again."""
    with suppress(AuditError, TimeoutError):
        async with asyncio.timeout(seconds):
            await writing
