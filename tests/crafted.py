"""Database files as somebody makes them who writes to the disk and knows SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def fill_under_another_schema(path: Path, name: str, ours: str, theirs: str, *statements: str) -> None:
    """Run statements while the schema of `name` says `theirs` in place of `ours`; afterwards it is ours again."""
    _say(path, name, ours, theirs)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    _say(path, name, theirs, ours)


def _say(path: Path, name: str, old: str, new: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        changed = connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = ? AND instr(sql, ?)", (old, new, name, old)
        ).rowcount
        assert changed == 1
        (version,) = connection.execute("PRAGMA schema_version").fetchone()
        connection.execute(f"PRAGMA schema_version = {version + 1}")
