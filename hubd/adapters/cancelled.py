"""A cancellation that something else swallowed."""

from __future__ import annotations

import asyncio


def end_if_cancelled() -> None:
    """End a task that was cancelled while what it awaited failed, or ended all the same.

    Before Python 3.13 the errors of a TaskGroup hide it. `drivers.strike.guard_process` has the
    same lines, because drivers know no adapters.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
