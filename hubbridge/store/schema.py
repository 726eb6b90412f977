"""The file of a bridge: how it is opened, and what must be in it.

Laws:
1. A commit that returned is on the disk (WAL, synchronous=FULL).
2. A file that is not ours, from a newer version, or that has other tables is not touched.
3. The schema only grows, in numbered steps, all of them or none.
4. No `sqlite3.Error` leaves the store. Each becomes a sentence with a remedy.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from hubcore.errors import StoreError

APPLICATION_ID = 0x68756242
"""`hubB` in the file's header."""
BUSY_SECONDS = 0.5
VALUE_BYTES_MAX = 1 << 16
CACHE_KIB = 2000
JOURNAL_BYTES = 5 << 20
_MODE = 0o600

_STEPS = (
    (
        """CREATE TABLE hubs (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            durable INTEGER NOT NULL CHECK (durable >= 0),
            used_bytes INTEGER NOT NULL CHECK (used_bytes >= 0)
        ) STRICT""",
        """CREATE TABLE spans (
            hub INTEGER NOT NULL REFERENCES hubs (id),
            before INTEGER NOT NULL CHECK (before >= 0),
            before_hash BLOB NOT NULL CHECK (length(before_hash) = 32),
            newest INTEGER NOT NULL,
            newest_hash BLOB NOT NULL CHECK (length(newest_hash) = 32),
            PRIMARY KEY (hub, before)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE records (
            hub INTEGER NOT NULL REFERENCES hubs (id),
            number INTEGER NOT NULL CHECK (number >= 1),
            body BLOB NOT NULL,
            hash BLOB NOT NULL CHECK (length(hash) = 32),
            PRIMARY KEY (hub, number)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE ends (
            only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
            version INTEGER NOT NULL CHECK (version >= 0)
        ) STRICT""",
        "CREATE TABLE ended_hubs (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
        """CREATE TABLE ended_keys (
            digest BLOB PRIMARY KEY CHECK (length(digest) = 32)
        ) STRICT, WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE site_orders (
            place INTEGER PRIMARY KEY,
            hub TEXT NOT NULL,
            document BLOB NOT NULL CHECK (length(document) <= 1024)
        ) STRICT""",
    ),
    (
        """CREATE TABLE seen (
            hub INTEGER PRIMARY KEY REFERENCES hubs (id),
            head INTEGER NOT NULL CHECK (head >= 0),
            head_hash BLOB NOT NULL CHECK (length(head_hash) = 32),
            cause INTEGER,
            told INTEGER CHECK (told >= 0),
            told_hash BLOB CHECK (length(told_hash) = 32),
            CHECK ((cause IS NULL) = (told IS NULL) AND (cause IS NULL) = (told_hash IS NULL))
        ) STRICT""",
        """CREATE TABLE documents (
            kind TEXT NOT NULL,
            place BLOB NOT NULL,
            body BLOB NOT NULL,
            PRIMARY KEY (kind, place)
        ) STRICT, WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE heads (
            hub INTEGER NOT NULL REFERENCES hubs (id),
            number INTEGER NOT NULL CHECK (number >= 1),
            hash BLOB NOT NULL CHECK (length(hash) = 32),
            key BLOB NOT NULL CHECK (length(key) = 32),
            document BLOB NOT NULL CHECK (length(document) <= 1024),
            PRIMARY KEY (hub, number)
        ) STRICT, WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE doubts_ended (
            act INTEGER PRIMARY KEY AUTOINCREMENT,
            at_ms INTEGER NOT NULL,
            hub TEXT NOT NULL,
            operator TEXT NOT NULL,
            uid INTEGER NOT NULL,
            cause INTEGER NOT NULL,
            told INTEGER NOT NULL CHECK (told >= 0),
            told_hash BLOB NOT NULL CHECK (length(told_hash) = 32),
            seen INTEGER NOT NULL CHECK (seen >= 0),
            seen_hash BLOB NOT NULL CHECK (length(seen_hash) = 32),
            accepted INTEGER NOT NULL CHECK (accepted >= 0),
            accepted_hash BLOB NOT NULL CHECK (length(accepted_hash) = 32),
            aside INTEGER NOT NULL CHECK (aside >= 0)
        ) STRICT""",
        """CREATE TABLE set_aside (
            act INTEGER NOT NULL REFERENCES doubts_ended (act),
            number INTEGER NOT NULL CHECK (number >= 1),
            body BLOB NOT NULL,
            hash BLOB NOT NULL CHECK (length(hash) = 32),
            PRIMARY KEY (act, number)
        ) STRICT, WITHOUT ROWID""",
    ),
    (  # a list of before was signed by nobody
        "DELETE FROM ends",
        "DELETE FROM ended_hubs",
        "DELETE FROM ended_keys",
    ),
)

_SENTENCES = {
    sqlite3.SQLITE_FULL: "the disk is full: make room, the bridge goes on by itself",
    sqlite3.SQLITE_READONLY: "the disk or the file is read-only: mount it for writing",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: it must belong to the bridge's user",
    sqlite3.SQLITE_IOERR: "the disk fails to read or write: see `dmesg`",
    sqlite3.SQLITE_BUSY: "another process has locked it: end that process",
}
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_TOOBIG)


def says(path: Path, what: str) -> StoreError:
    """Return the error for the file."""
    return StoreError(f"the bridge's records {path}: {what}")


def broken(path: Path, what: str) -> StoreError:
    """Return the error for a file that cannot be believed."""
    return says(
        path,
        f"{what}. Stop the bridge and move the file aside, with its -wal beside it (keep both); "
        "the hubs send again what the backend has not",
    )


@contextlib.contextmanager
def errors(path: Path) -> Iterator[None]:
    """Translate what SQLite and the system raise inside the block."""
    try:
        yield
    except OSError as error:
        raise says(path, error.strerror or str(error)) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _DAMAGED:
            raise broken(path, f"it is damaged or no database ({error})") from error
        sentence = _SENTENCES.get(code, "unexpected answer of SQLite")
        raise says(path, f"{sentence} ({error})") from error


def open_file(path: Path) -> sqlite3.Connection:
    """Open a bridge's file for writing; make it where it is missing. Raise StoreError.

    One thread at a time may use the connection.
    """
    with errors(path):
        if not os.path.lexists(path):
            _check_nothing_left(path)
            _create(path)
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)
            _check_header(connection, path)
            _set_up(connection, path)
            _migrate(connection)
            _check_objects(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _check_nothing_left(path: Path) -> None:
    """Refuse to begin beside the write-ahead log of another file: it would be read into ours."""
    left = path.with_name(path.name + "-wal")
    if os.path.lexists(left):
        raise says(path, f"it is gone, but {left} is there: put it back, or move that aside, too")


def _create(path: Path) -> None:
    """Create an empty file that this user alone reads, and make its name survive a power cut."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _MODE))
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _check_header(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database of another kind, or of a newer version, before anything is written."""
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    is_new = not mark and not tables
    if mark != APPLICATION_ID and not is_new:
        raise broken(path, "it is a database, but not of a bridge")
    if version > len(_STEPS):
        raise says(path, f"a newer version wrote it (schema {version}): install that version again")


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a file without tables, before WAL
    if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise says(path, "its file system has no write-ahead log: use a local disk")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")


def _migrate(connection: sqlite3.Connection) -> None:
    """Apply the steps that are missing (law 3)."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for step in _STEPS[version:]:
            for statement in step:
                connection.execute(statement)
        if version < len(_STEPS):
            connection.execute(f"PRAGMA user_version = {len(_STEPS)}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def _check_objects(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file with other tables, indexes or triggers than ours (law 2)."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        for step in _STEPS:
            for statement in step:
                model.execute(statement)
        wanted = _objects(model)
    odd = wanted ^ _objects(connection)
    if odd:
        names = ", ".join(sorted(name for _, name, _ in odd)[:5])
        raise broken(path, f"its schema was changed: {names}")


def _objects(connection: sqlite3.Connection) -> set[tuple[str, str, str | None]]:
    return set(connection.execute("SELECT type, name, sql FROM sqlite_master"))
