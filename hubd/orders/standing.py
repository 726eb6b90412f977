"""The orders that stand for each door of the hub now, and the mode that they make.

Laws:
1. The mode is worked out from the standing orders each time it is asked; `access.precedence` says
   how. So what stood before is there again once a higher order has ended.
2. The policy's orders are read from the policy in force at each look. A policy that cannot be read
   is a lockdown, and told once.
3. An order that is over does not stand. While the clock is not trusted nobody knows what is over:
   then an order with an end stands if it shuts, and does not if it opens.
4. The policy's lockdown of one access point is that of its door. Its "no entry" at one access point
   shuts that direction, and nothing holds the door open meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hubcore.access.precedence import (
    DoorMode,
    DoorOrder,
    Refusal,
    StandingOrder,
    end,
    mode_of,
    opens,
    take,
)
from hubcore.access.words import Mode
from hubcore.errors import StoreError
from hubcore.evidence.facts import EventName, Fact, Tell
from hubcore.policy.policy import OperatorRight
from hubcore.ports.clock import Clock, ClockState
from hubcore.ports.stores import PolicyLookups


class OrderSource(StrEnum):
    """Where an order comes from. Records hold these words: they never change."""

    POLICY = "policy"
    SCHEDULE = "schedule"
    BACKEND = "backend"
    BACKEND_FOR_ALL = "backend-all-doors"
    TECHNICIAN = "technician"
    """Somebody at the hub, with hubctl."""
    INPUT = "input"
    SITE = "site"
    """The site's own key, while the backend is away."""


RIGHT_TO_ORDER = {
    DoorOrder.HOLD_OPEN: OperatorRight.HOLD_OPEN,
    DoorOrder.NO_ENTRY: OperatorRight.LOCK_DOWN,
    DoorOrder.LOCKDOWN: OperatorRight.LOCK_DOWN,
}
"""What somebody must be allowed who gives such an order from afar."""
_ORDER_OF_POLICY = {
    Mode.NORMAL: None,
    Mode.LOCKDOWN: DoorOrder.LOCKDOWN,
    Mode.NO_ENTRY: DoorOrder.NO_ENTRY,
}


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """An order as a person sees it; `until` in Unix seconds, None when it has no end of its own."""

    order: DoorOrder
    source: str
    until: int | None


class StandingOrders:
    """All orders of the hub. Nothing here waits, moves or records anything."""

    def __init__(
        self,
        points: Mapping[str, Sequence[int]],
        policy: PolicyLookups,
        clock: Clock,
        tell: Tell,
    ) -> None:
        """`points` are the access points by door id."""
        self.points = {door: tuple(numbers) for door, numbers in points.items()}
        self._door_of = {
            number: door for door, numbers in self.points.items() for number in numbers
        }
        self._policy = policy
        self._clock = clock
        self._tell = tell
        self._given: dict[str, dict[StandingOrder, int | None]] = {door: {} for door in self.points}
        self._unreadable = False

    def door_of(self, access_point: int) -> str | None:
        """Return the door of an access point, None when it is none of this hub."""
        return self._door_of.get(access_point)

    def doors_of(self, access_point: int | None) -> tuple[str, ...]:
        """Return the doors that an order is for: of an access point, or all."""
        if access_point is None:
            return tuple(self.points)
        door = self._door_of.get(access_point)
        return () if door is None else (door,)

    def mode(self, door: str) -> DoorMode:
        """Return what a door is in now."""
        return mode_of(one.order for one in self.standing(door))

    def mode_at(self, access_point: int) -> DoorMode:
        """Return what the door of an access point is in, for somebody who stands there.

        Raise StoreError when the policy cannot be read.
        """
        door = self._door_of.get(access_point)
        if door is None:
            return DoorMode.LOCKED
        orders = {one.order for one in self._given_now(door)}
        orders |= self._ordered_by_policy(door, access_point)
        return mode_of(orders)

    def standing(self, door: str) -> frozenset[StandingOrder]:
        """Return all orders that stand for a door now."""
        return self._given_now(door) | self._of_policy(door)

    def shown(self, door: str) -> list[ShownOrder]:
        """Return the orders of a door for a person, the one that decides first."""
        shown: list[ShownOrder] = []
        for one in sorted(self.standing(door), key=lambda one: (-one.order, one.source)):
            until = self._given[door].get(one)
            shown.append(ShownOrder(one.order, str(one.source), until))
        return shown

    def why_not(self, door: str, order: StandingOrder) -> Refusal | None:
        """Tell why an order would be refused now."""
        after = take(self.standing(door), order)
        return after if isinstance(after, Refusal) else None

    def take(self, door: str, order: StandingOrder, until: int | None = None) -> Refusal | None:
        """Let an order stand; `until` in Unix seconds. Return why it is refused."""
        why = self.why_not(door, order)
        if why is None:
            self._given[door][order] = until
        return why

    def put(self, door: str, order: StandingOrder, until: int | None) -> None:
        """Let an order stand that was taken already, whatever else stands by now."""
        self._given[door][order] = until

    def end(self, door: str, order: StandingOrder) -> bool:
        """Let an order stand no longer; tell whether it stood."""
        given = frozenset(self._given[door])
        left = end(given, order)
        for gone in given - left:
            del self._given[door][gone]
        return left != given

    def over(self) -> list[tuple[str, StandingOrder]]:
        """Return the orders whose own end has come, with their doors."""
        if not self.time_is_trusted():
            return []
        now = self._clock.wall()
        found: list[tuple[str, StandingOrder]] = []
        for door, given in self._given.items():
            for order, until in given.items():
                if until is not None and until <= now:
                    found.append((door, order))
        return found

    def time_is_trusted(self) -> bool:
        """Tell whether the wall clock may decide."""
        return self._clock.state() is ClockState.TRUSTED

    def _given_now(self, door: str) -> frozenset[StandingOrder]:
        given = self._given[door].items()
        return frozenset(order for order, until in given if self._stands(order, until))

    def _stands(self, order: StandingOrder, until: int | None) -> bool:
        if until is None:
            return True
        if not self.time_is_trusted():
            return not opens(order.order)
        return self._clock.wall() < until

    def _of_policy(self, door: str) -> frozenset[StandingOrder]:
        """Return what the policy orders for a door: a lockdown when it cannot be read."""
        try:
            orders = self._ordered_by_policy(door)
        except StoreError as error:
            orders = {DoorOrder.LOCKDOWN}
            if not self._unreadable:
                self._tell(EventName.POLICY_UNREADABLE, {Fact.WHY: str(error)})
            self._unreadable = True
        else:
            self._unreadable = False
        return frozenset(StandingOrder(order, OrderSource.POLICY) for order in orders)

    def _ordered_by_policy(self, door: str, at: int | None = None) -> set[DoorOrder]:
        """Return what the policy orders for a door; with `at`, for somebody at that access point.

        Raise StoreError.
        """
        orders: set[DoorOrder] = set()
        for number in self.points[door]:
            order = _ORDER_OF_POLICY[self._policy.mode(number)]
            is_elsewhere = at is not None and number != at
            if order is None or (is_elsewhere and order is DoorOrder.NO_ENTRY):
                continue
            orders.add(order)
        return orders
