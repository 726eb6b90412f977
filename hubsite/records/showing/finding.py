"""Finds rows for a page: newest first, from a place on, by an index.

Laws:
1. A page begins behind a row, never after a number of rows. Nothing is counted.
2. What has several values is asked one by one, each by its index, and merged. There are at most
   ALTERNATIVES_MAX: a person with more credentials is shown by the newest of these.
3. Rows are in order by (`at`, `id`): two rows never are at one place.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from hubsite.records.models import HubDoor, Record
from hubsite.register.models import AccessPoint, Credential

ALTERNATIVES_MAX = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands."""

    at: int
    id: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: "" and None for all. `since` and `until` in Unix seconds, without it."""

    hub: str = ""
    kind: str = ""
    door: int | None = None
    person: str = ""
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a page, newest first; whether there are newer and older ones."""

    rows: list[Record]
    has_newer: bool
    has_older: bool


def find(wanted: Wanted, count: int, before: Place | None, after: Place | None) -> Found:
    """Return so many rows older than `before`, or newer than `after`, or the newest."""
    is_up = after is not None and before is None
    lists = [_some(wanted, one, count + 1, before, after) for one in _alternatives(wanted)]
    merged: Iterable[Record] = heapq.merge(*lists, key=_key, reverse=not is_up)
    rows = _distinct(merged, count + 1)
    has_more = len(rows) > count
    rows = rows[:count]
    if is_up:
        return Found(list(reversed(rows)), has_newer=has_more, has_older=True)
    return Found(rows, has_newer=before is not None, has_older=has_more)


def _key(row: Record) -> tuple[int, int]:
    return row.at, row.pk


def _distinct(rows: Iterable[Record], count: int) -> list[Record]:
    """Return the first of them, each once: two alternatives may have the same row."""
    found: list[Record] = []
    for row in rows:
        if found and found[-1].pk == row.pk:
            continue
        found.append(row)
        if len(found) == count:
            break
    return found


def _some(
    wanted: Wanted, one: Q, count: int, before: Place | None, after: Place | None
) -> list[Record]:
    rows: QuerySet[Record] = Record.objects.filter(one).defer("record")
    if wanted.hub:
        rows = rows.filter(hub=wanted.hub)
    if wanted.kind:
        rows = rows.filter(kind=wanted.kind)
    if wanted.since is not None:
        rows = rows.filter(at__gte=wanted.since)
    if wanted.until is not None:
        rows = rows.filter(at__lt=wanted.until)
    if before is not None:
        rows = rows.filter(_is_older(before))
    elif after is not None:
        rows = rows.filter(_is_newer(after))
        return list(rows.order_by("at", "id")[:count])
    return list(rows.order_by("-at", "-id")[:count])


def _is_older(place: Place) -> Q:
    return Q(at__lte=place.at) & (Q(at__lt=place.at) | Q(id__lt=place.id))


def _is_newer(place: Place) -> Q:
    return Q(at__gte=place.at) & (Q(at__gt=place.at) | Q(id__gt=place.id))


def _alternatives(wanted: Wanted) -> list[Q]:
    """Return what is asked one by one (law 2)."""
    at_door = _of_door(wanted.door) if wanted.door is not None else [Q()]
    if not wanted.person:
        return at_door
    of_person = Credential.objects.filter(person_id=wanted.person).order_by("-changed_at")
    keys = list(of_person.values_list("pk", flat=True)[:ALTERNATIVES_MAX])
    door = Q(pk__in=[]) if not at_door else at_door[0]
    for one in at_door[1:]:
        door |= one
    return [Q(credential=key) & door for key in keys]


def _of_door(door: int) -> list[Q]:
    points = AccessPoint.objects.filter(door_id=door).values_list("number", flat=True)
    at_hubs = HubDoor.objects.filter(site_door_id=door).values_list("hub", "door")
    alternatives = [Q(access_point=number) for number in points]
    alternatives += [Q(hub=hub, door=name) for hub, name in at_hubs]
    return alternatives[:ALTERNATIVES_MAX]
