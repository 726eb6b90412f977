"""What each door is in now, as far as records say: for people who look on.

Laws:
1. A word is as strong as its record: of a door that has said nothing since its hub began it is said
   that its state is not known.
2. Orders are those that stand at this moment: one whose end has come is not shown.
3. An order for all doors of a hub stands at each of them.
4. A hub says something of the access points alone that its proven certificate names. What its
   records say of another hub's is shown nowhere. Each order names its hub.
5. An order that stands at no door of the list is told by itself, with the place that it holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import OuterRef, Subquery

from hubcore.access.precedence import DoorOrder
from hubcore.door.phases import Happening
from hubcore.door.state import DoorState
from hubcore.errors import FrameError
from hubcore.evidence.carried_orders import ALL_DOORS, read_orders
from hubsite.records.models import Chain, HubDoor, Record
from hubsite.register.models import AccessPoint, Door

UNKNOWN = "not known"
EVERYWHERE = "all doors"
"""Where an order is that holds each door of its hub."""
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

_BY_NAME = {order.name.lower(): words for order, words in ORDER_WORDS.items()}


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """An order that stands: what, by whom, and until when in Unix seconds (None: until ended).

    `hub` is the one that says so.
    """

    hub: str
    words: str
    by: str
    until: int | None


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order with the place that it holds: all doors of its hub, or an access point there."""

    hub: str
    where: str
    order: StandingOrder


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

    `last` are the newest records at its access points; `points` are these, by the hub whose proven
    certificate names them.
    """

    door: Door | None
    seen: tuple[SeenDoor, ...]
    orders: tuple[StandingOrder, ...]
    last: tuple[Record, ...]
    points: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def doors_now(now: int, served: Mapping[str, frozenset[int]]) -> list[DoorNow]:
    """Return all doors: those of the register, then those that only hubs name.

    `served` are the access points that each hub's proven certificate names (law 4).
    """
    chains = list(Chain.objects.all())
    by_point, for_all = _carried(chains, now, served)
    at_hubs: dict[int | None, list[SeenDoor]] = defaultdict(list)
    for row in HubDoor.objects.all():
        at_hubs[row.site_door_id].append(_seen(row, for_all, now))
    points = _points()
    hubs_of = _hubs_of(served)
    last = _last(served)
    shown = []
    for door in Door.objects.all():
        numbers = points.get(door.pk, ())
        orders = tuple(one for number in numbers for one in by_point.get(number, ()))
        records = tuple(last[number] for number in numbers if number in last)
        seen = tuple(at_hubs.get(door.pk, ()))
        shown.append(DoorNow(door, seen, orders, records, _by_hub(numbers, hubs_of)))
    return [*shown, *(DoorNow(None, (one,), (), ()) for one in at_hubs.get(None, ()))]


def orders_without_doors(now: int, served: Mapping[str, frozenset[int]]) -> list[PlacedOrder]:
    """Return what stands at no door of `doors_now` (laws 2, 4 and 5); `served` is as there."""
    with_doors = set(HubDoor.objects.values_list("hub", flat=True))
    registered = set(AccessPoint.objects.values_list("number", flat=True))
    found = []
    for chain in Chain.objects.all():
        is_shown = chain.hub in with_doors
        unregistered = served.get(chain.hub, frozenset()) - registered
        for point, order in _orders_of(chain, now):
            if point == ALL_DOORS and not is_shown:
                found.append(PlacedOrder(chain.hub, EVERYWHERE, order))
            elif point in unregistered:
                found.append(PlacedOrder(chain.hub, f"access point {point}", order))
    return found


def _hubs_of(served: Mapping[str, frozenset[int]]) -> dict[int, list[str]]:
    """Return the hubs whose certificates name each access point."""
    found: dict[int, list[str]] = defaultdict(list)
    for hub, points in served.items():
        for number in points:
            found[number].append(hub)
    return found


def _by_hub(
    numbers: Iterable[int], hubs_of: Mapping[int, Sequence[str]]
) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for number in numbers:
        for hub in hubs_of.get(number, ()):
            found[hub] = (*found.get(hub, ()), number)
    return found


def _points() -> dict[int, list[int]]:
    """Return the access points of each door, in their order."""
    found: dict[int, list[int]] = defaultdict(list)
    for door, number in AccessPoint.objects.values_list("door_id", "number"):
        found[door].append(number)
    return found


def _seen(row: HubDoor, for_all: dict[str, tuple[StandingOrder, ...]], now: int) -> SeenDoor:
    own = tuple(
        StandingOrder(row.hub, _order(name), by, until)
        for by, name, until in row.orders
        if until is None or until > now
    )
    alarms = tuple(ALARM_WORDS.get(Happening(one), one) for one in row.alarms.split())
    state = WORDS.get(row.state, UNKNOWN)
    return SeenDoor(row.hub, row.door, state, alarms, (*own, *for_all.get(row.hub, ())), row.at)


def _order(name: str) -> str:
    return _BY_NAME.get(name, name)


def _carried(
    chains: Iterable[Chain], now: int, served: Mapping[str, frozenset[int]]
) -> tuple[dict[int, tuple[StandingOrder, ...]], dict[str, tuple[StandingOrder, ...]]]:
    """Return the orders of backend and technicians: by access point, and for all doors of a hub."""
    by_point: dict[int, tuple[StandingOrder, ...]] = {}
    for_all: dict[str, tuple[StandingOrder, ...]] = {}
    for chain in chains:
        for point, order in _orders_of(chain, now):
            if point == ALL_DOORS:
                for_all[chain.hub] = (*for_all.get(chain.hub, ()), order)
            elif point in served.get(chain.hub, ()):
                by_point[point] = (*by_point.get(point, ()), order)
    return by_point, for_all


def _orders_of(chain: Chain, now: int) -> list[tuple[int, StandingOrder]]:
    if not chain.orders:
        return []
    try:
        found = read_orders(bytes(chain.orders))
    except FrameError:
        what = "not readable: taken for a lockdown"
        return [(ALL_DOORS, StandingOrder(chain.hub, what, "hubd", None))]
    return [
        (one.access_point, StandingOrder(chain.hub, ORDER_WORDS[one.order], one.by, one.until))
        for one in found
        if one.until is None or one.until > now
    ]


def _last(served: Mapping[str, frozenset[int]]) -> dict[int, Record]:
    """Return the newest record of each access point of the register, by the hub that serves it."""
    newest = Record.objects.filter(access_point=OuterRef("number")).order_by("-at", "-id")
    points = AccessPoint.objects.annotate(newest=Subquery(newest.values("id")[:1]))
    ids = [one for one in points.values_list("newest", flat=True) if one is not None]
    rows = Record.objects.filter(pk__in=ids).defer("record")
    hub_of = {point: hub for hub, points in served.items() for point in points}
    found = {row.access_point: row for row in rows if row.access_point in hub_of}
    own = {point: row for point, row in found.items() if point in served.get(row.hub, ())}
    for point in list(found.keys() - own.keys())[:_ASKED_AGAIN]:
        its = Record.objects.filter(hub=hub_of[point], access_point=point).defer("record")
        row = its.order_by("-at", "-id").first()
        if row is not None:
            own[point] = row
    return own


_ASKED_AGAIN = 50
"""Of so many access points it is looked behind the records of hubs that do not serve them."""
