"""The checkpoint in the log's file, and the uses whose hash it has.

Law: each function is a part of a transaction that its caller begins and ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from hubcore.errors import AuditError
from hubcore.evidence.checkpoint import Checkpoint, Folding, UseRow, hash_uses
from hubcore.evidence.records import StoredRecord
from hubd.adapters.sqlite.tables.uses import OF_CHECKPOINT, change_uses

_USES = "SELECT grant_id, use, op, expires, number FROM checkpoint_uses ORDER BY grant_id, use"
_OLDEST = (
    "SELECT number, body, hash FROM records NOT INDEXED "
    "WHERE number > ? AND number <= ? ORDER BY number LIMIT ?"
)


def document_of(connection: sqlite3.Connection) -> object | None:
    """Return the document, None when there is none. Nothing of it is proven."""
    row = connection.execute("SELECT document FROM checkpoint").fetchone()
    return None if row is None else row[0]


def uses_of(connection: sqlite3.Connection) -> Sequence[UseRow]:
    """Return the uses beside the document, in the order of their hash."""
    return connection.execute(_USES).fetchall()


def check_uses(connection: sqlite3.Connection, checkpoint: Checkpoint) -> None:
    """Raise AuditError unless the uses beside the document are those that it has the hash of."""
    if hash_uses(uses_of(connection)) != checkpoint.uses:
        raise AuditError("the uses beside the checkpoint are not those that it was signed for")


def fold_oldest(
    connection: sqlite3.Connection, before: Checkpoint, last: int, limit: int
) -> Checkpoint:
    """Fold at most `limit` of the oldest records, none above `last`, into a checkpoint.

    Raise AuditError for a record that does not follow.
    """
    folding = Folding(before)
    for row in connection.execute(_OLDEST, (before.head.number, last, limit)):
        folding.take(StoredRecord(*row))
    uses = before.uses
    if folding.changes:
        change_uses(connection, folding.changes, OF_CHECKPOINT)
        uses = hash_uses(uses_of(connection))
    return folding.folded(uses)


def put_in_place(connection: sqlite3.Connection, document: bytes, last: int) -> None:
    """Let the document stand for all records up to `last`, which go."""
    connection.execute("INSERT OR REPLACE INTO checkpoint VALUES (1, ?)", (document,))
    connection.execute("DELETE FROM records WHERE number <= ?", (last,))
