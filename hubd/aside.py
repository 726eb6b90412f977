"""Work on the side: a thread for what takes long, which neither a stop nor the end of the process waits for.

Laws:
1. `asyncio.to_thread` is for work that ends soon: its threads are joined at the end of the process, however long they
   take. What may take many seconds, and leaves nothing half done when it is dropped, runs here.
2. A caller that is cancelled drops the result; the thread comes to its end, or dies with the process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")


async def aside(name: str, work: Callable[[], _T]) -> _T:
    """Do the work in a thread of that name and return its result, or raise what it raises."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(result: Any, error: Exception | None) -> None:
        if done.done():  # the caller has gone
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def run() -> None:
        with suppress(RuntimeError):  # the loop has ended
            try:
                result = work()
            except Exception as error:
                loop.call_soon_threadsafe(settle, None, error)
            else:
                loop.call_soon_threadsafe(settle, result, None)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done
