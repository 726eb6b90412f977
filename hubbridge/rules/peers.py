"""What a hub may do at a bridge.

Dates are judged here, because a site may be without its backend for longer than a certificate
lives.

Laws:
1. A certificate that has ended is good for its renewal and for nothing else.
2. A certificate that has not begun is taken: the authority has signed that moment, so it is the
   bridge's clock that is behind.
3. Who has been ended, by name or by key, may nothing.
"""

from __future__ import annotations

from enum import Enum

from hubcore.bridge.ends import Ends
from hubtls.peers import Peer


class May(Enum):
    """What a peer may do now."""

    SPEAK = "speak"
    RENEW = "renew"
    NOTHING = "nothing"


def may(peer: Peer, ends: Ends, now: float) -> May:
    """Return what a peer may do at a Unix time in seconds."""
    if ends.include(peer.name.id, peer.key_digest):
        return May.NOTHING
    return May.SPEAK if now <= peer.expires else May.RENEW
