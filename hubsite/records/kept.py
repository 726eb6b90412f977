"""What is kept of records: short transactions, one for all messages that came at once.

Laws:
1. Records, their chain's head and the place in the stream are one transaction. So a restart goes on
   where it was, and nothing is kept twice.
2. A message that does not follow is counted in its hub's chain, with the first sentence about it.
   It costs no row, and changes nothing of any other hub.
3. Of a hub without a chain here, a message that does not begin one leaves no row: it is counted in
   memory alone. There are at most HUBS_MAX chains.
4. Where the database refuses what a message says, each message is tried alone. The one that it
   refuses again is counted as one that does not follow, and the others are kept.
5. A record is dated by when the engine took it, and never later than now: a hub's clock says
   nothing about how long its records stay.
6. Who has seen an alarm that the bridge told before has seen its record (`hubsite.bridge.alarms`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db import DataError, IntegrityError, transaction
from django.db.models import F

from hubcore.errors import AuditError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Head, StoredRecord
from hubgateway.rules import names
from hubsite.bridge import alarms
from hubsite.records import chain as rules
from hubsite.records.columns import Columns, columns_of
from hubsite.records.doors import take_doors
from hubsite.records.engine import Message
from hubsite.records.models import ORDERS_BYTES, SENTENCE_LENGTH, Chain, Record, StreamPlace

PLACE = 1
HUBS_MAX = 4096
ROWS_AT_ONCE = 200
"""In one statement: SQLite takes 32,766 values in one."""
_UNFIT = (DataError, IntegrityError, OverflowError, ValueError)
"""What a database, or its driver, says of a value that it does not take."""


@dataclass(slots=True)
class Taken:
    """What came of some messages: how many records are new, how many alarms among them.

    `strays` are the sentences about messages that belong to no chain here (law 3).
    """

    records: int = 0
    alarms: int = 0
    strays: list[str] = field(default_factory=list)


def place_read() -> int:
    """Return how far the stream was read."""
    found = StreamPlace.objects.filter(pk=PLACE).first()
    return found.place if found else 0


def move_to(place: int) -> None:
    """The stream is read from here on."""
    StreamPlace.objects.update_or_create(pk=PLACE, defaults={"place": place})


def take(messages: Sequence[Message], now: int, moves: bool = True) -> Taken:
    """Keep what follows of these messages (law 1); `moves`: the stream was read up to the last."""
    try:
        return _take_all(messages, now, moves, _take_one)
    except _UNFIT:
        return _take_all(messages, now, moves, _take_alone)


def _take_all(
    messages: Sequence[Message],
    now: int,
    moves: bool,
    take_one: Callable[[Message, int, Taken], None],
) -> Taken:
    taken = Taken()
    with transaction.atomic():
        for message in messages:
            take_one(message, now, taken)
        if moves and messages:
            move_to(messages[-1].place)
    return taken


def _take_alone(message: Message, now: int, taken: Taken) -> None:
    """Keep law 4."""
    try:
        with transaction.atomic():
            _take_one(message, now, taken)
    except _UNFIT as error:
        chain = Chain.objects.filter(pk=message.hub).first()
        _refuse(message, chain, f"the database does not take it ({type(error).__name__})", taken)


def _take_one(message: Message, now: int, taken: Taken) -> None:
    if not names.HUB_ID.fullmatch(message.hub):
        taken.strays.append(f"message {message.place} is of no hub that can be")
        return
    chain = Chain.objects.select_for_update().filter(pk=message.hub).first()
    known = chain or Chain(hub=message.hub)
    try:
        records = rules.read_message(message.data)
        new = rules.new_in(
            known.base, known.head, records, lambda number: _hash_of(message.hub, number)
        )
    except AuditError as error:
        _refuse(message, chain, str(error), taken)
        return
    if not new:
        return
    if chain is None and Chain.objects.count() >= HUBS_MAX:
        taken.strays.append(f"more than {HUBS_MAX} hubs: hub {message.hub} is not kept")
        return
    _add(known, new, min(message.at or now, now), now, taken)


def _hash_of(hub: str, number: int) -> bytes | None:
    row = Record.objects.filter(hub=hub, number=number).values_list("chain_hash", flat=True).first()
    return None if row is None else bytes(row)


def _refuse(message: Message, chain: Chain | None, why: str, taken: Taken) -> None:
    """Count a message that does not follow (laws 2 and 3)."""
    if chain is None:
        taken.strays.append(f"message {message.place} of hub {message.hub}: {why}")
        return
    first = {"trouble": why[:SENTENCE_LENGTH], "refused_place": message.place}
    rows = Chain.objects.filter(pk=chain.pk)
    rows.update(refused=F("refused") + 1, **({} if chain.trouble else first))


def _add(chain: Chain, new: Sequence[StoredRecord], at: int, now: int, taken: Taken) -> None:
    """Keep records that follow; the engine took them at `at` (law 5)."""
    rows = []
    read: list[tuple[StoredRecord, Columns]] = []
    dated = max(chain.newest, at)
    seen = alarms.met(chain.hub, new)
    for record in new:
        columns = columns_of(record.body)
        rows.append(_row(chain.hub, record, columns, dated, seen.get(record.number)))
        read.append((record, columns))
    Record.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    if chain.oldest is None:
        chain.oldest = rows[0].dated
    _move_head(chain, Head(new[-1].number, new[-1].hash), dated, now, read)
    chain.save()
    take_doors(chain.hub, read)
    taken.records += len(rows)
    taken.alarms += sum(1 for row in rows if row.is_alarm)


def _move_head(
    chain: Chain, head: Head, dated: int, now: int, read: Sequence[tuple[StoredRecord, Columns]]
) -> None:
    chain.head_number = head.number
    chain.head_hash = head.hash
    chain.newest = dated
    chain.heard_at = now
    for _, columns in read:
        orders = columns.said.get(Fact.ORDERS)
        if isinstance(orders, bytes) and len(orders) <= ORDERS_BYTES:
            chain.orders = orders


def _row(
    hub: str, record: StoredRecord, columns: Columns, dated: int, seen: alarms.Seen | None
) -> Record:
    return Record(
        hub=hub,
        number=record.number,
        at=columns.at,
        dated=dated,
        kind=columns.kind,
        access_point=columns.access_point,
        door=columns.door,
        credential=columns.credential,
        outcome=columns.outcome,
        is_alarm=columns.is_alarm,
        seen_by="" if seen is None else seen.by,
        seen_at=None if seen is None else seen.at,
        chain_hash=record.hash,
        record=record.body,
    )


def troubles() -> list[tuple[str, str, int]]:
    """Return the hubs with messages that do not follow: hub, the first sentence, how many."""
    rows = Chain.objects.filter(refused__gt=0).values_list("hub", "trouble", "refused")
    return list(rows[:8])
