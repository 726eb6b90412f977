"""What the records of one hub tell of its doors, for people on site.

Laws:
1. It is the hub's word, as it comes. Nothing is decided by it, and nothing opens by it.
2. There are at most DOORS_MAX doors and ORDERS_MAX orders, those of which was heard last.
3. What cannot be read, or has a name out of shape, tells nothing.
4. An alarm stands from the record of its beginning to that of its end, or to a sum of what was left
   out that says so (`evidence.carried_alarms`).
5. When a hub starts, nothing is known of its doors until it says so. Alarms and orders go on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from hubcore.access.precedence import DoorOrder
from hubcore.door.phases import Happening
from hubcore.errors import AuditError
from hubcore.evidence.carried_alarms import take_happening
from hubcore.evidence.carried_orders import ALL_DOORS
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import facts

DOORS_MAX = 64
ORDERS_MAX = 64
NAME_CHARS_MAX = 64
NOT_KNOWN = "not_known"
"""What a door is in since its hub started (law 5)."""
_HAPPENINGS = frozenset(map(str, Happening))
_ORDERS = frozenset(order.name.lower() for order in DoorOrder)
_WORDS = re.compile("|".join((Fact.WHAT, Fact.ORDER, RecordKind.STARTED)).encode())
"""What tells of a door, an order or a start has one of these in its bytes; others are not read."""


def may_tell(bodies: bytes) -> bool:
    """Tell whether a record, or one of those that were joined to this, may tell of a door."""
    return _WORDS.search(bodies) is not None


@dataclass(frozen=True, slots=True)
class DoorSeen:
    """What happened last at a door, when, and which alarms stand there."""

    what: str
    at_ms: int
    alarms: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OrderPlace:
    """What an order is about: which order, whose, and where."""

    order: str
    given_by: str
    where: str


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """An order that stands; `until` in Unix seconds, None without an end."""

    at_ms: int
    until: int | None


@dataclass(slots=True)
class DoorsSeen:
    """The doors of one hub, and the orders that stand there."""

    doors: dict[str, DoorSeen] = field(default_factory=dict)
    orders: dict[OrderPlace, OrderSeen] = field(default_factory=dict)

    def take(self, body: bytes) -> None:
        """Take a record as it came."""
        if not may_tell(body):
            return
        try:
            said = facts(body)
        except AuditError:
            return
        if said["kind"] == RecordKind.DOOR:
            self._take_door(said)
        elif said["kind"] == RecordKind.ORDER:
            self._take_order(said)
        elif said["kind"] == RecordKind.STARTED:
            self._start(said["at"])

    def standing(self, now: float) -> dict[OrderPlace, OrderSeen]:
        """Return the orders that stand at a Unix time in seconds."""
        return {
            place: seen
            for place, seen in self.orders.items()
            if seen.until is None or seen.until > now
        }

    def _take_door(self, said: Mapping[str, Any]) -> None:
        door = said.get(Fact.DOOR)
        what = said.get(Fact.WHAT)
        if not _is_name(door) or what not in _HAPPENINGS:
            return
        before = self.doors.pop(door, None)
        standing = set() if before is None else {Happening(one) for one in before.alarms}
        happening = Happening(what)
        take_happening(standing, happening, said)
        self.doors[door] = DoorSeen(str(happening), said["at"], frozenset(map(str, standing)))
        _shorten(self.doors, DOORS_MAX)

    def _start(self, at_ms: int) -> None:
        """Forget what a start makes doubtful (law 5)."""
        for door, seen in self.doors.items():
            self.doors[door] = DoorSeen(NOT_KNOWN, at_ms, seen.alarms)

    def _take_order(self, said: Mapping[str, Any]) -> None:
        order = said.get(Fact.ORDER)
        given_by = said.get(Fact.GIVEN_BY)
        where = _where(said)
        if order not in _ORDERS or not _is_name(given_by) or not where:
            return
        if said.get(Fact.ALLOWED) is False:
            return
        place = OrderPlace(order, given_by, where)
        self.orders.pop(place, None)
        if said.get(Fact.ON) is True:
            until = said.get(Fact.UNTIL)
            self.orders[place] = OrderSeen(said["at"], until if _is_moment(until) else None)
            _shorten(self.orders, ORDERS_MAX)


def _where(said: Mapping[str, Any]) -> str:
    door = said.get(Fact.DOOR)
    if _is_name(door):
        return f"door {door}"
    point = said.get(Fact.POINT)
    if type(point) is not int or point < 0:
        return ""
    return "all doors" if point == ALL_DOORS else f"access point {point}"


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= NAME_CHARS_MAX


def _is_moment(value: object) -> TypeGuard[int]:
    return type(value) is int and value >= 0


def _shorten(table: dict[Any, Any], most: int) -> None:
    while len(table) > most:
        del table[next(iter(table))]
