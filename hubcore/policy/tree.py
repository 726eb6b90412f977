"""The tree of a large table of a policy: pages, pieces and their hashes, under the signed root.

How it works: the rows of a table lie in 2^bits pages, each in the page that the first bits of its
key name. Sixteen pages that follow one another are a piece: what crosses a carrier. The name of a
piece is a hash over the hashes of its pages. The names of the pieces, in their order, are an index;
where one piece is all there is, its own name is the hash of the tree. The policy's signed root has
the bits and the hash of each tree.

Laws:
1. The same rows always make the same tree. A row that changes touches its page, its piece and the
   index, nothing else.
2. The hash of a page is SHA-256 of 0 and the page; every other hash is SHA-256 of 1 and the hashes
   below it (RFC 6962, section 2.1). So no page can stand for a list of hashes.
3. A piece, also one of an index, has at most PIECE_BYTES.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from hubcore.codec import cbor
from hubcore.codec.cbor import Cursor
from hubcore.errors import FrameError
from hubcore.policy.page import PAGE_BYTES, Page, Row, key_of, page_bytes, write_page

HASH_BYTES = 32
PIECE_BYTES = 64 * 1024
PIECE_BITS = 4
"""Sixteen pages make a piece."""
INDEX_BITS = 11
"""2,048 names make an index of 64 KiB."""
BITS_MAX = 20
"""A million pages."""
PIECES_MAX = 8192
"""Of all trees of a policy together: 512 MiB. A million cards and revocations have 2,560."""
_PAGE_AIM = 3584
"""A page has at most so many bytes on average, so that sixteen fit into a piece."""
_PAGE_MOST = 8 * 1024
"""A page of more than one row has no more, or the table gets twice as many pages."""
_PIECE_HEADS = 8 << PIECE_BITS
_LEAF = b"\x00"
_NODE = b"\x01"


class Table(IntEnum):
    """The large tables of a policy. The numbers stand in files of hubs: they are never changed."""

    CREDENTIALS = 0
    GRANTS = 1
    DISABLED = 2
    EXTENDED_TIME = 3
    CARDS = 4


@dataclass(frozen=True, slots=True)
class Tree:
    """What the signed root says of a table that has rows: how many pages, and the hash of all."""

    bits: int
    hash: bytes

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return 1 << self.bits

    @property
    def pieces(self) -> int:
        """How many pieces they make."""
        return 1 << max(0, self.bits - PIECE_BITS)

    @property
    def pages_a_piece(self) -> int:
        """How many pages a piece has."""
        return 1 << min(self.bits, PIECE_BITS)

    def page_of(self, key: bytes) -> int:
        """Return the number of the page where a row of that key must stand."""
        return int.from_bytes(key[:4], "big") >> (32 - self.bits)


Trees = Mapping[Table, Tree]
"""The trees of the tables that have rows."""


def hash_page(page: bytes) -> bytes:
    """Return the hash of a page."""
    return sha256(_LEAF + page).digest()


def hash_node(hashes: bytes) -> bytes:
    """Return the hash over hashes that stand one after the other."""
    return sha256(_NODE + hashes).digest()


def hashes_of(pages: Sequence[bytes]) -> bytes:
    """Return the hashes of pages, one after the other."""
    return b"".join(hash_page(page) for page in pages)


def write_piece(pages: Sequence[bytes]) -> bytes:
    """Return the piece of these pages."""
    return cbor.encode(list(pages))


def split_piece(data: bytes) -> tuple[bytes, ...]:
    """Return the pages of a piece, not read. Raise FrameError for what has not its shape."""
    if len(data) > PIECE_BYTES:
        raise FrameError(f"a piece of {len(data)} bytes, more than {PIECE_BYTES}")
    cursor = Cursor(data)
    count = cursor.array()
    if not 1 <= count <= 1 << PIECE_BITS:
        raise FrameError(f"a piece of {count} pages")
    pages = tuple(cursor.string(1, PAGE_BYTES) for _ in range(count))
    cursor.end()
    return pages


def names_of(piece: bytes) -> tuple[bytes, ...]:
    """Return the names that a piece may have: as one of an index, and as one of pages."""
    as_index = hash_node(piece)
    try:
        return as_index, hash_node(hashes_of(split_piece(piece)))
    except FrameError:
        return (as_index,)


def asked_for(root: bytes, named: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    """Return the pieces of a policy under the names by which a hub can ask for them.

    Those stand in the root or in a piece of an index. `named` has each name that a piece may have
    (`names_of`): who splits a policy without its trees cannot tell which of both it is.
    """
    told = {
        piece[at : at + HASH_BYTES]
        for piece in set(named.values())
        if len(piece) % HASH_BYTES == 0
        for at in range(0, len(piece), HASH_BYTES)
    }
    return {name: piece for name, piece in named.items() if name in told or name in root}


def levels(names: bytes) -> Iterator[bytes]:
    """Yield the lists of names above the pieces, from the lowest level up, until one is enough.

    `names` are those of all pieces. Each list is one level; cut it with `cut_index`.
    """
    while len(names) > HASH_BYTES:
        yield names
        names = b"".join(hash_node(part) for part in cut_index(names))


def cut_index(names: bytes) -> Iterator[bytes]:
    """Yield the pieces of an index."""
    size = HASH_BYTES << INDEX_BITS
    for start in range(0, len(names), size):
        yield names[start : start + size]


def hash_of(names: bytes) -> bytes:
    """Return the hash of a tree, by the names of all its pieces."""
    while len(names) > HASH_BYTES:
        names = b"".join(hash_node(part) for part in cut_index(names))
    return names


@dataclass(frozen=True, slots=True)
class Grown:
    """A tree with all its pieces, those of its index among them, by name."""

    tree: Tree
    pieces: Mapping[bytes, bytes]


def grow(rows: Sequence[tuple[bytes, bytes]]) -> Grown | None:
    """Return the tree of rows (id, bytes) in any order; None for no rows.

    Raise ValueError for an id that comes twice, and for rows that no tree can hold.
    """
    if not rows:
        return None
    keyed = sorted((key_of(identity), row) for identity, row in rows)
    bits = _bits_for(keyed)
    pages = [write_page(of_page) for of_page in _in_pages(keyed, bits)]
    pieces: dict[bytes, bytes] = {}
    names = bytearray()
    step = 1 << min(bits, PIECE_BITS)
    for start in range(0, len(pages), step):
        part = pages[start : start + step]
        name = hash_node(hashes_of(part))
        pieces[name] = write_piece(part)
        names += name
    for level in levels(bytes(names)):
        pieces.update((hash_node(part), part) for part in cut_index(level))
    return Grown(Tree(bits, hash_of(bytes(names))), pieces)


def _in_pages(keyed: Sequence[Row], bits: int) -> Iterator[Sequence[Row]]:
    """Yield the rows of each page, in the order of pages."""
    tree = Tree(bits, b"")
    at = 0
    for page in range(tree.pages):
        begin = at
        while at < len(keyed) and tree.page_of(keyed[at][0]) == page:
            at += 1
        yield keyed[begin:at]


def _bits_for(keyed: Sequence[Row]) -> int:
    """Return the bits by which these rows are spread over pages."""
    total = page_bytes(len(keyed), sum(len(row) for _, row in keyed))
    bits = 0
    while total > _PAGE_AIM << bits:
        bits += 1
    while bits <= BITS_MAX:
        if _fits(keyed, bits):
            return bits
        bits += 1
    raise ValueError("rows that no tree can hold: some of them are too long")


def _fits(keyed: Sequence[Row], bits: int) -> bool:
    """Tell whether no page and no piece is too large."""
    tree = Tree(bits, b"")
    piece_bytes = _PIECE_HEADS
    for number, rows in enumerate(_in_pages(keyed, bits)):
        if number % tree.pages_a_piece == 0:
            piece_bytes = _PIECE_HEADS
        size = page_bytes(len(rows), sum(len(row) for _, row in rows))
        piece_bytes += size
        if piece_bytes > PIECE_BYTES or (size > _PAGE_MOST and len(rows) > 1):
            return False
    return True


def rows_of(pages: Sequence[bytes], tree: Tree, first: int) -> Iterator[Row]:
    """Yield the rows of pages of a tree, the first of them of number `first`.

    Raise FrameError for a page without its shape, or a row in another's page.
    """
    for number, data in enumerate(pages, start=first):
        for key, row in Page.read(data).all():
            if tree.page_of(key) != number:
                raise FrameError("a row that stands in another's page")
            yield key, row
