"""Checks the chain of an audit log, and what stands beside its records.

Laws:
1. Every record is read once, in order, in constant memory but for the uses of grants: at most
   USES_READ.
2. A refusal is an AuditError, and names the first wrong record.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass

from hubcore.errors import AuditError
from hubcore.evidence.checkpoint import Checkpoint, hash_uses, prove, read_unproven
from hubcore.evidence.records import Head, Record, StoredRecord, Walk, agrees
from hubcore.evidence.uses import SAYS_USE, Use, UseTable, read_change
from hubcore.phone.certificates import HubCertificate
from hubctl.evidence.opening import check_schema, tables_of
from hubctl.evidence.reading import LAST_OF_ALL, count_waiting, rows_of
from hubterm.progress import Show, show_nothing

USES_READ = 1 << 17
"""More uses than a hub ever counts."""
SHOWN_EVERY = 1024
"""Records between two signs of progress."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A chain that holds.

    `first_ms` and `last_ms`: the times of its ends. `waiting`: how many records wait for the
    backend. `acknowledged`: the highest number that the backend has acknowledged. `gone`: the
    newest record that went, which the checkpoint names; `is_signed` tells whether its signature was
    checked.
    """

    head: Head
    gone: Head
    is_signed: bool
    first_ms: int | None
    last_ms: int | None
    waiting: int
    acknowledged: int


def verify_chain(
    connection: sqlite3.Connection,
    noted: Head | None,
    certified: HubCertificate | None = None,
    show: Show = show_nothing,
) -> Verified:
    """Check every record, from the checkpoint on where there is one.

    `noted` is a head that the chain must still hold. `certified` tells whose signature the
    checkpoint must have. Raise AuditError.
    """
    check_schema(connection)
    checkpoint, uses = _checkpoint(connection, certified)
    gone = checkpoint.head
    marked = _acknowledged(connection)
    acknowledged = marked if marked.number else gone
    known = [head for head in (acknowledged, noted) if head and head.number]
    for head in known:
        if head.number == gone.number:
            agrees(head, StoredRecord(gone.number, b"", gone.hash))
    walk = Walk(known, gone)
    count = _count(connection, gone)
    first_ms: int | None = None
    last_ms: int | None = None
    for done, row in enumerate(rows_of(connection, "ORDER BY number"), 1):
        if done % SHOWN_EVERY == 0:
            show(done, count)
        walk.take(StoredRecord(row.number, row.body, row.hash), row.at_ms)
        if first_ms is None:
            first_ms = row.at_ms
        last_ms = row.at_ms
        _take_use(uses, row.body)
    head = walk.finish()
    if gone.number and head == gone:
        raise AuditError(f"record {gone.number + 1} is missing: none comes after the checkpoint")
    if "uses" in tables_of(connection):
        _check_uses(connection, uses)
    return Verified(
        head=head,
        gone=gone,
        is_signed=bool(gone.number) and certified is not None,
        first_ms=first_ms,
        last_ms=last_ms,
        waiting=_check_outbox(connection, head, acknowledged),
        acknowledged=acknowledged.number,
    )


def verify_newest(connection: sqlite3.Connection, most: int) -> int:
    """Check the newest records, at most so many, each against the one before.

    Return how many. It says nothing of those before. Raise AuditError.
    """
    check_schema(connection)
    begin = f"WHERE number >= ({LAST_OF_ALL}) - ? ORDER BY number"
    walk: Walk | None = None
    count = 0
    for row in rows_of(connection, begin, most):
        record = StoredRecord(row.number, row.body, row.hash)
        if walk is None:
            walk = Walk() if row.number == 1 else Walk(start=Head(row.number, row.hash))
            if row.number != 1:
                continue
        walk.take(record, row.at_ms)
        count += 1
    return count


def _count(connection: sqlite3.Connection, gone: Head) -> int:
    """Return how many records there are to check, by their numbers; 0: nobody knows."""
    (last,) = connection.execute(LAST_OF_ALL).fetchone()
    return max(0, last - gone.number) if isinstance(last, int) else 0


def _checkpoint(
    connection: sqlite3.Connection, certified: HubCertificate | None
) -> tuple[Checkpoint, UseTable]:
    """Return the checkpoint, and the uses that stood there. Raise AuditError."""
    if "checkpoint" not in tables_of(connection):
        return Checkpoint(), UseTable()
    documents = connection.execute("SELECT document FROM checkpoint LIMIT 2").fetchall()
    if len(documents) > 1:
        raise AuditError("there are two checkpoints")
    checkpoint = Checkpoint()
    if documents and certified is None:
        checkpoint = read_unproven(documents[0][0])
    elif documents and certified is not None:
        checkpoint = prove(documents[0][0], certified.hub, certified.site, certified.key)
    query = (
        "SELECT grant_id, use, op, expires, number FROM checkpoint_uses "
        "ORDER BY grant_id, use LIMIT ?"
    )
    rows = connection.execute(query, (USES_READ + 1,)).fetchall()
    if len(rows) > USES_READ or not all(map(_is_use, rows)) or hash_uses(rows) != checkpoint.uses:
        raise AuditError("the uses beside the checkpoint are not those that it was signed for")
    return checkpoint, UseTable(Use(*row[:4]) for row in rows)


def _is_use(row: tuple[object, ...]) -> bool:
    match row:
        case (bytes(), int(), bytes(), int(), int()):
            return True
    return False


def _take_use(uses: UseTable, body: bytes) -> None:
    """Do what a record says of a grant's uses; most say nothing."""
    if SAYS_USE not in body:
        return
    change = None
    with contextlib.suppress(AuditError):  # of a kind that this version does not know
        change = read_change(Record.decode(body))
    if change is not None:
        uses.take(change)
    if len(uses) > USES_READ:
        raise AuditError(f"more than {USES_READ} uses of grants stand: no hub counts so many")


def _check_uses(connection: sqlite3.Connection, said: UseTable) -> None:
    """Raise AuditError unless the table of uses is what the records say."""
    query = "SELECT grant_id, use, op, expires FROM uses LIMIT ?"
    found = set(connection.execute(query, (USES_READ + 1,)))
    expected = {(use.grant, use.number, use.op, use.expires) for use in said.standing().values()}
    if found != expected:
        wrong = len(found ^ expected)
        raise AuditError(
            f"the table of spent uses was edited: {wrong} rows are not what the records say"
        )


def _acknowledged(connection: sqlite3.Connection) -> Head:
    """Return the head that the backend has acknowledged. Raise AuditError."""
    rows = connection.execute(
        "SELECT number, hash, "
        "typeof(number) = 'integer' AND typeof(hash) = 'blob' AND length(hash) = 32 "
        "FROM acknowledged LIMIT 2"
    ).fetchall()
    if not rows:
        return Head()
    number, hash_, right = rows[0]
    if len(rows) > 1 or not right or number < 1:
        raise AuditError("the mark of the record that the backend acknowledged is damaged")
    return Head(number, hash_)


def _check_outbox(connection: sqlite3.Connection, head: Head, acknowledged: Head) -> int:
    """Return how many records wait for the backend. Raise AuditError for one that is lost to it."""
    (no_number,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE typeof(number) <> 'integer')"
    ).fetchone()
    if no_number:
        raise AuditError("the list of records that wait for the backend holds more than numbers")
    (lost,) = connection.execute(
        "SELECT min(number) FROM outbox WHERE number NOT IN (SELECT number FROM records)"
    ).fetchone()
    if lost is not None:
        missing = min(lost, head.number + 1)
        raise AuditError(f"record {missing} is missing, for {lost} waits for the backend")
    (unsent,) = connection.execute(
        "SELECT min(number) FROM records "
        "WHERE number > ? AND number NOT IN (SELECT number FROM outbox)",
        (acknowledged.number,),
    ).fetchone()
    if unsent is not None:
        raise AuditError(
            f"record {unsent} was neither acknowledged nor waits for the backend: "
            "the outbox was edited"
        )
    return count_waiting(connection)
