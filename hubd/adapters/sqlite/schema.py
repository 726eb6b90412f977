"""The schema of a database: numbered files of SQL steps, and how a file is held against them.

Laws:
1. The steps that are missing in a file are applied in order, in one transaction.
2. A file from a newer hubd is refused.
3. A file with any table, index, view or trigger that the steps do not make is refused.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from hubd.adapters.sqlite.errors import ErrorSentences

_Object = tuple[str, str, str, str | None]
"""type, name, table, SQL."""

_NAMES_SHOWN_MAX = 5
_OBJECTS = (
    "SELECT type, name, tbl_name, sql FROM sqlite_master "
    "WHERE NOT (type = 'table' AND name = 'filler' AND sql = 'CREATE TABLE filler (data BLOB)')"
)
"""All but the table of `room.warm`, which a crash may leave behind.

Anything else of that name is refused.
"""


def read_steps(folder: str) -> list[str]:
    """Return the text of 0001_*.sql, 0002_*.sql and so on; [] when a file is missing."""
    schema = resources.files("hubd.adapters.sqlite") / "schema" / folder
    names = [item.name for item in schema.iterdir()]
    names = sorted(name for name in names if name.endswith(".sql"))
    for number, name in enumerate(names, start=1):
        if not name.startswith(f"{number:04}_"):
            return []
    return [(schema / name).read_text("utf-8") for name in names]


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


def _has_sql(text: str) -> bool:
    """Tell whether a text holds more than blank lines and comments."""
    lines = [line.strip() for line in text.splitlines()]
    return any(line and not line.startswith("--") for line in lines)


def check_version(
    connection: sqlite3.Connection,
    path: Path,
    steps: Sequence[str],
    kind: ErrorSentences,
) -> int:
    """Return how many steps a file has had; refuse one with more than are known here."""
    known = len(steps)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > known:
        raise kind.says(
            path,
            f"this data was written by a newer hubd (schema {version}, known here up to {known}): "
            "install that version again",
        )
    return int(version)


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    steps: Sequence[str],
    application_id: int,
    kind: ErrorSentences,
) -> None:
    """Apply the steps that are missing in the file, all or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = check_version(connection, path, steps, kind)
        for step in steps[version:]:
            for statement in statements_of(step):
                connection.execute(statement)
        if version < len(steps):
            connection.execute(f"PRAGMA user_version = {len(steps)}")
            connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute("COMMIT")
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
) -> None:
    """Refuse a file that does not hold just the objects which the statements make."""
    expected = _objects_made_by(statements)
    found: set[_Object] = set(connection.execute(_OBJECTS))
    odd = sorted(name for _, name, _, _ in expected ^ found)
    if odd:
        shown = ", ".join(odd[:_NAMES_SHOWN_MAX])
        raise kind.broken(path, f"its schema was changed: {shown}")


def _objects_made_by(statements: Sequence[str]) -> set[_Object]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        for statement in statements:
            model.execute(statement)
        return set(model.execute(_OBJECTS))
