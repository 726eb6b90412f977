"""A part with a thread and a loop of its own, which tries again until it is stopped.

Laws:
1. A failure is said in `problem` and in the journal, once for each cause, and tried again.
2. Nothing ends the thread but `stop`. Where it has ended all the same, or has not come round for
   OLD_SECONDS, `problem` says so.
3. Rows are read and written in one thread for that, never in the loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from threading import Thread
from typing import TypeVar

from hubcore.errors import HubError
from hubsite.rows import RowsThread

RETRY_SECONDS = 1.0
OLD_SECONDS = 120.0
_T = TypeVar("_T")


class Looping:
    """A `Part`; whoever is one writes `serve`, and calls `found` each time that it comes round.

    One turn that lasts calls `came_round`.
    """

    def __init__(self, name: str, log: str) -> None:
        self._name = name
        self._log = logging.getLogger(log)
        self._rows = RowsThread(f"{log}-rows")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._is_stopped = False
        self._thread = Thread(target=self._run, name=log, daemon=True)
        self._turned_at = time.monotonic()
        self._problem = ""
        self._cause = ""

    @property
    def name(self) -> str:
        """Return what people call it."""
        return self._name

    @property
    def problem(self) -> str:
        """Return what is wrong now, "" for nothing (law 2)."""
        if self._thread.ident is not None and not self._thread.is_alive():
            return f"{self._name}: this part has ended. Start this server again."
        silent = time.monotonic() - self._turned_at
        if silent > OLD_SECONDS and not self._problem:
            return f"{self._name}: this part has said nothing for {silent:.0f} seconds."
        return self._problem

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the end."""
        self._is_stopped = True
        self.ring()
        self._thread.join()

    def ring(self) -> None:
        """Something has changed: look at once. Any thread may call this."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    async def serve(self) -> None:
        """Serve until `is_stopped`, or something is lost. Raise HubError."""
        raise NotImplementedError

    @property
    def is_stopped(self) -> bool:
        """Whether it is to end."""
        return self._is_stopped

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._rows.end()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not self._is_stopped:
            try:
                await self.serve()
            except HubError as error:
                self.found(str(error))
            except Exception as error:  # whatever it is: tried again after a wait (law 2)
                self.found(f"{self._name}: {error!r}")
            await self.wait(RETRY_SECONDS)

    async def with_rows(self, work: Callable[[], _T]) -> _T:
        """Do what reads or writes rows, in the one thread for that. Raise StoreError."""
        return await self._rows.do(work)

    async def wait(self, seconds: float) -> None:
        """Wait for a change, at most so long."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return
        self._changed.clear()

    def found(self, problem: str, cause: str = "") -> None:
        """Keep what is wrong, "" for nothing (law 1).

        `cause` is what of the sentence names the cause, where it has more: counts that rise.
        """
        cause = cause or problem
        if problem and cause != self._cause:
            self._log.error("%s", problem)
        self._problem = problem
        self._cause = cause
        self.came_round()

    def came_round(self) -> None:
        """It goes on, and what was wrong is as it was (law 2)."""
        self._turned_at = time.monotonic()
