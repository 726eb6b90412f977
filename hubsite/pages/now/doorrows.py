"""One row of the page of live doors.

Laws:
1. A row is rendered once. As long as all that it says is as it was, the same text is shown again.
2. The newest ROWS_KEPT rows are kept. One that says more than SAID_MAX things is never kept: what
   hubs say cannot fill the memory.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.template.loader import render_to_string

from hubsite.fleet.models import HubState
from hubsite.fleet.words import unsure
from hubsite.pages.evidence.names import Shown, moment
from hubsite.pages.now.bridged import BridgedDoor, BridgeView
from hubsite.records.showing.looks import DoorNow, SeenDoor, StandingOrder

ROWS_KEPT = 2048
SAID_MAX = 24
"""States, alarms, orders and records together."""


class Seen(NamedTuple):
    """What a hub says that a door is in, and since when; None for never.

    `unsure` is why that may be no more, "" for a hub that is connected.
    """

    state: str
    at: datetime | None
    unsure: str


class Standing(NamedTuple):
    """An order that stands: which hub says so, what, by whom, until when (None: until ended)."""

    hub: str
    words: str
    by: str
    until: datetime | None


class Last(NamedTuple):
    """The newest record at an access point of the door."""

    hub: str
    number: int
    at: datetime
    kind: str
    outcome: str
    person: str


@dataclass(frozen=True, slots=True)
class DoorRow:
    """All that a row says; `key` is that of a door of the register, None for any other."""

    name: str
    key: int | None
    seen: tuple[Seen, ...]
    alarms: tuple[str, ...]
    orders: tuple[Standing, ...]
    last: tuple[Last, ...]
    bridged: tuple[Seen, ...] = ()
    bridged_alarms: tuple[str, ...] = ()

    @property
    def said(self) -> int:
        """How many things it says."""
        parts = (self.seen, self.alarms, self.orders, self.last)
        return sum(map(len, (*parts, self.bridged, self.bridged_alarms)))


@dataclass(frozen=True, slots=True)
class Sight:
    """By which ways doors are seen: how the hubs are, and what the bridge says, None without one.

    `engine_away` is why records say nothing of now, "" while the engine is read.
    """

    states: Mapping[str, HubState]
    engine_away: str = ""
    bridge: BridgeView | None = None

    def unsure(self, hub: str) -> str:
        """Return why what a hub has recorded may be no more, "" for one that is connected."""
        return self.engine_away or unsure(self.states.get(hub))


def row_of(one: DoorNow, named: Mapping[int, Shown], sight: Sight) -> DoorRow:
    """Return a door as the page has it; `named` are its last records with their names."""
    bridged = tuple(said for seen in one.seen if (said := _bridged(one, seen, sight)))
    orders = (*one.orders, *(order for seen in one.seen for order in seen.orders))
    orders += tuple(order for said in bridged for order in said.orders)
    return DoorRow(
        name=str(one.door or ", ".join(f"{seen.hub} {seen.door}" for seen in one.seen)),
        key=one.door.pk if one.door else None,
        seen=tuple(_seen(seen, sight.unsure(seen.hub)) for seen in one.seen),
        alarms=tuple(alarm for seen in one.seen for alarm in seen.alarms),
        orders=tuple(_standing(order) for order in orders),
        last=tuple(_last(named[row.pk]) for row in one.last),
        bridged=tuple(Seen(said.state, said.at, said.unsure) for said in bridged),
        bridged_alarms=tuple(alarm for said in bridged for alarm in said.alarms),
    )


def bridged_only(bridge: BridgeView, known: Collection[tuple[str, str]]) -> list[DoorRow]:
    """Return the doors that the bridge alone names; `known` are those of records."""
    rows = []
    for hub, door in bridge.doors.keys() - set(known):
        said = bridge.door(hub, door)
        if said is not None:
            rows.append(_row_of_bridge(f"{hub} {door}", said))
    return sorted(rows, key=lambda row: row.name)


def _row_of_bridge(name: str, said: BridgedDoor) -> DoorRow:
    return DoorRow(
        name=name,
        key=None,
        seen=(),
        alarms=(),
        orders=tuple(_standing(order) for order in said.orders),
        last=(),
        bridged=(Seen(said.state, said.at, said.unsure),),
        bridged_alarms=said.alarms,
    )


def _bridged(one: DoorNow, seen: SeenDoor, sight: Sight) -> BridgedDoor | None:
    """Return what the bridge adds (`bridged`, law 2)."""
    if sight.bridge is None:
        return None
    said = sight.bridge.door(seen.hub, seen.door, one.points.get(seen.hub, ()))
    if said is None:
        return None
    is_sure = not sight.unsure(seen.hub)
    is_same = (said.state, set(said.alarms)) == (seen.state, set(seen.alarms))
    return None if is_sure and (said.unsure or is_same) else said


def _seen(one: SeenDoor, unsure: str) -> Seen:
    return Seen(one.state, moment(one.at) if one.at else None, unsure)


def _standing(one: StandingOrder) -> Standing:
    until = None if one.until is None else moment(one.until)
    return Standing(one.hub, one.words, one.by, until)


def _last(one: Shown) -> Last:
    return Last(
        hub=one.row.hub,
        number=one.row.number,
        at=one.at,
        kind=one.row.kind,
        outcome=one.row.outcome,
        person=str(one.person) if one.person else "",
    )


def text_of(row: DoorRow) -> str:
    """Return a row of the table (the laws)."""
    return kept(row) if row.said <= SAID_MAX else _rendered(row)


def _rendered(row: DoorRow) -> str:
    return render_to_string("now/doors_row.html", {"door": row})


kept = lru_cache(ROWS_KEPT)(_rendered)
"""The rows that are shown again (law 2)."""
