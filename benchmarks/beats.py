"""How late an event loop comes round: the pauses that whoever waits for it would see.

Law: a pause has two parts. For one the thread was ready and had no core, because others had them:
the kernel's run delay. The rest is the program's own: another thread that held the interpreter, or
work on the loop itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

BEAT_SECONDS = 0.001
_SCHEDULED = Path("/proc/thread-self/schedstat")
"""Of the thread: nanoseconds with a core, nanoseconds ready without one, turns."""


@dataclass(slots=True)
class Pauses:
    """Seconds by which the loop came round late, each: `whole`, and `own` without the run delay."""

    whole: list[float] = field(default_factory=lambda: [0.0])
    own: list[float] = field(default_factory=lambda: [0.0])


@asynccontextmanager
async def beating() -> AsyncIterator[Pauses]:
    """Note by how much later than asked the loop comes round, inside the block."""
    pauses = Pauses()

    async def beat() -> None:
        while True:
            before = time.perf_counter()
            delay_before = _run_delay()
            await asyncio.sleep(BEAT_SECONDS)
            late = time.perf_counter() - before - BEAT_SECONDS
            pauses.whole.append(late)
            pauses.own.append(late - (_run_delay() - delay_before))

    task = asyncio.create_task(beat())
    try:
        yield pauses
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _run_delay() -> float:
    """Return for how many seconds the thread was ready without a core, since it began."""
    return int(_SCHEDULED.read_bytes().split()[1]) / 1e9
