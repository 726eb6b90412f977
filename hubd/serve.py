"""Running a hub, from the first record to the last.

Everything runs in one TaskGroup. It is taken down in an order that leaves every strike at rest and
the last record durable.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

from hubcore.codec.cose import SigningKey
from hubcore.door.state import DoorState
from hubcore.errors import AuditError, UnguardedError, unguarded_in
from hubcore.evidence.facts import Detail, EventName, Fact
from hubcore.evidence.records import RecordKind
from hubcore.policy import document as policies
from hubcore.version import __version__
from hubd.adapters.host.log import tell_left_out
from hubd.adapters.host.systemd import Notifier
from hubd.adapters.keys.keyfiles import load_keys
from hubd.app import Hub, build
from hubd.config.file import Config
from hubd.recording import record_now
from hubd.stores import make_retention, open_stores
from hubd.upkeep.checks import CheckId, Part, Topic, problem
from hubd.upkeep.standing import READY_PARTS
from hubd.wiring.parts import MakeParts, RunPart

LAST_RECORD_SECONDS = 1.0
END_SECONDS = 6
"""How long the daemon may take to end when a strike may be driven and nobody is left to end it."""
FIRST_RECORDS_SECONDS = 3.0
"""How long a start waits for the disk. One that takes nothing opens no door, but hubd still starts,
so that somebody can look.
"""
FIRST_STRIKES_SECONDS = 3.0
"""How long the radio waits for the strikes at a start; less than the deadline of the links' loop.
"""


async def serve(config: Config, make_parts: MakeParts, notifier: Notifier | None = None) -> None:
    """Run a hub until SIGTERM or SIGINT, or until cancelled.

    Raise ConfigError or StoreError when it cannot start, UnguardedError when it must end.
    """
    keys = load_keys(config)
    site = config.hub.site
    prove = partial(policies.prove, issuer=keys.issuer_key, site=site)
    async with AsyncExitStack() as stack:
        retention = make_retention(
            budget_bytes=config.hub.records_mib << 20,
            hub=config.hub.id,
            site=site,
            key=SigningKey(keys.identity),
        )
        stores = await open_stores(config.hub.state_directory, site, prove, stack, retention)
        hub = build(config, keys, stores, make_parts)
        hub.api.bind()
        stack.callback(hub.api.close)
        await _record_start(hub, stores.audit.mended, stores.audit.uses_mended)
        try:
            await _until_stopped(hub, notifier or Notifier())
        except BaseExceptionGroup as group:
            raise (unguarded_in(group) or group) from None
        finally:
            await _in_time(LAST_RECORD_SECONDS, _append(hub, RecordKind.STOPPED, {}))


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


async def _until_stopped(hub: Hub, notifier: Notifier) -> None:
    """Run every loop; a signal ends them, and what moves the doors after them: the guard is last.

    The supervisor of devices is among what moves the doors: it commands their locks.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as guards:
        parts = []
        for name, run in hub.runs.items():
            part = guards.create_task(_run_part(hub, name, run))
            parts.append(part)
        parts.append(guards.create_task(hub.devices.supervisor.run()))
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(work) for work in _loops(hub, notifier)]
            await stop.wait()
            notifier.stopping()
            _cancel(running)
        _cancel(parts)


def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()


def _loops(hub: Hub, notifier: Notifier) -> list[Coroutine[Any, Any, None]]:
    """Return what runs until the stop."""
    beat_of_doors = partial(hub.health.beat, "doors")
    beat_of_epochs = partial(hub.health.beat, "epoch")
    look = hub.self_check.check

    def door_changed(access_point: int, state: DoorState) -> None:
        hub.links.door_changed(access_point, state)
        hub.traces.door_changed(access_point, state)

    loops = [
        _serve_links(hub),
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


async def _serve_links(hub: Hub, strikes_seconds: float = FIRST_STRIKES_SECONDS) -> None:
    """Go on air once the strikes are held, or cannot be, so that no first phone meets a fault.

    Strikes that say nothing are waited for `strikes_seconds`.
    """
    for name in READY_PARTS - hub.runs.keys():
        hub.health.part(name, True)  # a hub without such a part waits for none
    tell_radio = partial(_tell_radio, hub)
    tell_radio(False)
    with suppress(TimeoutError):
        async with asyncio.timeout(strikes_seconds):
            for name in READY_PARTS & hub.runs.keys():
                await hub.problems.reported(name)
    beat = partial(hub.health.beat, "links")
    await hub.links.run(tell_radio, beat)


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
