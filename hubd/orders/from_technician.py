"""The use case of a technician's lockdown of a door, and of its end.

Laws:
1. Its record, with the number of the user, is durable before it takes effect. If the disk does not
   take the record, a lockdown holds all the same, and the answer says that it will not outlast a
   restart. Its end is refused then.
2. A technician ends what technicians ordered, and nothing else. What the policy, the backend, a
   schedule or an input ordered stands on.
3. Nobody else ends a technician's lockdown: neither the backend nor a restart.
4. Nothing asks for the time: an order without an end, by somebody whom the kernel names now, holds
   whatever the clock says.
5. What stands already, or does not stand, leaves no record. What changes something keeps the pace
   that its caller was given.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from enum import Enum

from hubcore.access.precedence import DoorOrder, StandingOrder
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.evidence.carried_orders import CarriedOrder
from hubcore.evidence.facts import Fact, Value
from hubd.orders.carried import CarriedOrders, Key
from hubd.orders.order_log import OrderLog, facts_of
from hubd.orders.standing import OrderSource, StandingOrders
from hubd.orders.wording import NOT_RECORDED

_LOCKDOWN = StandingOrder(DoorOrder.LOCKDOWN, OrderSource.TECHNICIAN)


class Taken(Enum):
    """What became of a technician's order."""

    DONE = "done"
    ALREADY = "it was so before"
    BUSY = "too many orders"
    NOT_RECORDED = "it could not be recorded"


class TechnicianOrders:
    """Takes them, one after the other, and after those of the backend."""

    def __init__(
        self,
        *,
        standing: StandingOrders,
        carried: CarriedOrders,
        log: OrderLog,
        changed: Callable[[Iterable[str]], Awaitable[None]],
    ) -> None:
        """`changed` lets orders take effect at the doors whose orders have changed."""
        self._standing = standing
        self._carried = carried
        self._log = log
        self._changed = changed
        self._unrecorded: set[str] = set()
        """Doors whose lockdown holds, and has no record."""

    async def lock_down(
        self, door: str, by: str, uid: int, may_change: Callable[[], bool]
    ) -> Taken:
        """Lock a door down until somebody at the hub ends that; `by` is a kind of person."""
        async with self._carried.turn:
            key = self._key(door)
            if key in self._carried.orders and door not in self._unrecorded:
                return Taken.ALREADY
            if not may_change():
                return Taken.BUSY
            one = CarriedOrder(key.place, DoorOrder.LOCKDOWN, None, by, uid)
            after = self._carried.with_one(key, one)
            recorded = await self._log.write(_facts(door, uid, on=True), after.values())
            self._carried.orders = after
            self._standing.put(door, _LOCKDOWN, None)
            await self._changed([door])
            if not recorded:
                self._unrecorded.add(door)
                return Taken.NOT_RECORDED
            self._is_recorded()
            return Taken.DONE

    async def end(self, door: str, uid: int, may_change: Callable[[], bool]) -> Taken:
        """End the lockdown of a door that a technician ordered."""
        async with self._carried.turn:
            key = self._key(door)
            if key not in self._carried.orders:
                return Taken.ALREADY
            if not may_change():
                return Taken.BUSY
            after = self._carried.with_one(key, None)
            if not await self._log.write(_facts(door, uid, on=False), after.values()):
                # the record may become durable yet, so the next one takes it back
                facts = _facts(door, uid, on=False)
                facts[Fact.ALLOWED] = False
                facts[Fact.WHY] = NOT_RECORDED
                facts[Fact.OUTCOME] = OrderOutcome.FAILED.name.lower()
                await self._log.write(facts, self._carried.orders.values())
                return Taken.NOT_RECORDED
            self._carried.orders = after
            self._standing.end(door, _LOCKDOWN)
            self._is_recorded()
            await self._changed([door])
            return Taken.DONE

    def _is_recorded(self) -> None:
        """The newest record is durable, and it has all that stand."""
        self._unrecorded.clear()
        self._carried.is_carried()

    def _key(self, door: str) -> Key:
        place = self._standing.points[door][0]
        return Key(place, DoorOrder.LOCKDOWN, here=True)


def _facts(door: str, uid: int, on: bool) -> dict[Fact, Value]:
    facts = facts_of(DoorOrder.LOCKDOWN, on, OrderSource.TECHNICIAN, None)
    return {**facts, Fact.DOOR: door, Fact.UID: uid}
