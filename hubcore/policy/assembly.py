"""The pieces of a policy come together: what is wanted, what has come, when it is whole.

How it works: the signed root names the top of each tree. A piece of an index that comes tells the
names below it; what the hub holds already, in force or staged, is not wanted. When nothing is
wanted any more, the policy is whole. Who carries the pieces does not matter.

Laws:
1. Only what was asked for is taken, once, and only under its own hash. Anything else changes
   nothing, in whatever order and however often it comes.
2. A piece of pages is split by its one shape to be hashed. Nothing in a page is read.
3. In memory is one hash and one byte for each piece of pages, and the names that were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hubcore.errors import FrameError, SignatureError
from hubcore.policy.tree import (
    HASH_BYTES,
    INDEX_BITS,
    Table,
    Tree,
    Trees,
    hash_node,
    hashes_of,
    split_piece,
)

Holds = Callable[[Table, int, bytes], bool]
"""Tells whether the piece of a table, of that number and name, is here already."""

_UNNAMED, _WANTED, _HERE = range(3)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A piece of pages that was wanted and is right: its number in the table, its pages' hashes."""

    table: Table
    piece: int
    hashes: bytes
    pages: tuple[bytes, ...]


class Assembly:
    """The state of one policy that comes together."""

    def __init__(self, trees: Trees, holds: Holds) -> None:
        self._growing = {table: _Growing(table, tree, holds) for table, tree in trees.items()}
        self._asked: dict[bytes, list[_Place]] = {}

    @property
    def complete(self) -> bool:
        """Whether every piece is here."""
        return all(growing.left == 0 for growing in self._growing.values())

    @property
    def waiting(self) -> int:
        """How many of the pieces that were asked for have not come."""
        return len(self._asked)

    def name(self, table: Table, piece: int) -> bytes:
        """Return the name of a piece of pages; zeros while the index has not told it."""
        return self._growing[table].name_at(piece)

    def ask(self, most: int) -> Sequence[bytes]:
        """Return the names of at most so many pieces that are wanted now.

        Those that were asked for before and have not come are among them, first of all.
        """
        self._asked.clear()
        for growing in self._growing.values():
            for name, places in growing.wanted(most - len(self._asked)):
                self._asked.setdefault(name, []).append(_Place(growing, places))
        return tuple(self._asked)

    def take(self, piece: bytes) -> Sequence[Arrived] | None:
        """Take a piece that has come; return the places where its pages belong.

        An index belongs nowhere: []. Return None for what was not asked for, or has come before.
        Raise SignatureError for what the issuer signed, though it is no part of such a tree.
        """
        taken = self._take_pages(piece)
        return self._take_index(piece) if taken is None else taken

    def _take_pages(self, piece: bytes) -> Sequence[Arrived] | None:
        try:
            pages = split_piece(piece)
        except FrameError:
            return None
        hashes = hashes_of(pages)
        places = self._asked.pop(hash_node(hashes), None)
        if places is None:
            return None
        return [place.growing.take_pages(place.pieces, hashes, pages) for place in places]

    def _take_index(self, piece: bytes) -> Sequence[Arrived] | None:
        name = hash_node(piece)
        places = self._asked.pop(name, None)
        if places is None:
            return None
        for place in places:
            place.growing.take_index(place.pieces, name, piece)
        return []


class _Growing:
    """One tree that comes together."""

    def __init__(self, table: Table, tree: Tree, holds: Holds) -> None:
        self._table = table
        self._tree = tree
        self._holds = holds
        self._names = bytearray(HASH_BYTES * tree.pieces)
        self._states = bytearray(tree.pieces)
        self._indexes: dict[range, bytes] = {}
        """The pieces of the index that are wanted: the places that each names."""
        self.left = tree.pieces
        """How many pieces of pages are not here."""
        self._name(range(tree.pieces), tree.hash)

    def wanted(self, most: int) -> Iterator[tuple[bytes, range]]:
        """Yield name and places of at most so many pieces that are wanted now."""
        indexes = list(self._indexes.items())[: max(0, most)]
        for places, name in indexes:
            yield name, places
        at = self._states.find(_WANTED)
        for _ in range(most - len(indexes)):
            if at < 0:
                return
            yield self.name_at(at), range(at, at + 1)
            at = self._states.find(_WANTED, at + 1)

    def take_index(self, places: range, name: bytes, names: bytes) -> None:
        """Take a piece of the index: the names below it are known."""
        if self._indexes.pop(places, None) != name:
            raise SignatureError("policy: a list of pages stands where an index must be")
        step = 1 if len(places) <= 1 << INDEX_BITS else 1 << INDEX_BITS
        if len(names) != len(places) // step * HASH_BYTES:
            raise SignatureError("policy: an index that is not of its tree")
        for number, at in enumerate(range(0, len(names), HASH_BYTES)):
            below = places[number * step : (number + 1) * step]
            self._name(below, names[at : at + HASH_BYTES])

    def take_pages(self, places: range, hashes: bytes, pages: tuple[bytes, ...]) -> Arrived:
        """Take a piece of pages: it is here now."""
        if len(places) > 1 or len(pages) != self._tree.pages_a_piece:
            raise SignatureError("policy: a piece that is not of its tree")
        piece = places[0]
        self._states[piece] = _HERE
        self.left -= 1
        return Arrived(self._table, piece, hashes, pages)

    def _name(self, places: range, name: bytes) -> None:
        """Learn the name of the piece at one place, or of the index over several."""
        if len(places) > 1:
            self._indexes[places] = name
            return
        place = places[0]
        self._names[place * HASH_BYTES : (place + 1) * HASH_BYTES] = name
        if self._holds(self._table, place, name):
            self._states[place] = _HERE
            self.left -= 1
        else:
            self._states[place] = _WANTED

    def name_at(self, place: int) -> bytes:
        """Return the name of the piece at a place; zeros while it is not known."""
        return bytes(self._names[place * HASH_BYTES : (place + 1) * HASH_BYTES])


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a piece that was asked for belongs: one place, or those that an index names."""

    growing: _Growing
    pieces: range
