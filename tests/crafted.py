"""Database files as somebody makes them who writes to the disk and knows SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path


def fill_under_another_schema(
    path: Path, name: str, ours: str, theirs: str, *statements: str
) -> None:
    """Run statements while the schema of `name` says `theirs` in place of `ours`; afterwards it is
    ours again.
    """
    _say(path, name, ours, theirs)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    _say(path, name, theirs, ours)


def hide_indexes_while(path: Path, *statements: str) -> None:
    """Run statements of which the file's indexes learn nothing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        hidden = connection.execute("SELECT * FROM sqlite_master WHERE type = 'index'").fetchall()
        _change_schema(connection, "DELETE FROM sqlite_master WHERE type = 'index'", [()])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
        _change_schema(connection, "INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", hidden)


def _say(path: Path, name: str, old: str, new: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (sql,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = ?", (name,)
        ).fetchone()
        assert old in sql
        change = "UPDATE sqlite_master SET sql = ? WHERE name = ?"
        _change_schema(connection, change, [(sql.replace(old, new, 1), name)])


def _change_schema(
    connection: sqlite3.Connection, change: str, rows: Sequence[tuple[object, ...]]
) -> None:
    connection.execute("PRAGMA writable_schema = ON")
    connection.executemany(change, rows)
    (version,) = connection.execute("PRAGMA schema_version").fetchone()
    connection.execute(f"PRAGMA schema_version = {version + 1}")
