"""Brings each change to the hubs, and keeps which hub has which policy.

How it works: one thread with a loop of its own. It waits for the bell of the acts, at most
PULSE_SECONDS, because acts are written by other processes, too. Then it lets the office sign what
changed, gives the engine what it has not, and reads what hubs have answered.

Laws:
1. What was signed and not put is put, after each start and each lost connection.
2. Time alone changes what counts: a grant begins or ends. So rows are read again every
   AGAIN_SECONDS.
3. A failure is said on the page and in the journal, once for each cause, and tried again. Who does
   not sign is asked again after SIGN_AGAIN_SECONDS, whatever changes meanwhile. The list of what
   is revoked, which phones carry, is asked for after its policy is put, and holds up none.
4. Nothing ends the thread but `stop`. Where it has ended all the same, or has not come round for
   OLD_SECONDS, `problem` says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import TypeVar

from hubcore.errors import HubError, LinkError
from hubsite.acts.bell import BELL
from hubsite.config import Engine
from hubsite.hubs import kept
from hubsite.hubs.engine import HubsEngine
from hubsite.hubs.office import Office, acts_so_far
from hubsite.rows import RowsThread

PULSE_SECONDS = 1.0
AGAIN_SECONDS = 60.0
HUBS_SECONDS = 10.0
RETRY_SECONDS = 1.0
SIGN_AGAIN_SECONDS = 5.0
"""After a refusal, whatever changes meanwhile: a signer has a pace of its own."""
OLD_SECONDS = 120.0
_LOG = logging.getLogger("hubsite.hubs")
_T = TypeVar("_T")


def _no_orders(_said: object) -> None:
    """Without orders nobody waits for answers to them."""


class Publisher:
    """Runs until it is stopped; `problem` is what is wrong now, "" for nothing."""

    def __init__(
        self, office: Office, engine: Engine, keep_orders: kept.KeepOrders = _no_orders
    ) -> None:
        """`keep_orders` keeps what hubs answer to orders."""
        self._keep_orders = keep_orders
        self._office = office
        self._engine = engine
        self._rows = RowsThread("hubsite-rows")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._is_stopped = False
        self._thread = Thread(target=self._run, name="hubsite-hubs", daemon=True)
        self._acts = -1
        self._read_at = 0.0
        self._hubs_at = 0.0
        self._not_before = 0.0
        self._is_listed = False
        self._list_not_before = 0.0
        self._list_problem = ""
        self._turned_at = time.monotonic()
        self._problem = "The hubs' engine was not reached yet."

    @property
    def problem(self) -> str:
        """Return what is wrong now, "" for nothing (law 4)."""
        if self._thread.ident is not None and not self._thread.is_alive():
            return "What brings changes to the hubs has ended. Start this server again."
        silent = time.monotonic() - self._turned_at
        if silent > OLD_SECONDS and not self._problem:
            return f"What brings changes to the hubs has said nothing for {silent:.0f} seconds."
        return self._problem

    def start(self) -> None:
        """Begin, in a thread of its own."""
        BELL.listen(self._rang)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the end."""
        BELL.leave(self._rang)
        self._is_stopped = True
        self._rang()
        self._thread.join()

    def _rang(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._rows.end()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not self._is_stopped:
            try:
                await self._connected()
            except HubError as error:
                self._found(str(error))
            except Exception as error:  # whatever it is: tried again after a wait (law 4)
                self._found(f"Changes do not reach the hubs: {error!r}")
            await self._wait(RETRY_SECONDS)

    async def _connected(self) -> None:
        """Serve on one connection until it is lost, or all is stopped. Raise HubError."""
        engine = HubsEngine(self._engine)
        self._hubs_at = 0.0
        try:
            await engine.connect()
            await engine.listen(self._changed.set)
            above = await engine.highest_version()
            while engine.is_up and not self._is_stopped:
                await self._turn(engine, above)
                await self._wait(PULSE_SECONDS)
        finally:
            await engine.close()

    async def _turn(self, engine: HubsEngine, above: int) -> None:
        """Bring what has changed, and read what was answered. Raise HubError."""
        try:
            await self._renew(above)
            problem = ""
        except HubError as error:  # nobody signs: what was signed before is put all the same
            problem = str(error)
        waits = await self._with_rows(kept.policy_to_put)
        if waits is not None:
            version, whole = waits
            await engine.put_policy(version, whole)
            await self._with_rows(partial(kept.mark_put, version))
        await self._renew_list()
        await self._look_for_hubs(engine)
        await self._read_answers(engine)
        self._found(problem or self._list_problem)

    async def _renew_list(self) -> None:
        """Let the office sign the list of the newest policy, with a failure of its own (law 3)."""
        now = time.monotonic()
        if self._is_listed or now < self._list_not_before:
            return
        try:
            await self._with_rows(lambda: self._office.renew_list(int(time.time())))
        except HubError as error:
            self._list_not_before = now + SIGN_AGAIN_SECONDS
            self._list_problem = f"Phones carry no newer list of what was revoked: {error}"
        else:
            self._is_listed = True
            self._list_problem = ""

    async def _renew(self, above: int) -> None:
        """Let the office sign where something has changed, or it is time to look (law 2)."""
        acts = await self._with_rows(acts_so_far)
        now = time.monotonic()
        if acts == self._acts and now - self._read_at < AGAIN_SECONDS:
            return
        if now < self._not_before:
            raise LinkError(self._problem)
        self._not_before = now + SIGN_AGAIN_SECONDS
        await self._with_rows(lambda: self._office.renew_policy(int(time.time()), above))
        self._not_before = 0.0
        self._is_listed = False
        self._acts = acts
        self._read_at = now

    async def _look_for_hubs(self, engine: HubsEngine) -> None:
        if time.monotonic() - self._hubs_at < HUBS_SECONDS:
            return
        hubs = await engine.hubs()
        await self._with_rows(lambda: kept.replace_hubs(hubs))
        self._hubs_at = time.monotonic()

    async def _read_answers(self, engine: HubsEngine) -> None:
        place = await self._with_rows(kept.place_read)
        while True:
            said, read = await engine.answers(place)
            if read == place:
                return
            await self._with_rows(partial(kept.record_answers, said, read, self._keep_orders))
            place = read

    async def _with_rows(self, work: Callable[[], _T]) -> _T:
        """Do what reads or writes rows. Raise StoreError."""
        return await self._rows.do(work)

    async def _wait(self, seconds: float) -> None:
        """Wait for a change, at most so long."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return
        self._changed.clear()

    def _found(self, problem: str) -> None:
        """Keep what is wrong, "" for nothing (law 3)."""
        if problem and problem != self._problem:
            _LOG.error("%s", problem)
        self._problem = problem
        self._turned_at = time.monotonic()
