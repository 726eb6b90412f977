"""The pages of a policy's large tables: in force, and staged for the next policy.

How it works: each page has two slots in the file. A page that is in force stands in one of them.
One that comes for the next policy goes to the other, so nothing that is in force is touched. To put
a policy in force is to say which slots count: the rows of `twigs`, some 500 bytes for each piece.

Laws:
1. A page is believed when it has the hash that the signed root leads to, at each look-up. So
   nothing is read at a start but the hashes themselves.
2. In memory are the hashes of the pages, as flat bytes: one MiB for a million cards.
3. The file has each page twice at most.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from hubcore.errors import FrameError
from hubcore.policy.assembly import Arrived
from hubcore.policy.page import Page, key_of
from hubcore.policy.tree import (
    BITS_MAX,
    HASH_BYTES,
    Table,
    Tree,
    Trees,
    hash_node,
    hash_of,
    hash_page,
)

NameOf = Callable[[Table, int], bytes]
"""Returns the name of a piece, by its table and its number."""
Twig = tuple[int, bytes, int]
"""A row: the place of a piece, the hashes of its pages, their slots."""
_SPREAD = [bytes(mask >> at & 1 for at in range(8)) for mask in range(256)]
"""The slots of eight pages, a byte for each, by the bits of a row."""


def piece_place(table: Table, piece: int) -> int:
    """Return the place of a piece in the file."""
    return table << BITS_MAX | piece


def page_place(table: Table, page: int, slot: int) -> int:
    """Return the place of a page in the file."""
    return (table << BITS_MAX | page) << 1 | slot


@dataclass(frozen=True, slots=True)
class Shelf:
    """The pages of a table in force.

    `hashes` of all pages, `slots` a byte for each, `names` of all pieces, each in their order.
    """

    tree: Tree
    hashes: bytes
    slots: bytes
    names: bytes

    def name(self, piece: int) -> bytes:
        """Return the name of a piece."""
        return self.names[piece * HASH_BYTES : (piece + 1) * HASH_BYTES]

    def hash(self, page: int) -> bytes:
        """Return the hash of a page."""
        return self.hashes[page * HASH_BYTES : (page + 1) * HASH_BYTES]

    def twig(self, piece: int) -> bytes:
        """Return the hashes of the pages of a piece."""
        size = self.tree.pages_a_piece * HASH_BYTES
        return self.hashes[piece * size : (piece + 1) * size]


Shelves = Mapping[Table, Shelf]


def find(
    connection: sqlite3.Connection, shelf: Shelf, table: Table, identity: bytes
) -> bytes | None:
    """Return the row of an id, None when there is none.

    Raise FrameError for a page that is not the one that its issuer signed. May raise sqlite3.Error.
    """
    key = key_of(identity)
    return read(connection, shelf, table, shelf.tree.page_of(key)).find(key)


def read(connection: sqlite3.Connection, shelf: Shelf, table: Table, page: int) -> Page:
    """Return a page in force.

    Raise FrameError for one that is not the one that its issuer signed. May raise sqlite3.Error.
    """
    data = _page(connection, shelf, table, page)
    if data is None:
        raise FrameError(f"page {page} of {table.name} is not the one that was signed")
    return Page.read(data)


def load(connection: sqlite3.Connection, trees: Trees) -> Shelves:
    """Read the hashes of what is in force.

    Raise FrameError for hashes that do not lead to the signed trees. May raise sqlite3.Error.
    """
    shelves = {}
    for table, tree in trees.items():
        query = "SELECT place, hashes, slots FROM twigs WHERE place >= ? AND place < ?"
        first = piece_place(table, 0)
        rows = connection.execute(query, (first, first + tree.pieces))
        shelves[table] = _shelf(tree, table, _checked(rows), None, _hashed)
    return shelves


def _hashed(_piece: int, hashes: bytes) -> bytes:
    return hash_node(hashes)


def without_damaged(connection: sqlite3.Connection, shelves: Shelves) -> Shelves:
    """Return the shelves without the hashes of pages that are not there as they were signed.

    It reads all pages. May raise sqlite3.Error.
    """
    return {table: _without_damaged(connection, shelf, table) for table, shelf in shelves.items()}


def _without_damaged(connection: sqlite3.Connection, shelf: Shelf, table: Table) -> Shelf:
    hashes = bytearray(shelf.hashes)
    names = bytearray(shelf.names)
    for page in range(shelf.tree.pages):
        if _page(connection, shelf, table, page) is None:
            piece = page // shelf.tree.pages_a_piece
            hashes[page * HASH_BYTES : (page + 1) * HASH_BYTES] = bytes(HASH_BYTES)
            names[piece * HASH_BYTES : (piece + 1) * HASH_BYTES] = bytes(HASH_BYTES)
    return replace(shelf, hashes=bytes(hashes), names=bytes(names))


def _page(connection: sqlite3.Connection, shelf: Shelf, table: Table, page: int) -> bytes | None:
    """Return a page in force, None when it is not the one that was signed."""
    place = page_place(table, page, shelf.slots[page])
    found = connection.execute("SELECT bytes FROM pages WHERE place = ?", (place,)).fetchone()
    match found:
        case (bytes(data),) if hash_page(data) == shelf.hash(page):
            return data
    return None


def _checked(rows: Iterable[Sequence[object]]) -> Iterator[Twig]:
    for row in rows:
        match row:
            case (int(place), bytes(hashes), int(slots)):
                yield place, hashes, slots
            case _:
                raise FrameError("hashes of pages that are none")


def _shelf(
    tree: Tree,
    table: Table,
    twigs: Iterable[Twig],
    before: Shelf | None,
    name: Callable[[int, bytes], bytes],
) -> Shelf:
    """Make the shelf of a tree from rows, over what was there before.

    `name` returns the name of a piece, by its number and the hashes of its pages. Raise FrameError.
    """
    size = tree.pages_a_piece
    if before is None or before.tree.bits != tree.bits:
        before = Shelf(
            tree=tree,
            hashes=bytes(HASH_BYTES * tree.pages),
            slots=bytes(tree.pages),
            names=bytes(HASH_BYTES * tree.pieces),
        )
    hashes = bytearray(before.hashes)
    slots = bytearray(before.slots)
    names = bytearray(before.names)
    for place, of_piece, mask in twigs:
        piece = place - piece_place(table, 0)
        if len(of_piece) != size * HASH_BYTES or not 0 <= piece < tree.pieces:
            raise FrameError("hashes of pages that are not of their tree")
        hashes[piece * size * HASH_BYTES : (piece + 1) * size * HASH_BYTES] = of_piece
        spread = _SPREAD[mask & 0xFF] + _SPREAD[mask >> 8 & 0xFF]
        slots[piece * size : (piece + 1) * size] = spread[:size]
        names[piece * HASH_BYTES : (piece + 1) * HASH_BYTES] = name(piece, of_piece)
    if hash_of(bytes(names)) != tree.hash:
        raise FrameError(f"the hashes of {table.name} do not lead to the signed one")
    return Shelf(tree, bytes(hashes), bytes(slots), bytes(names))


def stage(connection: sqlite3.Connection, shelves: Shelves, arrived: Sequence[Arrived]) -> int:
    """Write pieces that have come, each page to the slot that is not in force.

    Return the bytes of the pages that were written.
    """
    pages: list[tuple[int, bytes]] = []
    twigs: list[Twig] = []
    for one in arrived:
        shelf = shelves.get(one.table)
        is_known = shelf is not None and len(shelf.twig(one.piece)) == len(one.hashes)
        twigs.append(_stage_one(one, shelf if is_known else None, shelf, pages))
    connection.executemany("INSERT OR REPLACE INTO pages (place, bytes) VALUES (?, ?)", pages)
    connection.executemany(
        "INSERT OR REPLACE INTO staged_twigs (place, hashes, slots) VALUES (?, ?, ?)", twigs
    )
    return sum(len(data) for _, data in pages)


def _stage_one(
    one: Arrived, same: Shelf | None, shelf: Shelf | None, pages: list[tuple[int, bytes]]
) -> Twig:
    first = one.piece * len(one.pages)
    mask = 0
    for at, data in enumerate(one.pages):
        page = first + at
        slot = 0
        if shelf is not None and page < len(shelf.slots):
            slot = 1 - shelf.slots[page]
            hash_ = one.hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES]
            if same is not None and same.hash(page) == hash_:
                mask |= shelf.slots[page] << at
                continue
        mask |= slot << at
        pages.append((page_place(one.table, page, slot), data))
    return piece_place(one.table, one.piece), one.hashes, mask


def begin_staging(
    connection: sqlite3.Connection, document: bytes, trees: Trees
) -> Mapping[int, bytes]:
    """Stage the policy with this root; return the names of the pieces that were staged before.

    Those of another root stay: the new one may have them, too. `put_in_force` drops the others.
    """
    row = connection.execute("SELECT document FROM staged").fetchone()
    if row != (document,):
        connection.execute("INSERT OR REPLACE INTO staged VALUES (1, ?)", (document,))
    _drop_beyond(connection, "staged_twigs", trees)
    rows = connection.execute("SELECT place, hashes FROM staged_twigs")
    return {place: hash_node(hashes) for place, hashes in rows}


def _drop_beyond(connection: sqlite3.Connection, twigs: str, trees: Trees) -> None:
    """Drop the rows of pieces that these trees cannot have."""
    delete = f"DELETE FROM {twigs} WHERE place BETWEEN ? AND ?"  # noqa: S608 - own name
    end = -(1 << 63)
    for table in Table:
        first = piece_place(table, 0)
        connection.execute(delete, (end, first - 1))
        end = first + (trees[table].pieces if table in trees else 0)
    connection.execute(delete, (end, (1 << 63) - 1))


def _drop_unwanted(connection: sqlite3.Connection, trees: Trees, name: NameOf) -> None:
    """Drop what is staged and is no piece of these trees: it came for another root."""
    _drop_beyond(connection, "staged_twigs", trees)
    rows = connection.execute("SELECT place, hashes FROM staged_twigs")
    unwanted = [
        (place,)
        for place, hashes in rows
        if hash_node(hashes) != name(Table(place >> BITS_MAX), place & (1 << BITS_MAX) - 1)
    ]
    connection.executemany("DELETE FROM staged_twigs WHERE place = ?", unwanted)


def _named(name: NameOf, table: Table, piece: int, _hashes: bytes) -> bytes:
    """Return the signed name of a piece: `_drop_unwanted` held its hashes against it."""
    return name(table, piece)


def put_in_force(
    connection: sqlite3.Connection, trees: Trees, before: Shelves, name: NameOf
) -> Shelves:
    """Make what is staged count, over what was in force before.

    `name` returns the signed name of each piece. Raise FrameError when it is not the whole of
    these trees: the caller rolls back.
    """
    _drop_unwanted(connection, trees, name)
    shelves = {}
    for table, tree in trees.items():
        first = piece_place(table, 0)
        end = first + tree.pieces
        query = "SELECT place, hashes, slots FROM staged_twigs WHERE place >= ? AND place < ?"
        rows = connection.execute(query, (first, end))
        named = partial(_named, name, table)
        shelves[table] = _shelf(tree, table, _checked(rows), before.get(table), named)
    _drop_beyond(connection, "twigs", trees)
    connection.execute("INSERT OR REPLACE INTO twigs SELECT * FROM staged_twigs")
    connection.execute("DELETE FROM staged_twigs")
    connection.execute("DELETE FROM staged")
    return shelves
