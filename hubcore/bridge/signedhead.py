"""Signed heads: a receipt of the backend, the testimony of a bridge, and a hub's own word.

Each names a record of a hub by its number and the chain's hash, so it speaks for all records up to
it. A receipt says that their owner has them durably. A testimony says that a bridge has seen them.
By its own head a hub says that it has made them.

Laws:
1. Each is a document of a kind of its own. So a bridge's testimony is never a receipt, whoever
   carries it.
2. A receipt and a testimony prove nothing but with the key of a mandate for their use. A hub's own
   head is proven by the key of its TLS certificate. Each is only of this hub and site.
3. It names no record 0: who has nothing says nothing.
4. A receipt lets a hub forget only what it has itself: the record of that number with that hash.
5. The time in a hub's own head is by the hub's clock, which may be wrong: nobody judges it.

Shape: `{1: who signs, 2: hub, 3: site, 6: issued at, -65538: number, -65539: hash}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from hubcore.access.words import HubName
from hubcore.bridge.mandate import Mandate, Use
from hubcore.bridge.words import DOCUMENT_BYTES
from hubcore.codec import cwt
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import ProofError
from hubcore.evidence.records import Head

_IAT = 6
"""RFC 8392, section 3.1.6."""
_NUMBER = -65538
_HASH = -65539
_CLAIMS = (cwt.ISS, cwt.SUB, cwt.AUD, _IAT, _NUMBER, _HASH)
_NUMBERS = range(1, 1 << 63)
_HASH_BYTES = 32


class HeadKind(Enum):
    """What a signed head says; its value is the type of the document."""

    RECEIPT = "application/hub-receipt+cwt"
    TESTIMONY = "application/hub-testimony+cwt"
    OWN = "application/hub-head+cwt"
    """By the hub itself."""


USE_OF = {HeadKind.RECEIPT: Use.RECEIPTS, HeadKind.TESTIMONY: Use.TESTIMONY}
"""By which mandate a kind is proven; a hub needs none for its own head."""


@dataclass(frozen=True, slots=True)
class SignedHead:
    """`by` says it of the records of `hub` up to `head`; `at` is Unix seconds by its clock."""

    kind: HeadKind
    by: str
    hub: HubName
    head: Head
    at: int


def sign_head(said: SignedHead, key: SigningKey) -> bytes:
    """Return the document."""
    claims: dict[int, Any] = {
        cwt.ISS: said.by,
        cwt.SUB: said.hub.hub,
        cwt.AUD: said.hub.site,
        _IAT: said.at,
        _NUMBER: said.head.number,
        _HASH: said.head.hash,
    }
    return cwt.issue(said.kind.value, claims, key, key.verify_key.kid)


def prove_head(kind: HeadKind, document: bytes, hub: HubName, mandate: Mandate) -> SignedHead:
    """Read what the holder of the mandate has signed of this hub. Raise ProofError."""
    if mandate.use is not USE_OF.get(kind) or mandate.site != hub.site:
        raise ProofError("signed head: the key that is known is for another use or site")
    said = _read(kind, document, mandate.holder, hub, mandate.key)
    if not mandate.holds(said.at):
        raise ProofError("signed head: it was signed outside the times of its key's mandate")
    return said


def prove_own_head(document: bytes, hub: HubName, key: VerifyKey) -> SignedHead:
    """Read what a hub has signed of itself with this key (law 5). Raise ProofError."""
    return _read(HeadKind.OWN, document, hub.hub, hub, key)


def _read(kind: HeadKind, document: bytes, by: str, hub: HubName, key: VerifyKey) -> SignedHead:
    """Prove a document by a key, and compare its names. Raise ProofError."""
    if len(document) > DOCUMENT_BYTES:
        raise ProofError(f"signed head: more than {DOCUMENT_BYTES} bytes")
    claims = cwt.read(kind.value, document, key, key.kid, _CLAIMS)
    if (claims[cwt.ISS], claims[cwt.AUD]) != (by, hub.site):
        raise ProofError("signed head: it is by somebody else, or of another site")
    if claims[cwt.SUB] != hub.hub:
        raise ProofError("signed head: it is of another hub")
    return SignedHead(kind, by, hub, _head_of(claims), _time_of(claims))


def _head_of(claims: dict[int, Any]) -> Head:
    number = claims[_NUMBER]
    digest = claims[_HASH]
    if type(number) is not int or number not in _NUMBERS:
        raise ProofError("signed head: it names no record")
    if type(digest) is not bytes or len(digest) != _HASH_BYTES:
        raise ProofError("signed head: its hash is none")
    return Head(number, digest)


def _time_of(claims: dict[int, Any]) -> int:
    at: object = claims[_IAT]
    if type(at) is not int or at not in _NUMBERS:
        raise ProofError("signed head: its time is no moment")
    return at
