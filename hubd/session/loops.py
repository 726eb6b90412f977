"""The loops of a session, beside its radio and what moves the doors."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

from hubcore.door.state import DoorState
from hubd.adapters.host.log import tell_left_out
from hubd.adapters.host.systemd import Notifier
from hubd.app import Hub


async def run_loops(hub: Hub, notifier: Notifier) -> None:
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


async def _look_at_orders(hub: Hub) -> None:
    """End what is over of the orders that somebody gave."""
    await hub.orders.look()
    await hub.site_orders.look()


async def _say_ready(hub: Hub, notifier: Notifier) -> None:
    """Say READY at once: a strike or a radio that is missing stands as a problem."""
    notifier.ready("starting: waiting for the strikes")
    await hub.health.wait_ready()
    notifier.status("ready")
