"""The orders that stand by somebody's word: the backend's, and those of technicians at the hub.

Laws:
1. Whoever changes them has `turn`, from the first look until the change is in force. So one order
   is taken after the other, whoever gives them.
2. Each record of a change holds all that stand after it, whoever gave them. So no change by one
   loses an order of the other.
3. Orders that stood before a start stand after it (`evidence.carried_orders`). One of a door that
   this hub no longer has does not.
4. A hub without a backend has no orders of one. Where its orders cannot be read, the lockdown that
   stands instead is a technician's at each door: somebody must be able to end it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from hubcore.access.precedence import DoorOrder, StandingOrder, opens
from hubcore.evidence.carried_orders import ALL_DOORS, UNREADABLE, CarriedOrder, write_orders
from hubcore.evidence.facts import Detail, Fact
from hubd.orders.order_log import OrderLog
from hubd.orders.standing import OrderSource, StandingOrders
from hubd.orders.wording import source_of

MARK_RECORDS = 500
"""After so many other records the orders that stand are recorded again, so that a start finds them
among those whose chain it checks.
"""
NOBODY_UID = 0xFFFFFFFF
"""The user of a technician's order that nobody gave (law 4)."""


class Key(NamedTuple):
    """What is one order: `place` is one number for each door, whichever access point was named.

    `here`: a technician's.
    """

    place: int
    order: DoorOrder
    here: bool = False


class CarriedOrders:
    """Keeps them, by their keys."""

    def __init__(
        self,
        standing: StandingOrders,
        log: OrderLog,
        may_hold: Callable[[str], bool],
        found: Sequence[CarriedOrder] = (),
        has_backend: bool = True,
    ) -> None:
        """`found` stood before this start; `may_hold` tells whether a door can be held open."""
        self.turn = asyncio.Lock()
        self.orders: dict[Key, CarriedOrder] = {}
        self._standing = standing
        self._log = log
        self._may_hold = may_hold
        self._carried_at = 0
        """The number of the newest record by then that held the orders."""
        for one in found:
            if has_backend or one.uid is not None:
                self._restore(one)
            elif one == UNREADABLE:
                self._lock_all_down()

    def begin(self) -> Detail:
        """Return what the record of a start repeats of the orders that stand."""
        self.is_carried()
        return {Fact.ORDERS: write_orders(self.orders.values())}

    def is_carried(self) -> None:
        """A durable record has them all."""
        self._carried_at = self._log.last()

    def are_to_be_marked(self) -> bool:
        """Tell whether many records came since they were recorded."""
        return bool(self.orders) and self._log.last() - self._carried_at >= MARK_RECORDS

    def with_one(self, key: Key, one: CarriedOrder | None) -> dict[Key, CarriedOrder]:
        """Return what would stand with another order under a key, or with none."""
        after = dict(self.orders)
        after.pop(key, None)
        if one is not None:
            after[key] = one
        return after

    def count(self, here: bool) -> int:
        """Return how many are technicians' (`here`), or the backend's."""
        return sum(key.here is here for key in self.orders)

    def of_door(self, door: str) -> Iterable[CarriedOrder]:
        """Return those that stand for a door."""
        places = (ALL_DOORS, self._standing.points[door][0])
        return [one for key, one in self.orders.items() if key.place in places]

    def place(self, access_point: int | None) -> int:
        """Return the number of a door's place; ALL_DOORS where none is named, or none of this hub.

        One number for each door, whichever of its access points is named.
        """
        doors = self.doors(access_point)
        if access_point is None or not doors:
            return ALL_DOORS
        return self._standing.points[doors[0]][0]

    def doors(self, access_point: int | None) -> tuple[str, ...]:
        """Return the doors that an order is for."""
        return self._standing.doors_of(access_point)

    def _restore(self, one: CarriedOrder) -> None:
        """Let an order stand that stood before the restart."""
        point = None if one.access_point == ALL_DOORS else one.access_point
        doors = self.doors(point)
        if not doors:
            return
        self.orders[Key(self.place(point), one.order, one.uid is not None)] = one
        standing = StandingOrder(one.order, _source_of(one))
        for door in doors:
            if opens(one.order) and not self._may_hold(door):
                continue
            self._standing.put(door, standing, one.until)

    def _lock_all_down(self) -> None:
        for numbers in self._standing.points.values():
            self._restore(
                CarriedOrder(
                    access_point=numbers[0],
                    order=UNREADABLE.order,
                    until=None,
                    by=UNREADABLE.by,
                    uid=NOBODY_UID,
                )
            )


def _source_of(one: CarriedOrder) -> OrderSource:
    if one.uid is not None:
        return OrderSource.TECHNICIAN
    return source_of(one.access_point)
