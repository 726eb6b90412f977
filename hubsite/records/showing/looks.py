"""What each door is in now, as far as records say: for people who look on.

Laws:
1. A word is as strong as its record: of a door that has said nothing since its hub began it is said
   that its state is not known.
2. Orders are those that stand at this moment: one whose end has come is not shown.
3. An order for all doors of a hub stands at each of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import OuterRef, Subquery

from hubcore.access.precedence import DoorOrder
from hubcore.door.phases import Happening
from hubcore.door.state import DoorState
from hubcore.errors import FrameError
from hubcore.evidence.carried_orders import ALL_DOORS, read_orders
from hubsite.records.models import Chain, HubDoor, Record
from hubsite.register.models import AccessPoint, Door

UNKNOWN = "not known"
OPEN = "open"
CLOSED = "closed"
WORDS: dict[str, str] = {
    Happening.ACCESS_TAKEN: OPEN,
    Happening.ACCESS_NOT_TAKEN: CLOSED,
    Happening.EXIT: OPEN,
    Happening.CLOSED: CLOSED,
    Happening.FORCED: "forced open",
    Happening.FORCED_ENDED: CLOSED,
    Happening.PRE_ALARM: "open, and soon for too long",
    Happening.HELD_OPEN: "open for too long",
    Happening.HELD_OPEN_ENDED: CLOSED,
    Happening.TAMPER: UNKNOWN,
    Happening.TAMPER_ENDED: UNKNOWN,
    Happening.FAULT: UNKNOWN,
    Happening.FAULT_ENDED: UNKNOWN,
    DoorState.SECURED.name.lower(): CLOSED,
    DoorState.RELEASED.name.lower(): CLOSED,
    DoorState.OPEN.name.lower(): OPEN,
    DoorState.HELD_OPEN.name.lower(): "open for too long",
    DoorState.FORCED.name.lower(): "forced open",
}
"""What a door is in after each happening, and by each state that a sum of happenings says."""
ALARM_WORDS = {
    Happening.FORCED: "forced",
    Happening.HELD_OPEN: "open for too long",
    Happening.TAMPER: "its contacts contradict each other",
    Happening.FAULT: "it does not do what it was told",
}
ORDER_WORDS = {
    DoorOrder.GRANT: "released",
    DoorOrder.HOLD_OPEN: "held open",
    DoorOrder.NO_ENTRY: "no entry",
    DoorOrder.LOCKDOWN: "lockdown",
    DoorOrder.FIRE: "fire",
}


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """An order that stands: what, by whom, and until when in Unix seconds (None: until ended)."""

    words: str
    by: str
    until: int | None


@dataclass(frozen=True, slots=True)
class SeenDoor:
    """A door as a hub sees it; `at` is when something happened there last, in Unix seconds."""

    hub: str
    door: str
    state: str
    alarms: tuple[str, ...]
    orders: tuple[StandingOrder, ...]
    at: int


@dataclass(frozen=True, slots=True)
class DoorNow:
    """A door of the register, None for one that nobody has told which it is.

    `last` are the newest records at its access points.
    """

    door: Door | None
    seen: tuple[SeenDoor, ...]
    orders: tuple[StandingOrder, ...]
    last: tuple[Record, ...]


def doors_now(now: int) -> list[DoorNow]:
    """Return all doors: those of the register, then those that only hubs name."""
    chains = list(Chain.objects.all())
    by_point, for_all = _carried(chains, now)
    at_hubs = list(HubDoor.objects.all())
    last = _last()
    shown = []
    for door in Door.objects.prefetch_related("points"):
        seen = tuple(_seen(one, for_all, now) for one in at_hubs if one.site_door_id == door.pk)
        points = [point.number for point in door.points.all()]
        orders = tuple(one for point in points for one in by_point.get(point, ()))
        records = tuple(last[point] for point in points if point in last)
        shown.append(DoorNow(door, seen, orders, records))
    others = [one for one in at_hubs if one.site_door_id is None]
    return [*shown, *(DoorNow(None, (_seen(one, for_all, now),), (), ()) for one in others)]


def _seen(row: HubDoor, for_all: dict[str, tuple[StandingOrder, ...]], now: int) -> SeenDoor:
    own = tuple(
        StandingOrder(_order(name), by, until)
        for by, name, until in row.orders
        if until is None or until > now
    )
    alarms = tuple(ALARM_WORDS.get(Happening(one), one) for one in row.alarms.split())
    state = WORDS.get(row.state, UNKNOWN)
    return SeenDoor(row.hub, row.door, state, alarms, (*own, *for_all.get(row.hub, ())), row.at)


def _order(name: str) -> str:
    by_name = {order.name.lower(): words for order, words in ORDER_WORDS.items()}
    return by_name.get(name, name)


def _carried(
    chains: Iterable[Chain], now: int
) -> tuple[dict[int, tuple[StandingOrder, ...]], dict[str, tuple[StandingOrder, ...]]]:
    """Return the orders of backend and technicians: by access point, and for all doors of a hub."""
    by_point: dict[int, tuple[StandingOrder, ...]] = {}
    for_all: dict[str, tuple[StandingOrder, ...]] = {}
    for chain in chains:
        for point, order in _orders_of(chain, now):
            if point == ALL_DOORS:
                for_all[chain.hub] = (*for_all.get(chain.hub, ()), order)
            else:
                by_point[point] = (*by_point.get(point, ()), order)
    return by_point, for_all


def _orders_of(chain: Chain, now: int) -> list[tuple[int, StandingOrder]]:
    if not chain.orders:
        return []
    try:
        found = read_orders(bytes(chain.orders))
    except FrameError:
        return [(ALL_DOORS, StandingOrder("not readable: taken for a lockdown", "hubd", None))]
    return [
        (one.access_point, StandingOrder(ORDER_WORDS[one.order], one.by, one.until))
        for one in found
        if one.until is None or one.until > now
    ]


def _last() -> dict[int, Record]:
    """Return the newest record of each access point of the register."""
    newest = Record.objects.filter(access_point=OuterRef("number")).order_by("-at", "-id")
    points = AccessPoint.objects.annotate(newest=Subquery(newest.values("id")[:1]))
    ids = [one for one in points.values_list("newest", flat=True) if one is not None]
    rows = Record.objects.filter(pk__in=ids).defer("record")
    return {row.access_point: row for row in rows if row.access_point is not None}
