"""Fills the tables of records: hubs' chains as they lie after years, and the doors they tell of.

Laws:
1. Each record is a hub's: its bytes can be read, and it follows the one before it.
2. Kinds, doors, access points, people and alarms are mixed as at a site that is in use.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice

from django.db import connection, transaction

from hubcore.door.phases import Happening
from hubcore.evidence.facts import Fact, RecordKind, Value, named
from hubcore.evidence.records import Head, chain_hash
from hubcore.evidence.records import Record as Said
from hubsite.fleet.models import HubState
from hubsite.records.columns import ALLOWED
from hubsite.records.models import Chain, HubDoor, Record
from hubsite.register.models import Door, HubPolicy

HUBS = 40
DOORS_A_HUB = 5
BATCH = 10_000
YEARS_SECONDS = 3 * 365 * 86_400
_EACH_ALARM = 2_000
_COLUMNS = (
    *("hub", "number", "at", "dated", "kind", "access_point", "door", "credential", "outcome"),
    *("is_alarm", "seen_by", "seen_at", "chain_hash", "record"),
)
Row = tuple[object, ...]


def fill_records(count: int, credentials: Sequence[str]) -> None:
    """Make so many records, in all hubs' chains together, and the doors of the register there."""
    heads = {_hub(number): Head() for number in range(HUBS)}
    now = int(time.time())
    rows = _rows(count, credentials, heads, now)
    columns = ", ".join(connection.ops.quote_name(one) for one in _COLUMNS)
    places = ", ".join("%s" for _ in _COLUMNS)
    table = connection.ops.quote_name(Record._meta.db_table)
    statement = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - names of this module
    while batch := list(islice(rows, BATCH)):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(statement, batch)
    _chains(heads, now)


def hubs_again() -> None:
    """These hubs are enrolled, whatever a publisher has found since."""
    rows = (HubPolicy(hub=_hub(number)) for number in range(HUBS))
    HubPolicy.objects.bulk_create(rows, ignore_conflicts=True)


def _chains(heads: dict[str, Head], now: int) -> None:
    Chain.objects.bulk_create(
        Chain(
            hub=hub,
            head_number=head.number,
            head_hash=head.hash,
            oldest=now - YEARS_SECONDS,
            newest=now,
            heard_at=now,
        )
        for hub, head in heads.items()
    )
    hubs_again()
    HubState.objects.bulk_create(
        HubState(hub=_hub(number), is_here=True, access_points=_points(number))
        for number in range(HUBS)
    )
    HubDoor.objects.bulk_create(
        HubDoor(
            hub=_hub(place // DOORS_A_HUB),
            door=f"door-{place % DOORS_A_HUB}",
            site_door=door,
            state=Happening.CLOSED,
            at=now,
        )
        for place, door in enumerate(Door.objects.order_by("pk")[: HUBS * DOORS_A_HUB])
    )


def _rows(
    count: int, credentials: Sequence[str], heads: dict[str, Head], now: int
) -> Iterator[Row]:
    """Yield the rows in their order of arrival, and move the heads along."""
    for place in range(count):
        hub_number = place % HUBS
        hub = _hub(hub_number)
        at = now - YEARS_SECONDS + YEARS_SECONDS * (place + 1) // count
        nth = place // HUBS
        point = hub_number * DOORS_A_HUB + nth % DOORS_A_HUB + 1
        credential = credentials[(place * 7919) % len(credentials)]
        said, columns = _said(place, nth, point, credential)
        body = Said(said.kind, at * 1000, at * 1000, said.detail).encode()
        before = heads[hub]
        number = before.number + 1
        digest = chain_hash(before.hash, number, body)
        heads[hub] = Head(number, digest)
        yield (hub, number, at, at, str(said.kind), *columns, "", None, digest, body)


def _said(place: int, nth: int, point: int, credential: str) -> tuple[Said, Row]:
    """Return what a record says, without its moment, and the columns of that."""
    door = f"door-{nth % DOORS_A_HUB}"
    is_alarm = place % _EACH_ALARM == 0
    if is_alarm or nth % 3 == 1:
        what = Happening.FORCED if is_alarm else Happening.CLOSED
        said = Said(RecordKind.DOOR, 0, 0, named({Fact.DOOR: door, Fact.WHAT: str(what)}))
        return said, (None, door, "", str(what), is_alarm)
    if nth % 1000 == 2:
        return Said(RecordKind.STARTED, 0, 0), (None, "", "", "", False)
    is_allowed = nth % 20 != 0
    why = None if is_allowed else "no-grant"
    detail: dict[Fact, Value] = {
        Fact.ASKER: credential,
        Fact.POINT: point,
        Fact.ALLOWED: is_allowed,
        Fact.WHY: why,
    }
    outcome = ALLOWED if is_allowed else "no-grant"
    return Said(RecordKind.ACCESS, 0, 0, named(detail)), (point, "", credential, outcome, False)


def _points(hub_number: int) -> str:
    """Return the access points of a hub as its certificate names them."""
    first = hub_number * DOORS_A_HUB + 1
    return ", ".join(str(point) for point in range(first, first + DOORS_A_HUB))


def _hub(number: int) -> str:
    return f"hub-{number:02}"
