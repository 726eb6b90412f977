"""The hub's own keys in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hubcore.backend.ownkeys import KnownPairs
from hubcore.errors import StoreError


class FakeKeyPairs:
    """`ports.keys.KeyPairs` without a disk. A pair is 32 equal bytes: 1, then 2, and so on.

    `refuses`: the disk takes nothing. `tries` counts the calls of `try_next`. `did` is called with
    each thing that was done.
    """

    def __init__(self, did: Callable[[str], None] = lambda _what: None) -> None:
        self.refuses = False
        self.tries = 0
        self._did = did
        self._made = 1
        self._known = KnownPairs(bytes([1] * 32), 0.0, shown="1")

    def known(self) -> KnownPairs:
        return self._known

    def make_next(self, now: float) -> None:
        self._check()
        self._made += 1
        self._known = replace(self._known, next=bytes([self._made] * 32))
        self._made_at = now
        self._did("made")

    def switch(self) -> None:
        self._check()
        known = self._known
        if known.next is None:
            return
        self._known = KnownPairs(
            current=known.next,
            since=self._made_at,
            before=known.current,
            is_old_left=True,
            shown=str(known.next[0]),
        )
        self._did("switched")

    def drop_next(self) -> None:
        self._check()
        self._known = replace(self._known, next=None)
        self._did("dropped next")

    def drop_old(self) -> None:
        self._check()
        self._known = replace(self._known, is_old_left=False)
        self._did("dropped old")

    def proof(self, hub: str, server: bytes) -> bytes:
        if self._known.next is None:
            raise StoreError("no next pair")
        return bytes(32)

    def try_next(self) -> None:
        self.tries += 1

    def _check(self) -> None:
        if self.refuses:
            raise StoreError("the disk is full")
