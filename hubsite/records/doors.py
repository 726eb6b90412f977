"""What records say of doors: what happened last, which alarms and which orders stand.

Laws:
1. The newest record about a door counts. It is what the hub saw, and no more: a door without a
   position switch is never said to be shut.
2. An alarm stands until a record says that it ended.
3. Orders of backend and technicians stand as the newest record that carries them all says
   (`Chain.orders`); all others as their own records say, for each door.
4. When a hub starts, nothing is known of its doors until it says so. Its site's orders go on.
5. A hub has at most DOORS_MAX doors here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubcore.door.phases import Happening
from hubcore.evidence.carried_alarms import take_happening
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import StoredRecord
from hubsite.records.columns import Columns
from hubsite.records.models import HubDoor

DOORS_MAX = 64
ORDERS_MAX = 16
_CARRIED = frozenset({"backend", "backend-all-doors", "technician"})
_LASTS = "site"
_UNKNOWN = ""
_HAPPENINGS = frozenset(map(str, Happening))


def take_doors(hub: str, read: Sequence[tuple[StoredRecord, Columns]]) -> None:
    """Keep what these records of a hub, in their order, say of its doors."""
    telling = [
        (record.number, columns)
        for record, columns in read
        if columns.door or columns.kind == RecordKind.STARTED
    ]
    if not telling:
        return
    doors = {row.door: row for row in HubDoor.objects.filter(hub=hub)}
    for number, columns in telling:
        if columns.kind == RecordKind.STARTED:
            _start(doors.values())
            continue
        if columns.door not in doors and len(doors) >= DOORS_MAX:
            continue
        row = doors.setdefault(columns.door, HubDoor(hub=hub, door=columns.door))
        _take(row, number, columns)
    for row in doors.values():
        row.save()


def _start(rows: Any) -> None:
    """Forget what a start makes doubtful (law 4)."""
    for row in rows:
        row.state = _UNKNOWN
        row.orders = [one for one in row.orders if one[0] == _LASTS]


def _take(row: HubDoor, number: int, columns: Columns) -> None:
    row.number = number
    row.at = columns.at
    what = columns.said.get(Fact.WHAT)
    if columns.kind == RecordKind.DOOR and what in _HAPPENINGS:
        _happen(row, Happening(what), columns.said)
    elif columns.kind == RecordKind.ORDER:
        _order(row, columns.said)


def _happen(row: HubDoor, happening: Happening, said: Mapping[str, object]) -> None:
    standing = {Happening(word) for word in row.alarms.split()}
    take_happening(standing, happening, said)
    row.alarms = " ".join(sorted(standing))
    if happening is Happening.TOO_OFTEN:
        row.state = str(said.get(Fact.STATE) or _UNKNOWN)[:64]
    else:
        row.state = str(happening)


def _order(row: HubDoor, said: Mapping[str, Any]) -> None:
    """Keep an order that its own record says (law 3): by whom, which, and until when."""
    given_by = said.get(Fact.GIVEN_BY)
    order = said.get(Fact.ORDER)
    is_told = isinstance(given_by, str) and isinstance(order, str)
    is_refused = said.get(Fact.ALLOWED) is False or Fact.OUTCOME in said
    if not is_told or is_refused or given_by in _CARRIED:
        return
    others = [one for one in row.orders if one[:2] != [given_by, order]]
    until = said.get(Fact.UNTIL)
    if said.get(Fact.ON) is True:
        others.append([given_by, order, until if type(until) is int else None])
    row.orders = others[-ORDERS_MAX:]
