"""Rows of a bridge's file, as values and back.

Laws:
1. What a hub is known to hold is believed only if the ends of its spans are there and agree. Else
   all of it is proven, and what does not prove itself goes: the hub sends it again.
2. Each record is held against its predecessor's hash when it is read. One that does not follow is
   never given out.
3. Nothing here commits: a caller's transaction has all of a change, or nothing.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field, replace

from hubbridge.rules.kept import HashOf, Kept, Span, cut_after
from hubbridge.rules.room import RECORD_OVERHEAD_BYTES, bytes_of
from hubbridge.store import heads
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.ends import Ends
from hubcore.bridge.witness import Doubt, SeenChain
from hubcore.errors import AuditError, StoreError
from hubcore.evidence.records import Head, StoredRecord, follows, head_after

EARLIER_RUN = 0
"""The number of each connection of a run that has ended; those of this one begin at 1."""
_NUMBERS_A_READ = 256
ROWS_AT_ONCE = 128
"""Of one statement; SQLite takes 32,766 values in one."""


@dataclass(frozen=True, slots=True)
class HubRow:
    """A hub as it lies in the file. `seen` is None until its first Hello.

    `signed` is the newest record of which its own head lies there, 0 for none; `key` is the SHA-256
    of the key of these heads.
    """

    id: int
    kept: Kept = field(default_factory=Kept)
    used_bytes: int = 0
    seen: SeenChain | None = None
    signed: int = 0
    key: bytes = b""

    @property
    def covered(self) -> int:
        """The newest record that needs no head of this hub (any more)."""
        return max(self.signed, self.kept.begins)


@dataclass(frozen=True, slots=True)
class Proven:
    """Records that follow one another; `damaged`: the next one is there and does not."""

    records: tuple[StoredRecord, ...]
    head: Head
    damaged: bool = False


def load_hubs(connection: sqlite3.Connection) -> dict[str, HubRow]:
    """Return all hubs as they lie in the file. Raise StoreError for what no bridge has written."""
    rows = connection.execute("SELECT id, name, durable, used_bytes FROM hubs ORDER BY id")
    hubs: dict[str, HubRow] = {}
    for hub, name, durable, used_bytes in rows.fetchall():
        signed, key = heads.newest(connection, hub)
        hubs[name] = HubRow(
            id=hub,
            kept=Kept(_load_spans(connection, hub), durable),
            used_bytes=used_bytes,
            seen=_load_seen(connection, hub),
            signed=signed,
            key=key,
        )
    return hubs


def _load_seen(connection: sqlite3.Connection, hub: int) -> SeenChain | None:
    """Return what was seen of a hub, by a connection of an earlier run."""
    found = connection.execute(
        "SELECT head, head_hash, cause, told, told_hash FROM seen WHERE hub = ?", (hub,)
    ).fetchone()
    if found is None:
        return None
    number, digest, cause, told, told_hash = found
    if cause is None:
        return SeenChain(Head(number, digest), EARLIER_RUN)
    if cause not in set(Cause):
        raise StoreError(f"a hub is doubted for a cause that nobody knows: {cause}")
    return SeenChain(Head(number, digest), EARLIER_RUN, Doubt(Cause(cause), Head(told, told_hash)))


def _load_spans(connection: sqlite3.Connection, hub: int) -> tuple[Span, ...]:
    rows = connection.execute(
        "SELECT before, before_hash, newest, newest_hash FROM spans WHERE hub = ? ORDER BY before",
        (hub,),
    )
    return tuple(
        Span(Head(before, before_hash), Head(newest, newest_hash))
        for before, before_hash, newest, newest_hash in rows
    )


def ends_agree(connection: sqlite3.Connection, row: HubRow) -> bool:
    """Tell whether the first and the last record of each span are what the span says (law 1)."""
    for span in row.kept.spans:
        if len(span) == 0:
            continue
        first = load_records(connection, row.id, span.before.number, 1)
        last = load_records(connection, row.id, span.newest.number - 1, 1)
        if not first or not last or Head(last[0].number, last[0].hash) != span.newest:
            return False
        try:
            follows(span.before, first[0])
        except AuditError:
            return False
    return True


def without_damaged(connection: sqlite3.Connection, row: HubRow) -> HubRow:
    """Prove all that is held of a hub, and delete what does not prove itself (law 1)."""
    for span in row.kept.spans:
        proven = walk_to(connection, row, span, span.newest.number)
        if proven.damaged:
            row = drop_damaged(connection, row, proven.head)
    return row


def add_hub(connection: sqlite3.Connection, name: str) -> HubRow:
    """Write a hub that is new here."""
    made = connection.execute(
        "INSERT INTO hubs (name, durable, used_bytes) VALUES (?, 0, 0)", (name,)
    )
    return HubRow(made.lastrowid or 0)


def write_hub(connection: sqlite3.Connection, row: HubRow) -> None:
    """Write what is held of a hub; its records are written apart."""
    connection.execute(
        "UPDATE hubs SET durable = ?, used_bytes = ? WHERE id = ?",
        (row.kept.durable, row.used_bytes, row.id),
    )
    if row.seen is not None:
        _write_seen(connection, row.id, row.seen)
    connection.execute("DELETE FROM spans WHERE hub = ?", (row.id,))
    connection.executemany(
        "INSERT INTO spans VALUES (?, ?, ?, ?, ?)",
        [
            (row.id, one.before.number, one.before.hash, one.newest.number, one.newest.hash)
            for one in row.kept.spans
        ],
    )


def _write_seen(connection: sqlite3.Connection, hub: int, seen: SeenChain) -> None:
    doubt = seen.doubt
    connection.execute(
        "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?)",
        (
            hub,
            seen.head.number,
            seen.head.hash,
            None if doubt is None else int(doubt.cause),
            None if doubt is None else doubt.told.number,
            None if doubt is None else doubt.told.hash,
        ),
    )


def insert_records(
    connection: sqlite3.Connection, row: HubRow, kept: Kept, records: list[StoredRecord]
) -> HubRow:
    """Write new records, and return the hub with them; `kept` is what is held then."""
    for begins in range(0, len(records), ROWS_AT_ONCE):
        _insert(connection, row.id, records[begins : begins + ROWS_AT_ONCE])
    more = sum(bytes_of(one.body) for one in records)
    return replace(row, kept=kept, used_bytes=row.used_bytes + more)


def _insert(connection: sqlite3.Connection, hub: int, records: list[StoredRecord]) -> None:
    """Write these in one statement: the interpreter's lock is let go once, and not for each row."""
    places = ", ".join(["(?, ?, ?, ?)"] * len(records))
    values: list[object] = []
    for one in records:
        values += (hub, one.number, one.body, one.hash)
    connection.execute(f"INSERT OR REPLACE INTO records VALUES {places}", values)  # noqa: S608


def delete_records(connection: sqlite3.Connection, row: HubRow, kept: Kept, gone: range) -> HubRow:
    """Delete records, and return the hub without them; `kept` is what is held then."""
    if not gone:
        return replace(row, kept=kept)
    among = (row.id, gone.start, gone.stop)
    (less,) = connection.execute(
        f"SELECT coalesce(sum(length(body) + {RECORD_OVERHEAD_BYTES}), 0) FROM records "  # noqa: S608
        "WHERE hub = ? AND number >= ? AND number < ?",
        among,
    ).fetchone()
    connection.execute("DELETE FROM records WHERE hub = ? AND number >= ? AND number < ?", among)
    return replace(row, kept=kept, used_bytes=max(0, row.used_bytes - less))


def hashes_of(connection: sqlite3.Connection, row: HubRow) -> HashOf:
    """Return what looks up a hash of this hub."""

    def hash_of(number: int) -> bytes:
        found = connection.execute(
            "SELECT hash FROM records WHERE hub = ? AND number = ?", (row.id, number)
        ).fetchone()
        if found is None:
            raise StoreError(f"record {number} of a hub is missing in the bridge's records")
        hash_: bytes = found[0]
        return hash_

    return hash_of


def load_records(
    connection: sqlite3.Connection, hub: int, after: int, most: int
) -> list[StoredRecord]:
    """Return records as they lie in the file, unproven."""
    rows = connection.execute(
        "SELECT number, body, hash FROM records WHERE hub = ? AND number > ? "
        "ORDER BY number LIMIT ?",
        (hub, after, most),
    )
    return [StoredRecord(number, body, hash_) for number, body, hash_ in rows]


def proven_records(
    connection: sqlite3.Connection, row: HubRow, span: Span, known: Head, most: int
) -> Proven:
    """Return at most `most` records of a span after a known head, each proven (law 2).

    Where the last one is another than the span says, all of the span is damaged.
    """
    wanted = min(most, span.newest.number - known.number)
    found = load_records(connection, row.id, known.number, wanted)
    newest = head_after(known, found)
    if newest is not None and len(found) == wanted and _agrees(span, newest):  # as nearly always
        return Proven(tuple(found), newest)
    proven: list[StoredRecord] = []
    head = known
    for record in found:
        try:
            follows(head, record)
        except AuditError:
            return Proven(tuple(proven), head, damaged=True)
        proven.append(record)
        head = Head(record.number, record.hash)
    if not _agrees(span, head):
        return Proven((), span.before, damaged=True)
    return Proven(tuple(proven), head, damaged=len(proven) < wanted)


def _agrees(span: Span, head: Head) -> bool:
    """Tell whether a head is not another one than the last of its span."""
    return head.number != span.newest.number or head == span.newest


def walk_to(connection: sqlite3.Connection, row: HubRow, span: Span, number: int) -> Proven:
    """Prove a span from its beginning up to a record; return its head, and no records."""
    proven = Proven((), span.before)
    while proven.head.number < number and not proven.damaged:
        most = min(_NUMBERS_A_READ, number - proven.head.number)
        proven = proven_records(connection, row, span, proven.head, most)
    return replace(proven, records=())


def drop_damaged(connection: sqlite3.Connection, row: HubRow, proven: Head) -> HubRow:
    """Delete what follows the last proven record in its span; the hub sends it again."""
    kept, gone = cut_after(row.kept, proven)
    return delete_records(connection, row, kept, gone)


def load_documents(connection: sqlite3.Connection, kind: str) -> dict[bytes, bytes]:
    """Return the documents of one kind, by their places, unproven."""
    found = connection.execute(
        "SELECT place, body FROM documents WHERE kind = ? ORDER BY place", (kind,)
    )
    return dict(found.fetchall())


def write_documents(
    connection: sqlite3.Connection, kind: str, documents: dict[bytes, bytes]
) -> None:
    """Put documents in the place of all of their kind."""
    connection.execute("DELETE FROM documents WHERE kind = ?", (kind,))
    connection.executemany(
        "INSERT INTO documents VALUES (?, ?, ?)",
        [(kind, place, body) for place, body in documents.items()],
    )


def write_document(
    connection: sqlite3.Connection, kind: str, place: bytes, document: bytes
) -> None:
    """Put one document in its place."""
    connection.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, place, document))


def load_ends(connection: sqlite3.Connection) -> Ends:
    """Return the list of ends, an empty one where none was taken."""
    found = connection.execute("SELECT version FROM ends").fetchone()
    hubs = connection.execute("SELECT name FROM ended_hubs")
    keys = connection.execute("SELECT digest FROM ended_keys")
    return Ends(
        version=0 if found is None else found[0],
        names=frozenset(name for (name,) in hubs),
        keys=frozenset(digest for (digest,) in keys),
    )


def write_ends(connection: sqlite3.Connection, ends: Ends) -> None:
    """Put a list of ends in the place of the one before."""
    connection.execute("DELETE FROM ended_hubs")
    connection.execute("DELETE FROM ended_keys")
    connection.execute("INSERT OR REPLACE INTO ends VALUES (1, ?)", (ends.version,))
    connection.executemany("INSERT INTO ended_hubs VALUES (?)", [(one,) for one in ends.names])
    connection.executemany("INSERT INTO ended_keys VALUES (?)", [(one,) for one in ends.keys])
