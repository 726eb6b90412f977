"""Names beside opaque ids: those of the register, at the moment of reading.

Law: a record has none of them. Who is not in the register any more is shown by the id alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hubsite.records.models import HubDoor, Record
from hubsite.register.models import AccessPoint, Credential, Person


@dataclass(frozen=True, slots=True)
class Shown:
    """A record as a page shows it; `where` is the door's name, or what the hub calls it."""

    row: Record
    at: datetime
    where: str
    who: str
    person: Person | None


def shown(rows: Sequence[Record]) -> list[Shown]:
    """Return records with the names of their doors and people."""
    keys = {row.credential for row in rows if row.credential}
    phones = Credential.objects.filter(pk__in=keys).select_related("person")
    owners = {one.pk: one.person for one in phones.only("person", "person__name")}
    numbers = {row.access_point for row in rows if row.access_point is not None}
    at_doors = AccessPoint.objects.filter(number__in=numbers).select_related("door")
    points = {
        one.number: f"{one.door} ({one})"
        for one in at_doors.only("number", "name", "door", "door__name")
    }
    doors = _doors(rows)
    return [_one(row, owners, points, doors) for row in rows]


def _doors(rows: Sequence[Record]) -> dict[tuple[str, str], str]:
    """Return the names of those doors of hubs of which an operator has said which one it is."""
    said = [row for row in rows if row.door]
    hubs = {row.hub for row in said}
    doors = {row.door for row in said}
    found = HubDoor.objects.filter(hub__in=hubs, door__in=doors, site_door__isnull=False)
    names = found.values_list("hub", "door", "site_door__name")
    return {(hub, door): name for hub, door, name in names}


def _one(
    row: Record,
    owners: dict[str, Person],
    points: dict[int, str],
    doors: dict[tuple[str, str], str],
) -> Shown:
    person = owners.get(row.credential)
    who = "" if not row.credential else row.credential
    where = ""
    if row.access_point is not None:
        where = points.get(row.access_point, f"access point {row.access_point}")
    elif row.door:
        where = doors.get((row.hub, row.door), row.door)
    return Shown(row, moment(row.at), where, who, person)


def moment(at: int) -> datetime:
    """Return a moment, the first or the last that can be shown for one beyond."""
    bounded = min(max(at, 0), _LAST)
    return datetime.fromtimestamp(bounded, UTC)


_LAST = 253_370_764_800
"""The year 9999."""
