"""What is written about records: the rows, the outbox, and the mark of the newest acknowledged one.

Law: each function is a part of a transaction that its caller begins and ends.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence

from hubcore.codec import cbor
from hubcore.errors import AuditError
from hubcore.evidence.records import Head, Record, RecordKind, StoredRecord

RecordRow = tuple[int, int, bytes, bytes]
"""number, at_ms, body, hash."""
_NUMBER_MAX = (1 << 63) - 1


def _bytes_of(kind: RecordKind) -> str:
    """Return, as SQL, the bytes that every record of a kind holds."""
    held = cbor.encode("kind") + cbor.encode(str(kind))
    return f"instr(body, x'{held.hex()}') > 0"


def _newest_of(*kinds: RecordKind) -> str:
    """Return, as SQL, the search for the newest record of some kinds, up to a number.

    For one row alone: sqlite3 looks for the next one before it gives a row, through all of the log.
    """
    return (
        "SELECT number, body, hash FROM records NOT INDEXED WHERE number <= ? AND ("  # noqa: S608 - own bytes
        + " OR ".join(map(_bytes_of, kinds))
        + ") ORDER BY number DESC LIMIT 1"
    )


ABOUT_ORDERS = _newest_of(RecordKind.ORDER, RecordKind.STARTED)
ABOUT_STATE = _newest_of(RecordKind.POLICY, RecordKind.STATE, RecordKind.STARTED)
"""Bodies that hold `kind` and then `policy`, `state` or `started` in CBOR.

No index is asked: it may have been edited, or be of another copy of the file. Each start of hubd
writes such a record, so the reading ends there.
"""


def newest(
    connection: sqlite3.Connection, query: str, is_wanted: Callable[[Record], bool]
) -> StoredRecord | None:
    """Return the newest record that is wanted, of those that a search finds; None for none."""
    last = _NUMBER_MAX
    while row := connection.execute(query, (last,)).fetchone():
        stored = StoredRecord(*row)
        # a record of another kind may hold the bytes that are looked for
        with contextlib.suppress(AuditError):
            if is_wanted(Record.decode(stored.body)):
                return stored
        last = stored.number - 1
    return None


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


def take_back(connection: sqlite3.Connection, after: int) -> int:
    """Let all records above `after` wait, and lower the mark to it; return how many wait anew.

    There is no mark when that record has gone: the checkpoint says as much.
    """
    added = connection.execute(
        "INSERT OR IGNORE INTO outbox SELECT number FROM records WHERE number > ?", (after,)
    ).rowcount
    connection.execute("DELETE FROM acknowledged WHERE number > ?", (after,))
    connection.execute(
        "INSERT OR IGNORE INTO acknowledged SELECT 1, number, hash FROM records WHERE number = ?",
        (after,),
    )
    return added
