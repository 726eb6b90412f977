"""A policy that comes together at the bridge, from its disk and from the backend.

Laws:
1. What lies on the disk is taken as what the backend brings: under its own hash, or not at all.
2. At most ASK_MAX pieces are asked for at once.
3. A piece is on the disk before it counts as here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hubbridge.policy.files import PolicyFiles
from hubcore.backend.uplink.words import MAX_WANTED
from hubcore.policy.assembly import Assembly
from hubcore.policy.root import RootHead
from hubcore.policy.tree import Trees, names_of

ASK_MAX = MAX_WANTED


class Growing:
    """One policy; its methods read and write the disk, so a thread of their own calls them."""

    def __init__(
        self, head: RootHead, trees: Trees, along: Iterable[bytes], files: PolicyFiles
    ) -> None:
        """`along` are the pieces that came with the root."""
        self.head = head
        self.names: set[bytes] = set()
        """Of all pieces that are here."""
        self._files = files
        self._assembly = Assembly(trees, lambda _table, _place, _name: False)
        self._along: Mapping[bytes, bytes] = {
            name: piece for piece in along for name in names_of(piece)
        }
        self._asked: frozenset[bytes] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether every piece is here."""
        return self._assembly.complete

    @property
    def waiting(self) -> int:
        """How many of the pieces that were asked for have not come."""
        return self._assembly.waiting

    def missing(self) -> tuple[bytes, ...]:
        """Take what the disk has, and what came along; return the names to be asked for now.

        Raise SignatureError for what the issuer signed and is no policy, StoreError.
        """
        while names := self._assembly.ask(ASK_MAX):
            self._asked = frozenset(names)
            taken = sum(self._take_here(name) for name in names)
            if not taken:
                return tuple(names)
        return ()

    def take(self, pieces: Iterable[bytes]) -> None:
        """Take pieces that have come; any that was not asked for is left. Raise as `missing`."""
        for piece in pieces:
            for name in names_of(piece):
                if name in self._asked and self._assembly.take(piece) is not None:
                    self._files.put_piece(name, piece)
                    self.names.add(name)
                    break

    def _take_here(self, name: bytes) -> bool:
        piece = self._files.piece(name)
        if piece is not None and name in names_of(piece) and self._assembly.take(piece) is not None:
            self.names.add(name)
            return True
        along = self._along.get(name)
        if along is None or self._assembly.take(along) is None:
            return False
        self._files.put_piece(name, along)
        self.names.add(name)
        return True
