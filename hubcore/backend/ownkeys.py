"""What the hub knows of its own pairs of keys for the uplink."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownPairs:
    """What lies there, by the public keys."""

    current: bytes
    since: float
    """When the current pair was made, or the configured one was first seen; Unix seconds."""
    before: bytes | None = None
    """The key that the current one has replaced; None for the configured pair."""
    next: bytes | None = None
    """A pair that was made and is not in use yet."""
    is_old_left: bool = False
    """Whether pairs lie there that nothing needs any more."""
    shown: str = ""
    """The current key as people write it, in Z85."""
    trouble: str = ""
    """Why a pair that ought to be in use is not, a sentence; "" while all is well."""
