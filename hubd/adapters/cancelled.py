"""A cancel that a failing TaskGroup hides."""

from __future__ import annotations

import asyncio


def end_if_cancelled() -> None:
    """End a task that was cancelled while its TaskGroup failed.

    Before Python 3.13 the group's errors hide that it was cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
