"""Runs a session: in which order its parts begin and end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from hubcore.checks import Part
from hubcore.errors import HubError, UnguardedError
from hubcore.evidence.facts import Detail, EventName, Fact
from hubcore.evidence.records import RecordKind
from hubd.adapters.host.systemd import Notifier
from hubd.app import Hub
from hubd.session.air import serve_links
from hubd.session.loops import run_loops
from hubd.session.writing import LAST_RECORD_SECONDS, append_record, in_time
from hubd.upkeep.standing import READY_PARTS
from hubd.wiring.handed.belongings import Handed
from hubd.wiring.parts import RunPart

TAKEN_SECONDS = 1.0
"""How long the rest of a session waits for what is taken up first.

Less than a pulse of a strike that is held open: whatever bluetoothd does, it is renewed.
"""
END_SECONDS = 6
"""How long the daemon may take to end when a strike may be driven and nobody is left to end it."""
Work = Callable[[], Coroutine[Any, Any, None]]


async def until_stopped(
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
            parts.append(guards.create_task(after_taken(after, partial(_run_part, hub, name, run))))
        supervised = after_taken(hub.handed, hub.devices.supervisor.run)
        parts.append(guards.create_task(supervised))
        async with asyncio.TaskGroup() as tasks:
            loops = after_taken(hub.handed, partial(run_loops, hub, notifier))
            first = (serve_links(hub, goes_on), *beside, loops)
            running = [tasks.create_task(work) for work in first]
            await stop.wait()
            if not is_leaving():
                notifier.stopping()
            _cancel(running)
        _cancel(parts)


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
        await in_time(LAST_RECORD_SECONDS, append_record(hub, RecordKind.FAULT, facts))
        raise


async def after_taken(parts: Sequence[Handed], work: Work) -> None:
    """Do this once what was given to these parts is taken up, or cannot be (`session`, law 2)."""
    with suppress(HubError, TimeoutError):  # whoever gave it is told
        async with asyncio.timeout(TAKEN_SECONDS):
            for part in parts:
                await part.taken()
    await work()


def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
