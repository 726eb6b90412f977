"""Looks at the databases of a hub from outside: how large they are, and whether they are whole.

Laws:
1. A file is only ever read, and no value of a row is shown.
2. Each look that reads a whole table has an end: SQLite is asked between its steps. One that does
   not end in time takes nothing from what was seen before and comes after.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hubcore.errors import AuditError, StoreError
from hubctl.evidence.opening import check_schema, open_log
from hubterm.text import clean

STEPS = 100_000
"""Of SQLite's machine, between two looks at the clock."""
BUSY_SECONDS = 2.0
TROUBLES_MAX = 10


class Look:
    """What is seen of the databases, and what could not be seen."""

    def __init__(self, seconds: float, steps: int = STEPS) -> None:
        """Each look that reads a whole table may take so long; SQLite is asked each `steps`."""
        self.lines: list[str] = []
        self.troubles: list[str] = []
        self._seconds = seconds
        self._steps = steps

    def at(self, path: Path, *, is_log: bool) -> None:
        """Look at one database; what was seen before a trouble stays."""
        try:
            self._describe(path)
            if is_log:
                self._head(path)
        except PermissionError:
            self.troubles.append(f"{path.name}: this user may not read it; as root it can be seen")
        except OSError as error:
            self.troubles.append(f"{path.name}: {error.strerror or error}")
        except (sqlite3.Error, AuditError, StoreError) as error:
            self.troubles.append(f"{path.name}: {clean(str(error))}")

    def _describe(self, path: Path) -> None:
        """Say how large a database is, and whether it is whole. Raise OSError, sqlite3.Error."""
        self.lines.append(f"{path.name}: {path.stat().st_size} bytes")
        journal = path.with_name(path.name + "-wal")
        if journal.exists():
            self.lines.append(f"{journal.name}: {journal.stat().st_size} bytes")
        with contextlib.closing(_opened(path)) as connection:
            for pragma in ("application_id", "user_version", "page_count", "freelist_count"):
                (value,) = connection.execute(f"PRAGMA {pragma}").fetchone()
                self.lines.append(f"{pragma}: {clean(value)}")
            found = self._in_time(connection, f"PRAGMA quick_check({TROUBLES_MAX})", path.name)
            self.lines += [f"quick_check: {clean(row[0])}" for row in found]

    def _head(self, path: Path) -> None:
        """Say which record is the newest, and what waits.

        Raise AuditError, StoreError, sqlite3.Error.
        """
        with contextlib.closing(open_log(path)) as connection:
            check_schema(connection)
            newest = connection.execute(
                "SELECT number, hex(hash) FROM records ORDER BY number DESC LIMIT 1"
            ).fetchone()
            if newest is None:
                self.lines.append("no record")
                return
            self.lines.append(f"head {clean(newest[0])}:{clean(newest[1]).lower()}")
            for (waiting,) in self._in_time(connection, "SELECT count(*) FROM outbox", path.name):
                self.lines.append(f"waiting for the backend: {clean(waiting)}")

    def _in_time(self, connection: sqlite3.Connection, query: str, name: str) -> list[Any]:
        """Return the rows of a query; none, and a trouble, when it does not end in time."""
        ends = time.monotonic() + self._seconds
        connection.set_progress_handler(lambda: time.monotonic() > ends, self._steps)
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            self.troubles.append(f"{name}: {query!r} did not end in {self._seconds:g} s")
            return []
        finally:
            connection.set_progress_handler(None, self._steps)


def look(state: Path, seconds: float, steps: int = STEPS) -> tuple[list[str], list[str]]:
    """Return the lines about each database of a state directory, and what could not be seen."""
    seen = Look(seconds, steps)
    seen.at(state / "audit.db", is_log=True)
    seen.at(state / "policy.db", is_log=False)
    return seen.lines, seen.troubles


def _opened(path: Path) -> sqlite3.Connection:
    with path.open("rb"):
        pass  # a sentence of its own for a file that is not there, or not for this user
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection
