"""One row of the page of live doors.

Laws:
1. A row is rendered once. As long as all that it says is as it was, the same text is shown again.
2. The newest ROWS_KEPT rows are kept. One that says more than SAID_MAX things is never kept: what
   hubs say cannot fill the memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.template.loader import render_to_string

from hubsite.fleet.models import HubState
from hubsite.fleet.words import unsure
from hubsite.pages.evidence.names import Shown, moment
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

    @property
    def said(self) -> int:
        """How many things it says."""
        return sum(map(len, (self.seen, self.alarms, self.orders, self.last)))


def row_of(one: DoorNow, named: Mapping[int, Shown], states: Mapping[str, HubState]) -> DoorRow:
    """Return a door as the page has it.

    `named` are its last records with their names, `states` is how the hubs are.
    """
    orders = (*one.orders, *(order for seen in one.seen for order in seen.orders))
    return DoorRow(
        name=str(one.door or ", ".join(f"{seen.hub} {seen.door}" for seen in one.seen)),
        key=one.door.pk if one.door else None,
        seen=tuple(_seen(seen, states.get(seen.hub)) for seen in one.seen),
        alarms=tuple(alarm for seen in one.seen for alarm in seen.alarms),
        orders=tuple(_standing(order) for order in orders),
        last=tuple(_last(named[row.pk]) for row in one.last),
    )


def _seen(one: SeenDoor, state: HubState | None) -> Seen:
    return Seen(one.state, moment(one.at) if one.at else None, unsure(state))


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
    return render_to_string("doors_row.html", {"door": row})


kept = lru_cache(ROWS_KEPT)(_rendered)
"""The rows that are shown again (law 2)."""
