"""Orders that stand, and that no row of the page of live doors shows.

Laws:
1. An order that stands is on the page: at its doors, or in a list of those that have no door there.
2. Both ways are in the list. What the bridge says is left out where the engine is read, its hub is
   connected, and records say the same.
3. The list has ORDERS_SHOWN orders. Of more it is said how many.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hubsite.pages.evidence.names import moment
from hubsite.pages.now.doorrows import Sight
from hubsite.records.showing.looks import EVERYWHERE, DoorNow, PlacedOrder

ORDERS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class OtherOrder:
    """An order of the list; `unsure` is why it may be no more, "" where that is known."""

    said_by: str
    words: str
    where: str
    by: str
    until: datetime | None
    unsure: str


@dataclass(frozen=True, slots=True)
class OtherOrders:
    """The list, and how many more there are (law 3)."""

    orders: tuple[OtherOrder, ...] = ()
    more: int = 0


def other_orders(
    found: Iterable[DoorNow], recorded: Iterable[PlacedOrder], sight: Sight
) -> OtherOrders:
    """Return what stands at no door of `found`; `recorded` is what records say of that."""
    doors = list(found)
    by_records = list(recorded)
    listed = [_shown(one, sight.unsure(one.hub)) for one in by_records]
    if sight.bridge is not None:
        points = {
            (seen.hub, seen.door): door.points.get(seen.hub, ())
            for door in doors
            for seen in door.seen
        }
        said = {*_said_at(doors), *map(_said, by_records)}
        listed += [
            _shown(one, sight.bridge.unsure(one.hub))
            for one in sight.bridge.without_doors(points)
            if sight.unsure(one.hub) or _said(one) not in said
        ]
    return OtherOrders(tuple(listed[:ORDERS_SHOWN]), max(0, len(listed) - ORDERS_SHOWN))


def _said(one: PlacedOrder) -> tuple[str, str, str]:
    return one.hub, one.where, one.order.words


def _said_at(doors: Iterable[DoorNow]) -> Iterable[tuple[str, str, str]]:
    """Yield each order of these doors with every place that it may have there."""
    for door in doors:
        for order in door.orders:
            for point in door.points.get(order.hub, ()):
                yield order.hub, f"access point {point}", order.words
        for seen in door.seen:
            for order in seen.orders:
                yield order.hub, f"door {seen.door}", order.words
                yield order.hub, EVERYWHERE, order.words


def _shown(one: PlacedOrder, unsure: str) -> OtherOrder:
    until = one.order.until
    return OtherOrder(
        said_by=one.order.hub,
        words=one.order.words,
        where=one.where,
        by=one.order.by,
        until=None if until is None else moment(until),
        unsure=unsure,
    )
