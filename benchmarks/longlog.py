"""Makes a hub's log long, as a process of its own: `python -m benchmarks.longlog LOG BACKEND ...`.

Laws:
1. The records follow the log's own chain. They are those of unlocks. All have one body, but for
   their times where the log is to reach over days.
2. Nothing else has the files open. The pragmas are those of a file that may be lost.
3. The backend gets the one record that stands for all before it: it is the newest that it has.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks import disk
from hubcore.evidence.records import Head, chain_hash


class Spread(NamedTuple):
    """When the records were: one each `every_ms`, from Unix milliseconds on."""

    begins_ms: int
    every_ms: int


_HEAD = "SELECT number, hash FROM records ORDER BY number DESC LIMIT 1"


def fill(
    log: Path, length: int, waiting: int, spread: Spread | None = None
) -> tuple[int, bytes, bytes]:
    """Let a closed log have so many records, the newest of them waiting for the backend.

    Without `spread` all are of one moment. Return the newest that the backend has: number, body,
    hash.
    """
    with closing(sqlite3.connect(log)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        row = connection.execute(_HEAD).fetchone()
        head = Head(*row) if row else Head()
        connection.executemany(
            "INSERT INTO records VALUES (?, ?, ?, ?)", _rows(head, length, spread or Spread(0, 0))
        )
        known = max(1, length - waiting)
        connection.execute("DELETE FROM outbox")
        connection.execute("DELETE FROM acknowledged")
        connection.execute(
            "INSERT INTO acknowledged SELECT 1, number, hash FROM records WHERE number = ?",
            (known,),
        )
        connection.execute(
            "INSERT INTO outbox SELECT number FROM records WHERE number > ?", (known,)
        )
        connection.commit()
        query = "SELECT number, body, hash FROM records WHERE number = ?"
        number, body, digest = connection.execute(query, (known,)).fetchone()
        return number, body, digest


def _rows(head: Head, length: int, spread: Spread) -> Iterator[tuple[int, int, bytes, bytes]]:
    digest = head.hash
    record = disk.record(0)
    body = record.encode()
    for number in range(head.number + 1, length + 1):
        if spread.every_ms:
            at_ms = spread.begins_ms + number * spread.every_ms
            record = replace(record, at_ms=at_ms, mono_ms=at_ms - spread.begins_ms)
            body = record.encode()
        digest = chain_hash(digest, number, body)
        yield number, record.at_ms, body, digest


def main() -> None:
    """Run as `python -m benchmarks.longlog LOG BACKEND LENGTH WAITING`."""
    log, backend, length, waiting = sys.argv[1:]
    newest = fill(Path(log), int(length), int(waiting))
    with closing(sqlite3.connect(backend)) as connection:
        connection.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", newest)
        connection.commit()


if __name__ == "__main__":
    main()
