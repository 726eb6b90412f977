"""Work in a thread of its own, which no stop waits for.

Laws:
1. `asyncio.to_thread` is for work that ends soon: its threads are joined at the end of the process.
   What may take many seconds, and leaves nothing half done when it is dropped, runs here.
2. A caller that is cancelled drops the result. The thread ends by itself, or with the process.
3. A machine that gives no thread is a HardwareError of that one piece of work.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from hubcore.errors import HardwareError

_T = TypeVar("_T")

Start = Callable[[str, Callable[[], None]], None]
"""Runs something in a new thread of that name.

Raises RuntimeError, as `threading` does, when there is none.
"""


def start_thread(name: str, run: Callable[[], None]) -> None:
    """Start a thread that the end of the process does not wait for."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()


def begin(name: str, run: Callable[[], None], start: Start = start_thread) -> None:
    """Start a thread. Raise HardwareError when the machine gives none."""
    try:
        start(name, run)
    except RuntimeError as error:
        raise no_thread(name, error) from error


def no_thread(name: str, error: RuntimeError) -> HardwareError:
    """Return the error of a machine that gives no thread for this work."""
    return HardwareError(
        f"hubd cannot start a thread for {name} ({error}). "
        "Compare Tasks with its limit: systemctl status hubd; and look for memory: free -m"
    )


def call_in_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *given: Any) -> None:
    """In a thread: have an event loop call this. One that has ended calls nothing."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *given)


async def run_in_thread(name: str, work: Callable[[], _T], start: Start = start_thread) -> _T:
    """Do the work in a thread of that name; return its result, or raise what it raises.

    Raise HardwareError when the machine gives no thread.
    """
    return await start_in_thread(name, work, start)


def start_in_thread(
    name: str, work: Callable[[], _T], start: Start = start_thread
) -> asyncio.Future[_T]:
    """Begin the work in a thread of that name; return a future of its result.

    Raise HardwareError when the machine gives no thread.
    """
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

    begin(name, run, start)
    return done
