"""Looks at the databases of a hub from outside: how large they are, and whether they are whole.

Laws:
1. A file is only ever read, and no value of a row is shown.
2. Each look has an end: SQLite is asked between its steps.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

from hubcore.errors import AuditError, StoreError
from hubctl.evidence.opening import check_schema, open_log
from hubterm.text import clean

STEPS = 100_000
"""Of SQLite's machine, between two looks at the clock."""
BUSY_SECONDS = 2.0
TROUBLES_MAX = 10


class TooSlow(Exception):
    """A look at a database did not end in time."""


def describe(path: Path, seconds: float) -> list[str]:
    """Return the lines about a database. Raise OSError, sqlite3.Error, TooSlow."""
    lines = [f"{path.name}: {path.stat().st_size} bytes"]
    journal = path.with_name(path.name + "-wal")
    if journal.exists():
        lines.append(f"{journal.name}: {journal.stat().st_size} bytes")
    with contextlib.closing(_opened(path)) as connection:
        _limit(connection, seconds)
        for pragma in ("application_id", "user_version", "page_count", "freelist_count"):
            (value,) = connection.execute(f"PRAGMA {pragma}").fetchone()
            lines.append(f"{pragma}: {clean(value)}")
        try:
            found = connection.execute(f"PRAGMA quick_check({TROUBLES_MAX})").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            raise TooSlow(f"quick_check of {path.name} did not end in {seconds:g} s") from error
    return [*lines, *(f"quick_check: {clean(row[0])}" for row in found)]


def head(path: Path) -> list[str]:
    """Return the lines about the newest record, and what waits. Raise AuditError and StoreError."""
    with contextlib.closing(open_log(path)) as connection:
        check_schema(connection)
        newest = connection.execute(
            "SELECT number, hex(hash) FROM records ORDER BY number DESC LIMIT 1"
        ).fetchone()
        (waiting,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
    if newest is None:
        return ["no record"]
    return [
        f"head {clean(newest[0])}:{clean(newest[1]).lower()}",
        f"waiting for the backend: {clean(waiting)}",
    ]


def look(state: Path, seconds: float) -> tuple[list[str], list[str]]:
    """Return the lines about each database of a state directory, and what could not be seen."""
    lines: list[str] = []
    troubles: list[str] = []
    for name in ("audit.db", "policy.db"):
        try:
            lines += describe(state / name, seconds)
            if name == "audit.db":
                lines += head(state / name)
        except PermissionError:
            troubles.append(f"{name}: this user may not read it; as root it can be seen")
        except OSError as error:
            troubles.append(f"{name}: {error.strerror or error}")
        except (sqlite3.Error, AuditError, StoreError, TooSlow) as error:
            troubles.append(f"{name}: {clean(str(error))}")
    return lines, troubles


def _opened(path: Path) -> sqlite3.Connection:
    with path.open("rb"):
        pass  # a sentence of its own for a file that is not there, or not for this user
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _limit(connection: sqlite3.Connection, seconds: float) -> None:
    ends = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > ends, STEPS)
