"""The use case of an order of the backend: judged, recorded with all that stand, then in force.

Laws:
1. An order is judged like a release: by its life, by the clock, by the rights of who gave it
   (`policy.OperatorRight`), and by what stands already.
2. Its record is durable before it takes effect. If the disk does not take the record, an order that
   opens, or ends one that shuts, is refused. One that shuts holds all the same, and the answer says
   that it will not outlast a restart.
3. The same id is the same order: it is answered again and done once, also after a restart.
4. What the backend sends makes at most ORDERS' records, and what is refused REFUSALS'; what is
   beyond is answered with BUSY. Who has no right keeps no order of another waiting.
5. Orders that stood before a restart stand after it (`orders.carried`). One that was over by then
   does not.
6. An order for a door that cannot be held open does not hold it open: it is refused in words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from hubcore.access.precedence import Refusal, StandingOrder, opens
from hubcore.backend.uplink.fields import sentence
from hubcore.backend.uplink.from_backend import Order
from hubcore.backend.uplink.from_hub import OrderResult
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.errors import StoreError
from hubcore.evidence.carried_orders import ALL_DOORS, ORDERS_CARRIED_MAX, CarriedOrder
from hubcore.evidence.facts import Detail, Fact
from hubcore.evidence.records import StoredRecord
from hubcore.ports.clock import Clock
from hubcore.ports.stores import PolicyLookups
from hubcore.timing.pace import Bucket, Rate
from hubd.doors.judge import ORDER_SECONDS_MAX
from hubd.orders.carried import CarriedOrders, Key
from hubd.orders.memory import OrderAnswer, OrderMemory
from hubd.orders.order_log import OrderLog, facts_of
from hubd.orders.standing import RIGHT_TO_ORDER, StandingOrders
from hubd.orders.wording import (
    CLOCK_UNTRUSTED,
    LATE,
    LIVES_TOO_LONG,
    NO_SUCH_POINT,
    NOT_ALLOWED,
    NOT_RECORDED,
    NOT_RECORDED_BUT_HOLDS,
    OVERRULED,
    TOO_MANY,
    TOO_OFTEN,
    UNREADABLE,
    cannot_be_held,
    facts_of_no,
    facts_of_order,
    source_of,
    standing_of,
)

ORDERS = Rate(burst=60, per_second=0.5)
"""Records of the backend's orders: more than people give, and at worst some 10 MB a day."""
REFUSALS = Rate(burst=20, per_second=0.1)


class BackendOrders:
    """Takes the orders of the backend, one after the other."""

    def __init__(
        self,
        *,
        standing: StandingOrders,
        policy: PolicyLookups,
        log: OrderLog,
        clock: Clock,
        may_hold: Callable[[str], bool],
        changed: Callable[[Iterable[str]], Awaitable[None]],
        carried: CarriedOrders,
    ) -> None:
        """`carried` keeps what stands, over restarts.

        `may_hold` tells whether a door can be held open. `changed` lets orders take effect at the
        doors whose orders have changed.
        """
        self._standing = standing
        self._policy = policy
        self._log = log
        self._clock = clock
        self._may_hold = may_hold
        self._changed = changed
        self._pace = Bucket(ORDERS)
        self._refusal_pace = Bucket(REFUSALS)
        self._memory = OrderMemory()
        self._carried = carried

    def remember(self, records: Sequence[StoredRecord]) -> None:
        """Learn from the newest records which orders were asked before a restart."""
        self._memory.remember(records, self._clock.monotonic())

    async def take(self, order: Order) -> OrderResult:
        """Take an order, or say why not."""
        async with self._carried.turn:
            outcome, detail = await self._take(order)
        return OrderResult(order.id, outcome, sentence(detail))

    async def look(self) -> None:
        """End what is over, and mark what stands if many records came since it was recorded.

        Nothing here keeps an order waiting, and while one is being recorded nothing ends.
        """
        if self._carried.turn.locked():
            return
        over = self._standing.over()
        recorded = [self._over(door, order) for door, order in over]
        if not recorded and self._carried.are_to_be_marked():
            recorded.append(self._log.mark(self._carried.orders.values()))
        durable = asyncio.gather(*recorded)
        if over:
            await self._changed({door for door, _ in over})
        if recorded and all(await durable):
            self._carried.is_carried()

    # An order is new, or was asked before.

    async def _take(self, order: Order) -> OrderAnswer:
        now = self._clock.monotonic()
        known = self._memory.answer(order, now)
        if known is not None:
            return known
        refused = self._why_refused(order)
        pace = self._pace if refused is None else self._refusal_pace
        if not pace.take(now):
            return OrderOutcome.BUSY, TOO_OFTEN
        if refused is not None:
            outcome, detail = refused
            await self._log.write(facts_of_no(order, outcome, detail))
        else:
            outcome, detail = await self._obey(order)
        self._memory.keep(order, (outcome, detail), now)
        return outcome, detail

    # It is judged.

    def _why_refused(self, order: Order) -> OrderAnswer | None:
        if not self._standing.time_is_trusted():
            return OrderOutcome.REFUSED, CLOCK_UNTRUSTED
        now = self._clock.wall()
        if order.expires_at > now + ORDER_SECONDS_MAX:
            return OrderOutcome.LATE, LIVES_TOO_LONG
        is_over = order.until is not None and order.until <= now
        if now > order.expires_at or is_over:
            return OrderOutcome.LATE, LATE
        if order.access_point is not None and self._standing.door_of(order.access_point) is None:
            return OrderOutcome.REFUSED, NO_SUCH_POINT
        try:
            may_order = self._may_order(order)
        except StoreError as error:
            return OrderOutcome.FAILED, f"{UNREADABLE}: {error}"
        if not may_order:
            return OrderOutcome.REFUSED, NOT_ALLOWED
        return self._why_cannot_stand(order) if order.on else None

    def _may_order(self, order: Order) -> bool:
        """Tell whether the policy lets who ordered it do so, at every door that it is for.

        Raise StoreError.
        """
        operator = self._policy.operator(order.by)
        if operator is None:
            return False
        right = RIGHT_TO_ORDER[order.order]
        if order.access_point is not None:
            return operator.may(right, order.access_point)
        numbers = [number for points in self._standing.points.values() for number in points]
        return all(operator.may(right, number) for number in numbers)

    def _why_cannot_stand(self, order: Order) -> OrderAnswer | None:
        is_new = self._key(order) not in self._carried.orders
        if is_new and self._carried.count(here=False) >= ORDERS_CARRIED_MAX:
            return OrderOutcome.REFUSED, TOO_MANY
        standing = standing_of(order)
        for door in self._carried.doors(order.access_point):
            if opens(order.order) and not self._may_hold(door):
                return OrderOutcome.REFUSED, cannot_be_held(door)
            match self._standing.why_not(door, standing):
                case Refusal.OVERRULED:
                    return OrderOutcome.REFUSED, OVERRULED
                case Refusal.TOO_MANY:
                    return OrderOutcome.REFUSED, TOO_MANY
        return None

    # It is recorded, and takes effect.

    async def _obey(self, order: Order) -> OrderAnswer:
        key = self._key(order)
        one = CarriedOrder(key.place, order.order, order.until, order.by) if order.on else None
        after = self._carried.with_one(key, one)
        detail: Detail = {**facts_of_order(order), Fact.ALLOWED: True, Fact.WHY: None}
        recorded = await self._log.write(detail, after.values())
        if not recorded and bool(order.on) is opens(order.order):
            # the record may become durable yet, so the next one takes it back
            detail = facts_of_no(order, OrderOutcome.FAILED, NOT_RECORDED)
            await self._log.write(detail, self._carried.orders.values())
            return OrderOutcome.FAILED, NOT_RECORDED
        self._carried.orders = after
        await self._take_effect(order)
        if not recorded:
            return OrderOutcome.FAILED, NOT_RECORDED_BUT_HOLDS
        self._carried.is_carried()
        return OrderOutcome.TAKEN, ""

    async def _take_effect(self, order: Order) -> None:
        standing = standing_of(order)
        doors = self._carried.doors(order.access_point)
        for door in doors:
            if order.on:
                self._standing.put(door, standing, order.until)
            else:
                self._standing.end(door, standing)
        await self._changed(doors)

    def _over(self, door: str, order: StandingOrder) -> Awaitable[bool]:
        """End an order whose own end has come, and record that; awaited, tell whether durably."""
        self._standing.end(door, order)
        for place in (ALL_DOORS, self._standing.points[door][0]):
            if source_of(place) == order.source:
                self._carried.orders.pop(Key(place, order.order), None)
        detail = facts_of(order.order, on=False, given_by=order.source, until=None)
        return self._log.write({**detail, Fact.DOOR: door}, self._carried.orders.values())

    def _key(self, order: Order) -> Key:
        return Key(self._carried.place(order.access_point), order.order)
