"""The hub's own pairs of keys for the uplink, kept on the disk."""

from __future__ import annotations

from typing import Protocol

from hubcore.backend.ownkeys import KnownPairs


class KeyPairs(Protocol):
    """Everything but `known` and `try_next` waits for the disk, and raises StoreError.

    What one of them has done outlasts a power cut once it returns. Cut off at any moment, it leaves
    the current pair as it was, or the next one in its place.
    """

    def known(self) -> KnownPairs:
        """What lies there now."""

    def make_next(self, now: float) -> None:
        """Make a pair that follows the current one. `now` in Unix seconds."""

    def switch(self) -> None:
        """Let the next pair be the current one."""

    def drop_next(self) -> None:
        """Remove the next pair."""

    def drop_old(self) -> None:
        """Remove every pair but the current one and the next."""

    def proof(self, hub: str, server: bytes) -> bytes:
        """Return `codec.keyproof.proof_of` for the next pair."""

    def try_next(self) -> None:
        """Let the next attempt of the uplink come with the next pair, once."""
