"""What records say of doors: what happened last, which alarms and which orders stand.

Laws:
1. The newest record about a door counts. It is what the hub saw, and no more: a door without a
   position switch is never said to be shut.
2. An alarm stands until a record says that it ended.
3. Orders of backend and technicians stand as the newest record that carries them all says
   (`Chain.orders`); all others as their own records say, for each door.
4. When a hub starts, nothing is known of its doors until it says so. Its site's orders go on.
5. A hub has at most DOORS_MAX doors here, and a door at most ORDERS_MAX orders.
6. Text of a hub is cut, and has no character that is not shown (`columns`, law 2).
7. A row is written only where something of it has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hubcore.door.phases import Happening
from hubcore.evidence.carried_alarms import take_happening
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import StoredRecord
from hubsite.records.columns import Columns, shown_word
from hubsite.records.models import HubDoor

DOORS_MAX = 64
ORDERS_MAX = 16
_CARRIED = frozenset({"backend", "backend-all-doors", "technician"})
_LASTS = "site"
_UNKNOWN = ""
_MOMENTS = range(1 << 63)
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
    changed: dict[str, HubDoor] = {}
    for number, columns in telling:
        if columns.kind == RecordKind.STARTED:
            changed |= {row.door: row for row in _start(doors.values())}
            continue
        if columns.door not in doors and len(doors) >= DOORS_MAX:
            continue
        row = doors.setdefault(columns.door, HubDoor(hub=hub, door=columns.door))
        _take(row, number, columns)
        changed[row.door] = row
    for row in changed.values():
        row.save()


def _start(rows: Iterable[HubDoor]) -> list[HubDoor]:
    """Forget what a start makes doubtful (law 4); return the rows that this changes."""
    changed = []
    for row in rows:
        last = [one for one in row.orders if one[0] == _LASTS]
        if row.state == _UNKNOWN and row.orders == last:
            continue
        row.state = _UNKNOWN
        row.orders = last
        changed.append(row)
    return changed


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
        row.state = shown_word(said.get(Fact.STATE))
    else:
        row.state = str(happening)


def _is_moment(said: object) -> bool:
    return type(said) is int and said in _MOMENTS


def _order(row: HubDoor, said: Mapping[str, Any]) -> None:
    """Keep an order that its own record says (law 3): by whom, which, and until when."""
    given_by = shown_word(said.get(Fact.GIVEN_BY))
    order = shown_word(said.get(Fact.ORDER))
    is_told = given_by and order
    is_refused = said.get(Fact.ALLOWED) is False or Fact.OUTCOME in said
    if not is_told or is_refused or given_by in _CARRIED:
        return
    others = [one for one in row.orders if one[:2] != [given_by, order]]
    until = said.get(Fact.UNTIL)
    if said.get(Fact.ON) is True:
        others.append([given_by, order, until if _is_moment(until) else None])
    row.orders = others[-ORDERS_MAX:]
