"""What is asked about one hub's records, each in the transaction of its batch (`jobs`).

Laws:
1. A record that is missing or damaged here is no fork of the hub. Before a hub is said to have one,
   what is held of it is proven. What does not prove itself goes, and the rule is asked once more.
2. What the witness has seen of a hub is written with the records by which it saw that
   (`hubcore.bridge.witness`, law 7). Of a hub in doubt nothing is written.
3. A hub's own head is written only if it fits the records that are held (`hubbridge.store.heads`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from hubbridge.rules.kept import Judged, Kept, agrees, judge, let_go, resume, told_durable
from hubbridge.rules.proven import ProvenHead
from hubbridge.rules.room import bytes_of, has_room
from hubbridge.store import heads, rows
from hubbridge.store.jobs import Batch
from hubbridge.store.rows import HubRow
from hubcore.backend.uplink.words import Cause
from hubcore.bridge import witness
from hubcore.bridge.witness import Doubt, SeenChain, Sight
from hubcore.errors import StoreError
from hubcore.evidence.records import Head, StoredRecord

RECEIPT = "receipt"
RELEASE_RECORDS = 256
"""So many records go at once: whoever waits for a record waits for one such step at most."""

_NUMBER_MAX = (1 << 63) - 1
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Resumed:
    """Whether a hub may send what follows the head that it named; `why` not, as text."""

    why: str = ""
    full: bool = False
    """There is no place for one more hub."""


@dataclass(frozen=True, slots=True)
class Resume:
    """A hub names the record before its next one."""

    hub: str
    before: Head

    def __post_init__(self) -> None:
        """Raise ValueError for no record's number."""
        _check_number(self.before.number)

    def run(self, batch: Batch) -> Resumed:
        """Open a span, unless the record lies in one."""
        row = _row_of(batch, self.hub)
        if row is None:
            return Resumed("the bridge has as many hubs as it takes", full=True)
        row, found = _asked(
            batch,
            row,
            ask=lambda one: resume(one.kept, self.before, _lookup(batch, one)),
            is_fork=lambda answer: isinstance(answer, str),
        )
        if isinstance(found, Kept):
            row = replace(row, kept=found)
        batch.put(self.hub, row)
        return Resumed(found if isinstance(found, str) else "")


@dataclass(frozen=True, slots=True)
class Met:
    """What a hub's Hello comes to.

    `wanted` is the record after which its records are wanted, `seen` the newest that was seen.
    """

    wanted: Head = field(default_factory=Head)
    seen: Head = field(default_factory=Head)
    doubt: Doubt | None = None
    full: bool = False
    """There is no place for one more hub."""
    signed: int = 0
    """The newest record up to `wanted` that needs no head of this hub."""


@dataclass(frozen=True, slots=True)
class Meet:
    """A hub says Hello on its connection of number `turn`, and tells its two heads.

    `key` is the SHA-256 of its key: by that it signs its heads.
    """

    hub: str
    turn: int
    durable: Head
    newest: Head
    key: bytes

    def __post_init__(self) -> None:
        """Raise ValueError for no record's number."""
        _check_number(self.durable.number)
        _check_number(self.newest.number)

    def run(self, batch: Batch) -> Met:
        """Hold it against what was seen; an empty bridge begins where the hub says."""
        row = _row_of(batch, self.hub)
        if row is None:
            return Met(full=True)
        was_doubted = row.seen is not None and row.seen.doubt is not None
        row, seen = _asked(
            batch,
            row,
            ask=lambda one: self._meet(batch, one),
            is_fork=lambda answer: answer.doubt is not None and not was_doubted,
        )
        row = replace(row, seen=seen)
        if seen.doubt is None and not row.kept.spans:
            opened = resume(row.kept, seen.head, _lookup(batch, row))
            row = replace(row, kept=opened) if isinstance(opened, Kept) else row
        if seen.doubt is None and row.signed and row.key != self.key:
            heads.drop_all(batch.connection, row.id)
            row = replace(row, signed=0, key=b"")
        batch.put(self.hub, row)
        wanted = row.kept.wanted
        signed = min(row.covered, wanted.number)
        return Met(wanted, seen.head, seen.doubt, signed=signed)

    def _meet(self, batch: Batch, row: HubRow) -> SeenChain:
        seen = row.seen or witness.begin(self.turn, self.durable)
        return seen.meet(self.turn, self.durable, self.newest, _seen_hash(batch, row))


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
        row, looked = _asked(
            batch,
            row,
            ask=lambda one: self._look(batch, one, self.records),
            is_fork=lambda answer: bool(answer.judged.fork),
        )
        without = _without_room(batch, self.hub, looked.judged)
        if without:
            few = tuple(one for one in self.records if one.number not in without)
            looked = self._look(batch, row, few)
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

    def _look(self, batch: Batch, row: HubRow, records: tuple[StoredRecord, ...]) -> _Looked:
        """Ask the witness, and then what is to be held of what it does not doubt."""
        seen = row.seen
        fresh: dict[int, bytes] = {}
        known = _seen_hash(batch, row)
        taken: list[StoredRecord] = []
        for record in records:
            if seen is None:
                break
            sight, seen = seen.take(record, lambda number: fresh.get(number) or known(number))
            if sight is Sight.DOUBTED:
                break
            taken.append(record)
            fresh[record.number] = record.hash
        judged = judge(row.kept, taken if seen is not None else records, _lookup(batch, row))
        if seen is not None and seen.doubt is not None and not judged.fork:
            judged.fork = f"record {seen.doubt.told.number} was seen here otherwise"
        elif seen is not None and judged.fork:
            at = len(judged.new) + len(judged.repeated) + len(judged.apart)
            told = Head(taken[at].number, taken[at].hash)
            seen = replace(seen, doubt=Doubt(Cause.FORK, told))
        return _Looked(judged, seen)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What records come to, and what is seen of their hub with them."""

    judged: Judged
    seen: SeenChain | None


def _with_heads(batch: Batch, row: HubRow, offered: tuple[ProvenHead, ...]) -> tuple[HubRow, str]:
    """Write heads that fit; return the hub with them, and why one does not (law 3)."""
    for one in offered:
        number = one.head.number
        is_of_another_key = bool(row.signed) and row.key != one.key
        if number <= row.covered or is_of_another_key:
            continue
        try:
            is_held = agrees(row.kept, one.head, _lookup(batch, row))
        except StoreError:
            is_held = None
        if not is_held:
            return row, f"it has signed record {number}, and that is not what is held of it here"
        if not heads.is_stretch(batch.connection, row.id, row.covered, number):
            return row, f"it has signed record {number}, and none between that and {row.covered}"
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


@dataclass(frozen=True, slots=True)
class Durable:
    """The backend has all records of a hub up to this number."""

    hub: str
    number: int

    def __post_init__(self) -> None:
        """Raise ValueError for no record's number."""
        _check_number(self.number)

    def run(self, batch: Batch) -> None:
        """Note it. The records go in steps later."""
        row = batch.hubs.get(self.hub)
        if row is not None:
            batch.put(self.hub, replace(row, kept=told_durable(row.kept, self.number)))


@dataclass(frozen=True, slots=True)
class TakeReceipt:
    """The backend has signed that it has all records of a hub up to this one; that was proven."""

    hub: str
    head: Head
    document: bytes

    def __post_init__(self) -> None:
        """Raise ValueError for no record's number."""
        _check_number(self.head.number)

    def run(self, batch: Batch) -> bool:
        """Note it, and keep the document; False where another record is held under that number.

        A head further on than was seen passes a hole (`hubcore.bridge.witness`, law 5).
        """
        row = batch.hubs.get(self.hub)
        if row is None:
            return True
        row, is_same = _asked(
            batch,
            row,
            ask=lambda one: agrees(one.kept, self.head, _lookup(batch, one)),
            is_fork=lambda answer: answer is False,
        )
        if is_same is False:
            batch.put(self.hub, row)
            return False
        kept = told_durable(row.kept, max(row.kept.durable, self.head.number))
        if self.head.number > kept.newest.number:
            opened = resume(kept, self.head, _lookup(batch, row))
            kept = opened if isinstance(opened, Kept) else kept
        seen = None if row.seen is None else row.seen.jump(self.head)
        row = replace(row, kept=kept, seen=seen)
        heads.drop(batch.connection, row.id, kept.durable)
        if row.signed <= kept.durable:
            row = replace(row, signed=0, key=b"")
        batch.put(self.hub, row)
        place = self.hub.encode()
        rows.write_document(batch.connection, RECEIPT, place, self.document)
        return True


@dataclass(frozen=True, slots=True)
class Release:
    """One step of letting go: of the hub that has most to let go."""

    most: int = RELEASE_RECORDS

    def run(self, batch: Batch) -> bool:
        """Let go; tell whether there is more."""
        waiting = {name: row.kept.releasable for name, row in batch.hubs.items()}
        hub = max(waiting, key=lambda name: waiting[name], default="")
        if not waiting.get(hub):
            return False
        row, (kept, gone) = _asked(
            batch,
            batch.hubs[hub],
            ask=lambda one: let_go(one.kept, self.most, _lookup(batch, one)),
            is_fork=lambda _: False,
        )
        batch.put(hub, rows.delete_records(batch.connection, row, kept, gone))
        return any(one.kept.releasable for one in batch.hubs.values())


@dataclass(frozen=True, slots=True)
class Read:
    """Records of a hub after a number, each proven: for the backend."""

    hub: str
    after: int
    most: int

    def __post_init__(self) -> None:
        """Raise ValueError for no record's number."""
        _check_number(self.after)

    def run(self, batch: Batch) -> tuple[StoredRecord, ...]:
        """Return what is held without a gap; nothing when the next number is not held."""
        row = batch.hubs.get(self.hub)
        spans = () if row is None else row.kept.spans
        span = next((one for one in spans if self.after + 1 in one), None)
        if row is None or span is None:
            return ()
        known = batch.proven.pop(self.hub, span.before)
        proven = rows.Proven((), known)
        if known.number != self.after:
            proven = rows.walk_to(batch.connection, row, span, self.after)
        if not proven.damaged:
            proven = rows.proven_records(batch.connection, row, span, proven.head, self.most)
        if proven.damaged:
            batch.put(self.hub, rows.drop_damaged(batch.connection, row, proven.head))
        else:
            batch.proven[self.hub] = proven.head
        return proven.records


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records that follow one another, and the head of the last one, as their hub has signed it."""

    records: tuple[StoredRecord, ...]
    document: bytes


@dataclass(frozen=True, slots=True)
class ReadStretch:
    """The furthest stretch of a hub behind a number, each record proven: for the backend."""

    hub: str
    after: int
    most: int

    def run(self, batch: Batch) -> Stretch | None:
        """Return it; None where what is held has no head yet, or the next number is not held."""
        row = batch.hubs.get(self.hub)
        if row is None:
            return None
        found = heads.furthest(batch.connection, row.id, self.after, self.most)
        if found is None:
            return None
        head, document = found
        records = Read(self.hub, self.after, head.number - self.after).run(batch)
        if not records or Head(records[-1].number, records[-1].hash) != head:
            return None
        return Stretch(records, document)


@dataclass(slots=True)
class Opened:
    """What a start found in the file."""

    damaged: list[str] = field(default_factory=list)
    """The hubs of which something did not prove itself and went."""


@dataclass(frozen=True, slots=True)
class ProveEnds:
    """The look of a start at each hub."""

    def run(self, batch: Batch) -> Opened:
        """Prove the hubs whose spans do not agree with their records."""
        opened = Opened()
        for name, row in list(batch.hubs.items()):
            if not rows.ends_agree(batch.connection, row):
                batch.put(name, rows.without_damaged(batch.connection, row))
                opened.damaged.append(name)
        return opened


def _check_number(number: int) -> None:
    if not 0 <= number <= _NUMBER_MAX:
        raise ValueError(f"{number} is no record's number")


def _row_of(batch: Batch, hub: str) -> HubRow | None:
    """Return a hub's row, a new one for a new hub; None where there is no place for one more."""
    row = batch.hubs.get(hub)
    if row is None and len(batch.hubs) < batch.limits.hubs_max:
        row = rows.add_hub(batch.connection, hub)
        batch.hubs[hub] = row
    return row


def _seen_hash(batch: Batch, row: HubRow) -> witness.HashOf:
    """Return what looks up a hash of this hub, None where it is not held (any more)."""
    lookup = _lookup(batch, row)

    def hash_of(number: int) -> bytes | None:
        try:
            return lookup(number)
        except StoreError:
            return None

    return hash_of


def _lookup(batch: Batch, row: HubRow) -> Callable[[int], bytes]:
    return rows.hashes_of(batch.connection, row)


def _asked(
    batch: Batch,
    row: HubRow,
    ask: Callable[[HubRow], _T],
    is_fork: Callable[[_T], bool],
) -> tuple[HubRow, _T]:
    """Ask a rule about a hub; if the disk may be at fault, prove and ask again (law 1).

    The hub that is returned is the one that the answer is about.
    """
    try:
        answer = ask(row)
    except StoreError:
        pass
    else:
        if not is_fork(answer):
            return row, answer
    proven = rows.without_damaged(batch.connection, row)
    return proven, ask(proven)
