"""Whom a site has ended, so that no bridge speaks with them any more.

Laws:
1. The list has a version. One with a lower version is refused, and so is another one of the same.
2. It names hubs by their ids, and keys by the SHA-256 of their SubjectPublicKeyInfo. A hub whose
   machine was replaced stays, and the old machine's key is ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hubcore.errors import RollbackError, TrustError

ENDS_MAX = 16_384
"""Names and keys in one list."""
KEY_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Ends:
    """Whom the site has ended: hubs by their ids, and keys by their digests."""

    version: int = 0
    hubs: frozenset[str] = field(default_factory=frozenset)
    keys: frozenset[bytes] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        """Raise TrustError for a list that is no list of ends."""
        if len(self.hubs) + len(self.keys) > ENDS_MAX:
            raise TrustError(f"a list of ends has at most {ENDS_MAX} names and keys")
        if any(len(key) != KEY_DIGEST_BYTES for key in self.keys):
            raise TrustError("a list of ends names a key that is no digest")

    def newer(self, offered: Ends) -> Ends:
        """Return the list that counts. Raise RollbackError for an older one."""
        if offered.version < self.version:
            raise RollbackError(
                f"a list of ends of version {offered.version} came after version {self.version}"
            )
        if offered.version == self.version and offered != self:
            raise RollbackError(f"two lists of ends have the version {self.version}")
        return offered

    def include(self, hub: str, key_digest: bytes) -> bool:
        """Tell whether this hub, or this key, is ended."""
        return hub in self.hubs or key_digest in self.keys
