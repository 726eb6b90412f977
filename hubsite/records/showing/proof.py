"""How the rows of a hub prove themselves to who looks at them: one record, or the whole chain.

Laws:
1. Rows are proven by their bytes, from the chain's base on: what was judged when they came is not
   believed.
2. One look walks at most WALK_ROWS. It ends with a head, from which the next one goes on.
3. An export is the file that `hubctl audit verify --export` reads. No hub has signed it: it proves
   that its records follow one another from the point at its beginning.
4. An export has at most EXPORT_ROWS and EXPORT_BYTES. The next one begins behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models.functions import Length

from hubcore.errors import AuditError
from hubcore.evidence import export
from hubcore.evidence.records import Head, StoredRecord, agrees, follows
from hubsite.records.models import Chain, Record

WALK_ROWS = 10_000
GONE = "Records went while the file was made. Ask for it again, from a later record on."
EXPORT_ROWS = 20_000
EXPORT_BYTES = 4 << 20
ROWS_AT_ONCE = 500
AROUND_BYTES = 64
"""Around the bytes of each record in an export, at most."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What holds between a record and those beside it: a sentence each, "" where it holds.

    `has_after`: there is a record behind it here.
    """

    before: str
    after: str
    has_after: bool


def neighbours_of(chain: Chain, row: Record) -> Neighbours:
    """Prove a record against those beside it (law 1)."""
    beside = Record.objects.filter(hub=row.hub, number__in=(row.number - 1, row.number + 1))
    found = {one.number: one.stored for one in beside}
    before = _point_before(chain, row.number, found.get(row.number - 1))
    after = found.get(row.number + 1)
    return Neighbours(
        before=_wrong(before, row.stored),
        after="" if after is None else _wrong(row.stored, after),
        has_after=after is not None,
    )


def _point_before(chain: Chain, number: int, there: StoredRecord | None) -> StoredRecord | Head:
    if there is not None:
        return there
    return chain.base if chain.base_number == number - 1 else Head()


def _wrong(before: StoredRecord | Head, record: StoredRecord) -> str:
    try:
        follows(before, record)
    except AuditError as error:
        return str(error)
    return ""


def walk(chain: Chain, start: Head | None = None, rows: int = WALK_ROWS) -> Head:
    """Walk some rows of a chain (law 2); return the head. Raise AuditError at the first wrong one.

    `start` is where an earlier look ended; it must still be there.
    """
    at = chain.base
    if start is not None and start.number > at.number:
        row = Record.objects.filter(hub=chain.hub, number=start.number).first()
        agrees(start, None if row is None else row.stored)
        at = start
    last = min(at.number + rows, chain.head_number)
    for record in _rows(chain.hub, at.number, last):
        follows(at, record)
        at = Head(record.number, record.hash)
    if at.number < last or (last == chain.head_number and at != chain.head):
        raise AuditError(f"record {at.number + 1} is missing: the end of the chain was cut off")
    return at


def _rows(hub: str, after: int, last: int) -> Iterator[StoredRecord]:
    rows = Record.objects.filter(hub=hub, number__gt=after, number__lte=last).order_by("number")
    for row in rows.only("number", "record", "chain_hash").iterator(ROWS_AT_ONCE):
        yield row.stored


def last_of_export(
    chain: Chain, first: int, most: int = EXPORT_ROWS, bytes_most: int = EXPORT_BYTES
) -> int:
    """Return the last record of an export that begins here (law 4).

    Raise ValueError with a sentence where there is none.
    """
    if not chain.base_number < first <= chain.head_number:
        raise ValueError(
            f"Records {chain.base_number + 1} to {chain.head_number} of {chain.hub} are here."
        )
    rows = Record.objects.filter(hub=chain.hub, number__gte=first).order_by("number")
    left = bytes_most
    last = first
    for number, size in rows.values_list("number", Length("record"))[:most]:
        left -= size + AROUND_BYTES
        if left < 0:
            break
        last = number
    return last


def whole_export(chain: Chain, first: int, last: int) -> bytes:
    """Return an export of these records, at most EXPORT_BYTES of them.

    Raise ValueError with a sentence where rows went meanwhile.
    """
    try:
        whole = b"".join(write_export(chain, first, last))
    except Record.DoesNotExist as error:
        raise ValueError(GONE) from error
    count = Record.objects.filter(hub=chain.hub, number__gte=first, number__lte=last).count()
    if count != last - first + 1:
        raise ValueError(GONE)
    return whole


def write_export(chain: Chain, first: int, last: int) -> Iterator[bytes]:
    """Yield an export of these records (law 3)."""
    before = chain.base
    if first - 1 > chain.base_number:
        row = Record.objects.get(hub=chain.hub, number=first - 1)
        before = Head(row.number, bytes(row.chain_hash))
    yield export.write_begin(before)
    for record in _rows(chain.hub, first - 1, last):
        yield export.write_record(record)
    yield export.UNSIGNED
