"""How much the policy in force holds: its rows, counted by reading the begin of each page.

Law: it proves nothing and decides nothing. It is for people who ask what a hub has.
"""

from __future__ import annotations

import sqlite3
from hashlib import sha256

from hubcore.codec.cbor import Cursor
from hubcore.codec.cose import pass_sign1
from hubcore.errors import FrameError
from hubcore.policy.document import MAX_BYTES
from hubcore.policy.page import PAGE_BEGIN_BYTES, rows_in
from hubcore.policy.tree import BITS_MAX, HASH_BYTES, Table
from hubcore.ports.stores import PolicyContents
from hubd.adapters.sqlite.tables.pages import page_place


def count(connection: sqlite3.Connection) -> PolicyContents | None:
    """Count what the policy in the file holds; None when there is none.

    It reads for long. Raise FrameError for a damaged file. May raise sqlite3.Error.
    """
    connection.execute("BEGIN")
    kept = connection.execute(
        "SELECT version, issued_at, bytes FROM meta, document WHERE length(bytes) <= ?",
        (MAX_BYTES,),
    ).fetchone()
    match kept:
        case (int(version), int(issued_at), bytes(document)):
            payload = pass_sign1(Cursor(document), MAX_BYTES).payload
        case _:
            return None
    rows = dict.fromkeys(Table, 0)
    for place, hashes, slots in connection.execute("SELECT place, hashes, slots FROM twigs"):
        table = Table(place >> BITS_MAX)
        rows[table] += _rows_of(connection, table, place, len(hashes) // HASH_BYTES, slots)
    return PolicyContents(version, sha256(payload).digest(), issued_at, rows)


def _rows_of(
    connection: sqlite3.Connection, table: Table, place: int, pages: int, slots: int
) -> int:
    """Count the rows of a piece that has so many pages."""
    first = (place & (1 << BITS_MAX) - 1) * pages
    count = 0
    for at in range(pages):
        page = connection.execute(
            "SELECT substr(bytes, 1, ?) FROM pages WHERE place = ?",
            (PAGE_BEGIN_BYTES, page_place(table, first + at, slots >> at & 1)),
        ).fetchone()
        if page is None:
            raise FrameError("a page of the policy is not there")
        count += rows_in(page[0])
    return count
