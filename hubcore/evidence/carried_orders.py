"""The orders that stand by somebody's word, as the log carries them over every restart.

They are the backend's, and those of technicians at the hub.

Laws:
1. Each record that changes them, and each start, holds all orders that stand after it. So the
   newest of these records is enough, whatever number of others came after it.
2. They are read from the records alone, whose chain is checked. No table beside them says more.
3. An order that opens is believed only from a record whose chain was checked at this start, and
   only while the state on the disk is in no doubt. One that shuts is believed all the same.
4. Orders that cannot be read are a lockdown of all doors.

Shape: a CBOR array of `[access point or 0, order, until or null, by]`, sorted. A technician's order
has one item more, the number of the user of this machine. A version of hubd that does not know it
takes it for what it cannot read: law 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hubcore.access.precedence import DoorOrder, opens
from hubcore.codec import cbor
from hubcore.codec.cbor import Cursor
from hubcore.errors import AuditError, FrameError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Record

ORDERS_CARRIED_MAX = 64
"""So many orders of the backend stand at once, at all doors of a hub."""
HERE_CARRIED_MAX = 32
"""So many orders of technicians: one for each door that a hub may have. All fit in one record."""
ALL_DOORS = 0
"""The access point of an order for all doors of the hub."""
BY_BYTES = 32
_POINT_MAX = 0xFFFF
_UNTIL_MAX = (1 << 63) - 1
_UID_MAX = 0xFFFFFFFF
_ITEMS = 4
"""Of an order of the backend."""


@dataclass(frozen=True, slots=True)
class CarriedOrder:
    """An order that stands by somebody's word.

    `until` in Unix seconds; None: until it is ended. `by` ordered it. `uid` is the user of this
    machine who did, None for an order of the backend.
    """

    access_point: int
    order: DoorOrder
    until: int | None
    by: str
    uid: int | None = None


UNREADABLE = CarriedOrder(ALL_DOORS, DoorOrder.LOCKDOWN, None, "hubd")
"""What stands when the orders of before the restart cannot be read."""


def write_orders(orders: Iterable[CarriedOrder]) -> bytes:
    """Return the value of `Fact.ORDERS`."""
    rows: list[list[Any]] = []
    for one in sorted(orders, key=lambda one: (one.access_point, one.order, one.uid is not None)):
        here = [] if one.uid is None else [one.uid]
        rows.append([one.access_point, int(one.order), one.until, one.by, *here])
    return cbor.encode(rows)


def read_orders(data: bytes) -> tuple[CarriedOrder, ...]:
    """Read the value of `Fact.ORDERS`. Raise FrameError."""
    cursor = Cursor(data)
    count = cursor.array()
    most = ORDERS_CARRIED_MAX + HERE_CARRIED_MAX
    if count > most:
        raise FrameError(f"{count} orders, more than {most}")
    found = tuple(_read_order(cursor) for _ in range(count))
    cursor.end()
    return found


def _read_order(cursor: Cursor) -> CarriedOrder:
    items = cursor.array()
    if items not in (_ITEMS, _ITEMS + 1):
        raise FrameError("an order that stands is [access point, order, until, by] and perhaps uid")
    access_point = cursor.uint(_POINT_MAX)
    number = cursor.uint(max(DoorOrder))
    if number not in set(DoorOrder):
        raise FrameError(f"no order has the number {number}")
    found = CarriedOrder(
        access_point=access_point,
        order=DoorOrder(number),
        until=cursor.uint_or_null(_UNTIL_MAX),
        by=cursor.text(1, BY_BYTES),
        uid=cursor.uint(_UID_MAX) if items > _ITEMS else None,
    )
    if found.uid is not None and (opens(found.order) or access_point == ALL_DOORS):
        raise FrameError("a technician's order keeps one door shut")
    return found


def is_about_orders(record: Record) -> bool:
    """Tell whether a record carries the orders that stand."""
    return isinstance(record.detail.get(Fact.ORDERS), bytes)


def digest_of_site(body: bytes) -> bytes | None:
    """Return what a record says of the file of the site's orders, None where it says nothing."""
    try:
        record = Record.decode(body)
    except AuditError:  # of a later version
        return None
    digest = record.detail.get(Fact.SITE_ORDERS)
    return digest if isinstance(digest, bytes) else None


def believed(record: Record | None, checked: bool) -> tuple[CarriedOrder, ...]:
    """Return the orders that stand by the newest record about them.

    `checked`: its chain was checked at this start, and the state on the disk is in no doubt.
    """
    if record is None:
        return ()
    carried = record.detail.get(Fact.ORDERS)
    if not isinstance(carried, bytes):
        return ()
    try:
        orders = read_orders(carried)
    except FrameError:
        return (UNREADABLE,)
    if checked:
        return orders
    return tuple(one for one in orders if not opens(one.order))
