"""The policy as a backend offers it, and the pieces of it that hubs ask for.

Laws:
1. A small policy goes whole. Of a large one its root goes, and each hub asks for what it has not.
2. The backend proves nothing: root and pieces prove themselves at the hub.
3. A hub with another policy of the same version is told of: somebody has signed two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hubcore.backend.uplink import from_backend, from_hub
from hubcore.backend.uplink.words import MAX_PIECES
from hubcore.errors import FrameError
from hubcore.policy import document as policies
from hubcore.policy.tree import PIECE_BYTES

WHOLE_BYTES = PIECE_BYTES
"""A document that is no longer goes whole."""


@dataclass(frozen=True, slots=True)
class OfferedPolicy:
    """The policy for every hub: its version, what is said of it, and its pieces by name."""

    version: int
    message: from_backend.NewPolicy
    digest: bytes | None = None
    pieces: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)


def offer(document: bytes, version_of: Callable[[bytes], int]) -> OfferedPolicy:
    """Make the offer of a document.

    Raise FrameError for a document that no message can carry, and what `version_of` raises.
    """
    version = version_of(document)
    try:
        brought = policies.split(document)
    except FrameError:  # no policy: a hub says so
        return OfferedPolicy(version, from_backend.NewPolicy(document))
    said = document if len(document) <= WHOLE_BYTES else brought.root
    return OfferedPolicy(
        version=version,
        message=from_backend.NewPolicy(said),
        digest=brought.digest,
        pieces=brought.pieces,
    )


def has_drifted(offered: OfferedPolicy, hello: from_hub.Hello) -> bool:
    """Tell whether a hub has another policy of the same version."""
    if hello.policy_version != offered.version or offered.digest is None:
        return False
    return hello.policy_digest != offered.digest


def answer(offered: OfferedPolicy, names: Sequence[bytes]) -> list[from_backend.Pieces]:
    """Return messages with the pieces of these names, as far as there are such."""
    there = [offered.pieces[name] for name in names if name in offered.pieces]
    return [
        from_backend.Pieces(tuple(there[start : start + MAX_PIECES]))
        for start in range(0, len(there), MAX_PIECES)
    ]
