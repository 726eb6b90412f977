"""Opens an audit log, and looks whether it has the tables of one, and no others.

Laws:
1. The file is only ever read.
2. Whatever the file holds ends in a result, or in AuditError (broken), StoreError, OSError or
   sqlite3.Error; `is_unreadable` says which of the last mean that nobody can read it.
3. Nothing that computes by itself is read from: no view, no trigger, no generated column.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from hubcore.errors import AuditError, StoreError

SCHEMA_KNOWN = 4
"""The newest schema that this version can read."""
VERSION_MASK = 0xFFFF
"""Above it the header has the oldest version of hubd that still opens the file."""
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

DatabaseError = sqlite3.Error
"""What reading raises that is no error of the chain; for those who may not know the library."""

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
                f"it was written by a newer hubd (schema {version & VERSION_MASK}): "
                "use that version's hubctl"
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


def check_schema(connection: sqlite3.Connection) -> None:
    """Raise AuditError unless the file has the tables of an audit log and no others.

    Nothing is read from a table for that.
    """
    query = "SELECT name, type FROM sqlite_master WHERE type <> 'index'"
    found = dict(connection.execute(query).fetchall())
    for table, columns in tables_of(connection).items():
        if found.pop(table, None) != "table":
            raise AuditError(f"this file has no table {table!r}")
        query = "SELECT name, hidden FROM pragma_table_xinfo(?)"
        stored = connection.execute(query, (table,)).fetchall()
        if stored != [(column, 0) for column in columns]:
            raise AuditError(f"the columns of {table} are not those of an audit log")
    for name in found:
        if name != "filler" and not str(name).startswith("sqlite_"):
            raise AuditError(f"{name} does not belong in an audit log")


def tables_of(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the tables of the file's schema, and their columns."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    found = dict(COLUMNS)
    if version >= USES_SINCE:
        found["uses"] = USES_COLUMNS
    if version >= CHECKPOINT_SINCE:
        found.update(CHECKPOINT_COLUMNS)
    return found
