"""What is written about records: the rows, the outbox, and the mark of the newest acknowledged one.

Law: each function is a part of a transaction that its caller begins and ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from hubcore.codec import cbor
from hubcore.evidence.records import Head, RecordKind

RecordRow = tuple[int, int, bytes, bytes]
"""number, at_ms, body, hash."""


def _bytes_of(kind: RecordKind) -> str:
    """Return, as SQL, the bytes that every record of a kind holds."""
    held = cbor.encode("kind") + cbor.encode(str(kind))
    return f"instr(body, x'{held.hex()}') > 0"


def _newest_of(*kinds: RecordKind) -> str:
    """Return, as SQL, the search for the records of some kinds, the newest first."""
    return (
        "SELECT number, body, hash FROM records NOT INDEXED WHERE "  # noqa: S608 - own bytes
        + " OR ".join(map(_bytes_of, kinds))
        + " ORDER BY number DESC"
    )


ABOUT_ORDERS = _newest_of(RecordKind.ORDER, RecordKind.STARTED)
ABOUT_STATE = _newest_of(RecordKind.POLICY, RecordKind.STATE, RecordKind.STARTED)
"""Bodies that hold `kind` and then `policy`, `state` or `started` in CBOR, the newest first.

No index is asked: it may have been edited, or be of another copy of the file. Each start of hubd
writes such a record, so the reading ends there.
"""


def head_of(connection: sqlite3.Connection) -> Head:
    """Return the head of the chain as it is on the disk."""
    row = connection.execute(
        "SELECT number, hash FROM records ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return Head(*row) if row else Head()


def insert_records(connection: sqlite3.Connection, rows: Sequence[RecordRow]) -> None:
    """Write records, and let them wait for the backend."""
    connection.executemany(
        "INSERT INTO records (number, at_ms, body, hash) VALUES (?, ?, ?, ?)", rows
    )
    numbers = [row[:1] for row in rows]
    connection.executemany("INSERT INTO outbox (number) VALUES (?)", numbers)


def acknowledge(connection: sqlite3.Connection, numbers: Sequence[int]) -> int:
    """Take the numbers out of the outbox and remember the highest; return how many were in it."""
    wanted = [(number,) for number in numbers]
    deleted = connection.executemany("DELETE FROM outbox WHERE number = ?", wanted).rowcount
    connection.execute(
        "INSERT INTO acknowledged SELECT 1, number, hash FROM records WHERE number = ? "
        "ON CONFLICT (only_row) DO UPDATE SET number = excluded.number, hash = excluded.hash "
        "WHERE excluded.number > acknowledged.number",
        (max(numbers),),
    )
    return deleted


def take_back(connection: sqlite3.Connection, after: int, gone: Head) -> int:
    """Let all records above `after` wait, and lower the mark to it; return how many wait anew.

    `gone` is the newest record that went; a mark below it would name nothing.
    """
    added = connection.execute(
        "INSERT OR IGNORE INTO outbox SELECT number FROM records WHERE number > ?", (after,)
    ).rowcount
    connection.execute("DELETE FROM acknowledged WHERE number > ?", (after,))
    connection.execute(
        "INSERT OR IGNORE INTO acknowledged SELECT 1, number, hash FROM records WHERE number = ?",
        (after,),
    )
    if gone.number and after <= gone.number:
        connection.execute(
            "INSERT OR REPLACE INTO acknowledged VALUES (1, ?, ?)", (gone.number, gone.hash)
        )
    return added
