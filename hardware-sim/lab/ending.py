"""The end of the lab's tasks, and of its processes when the lab itself is killed.

Laws:
1. A task is cancelled again and again until it has ended: bumble may take a cancellation for the
   end of a connection and go on.
2. A task that does not end is an error.
3. No process outlives the one that began it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from lab.errors import LabError

ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Before a command: the kernel kills it when the process that began it ends, however that ends."""
AGAIN_SECONDS = 1.0
TIMES_MAX = 30


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """End the tasks; raise what one of them raised, or LabError when one does not end."""
    left = set(tasks)
    ended: set[asyncio.Task[Any]] = set()
    for _ in range(TIMES_MAX):
        for task in left:
            task.cancel()
        if not left:
            break
        done, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
        ended |= done
    if left:
        raise LabError(f"{len(left)} phones do not end: {left}")
    for task in ended:
        if not task.cancelled():
            task.result()
