"""Gives the orders of the rows, by each way that the configuration has: a part of its own.

How it works: one thread with a loop, and in it a task a way. A task connects, then takes turns
(`Turns`). It waits for the bell of the acts, at most PULSE_SECONDS. Beside it, a task of its own
looks which hubs there are.

Laws:
1. A new order goes by the first way, in the configuration's order, that is up and has hubs. Its
   end, and what is given again, go by the same way: a hub ends for nobody what another way has
   ordered.
2. A way that is away holds up no other one.
3. Nobody waits while it is looked which hubs there are. Until then orders go to the hubs of before:
   after a lost connection, and after a start. Where the rows do not say which those are, and which
   doors they have, nothing is given before the first look.
4. A failure is said on the page and in the journal, once for each cause, and tried again.
5. Nothing ends the thread but `stop`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from threading import Thread

from hubcore.errors import HubError, LinkError
from hubsite.acts.bell import BELL
from hubsite.orders import kept, letters
from hubsite.orders.asking import Pace
from hubsite.orders.giving.turns import Turns, give_up_late
from hubsite.orders.giving.ways import OrderWay
from hubsite.orders.words import WayName
from hubsite.rows import RowsThread

PULSE_SECONDS = 1.0
LOOK_SECONDS = 10.0
RETRY_SECONDS = 1.0
FAILURES_MAX = 4
"""After so many the pause grows no more."""
NOT_REACHED = "The way by the {} was not reached yet."
ENDED = "What gives orders has ended. Start this server again."
_LOG = logging.getLogger("hubsite.orders")


class OrderDesk:
    """Runs until it is stopped. `ways` stand in the order in which they are taken."""

    name = "Orders"

    def __init__(
        self,
        ways: Sequence[OrderWay],
        retry_seconds: float = RETRY_SECONDS,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._ways = tuple(ways)
        self._retry_seconds = retry_seconds
        self._look_seconds = look_seconds
        self._seen: set[WayName] = set()
        """Ways of which it is known which hubs there are."""
        self.pace = Pace()
        self._rows = RowsThread("hubsite-orders-rows")
        self._turns = {
            way.name: Turns(way, self._rows, partial(self._is_first, way)) for way in self._ways
        }
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = {way.name: asyncio.Event() for way in self._ways}
        self._problems = {way.name: NOT_REACHED.format(way.name) for way in self._ways}
        self._failures = dict.fromkeys(self._problems, 0)
        self._beginning = asyncio.Lock()
        self._has_begun = False
        self._is_stopped = False
        self._thread = Thread(target=self._run, name="hubsite-orders", daemon=True)

    @property
    def problem(self) -> str:
        """Return what is wrong now, "" for nothing."""
        if self._has_ended():
            return ENDED
        found = [f"By the {name}: {why}" for name, why in self._problems.items() if why]
        return " ".join(found)

    def why_away(self, name: str = "") -> str:
        """Say why nothing can be given now, "" where this way is up; no name: where any is."""
        if self._has_ended():
            return ENDED
        if name and not any(way.is_up for way in self._ways if way.name == name):
            return f"By the {name}: {self._problems.get(WayName(name)) or NOT_REACHED.format(name)}"
        return "" if any(way.is_up for way in self._ways) else self.problem

    @property
    def next_way(self) -> str:
        """Return the name of the way by which a new order goes now, "" while none is up."""
        first = self._first()
        return "" if first is None else str(first.name)

    @property
    def hubs(self) -> frozenset[str] | None:
        """Return the hubs that a new order reaches now, None while nobody knows."""
        first = self._first()
        known = first is not None and first.name in self._seen
        return frozenset(first.hubs) if first is not None and known else None

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

    def _has_ended(self) -> bool:
        return self._thread.ident is not None and not self._thread.is_alive()

    def _rang(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        for changed in self._changed.values():
            changed.set()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._rows.end()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            for way in self._ways:
                tasks.create_task(self._serve_way(way))

    async def _begin_once(self) -> None:
        """See to what an earlier run has left. Raise StoreError."""
        async with self._beginning:
            if not self._has_begun:
                await self._rows.do(kept.begin)
            self._has_begun = True

    async def _serve_way(self, way: OrderWay) -> None:
        while not self._is_stopped:
            try:
                await self._connected(way)
            except HubError as error:
                self._found(way, str(error))
            except Exception as error:  # whatever it is: tried again after a wait (law 4)
                self._found(way, f"Orders are not given: {error!r}")
            await give_up_late(self._rows)
            await self._wait(way, self._pause(way))

    def _pause(self, way: OrderWay) -> float:
        """Return how long to wait after a failure, in seconds: longer after each one."""
        failures = self._failures[way.name]
        self._failures[way.name] = min(failures + 1, FAILURES_MAX)
        return float(self._retry_seconds * 2**failures)

    async def _connected(self, way: OrderWay) -> None:
        """Serve until the way is lost, or all is stopped. Raise HubError."""
        await self._begin_once()
        await self._rows.do(partial(kept.begin, way.name))
        try:
            await way.connect()
            await self._remember(way)
            await self._take_turns(way)
        finally:
            await way.close()
        if not self._is_stopped:
            raise LinkError(f"The {way.name} was lost.")

    async def _take_turns(self, way: OrderWay) -> None:
        """Take turns, and look beside them (law 3). Raise what went wrong with the first."""
        failures: list[Exception] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                looking = tasks.create_task(self._look_on(way))
                while way.is_up and not self._is_stopped and not looking.done():
                    if way.name in self._seen:
                        await self._turns[way.name].take()
                        self._failures[way.name] = 0
                        self._found(way, "")
                    await self._wait(way, PULSE_SECONDS)
                looking.cancel()
        except* HubError as errors:
            failures += errors.exceptions
        if not failures and not looking.cancelled():
            failures.append(looking.result())
        if failures:
            raise failures[0]

    async def _look_on(self, way: OrderWay) -> HubError:
        """Look again and again which hubs there are; return why that ended.

        It raises nothing: an order that is being given would be broken off.
        """
        try:
            while True:
                await self._look(way)
                await asyncio.sleep(self._look_seconds)
        except HubError as error:
            return error

    async def _remember(self, way: OrderWay) -> None:
        """Know the hubs of before until the first look (law 3). Raise StoreError."""
        if not way.hubs:
            way.remember(await self._rows.do(letters.hubs_before))
        if way.hubs:
            self._seen.add(way.name)

    async def _look(self, way: OrderWay) -> None:
        """Look which hubs there are. Raise HubError."""
        await self._turns[way.name].look()
        if way.name not in self._seen:
            self._seen.add(way.name)
            self._changed[way.name].set()

    def _is_first(self, way: OrderWay) -> bool:
        """Tell whether new orders go by this way now (law 1)."""
        return self._first() is way

    def _first(self) -> OrderWay | None:
        """Return the way of new orders: the first that is up and has hubs, else that is up."""
        up = [way for way in self._ways if way.is_up]
        return next((way for way in up if way.hubs), up[0] if up else None)

    async def _wait(self, way: OrderWay, seconds: float) -> None:
        """Wait for a change, at most so long."""
        changed = self._changed[way.name]
        if self._is_stopped:
            return
        try:
            await asyncio.wait_for(changed.wait(), seconds)
        except TimeoutError:
            return
        changed.clear()

    def _found(self, way: OrderWay, problem: str) -> None:
        """Keep what is wrong with a way, "" for nothing (law 3)."""
        if problem and problem != self._problems[way.name]:
            _LOG.error("by the %s: %s", way.name, problem)
        self._problems[way.name] = problem
