"""The use case of what a technician does to a door at the hub: release, lock down, end that.

Laws:
1. An act that has begun comes to its end, whatever becomes of who asked for it. Only the end of the
   daemon cancels it.
2. It ends when the movers have said so, or says that they have not.
3. What changes something keeps a pace, each user's and that of all: it leaves a record.
4. Nothing here is asked on the way out: egress never waits for software.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TypeVar

from hubcore.access.claim import ClaimOutcome
from hubcore.access.words import Denial
from hubcore.errors import HardwareError
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Paces, Rate
from hubd.doors.operation import ReleaseHere
from hubd.orders.from_technician import Taken, TechnicianOrders
from hubd.technician.names import Meant

EACH = Rate(burst=20, per_second=0.5)
"""Acts of one user that leave a record."""
WHOLE = Rate(burst=30, per_second=0.5)
"""Acts of all users: some 10 MB a day at worst, as the backend's orders."""
USERS_MAX = 64
SECURED_SECONDS = 20.0
"""How long a lockdown waits for the movers to say that they are at rest."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class LockdownOutcome:
    """What became of a lockdown, and whether the movers have said that they are at rest."""

    taken: Taken
    secured: bool


class DoorActs:
    """Acts for technicians, while `run` runs."""

    def __init__(
        self,
        *,
        release: Callable[[ReleaseHere], Awaitable[ClaimOutcome]],
        orders: TechnicianOrders,
        secured: Callable[[str], Awaitable[None]],
        clock: Clock,
        new_id: Callable[[], bytes],
        secured_seconds: float = SECURED_SECONDS,
    ) -> None:
        """`secured` waits until a door's movers have nothing left to secure.

        `new_id` makes the id of an operation.
        """
        self._release = release
        self._orders = orders
        self._secured = secured
        self._clock = clock
        self._new_id = new_id
        self._secured_seconds = secured_seconds
        self._paces = Paces(each=EACH, whole=WHOLE, sources_max=USERS_MAX)
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Let acts come to their end until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._tasks = None

    async def release(self, meant: Meant, seconds: int | None, by: str, uid: int) -> Denial | None:
        """Release a door; return why not, None when its movers were driven."""
        if not self._may_act(uid):
            return Denial.BUSY
        order = ReleaseHere(self._new_id(), meant.numbers, seconds, by, uid)
        outcome = await self._to_its_end(self._released(order))
        return outcome.why

    async def lock_down(self, meant: Meant, by: str, uid: int) -> LockdownOutcome:
        """Lock a door down, and wait until its movers have said that they are at rest."""
        door = meant.door.id
        taken = await self._to_its_end(
            self._orders.lock_down(door, by, uid, lambda: self._may_act(uid))
        )
        if taken is Taken.BUSY:
            return LockdownOutcome(taken, secured=False)
        try:
            async with asyncio.timeout(self._secured_seconds):
                await self._secured(door)
        except TimeoutError:
            return LockdownOutcome(taken, secured=False)
        return LockdownOutcome(taken, secured=True)

    async def end(self, meant: Meant, uid: int) -> Taken:
        """End the lockdown of a door that a technician ordered."""
        return await self._to_its_end(
            self._orders.end(meant.door.id, uid, lambda: self._may_act(uid))
        )

    def _may_act(self, uid: int) -> bool:
        return self._paces.take(uid, self._clock.monotonic())

    async def _released(self, order: ReleaseHere) -> ClaimOutcome:
        return await self._release(order)

    async def _to_its_end(self, work: Coroutine[object, object, _T]) -> _T:
        """Do it in a task of `run`, so that a caller who goes cancels nothing."""
        if self._tasks is None:
            work.close()
            raise HardwareError("hubd starts or ends: nothing was done")
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._tasks.create_task(_fulfil(done, work))
        return await asyncio.shield(done)


async def _fulfil(done: asyncio.Future[_T], work: Coroutine[object, object, _T]) -> None:
    """Hand on what becomes of the work: its error is its caller's, and ends nothing else."""
    try:
        result = await work
    except Exception as error:  # a bug in here must not stop the doors
        done.set_exception(error)
    else:
        done.set_result(result)
