"""`hubctl audit`: check the evidence and read it, with the daemon up, down, or from a copy of the
file.

1. The file is only ever read; every record is read once, in order, in constant memory.
2. The exit status says who must act: 0 the evidence holds, 1 it is broken (the first wrong record
   is named), 2 it could not be read.
3. The file may have been made to deceive: whatever it holds ends in one of these three, with a
   sentence, and nothing from it reaches the terminal that does not print.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

import click

from hubcore.errors import AuditError, StoreError
from hubcore.evidence.records import Head, StoredRecord, Walk, facts
from hubcore.timing.moment import show_ms
from hubd.cli.show import clean, document

BROKEN = 1
UNREADABLE = 2

SCHEMA_KNOWN = 2
"""The newest schema that this version can read."""

APPLICATION_ID = 0x68756241
"""The mark of an audit log in the file's header."""

BUSY_SECONDS = 5.0
VALUE_BYTES_MAX = 1 << 20
"""A longer value is in no record: it is not even read."""
_INT64_MIN = -(1 << 63)
COLUMNS = {
    "records": ["number", "at_ms", "body", "hash"],
    "outbox": ["number"],
    "acknowledged": ["only_row", "number", "hash"],
}
"""The tables and their columns.

Each is kept: one that is computed may cost the reader what its maker likes.
"""

_RIGHT = (
    "typeof(number) = 'integer' AND typeof(at_ms) = 'integer' AND typeof(body) = 'blob' "
    "AND typeof(hash) = 'blob'"
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

_Command = TypeVar("_Command", bound=Callable[..., None])


class _HeadType(click.ParamType[Head]):
    name = "NUMBER:HASH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        try:
            return value if isinstance(value, Head) else Head.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _file_option(command: _Command) -> _Command:
    return click.option(
        "--file",
        "path",
        type=click.Path(
            path_type=Path, readable=False
        ),  # what keeps us out has a sentence of its own
        envvar="HUBD_AUDIT",
        default=Path("/var/lib/hubd/audit.db"),
        show_default=True,
        show_envvar=True,
        help="The audit log; of a copy, copy the file ending in -wal too.",
    )(command)


@click.group()
def audit() -> None:
    """Check and read the evidence: the numbered, chained records."""


@audit.command()
@_file_option
@click.option(
    "--head", type=_HeadType(), help="A head noted earlier; the chain must still hold that record."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON with a schema number, for machines."
)
def verify(path: Path, head: Head | None, as_json: bool) -> None:
    """Check every record's place and hash; find an edited, removed or reordered record.

    A chain alone does not show that its end was cut off, nor that it was hashed again as a whole.
    That is found by what is kept of it elsewhere: the head that you give, and the backend's copies.
    The marks beside the records (what waits for the backend, what it acknowledged) show it too,
    unless they were edited with the records. Note the head that this prints where nobody on the hub
    can change it.
    """
    with _reading(path, as_json) as connection:
        try:
            seen = _verify(connection, head)
        except AuditError as error:
            _broken(path, error, as_json)
        except sqlite3.Error as error:
            if _kind_of(error) in _UNREADABLE:
                raise
            _broken(path, error, as_json)
    click.echo(seen.document(path) if as_json else seen.text(path))


@dataclass(frozen=True, slots=True)
class _Verified:
    """A chain that holds: its head, the times of its ends, how many records wait, the highest that
    is acknowledged.
    """

    head: Head
    first_ms: int | None
    last_ms: int | None
    waiting: int
    acknowledged: int

    def document(self, path: Path) -> str:
        return document(
            file=clean(str(path)),
            records=self.head.number,
            first=_moment(self.first_ms),
            last=_moment(self.last_ms),
            head=str(self.head),
            waiting=self.waiting,
            acknowledged=self.acknowledged,
            holds=True,
        )

    def text(self, path: Path) -> str:
        span = (
            ""
            if self.first_ms is None
            else f", from {_moment(self.first_ms)} to {_moment(self.last_ms)}"
        )
        return (
            f"{clean(str(path))}: {self.head.number} records{span}\n"
            f"head {self.head}\n"
            f"not acknowledged by the backend: {self.waiting}; highest acknowledged: "
            f"{self.acknowledged}\n"
            "The chain holds."
        )


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else show_ms(at_ms)


def _broken(path: Path, error: Exception, as_json: bool = False) -> NoReturn:
    if as_json:
        click.echo(document(file=clean(str(path)), holds=False, why=clean(str(error))))
        sys.exit(BROKEN)
    click.echo(f"BROKEN: {clean(str(error))}", err=True)
    click.echo(
        f"Keep {clean(str(path))} and its -wal as they are, compare with the backend's records.",
        err=True,
    )
    sys.exit(BROKEN)


def _kind_of(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code, SQLITE_ERROR where Python gives none (text that is no
    UTF-8).
    """
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _verify(connection: sqlite3.Connection, noted: Head | None) -> _Verified:
    _check_schema(connection)
    acknowledged = _acknowledged(connection)
    walk = Walk([head for head in (acknowledged, noted) if head and head.number])
    first_ms = last_ms = None
    for number, at_ms, body, hash_ in _rows(connection, "ORDER BY number", ()):
        walk.take(StoredRecord(number, body, hash_), at_ms)
        first_ms = at_ms if first_ms is None else first_ms
        last_ms = at_ms
    head = walk.finish()
    waiting = _check_outbox(connection, head, acknowledged)
    return _Verified(
        head=head,
        first_ms=first_ms,
        last_ms=last_ms,
        waiting=waiting,
        acknowledged=acknowledged.number,
    )


def _check_schema(connection: sqlite3.Connection) -> None:
    """Raise AuditError unless the tables have our columns, all kept, and nothing is there that acts
    by itself.

    Nothing is read from a table for that.
    """
    found = dict(
        connection.execute("SELECT name, type FROM sqlite_master WHERE type <> 'index'").fetchall()
    )
    for table, columns in COLUMNS.items():
        if found.pop(table, None) != "table":
            raise AuditError(f"{table} is no table of this file")
        about = connection.execute(
            "SELECT name, hidden FROM pragma_table_xinfo(?)", (table,)
        ).fetchall()
        if about != [(column, 0) for column in columns]:
            raise AuditError(f"the columns of {table} are not those of an audit log")
    odd = [name for name in found if name != "filler" and not str(name).startswith("sqlite_")]
    if odd:
        raise AuditError(f"{odd[0]} does not belong into an audit log")


def _acknowledged(connection: sqlite3.Connection) -> Head:
    rows = connection.execute(
        "SELECT number, hash, typeof(number) = 'integer' AND typeof(hash) = 'blob' AND "
        "length(hash) = 32 "
        "FROM acknowledged LIMIT 2"
    ).fetchall()
    if not rows:
        return Head()
    number, hash_, right = rows[0]
    if len(rows) > 1 or not right or number < 1:
        raise AuditError("the mark of what the backend acknowledged is none")
    return Head(number, hash_)


def _rows(
    connection: sqlite3.Connection, order: str, arguments: tuple[int, ...]
) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Yield number, time, body and hash of records.

    Raise AuditError for one that holds values of another kind.
    """
    before = 0
    query = f"SELECT {_RIGHT}, number, at_ms, body, hash FROM records {order}"  # noqa: S608 - own words
    for right, *row in connection.execute(query, arguments):
        if not right:
            raise AuditError(
                f"the record after record {before} holds values that no record can have"
            )
        before = row[0]
        yield row[0], row[1], row[2], row[3]


def _check_outbox(connection: sqlite3.Connection, head: Head, acknowledged: Head) -> int:
    """Return how many records wait for the backend. Raise AuditError for one that is lost to it."""
    if connection.execute(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE typeof(number) <> 'integer')"
    ).fetchone()[0]:
        raise AuditError("what waits for the backend holds values that are no numbers")
    (lost,) = connection.execute(
        "SELECT min(number) FROM outbox WHERE number NOT IN (SELECT number FROM records)"
    ).fetchone()
    if lost is not None:
        raise AuditError(
            f"record {min(lost, head.number + 1)} is missing, for {lost} waits for the backend"
        )
    (unsent,) = connection.execute(
        "SELECT min(number) FROM records WHERE number > ? AND number NOT IN (SELECT number "
        "FROM outbox)",
        (acknowledged.number,),
    ).fetchone()
    if unsent is not None:
        raise AuditError(
            f"record {unsent} was neither acknowledged nor waits for the backend: the outbox "
            "was edited"
        )
    (waiting,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
    return int(waiting)


@audit.command("list")
@_file_option
@click.option(
    "--last",
    type=click.IntRange(1, 1_000_000),
    default=20,
    show_default=True,
    help="How many, the newest.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line; bytes in hexadecimal."
)
def list_records(path: Path, last: int, as_json: bool) -> None:
    """Show the newest records, oldest first. This does not check them: see `verify`."""
    with _reading(path) as connection:
        try:
            _list(connection, last, as_json)
        except AuditError as error:
            _broken(path, error)
        except sqlite3.Error as error:
            if _kind_of(error) in _UNREADABLE:
                raise
            _broken(path, error)


def _list(connection: sqlite3.Connection, last: int, as_json: bool) -> None:
    _check_schema(connection)
    (newest,) = connection.execute("SELECT coalesce(max(number), 0) FROM records").fetchone()
    if not isinstance(newest, int):
        raise AuditError("the newest record has no number")
    for number, _, body, _ in _rows(
        connection, "WHERE number > ? ORDER BY number", (max(_INT64_MIN, newest - last),)
    ):
        try:
            said = facts(body)
        except AuditError as error:
            raise AuditError(f"record {number}: {error}") from error
        click.echo(_as_json(number, said) if as_json else _as_text(number, said))


def _as_json(number: int, said: dict[str, Any]) -> str:
    kind = said.pop("kind")
    at_ms = said.pop("at")
    mono_ms = said.pop("mono")
    detail = {key: _plain(value) for key, value in said.items()}
    return json.dumps(
        {"number": number, "at_ms": at_ms, "mono_ms": mono_ms, "kind": kind, "detail": detail}
    )


def _as_text(number: int, said: dict[str, Any]) -> str:
    """One line; text is quoted as JSON, so that no record can write to the terminal what it
    likes.
    """
    kind = json.dumps(said.pop("kind"))[1:-1]
    at_ms = said.pop("at")
    _ = said.pop("mono")
    detail = " ".join(
        f"{json.dumps(key)[1:-1]}={json.dumps(_plain(value))}" for key, value in said.items()
    )
    return f"{number:>8}  {show_ms(at_ms)}  {kind:<8} {detail}".rstrip()


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


@contextlib.contextmanager
def _reading(path: Path, as_json: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the log for reading in one snapshot; end with a sentence and status 2 when it cannot be
    read.
    """
    try:
        with contextlib.closing(_open(path)) as connection:
            yield connection
    except (sqlite3.Error, StoreError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        if isinstance(error, PermissionError):
            _unreadable(
                f"{clean(str(path))}: this user must not read it. Try: sudo hubctl audit verify",
                as_json,
            )
        _unreadable(f"{clean(str(path))} cannot be read: {clean(str(error))}", as_json)


def _unreadable(sentence: str, as_json: bool) -> NoReturn:
    if as_json:
        click.echo(document(error={"code": "unreadable", "message": sentence}))
        sys.exit(UNREADABLE)
    click.echo(sentence, err=True)
    sys.exit(UNREADABLE)


def _open(path: Path) -> sqlite3.Connection:
    """Begin to read.

    Raise StoreError for what is no audit log of a known schema, sqlite3.Error for what is none.
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
