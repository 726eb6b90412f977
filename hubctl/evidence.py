"""Reads an audit log, which may have been made to deceive, and checks its chain.

Laws:
1. The file is only ever read; every record is read once, in order, in constant memory but for the
   uses of grants: at most USES_READ.
2. Whatever the file holds ends in a result, or in AuditError (broken), StoreError, OSError or
   sqlite3.Error; `is_unreadable` says which of the last mean that nobody can read it.
3. Nothing that computes by itself is read from: no view, no trigger, no generated column.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from hubcore.errors import AuditError, StoreError
from hubcore.evidence.checkpoint import Checkpoint, hash_uses, prove, read_unproven
from hubcore.evidence.records import Head, Record, StoredRecord, Walk, agrees
from hubcore.evidence.uses import SAYS_USE, Use, UseTable, read_change
from hubcore.phone.certificates import HubCertificate

SCHEMA_KNOWN = 4
"""The newest schema that this version can read."""
APPLICATION_ID = 0x68756241
"""The mark of an audit log in the file's header."""
BUSY_SECONDS = 5.0
VALUE_BYTES_MAX = 1 << 20
"""A longer value is in no record: it is not even read."""
COLUMNS = {
    "records": ["number", "at_ms", "body", "hash"],
    "outbox": ["number"],
    "acknowledged": ["only_row", "number", "hash"],
}
"""The tables and their columns, all of them stored."""
USES_SINCE = 3
"""The first schema with the table of uses."""
USES_COLUMNS = ["grant_id", "use", "op", "expires", "number"]

CHECKPOINT_SINCE = 4
"""The first schema with a checkpoint."""
CHECKPOINT_COLUMNS = {
    "checkpoint": ["only_row", "document"],
    "checkpoint_uses": USES_COLUMNS,
}

FIRST_SINCE = "SELECT min(+number) FROM records WHERE at_ms >= ?"
"""With `+`, SQLite goes by the index of times, and not by the numbers from the first record on."""

USES_READ = 1 << 17
"""More uses than a hub ever counts."""

DatabaseError = sqlite3.Error
"""What reading raises that is no error of the chain; for those who may not know the library."""

_INT64_MIN = -(1 << 63)
_RIGHT = (
    "typeof(number) = 'integer' AND typeof(at_ms) = 'integer' "
    "AND typeof(body) = 'blob' AND typeof(hash) = 'blob'"
)
_UNREADABLE = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
)
"""What keeps anybody from reading the records at all."""


class Row(NamedTuple):
    """One record as the file holds it."""

    number: int
    at_ms: int
    body: bytes
    hash: bytes


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


def open_log(path: Path) -> sqlite3.Connection:
    """Begin to read in one snapshot.

    Raise StoreError for what is not an audit log of a known schema, PermissionError when this user
    must not read it, sqlite3.Error for what is no database.
    """
    if not path.is_file():
        raise StoreError("there is no such file; name it with --file or HUBD_AUDIT")
    if not os.access(path, os.R_OK):
        raise PermissionError
    try:
        return _connect(path, "mode=ro")
    except sqlite3.OperationalError:
        journal = path.with_name(path.name + "-wal")
        if journal.exists() and journal.stat().st_size:
            raise
        # a closed log in a directory that this user cannot write
        return _connect(path, "mode=ro&immutable=1")


def _connect(path: Path, how: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?{how}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("BEGIN")
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if mark != APPLICATION_ID:
            raise StoreError("it is a database, but no audit log of hubd")
        if version > SCHEMA_KNOWN:
            raise StoreError(
                f"it was written by a newer hubd (schema {version}): use that version's hubctl"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def is_unreadable(error: sqlite3.Error) -> bool:
    """Tell whether an error means that nobody can read the log; else the evidence is broken.

    Python gives no code for text that is not UTF-8.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    primary = code & 0xFF
    return primary in _UNREADABLE


def verify_chain(
    connection: sqlite3.Connection, noted: Head | None, certified: HubCertificate | None = None
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
    first_ms: int | None = None
    last_ms: int | None = None
    for row in _rows(connection, "ORDER BY number"):
        walk.take(StoredRecord(row.number, row.body, row.hash), row.at_ms)
        if first_ms is None:
            first_ms = row.at_ms
        last_ms = row.at_ms
        _take_use(uses, row.body)
    head = walk.finish()
    if gone.number and head == gone:
        raise AuditError(f"record {gone.number + 1} is missing: none comes after the checkpoint")
    if "uses" in _tables_of(connection):
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


def _checkpoint(
    connection: sqlite3.Connection, certified: HubCertificate | None
) -> tuple[Checkpoint, UseTable]:
    """Return the checkpoint, and the uses that stood there. Raise AuditError."""
    if "checkpoint" not in _tables_of(connection):
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


def newest(connection: sqlite3.Connection, count: int) -> Iterator[Row]:
    """Yield the newest records, oldest first. Raise AuditError."""
    check_schema(connection)
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM records").fetchone()
    if not isinstance(last, int):
        raise AuditError("the newest record has no number")
    before = max(_INT64_MIN, last - count)
    yield from _rows(connection, "WHERE number > ? ORDER BY number", before)


def count_waiting(connection: sqlite3.Connection) -> int:
    """Return how many records wait for the backend, as the file says it."""
    (waiting,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
    return int(waiting)


class Window(NamedTuple):
    """The newest records from a moment on. `first`: the number of the oldest of them."""

    first: int
    last: int
    is_cut: bool
    """There are more than were allowed: the oldest are left out."""


def window(connection: sqlite3.Connection, since_ms: int, count_max: int) -> Window:
    """Find the records that are not older than a moment, by the index of times.

    Raise AuditError.
    """
    check_schema(connection)
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM records").fetchone()
    (found,) = connection.execute(FIRST_SINCE, (since_ms,)).fetchone()
    first = last + 1 if found is None else found
    if not (isinstance(first, int) and isinstance(last, int)):
        raise AuditError("a record has no number")
    allowed = max(1, last - count_max + 1)
    return Window(max(first, allowed), last, first < allowed)


def in_window(connection: sqlite3.Connection, window: Window) -> Iterator[Row]:
    """Yield the records of a window, oldest first. Raise AuditError."""
    order = "WHERE number BETWEEN ? AND ? ORDER BY number"
    yield from _rows(connection, order, window.first, window.last)


def check_schema(connection: sqlite3.Connection) -> None:
    """Raise AuditError unless the file has the tables of an audit log and no others.

    Nothing is read from a table for that.
    """
    query = "SELECT name, type FROM sqlite_master WHERE type <> 'index'"
    found = dict(connection.execute(query).fetchall())
    for table, columns in _tables_of(connection).items():
        if found.pop(table, None) != "table":
            raise AuditError(f"this file has no table {table!r}")
        query = "SELECT name, hidden FROM pragma_table_xinfo(?)"
        stored = connection.execute(query, (table,)).fetchall()
        if stored != [(column, 0) for column in columns]:
            raise AuditError(f"the columns of {table} are not those of an audit log")
    for name in found:
        if name != "filler" and not str(name).startswith("sqlite_"):
            raise AuditError(f"{name} does not belong in an audit log")


def _tables_of(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the tables of the file's schema, and their columns."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    found = dict(COLUMNS)
    if version >= USES_SINCE:
        found["uses"] = USES_COLUMNS
    if version >= CHECKPOINT_SINCE:
        found.update(CHECKPOINT_COLUMNS)
    return found


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


def _rows(connection: sqlite3.Connection, order: str, *arguments: int) -> Iterator[Row]:
    """Yield records. Raise AuditError for one that holds values of another type."""
    before = 0
    query = f"SELECT {_RIGHT}, number, at_ms, body, hash FROM records {order}"  # noqa: S608 - own words
    for right, *values in connection.execute(query, arguments):
        if not right:
            raise AuditError(
                f"the record after record {before} holds values that no record can have"
            )
        row = Row(*values)
        before = row.number
        yield row


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
