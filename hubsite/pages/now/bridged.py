"""What the bridge says of the doors, beside what records say of them.

Laws:
1. The bridge's word never takes the place of what records say: both are shown, each with its way.
2. It is left out where the engine is read, its hub is connected, and both say the same.
3. What the bridge said last, when it is not heard or does not hear the hub, is told as that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hubcore.door.phases import Happening
from hubsite.bridge.answer import SaidDoor, SaidHub, SaidOrder
from hubsite.bridge.watching.finding import the_watch
from hubsite.pages.evidence.names import moment
from hubsite.records.showing.looks import (
    ALARM_WORDS,
    EVERYWHERE,
    UNKNOWN,
    WORDS,
    PlacedOrder,
    StandingOrder,
)
from hubsite.records.showing.reading import engine_read

_ORDERS = {"hold_open": "held open", "no_entry": "no entry", "grant": "released"}
_HAPPENINGS = frozenset(map(str, Happening))


@dataclass(frozen=True, slots=True)
class BridgedDoor:
    """A door as the bridge says it; `unsure` is why that may be no more, "" for a hub it hears."""

    state: str
    at: datetime
    unsure: str
    alarms: tuple[str, ...]
    orders: tuple[StandingOrder, ...]


@dataclass(frozen=True, slots=True)
class BridgeView:
    """All that the bridge says; `is_heard` now, or `at` in Unix seconds when it was last, or 0."""

    name: str = ""
    is_heard: bool = False
    at: float = 0.0
    hubs: Mapping[str, SaidHub] = field(default_factory=dict)
    doors: Mapping[tuple[str, str], SaidDoor] = field(default_factory=dict)
    orders: tuple[SaidOrder, ...] = ()

    def door(self, hub: str, door: str, points: Iterable[int] = ()) -> BridgedDoor | None:
        """Return a door of a hub, None for one of which it says nothing.

        `points` are the access points of this hub that lead through it.
        """
        said = self.doors.get((hub, door))
        if said is None:
            return None
        places = _places(door, points)
        mine = [one for one in self.orders if one.hub == hub and one.where in places]
        return BridgedDoor(
            state=WORDS.get(said.what, UNKNOWN),
            at=moment(int(said.at)),
            unsure=self.unsure(hub),
            alarms=tuple(_alarm(one) for one in said.alarms),
            orders=tuple(_standing(one) for one in mine),
        )

    def without_doors(self, points: Mapping[tuple[str, str], Iterable[int]]) -> list[PlacedOrder]:
        """Return the orders that stand at no door of which the bridge says something.

        `points` are the access points of a hub's doors, by hub and door.
        """
        held = {
            (hub, place)
            for hub, door in self.doors
            for place in _places(door, points.get((hub, door), ()))
        }
        return [
            PlacedOrder(one.hub, one.where, _standing(one))
            for one in self.orders
            if (one.hub, one.where) not in held
        ]

    def unsure(self, hub: str) -> str:
        """Return why what the bridge says of a hub may be no more, "" for one that it hears."""
        if not self.is_heard:
            return "the bridge is not heard"
        its = self.hubs.get(hub)
        return "" if its is not None and its.connected else "the bridge does not hear its hub"


def _places(door: str, points: Iterable[int]) -> set[str]:
    """Return all that an order may name so that it holds this door of its hub."""
    return {EVERYWHERE, f"door {door}", *(f"access point {one}" for one in points)}


def view() -> BridgeView | None:
    """Return what the bridge says, None where no bridge is in this server's file."""
    watch = the_watch()
    if watch is None:
        return None
    heard = watch.heard
    if heard is None:
        return BridgeView()
    now = heard.now
    return BridgeView(
        name=now.bridge,
        is_heard=watch.is_heard,
        at=min(heard.at, now.at),
        hubs={one.hub: one for one in now.hubs},
        doors={(one.hub, one.door): one for one in now.doors},
        orders=now.orders,
    )


def _alarm(word: str) -> str:
    return ALARM_WORDS.get(Happening(word), word) if word in _HAPPENINGS else word


def _standing(one: SaidOrder) -> StandingOrder:
    words = _ORDERS.get(one.order, one.order)
    until = None if one.until is None else int(one.until)
    return StandingOrder(f"the bridge of {one.hub}", words, one.given_by, until)


@dataclass(frozen=True, slots=True)
class AwayHub:
    """A hub that the bridge does not hear; `at` is when it did last, None for never."""

    hub: str
    at: datetime | None


def away_now() -> list[AwayHub]:
    """Return the hubs that the bridge does not hear, where it alone can say so.

    A hub that has another bridge is away from this one: gateways know better.
    """
    bridge = view()
    engine = engine_read()
    if bridge is None or not bridge.is_heard or (engine is not None and engine.is_now):
        return []
    away = [one for one in bridge.hubs.values() if not one.connected]
    return [AwayHub(one.hub, moment(int(one.heard_at)) if one.heard_at else None) for one in away]
