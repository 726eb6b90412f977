"""A hub sends records: which of them are held then.

Laws:
1. What the witness has seen of a hub is written with the records by which it saw that
   (`hubcore.bridge.witness`, law 7). Of a hub in doubt nothing is written.
2. Records that follow the newest one of both, one after the other, are hashed once and are new. The
   witness and the rules of what is kept say the same of them (`hubbridge.rules.kept`, law 1).
3. A hub's own head is written only if it fits the records that are held (`hubbridge.store.heads`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hubbridge.rules.kept import Judged, agrees, grown, judge
from hubbridge.rules.proven import ProvenHead
from hubbridge.rules.room import bytes_of, has_room
from hubbridge.store import heads, rows
from hubbridge.store.asking import asked, lookup, seen_hash
from hubbridge.store.jobs import Batch
from hubbridge.store.rows import HubRow
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.witness import Doubt, SeenChain, Sight
from hubcore.errors import StoreError
from hubcore.evidence.records import Head, StoredRecord, head_after


@dataclass(frozen=True, slots=True)
class Offered:
    """What became of the records that a hub sent, by their numbers.

    `held` are on the disk. `apart` follow nothing that is held. `refused` have no room. `fork` says
    why the hub's records are no longer one story.
    """

    held: tuple[int, ...] = ()
    apart: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    fork: str = ""
    unfit: str = ""
    """Why a head that the hub has signed is none of what is held."""
    doubt: Doubt | None = None
    """Why nothing of this hub is taken any more, until the backend has decided."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A hub sends records, and heads that it has signed."""

    hub: str
    records: tuple[StoredRecord, ...]
    heads: tuple[ProvenHead, ...] = ()

    def run(self, batch: Batch) -> Offered:
        """Write those that are new, as far as there is room."""
        row = batch.hubs.get(self.hub)
        if row is None:
            return Offered(apart=tuple(one.number for one in self.records))
        if row.seen is not None and row.seen.doubt is not None:
            return Offered(doubt=row.seen.doubt)
        row, looked = asked(
            batch,
            row,
            ask=lambda one: look(batch, one, self.records),
            is_fork=lambda answer: bool(answer.judged.fork),
        )
        without = _without_room(batch, self.hub, looked.judged)
        if without:
            few = tuple(one for one in self.records if one.number not in without)
            looked = look(batch, row, few)
        judged = looked.judged
        row = rows.insert_records(batch.connection, row, judged.kept, judged.new)
        row = replace(row, seen=looked.seen)
        unfit = ""
        if looked.seen is None or looked.seen.doubt is None:
            row, unfit = _with_heads(batch, row, self.heads)
        batch.put(self.hub, row)
        held = {one.number for one in judged.new} | set(judged.repeated)
        return Offered(
            held=tuple(sorted(held)),
            apart=tuple(sorted(set(judged.apart))),
            refused=tuple(sorted(without)),
            fork=judged.fork,
            unfit=unfit,
            doubt=None if looked.seen is None else looked.seen.doubt,
        )


@dataclass(frozen=True, slots=True)
class Looked:
    """What records come to, and what is seen of their hub with them."""

    judged: Judged
    seen: SeenChain | None


def look(batch: Batch, row: HubRow, records: Sequence[StoredRecord]) -> Looked:
    """Ask the witness, and then what is to be held of what it does not doubt."""
    return look_at_run(row, records) or look_at_each(batch, row, records)


def look_at_run(row: HubRow, records: Sequence[StoredRecord]) -> Looked | None:
    """Return what records come to that are all new, None for others (law 2)."""
    seen = row.seen
    if seen is None or seen.doubt is not None or not row.kept.spans:
        return None
    if seen.head != row.kept.newest:
        return None
    newest = head_after(seen.head, records)
    if newest is None:
        return None
    return Looked(Judged(grown(row.kept, newest), list(records)), SeenChain(newest, seen.turn))


def look_at_each(batch: Batch, row: HubRow, records: Sequence[StoredRecord]) -> Looked:
    """Return what any records come to."""
    seen = row.seen
    fresh: dict[int, bytes] = {}
    known = seen_hash(batch, row)
    taken: list[StoredRecord] = []
    for record in records:
        if seen is None:
            break
        sight, seen = seen.take(record, lambda number: fresh.get(number) or known(number))
        if sight is Sight.DOUBTED:
            break
        taken.append(record)
        fresh[record.number] = record.hash
    judged = judge(row.kept, taken if seen is not None else records, lookup(batch, row))
    if seen is not None and seen.doubt is not None and not judged.fork:
        judged.fork = f"record {seen.doubt.told.number} was seen here otherwise"
    elif seen is not None and judged.fork:
        at = len(judged.new) + len(judged.repeated) + len(judged.apart)
        told = Head(taken[at].number, taken[at].hash)
        seen = replace(seen, doubt=Doubt(Cause.FORK, told))
    return Looked(judged, seen)


def _with_heads(batch: Batch, row: HubRow, offered: tuple[ProvenHead, ...]) -> tuple[HubRow, str]:
    """Write heads that fit; return the hub with them, and why one does not (law 3)."""
    for one in offered:
        number = one.head.number
        is_of_another_key = bool(row.signed) and row.key != one.key
        if number <= row.covered or is_of_another_key:
            continue
        try:
            is_held = agrees(row.kept, one.head, lookup(batch, row))
        except StoreError:
            is_held = None
        if not is_held:
            return row, f"it has signed record {number}, and that is not what is held of it here"
        heads.put(batch.connection, row.id, one, row.kept.begins)
        row = replace(row, signed=number, key=one.key)
    return row, ""


def _without_room(batch: Batch, hub: str, judged: Judged) -> frozenset[int]:
    """Return the new records that have no room: the first one that has none, and all after it."""
    if batch.is_tight:
        return frozenset(one.number for one in judged.new)
    used = batch.used()
    whole = sum(bytes_of(one.body) for one in judged.new)
    if has_room(batch.limits, used, hub, whole):
        return frozenset()
    more = 0
    for place, record in enumerate(judged.new):
        more += bytes_of(record.body)
        if not has_room(batch.limits, used, hub, more):
            return frozenset(one.number for one in judged.new[place:])
    return frozenset()
