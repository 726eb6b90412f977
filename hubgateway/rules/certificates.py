"""A hub's newest certificates, as somebody has put them into the engine.

Law: nothing is proven here. The hub proves a certificate; only its end is read, for rule 12 of
docs/uplink.md.
"""

from __future__ import annotations

from hashlib import sha256

from hubcore.backend.uplink.from_backend import Certificate, TlsCertificate
from hubcore.codec import cose, cwt
from hubcore.errors import FrameError, ProofError

CLAIMS_ITEMS = 64


def message_of(document: bytes | None) -> Certificate | None:
    """Return the message that brings a certificate; None without one that a message can carry."""
    try:
        return None if document is None else Certificate(document)
    except FrameError:
        return None


def tls_message_of(document: bytes | None) -> TlsCertificate | None:
    """Return the message that brings a TLS certificate; None as above."""
    try:
        return None if document is None else TlsCertificate(document)
    except FrameError:
        return None


def has_ended(document: bytes, now: float) -> bool:
    """Tell whether a certificate has ended at `now`, Unix seconds; not for what cannot be read."""
    try:
        claims = cwt.decode(cose.read_sign1(document).payload, CLAIMS_ITEMS)
        return isinstance(claims, dict) and cwt.times_of(claims)[1] < now
    except (FrameError, ProofError, KeyError):
        return False


def is_other(document: bytes, digest: bytes) -> bool:
    """Tell whether this is another certificate than the one with this SHA-256."""
    return sha256(document).digest() != digest
