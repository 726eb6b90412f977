"""The schema of a database: numbered files of SQL steps, and how a file is held against them.

Laws:
1. The steps that are missing in a file are applied in order, in one transaction.
2. Schemas only grow. A step says from which version on hubd still opens what it made
   (`-- opens-from: 4`), and the file keeps that beside its version. So an older hubd, which comes
   back after an update, opens what the newer one wrote, and changes nothing of its schema.
3. A file from a newer hubd that does not say so is refused.
4. A file with any table, index, view or trigger that the steps do not make is refused. A newer file
   may have more tables, and indexes on those: nothing that acts on the tables that are known here.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sqlite3
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from hubd.adapters.sqlite.errors import ErrorSentences

_Object = tuple[str, str, str, str | None]
"""type, name, table, SQL."""

_NAMES_SHOWN_MAX = 5
_LEAST_SHIFT = 16
"""The header's number: the version, and above it the oldest version that opens it, 0 for itself."""
_OPENS_FROM = re.compile(r"^-- opens-from: ([0-9]{1,4})$", re.MULTILINE)
_OBJECTS = (
    "SELECT type, name, tbl_name, sql FROM sqlite_master "
    "WHERE NOT (type = 'table' AND name = 'filler' AND sql = 'CREATE TABLE filler (data BLOB)')"
)
"""All but the table of `room.warm`, which a crash may leave behind.

Anything else of that name is refused.
"""


@functools.cache
def read_steps(folder: str) -> tuple[str, ...]:
    """Return the text of 0001_*.sql, 0002_*.sql and so on; () when a file is missing."""
    schema = resources.files("hubd.adapters.sqlite") / "schema" / folder
    names = [item.name for item in schema.iterdir()]
    names = sorted(name for name in names if name.endswith(".sql"))
    for number, name in enumerate(names, start=1):
        if not name.startswith(f"{number:04}_"):
            return ()
    return tuple((schema / name).read_text("utf-8") for name in names)


def statements_of(script: str) -> Iterator[str]:
    """Split a script at the ends of its statements.

    `executescript` would commit the transaction first.
    """
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if _has_sql(pending):
        yield pending


@functools.lru_cache(maxsize=8)
def all_statements(steps: tuple[str, ...]) -> tuple[str, ...]:
    """Return the statements of all steps, in order."""
    return tuple(statement for step in steps for statement in statements_of(step))


def _has_sql(text: str) -> bool:
    """Tell whether a text holds more than blank lines and comments."""
    lines = [line.strip() for line in text.splitlines()]
    return any(line and not line.startswith("--") for line in lines)


def header_number(steps: Sequence[str]) -> int:
    """Return what the header of a file says that had these steps."""
    version = len(steps)
    least = version
    while least > 1 and all(_opens_from(step) < least for step in steps[least - 1 :]):
        least -= 1
    return version if least == version else least << _LEAST_SHIFT | version


def _opens_from(step: str) -> int:
    """Return the version from which on hubd opens what a step made; a large one for none."""
    found = _OPENS_FROM.search(step)
    return 1 << _LEAST_SHIFT if found is None else int(found[1])


def check_version(
    connection: sqlite3.Connection,
    path: Path,
    steps: Sequence[str],
    kind: ErrorSentences,
) -> int:
    """Return how many steps a file has had; refuse one with more, unless it may be opened here."""
    known = len(steps)
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    least, version = divmod(int(number), 1 << _LEAST_SHIFT)
    may_be_opened = 0 < least <= known
    if version > known and not may_be_opened:
        raise kind.says(
            path,
            f"this data was written by a newer hubd (schema {version}, known here up to {known}): "
            "install that version again",
        )
    return version


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    steps: Sequence[str],
    application_id: int,
    kind: ErrorSentences,
) -> int:
    """Apply the steps that are missing in the file, all or none; return its version before."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = check_version(connection, path, steps, kind)
        for step in steps[version:]:
            for statement in statements_of(step):
                connection.execute(statement)
        if version < len(steps):
            connection.execute(f"PRAGMA user_version = {header_number(steps)}")
            connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute("COMMIT")
        return version
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def check_objects(
    connection: sqlite3.Connection,
    path: Path,
    statements: Sequence[str],
    kind: ErrorSentences,
    is_newer: bool = False,
) -> None:
    """Refuse a file that does not hold just the objects which the statements make (law 4).

    `is_newer`: it had more steps than are known here.
    """
    expected = _objects_made_by(tuple(statements))
    found: set[_Object] = set(connection.execute(_OBJECTS))
    if is_newer:
        found -= _grown(found - expected, {table for _, _, table, _ in expected})
    odd = sorted(name for _, name, _, _ in expected ^ found)
    if odd:
        shown = ", ".join(odd[:_NAMES_SHOWN_MAX])
        raise kind.broken(path, f"its schema was changed: {shown}")


def _grown(unknown: set[_Object], known: set[str]) -> set[_Object]:
    """Return the tables that are new, and their indexes."""
    return {one for one in unknown if one[0] in ("table", "index") and one[2] not in known}


@functools.lru_cache(maxsize=8)
def _objects_made_by(statements: tuple[str, ...]) -> frozenset[_Object]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        for statement in statements:
            model.execute(statement)
        return frozenset(model.execute(_OBJECTS))
