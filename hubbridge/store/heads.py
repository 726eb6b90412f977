"""The heads that hubs have signed of their own records, as rows of a bridge's file.

Laws:
1. A head is kept only of a record that is held, and behind the newest one that is kept.
2. Records go with a head that is at most a stretch further on (`hubcore.bridge.stretch`). A hub
   that has let records go, because the backend has them, signs no head of these. So between two
   heads there may be more than a stretch, and what lies there waits for a receipt.
3. Of three heads that lie within one stretch the middle one goes. So there are at most two heads a
   stretch, however often a hub signs.
4. All heads of a hub are by one key. A hub that comes with another one signs again.
"""

from __future__ import annotations

import sqlite3

from hubbridge.rules.proven import ProvenHead
from hubcore.bridge.stretch import fits
from hubcore.evidence.records import Head


def newest(connection: sqlite3.Connection, hub: int) -> tuple[int, bytes]:
    """Return the number of the newest head and the digest of its key; 0 and b"" for none."""
    found: tuple[int, bytes] | None = connection.execute(
        "SELECT number, key FROM heads WHERE hub = ? ORDER BY number DESC LIMIT 1", (hub,)
    ).fetchone()
    return found or (0, b"")


def is_stretch(connection: sqlite3.Connection, hub: int, after: int, last: int) -> bool:
    """Tell whether the records behind one, up to another, are at most a stretch."""
    if not fits(last - after, 0):
        return False
    (body_bytes,) = connection.execute(
        "SELECT coalesce(sum(length(body)), 0) FROM records "
        "WHERE hub = ? AND number > ? AND number <= ?",
        (hub, after, last),
    ).fetchone()
    return fits(last - after, body_bytes)


def put(connection: sqlite3.Connection, hub: int, new: ProvenHead, base: int) -> None:
    """Write the next head; `base` is the record behind which heads are needed (law 3)."""
    before = connection.execute(
        "SELECT number FROM heads WHERE hub = ? AND number > ? ORDER BY number DESC LIMIT 2",
        (hub, base),
    ).fetchall()
    if before:
        middle = before[0][0]
        first = before[1][0] if len(before) > 1 else base
        if is_stretch(connection, hub, first, new.head.number):
            connection.execute("DELETE FROM heads WHERE hub = ? AND number = ?", (hub, middle))
    connection.execute(
        "INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?)",
        (hub, new.head.number, new.head.hash, new.key, new.document),
    )


def furthest(
    connection: sqlite3.Connection, hub: int, after: int, most: int
) -> tuple[Head, bytes] | None:
    """Return the furthest head of one stretch behind a record, at most so many records on."""
    rows = connection.execute(
        "SELECT number, hash, document FROM heads WHERE hub = ? AND number > ? AND number <= ? "
        "ORDER BY number DESC",
        (hub, after, after + most),
    )
    for number, digest, document in rows.fetchall():
        if is_stretch(connection, hub, after, number):
            return Head(number, digest), document
    return None


def drop(connection: sqlite3.Connection, hub: int, last: int) -> None:
    """Delete the heads of records that the backend has: those up to this one."""
    connection.execute("DELETE FROM heads WHERE hub = ? AND number <= ?", (hub, last))


def drop_all(connection: sqlite3.Connection, hub: int) -> None:
    """Delete the heads by a key that the hub has no more (law 4)."""
    connection.execute("DELETE FROM heads WHERE hub = ?", (hub,))
