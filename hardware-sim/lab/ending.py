"""The end of tasks that play phones: bumble may take a cancellation for the end of a connection, and go on.

Law: a task is cancelled again and again until it has ended; one that will not end is an error, never waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from lab.guest import LabError

AGAIN_SECONDS = 1.0
TIMES_MAX = 30


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """End the tasks; raise what one of them raised, or LabError when one does not end."""
    left = set(tasks)
    ended: set[asyncio.Task[Any]] = set()
    for _ in range(TIMES_MAX):
        for task in left:
            task.cancel()
        if left:
            done, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
            ended |= done
    if left:
        raise LabError(f"{len(left)} phones do not end: {left}")
    for task in ended:
        if not task.cancelled():
            task.result()
