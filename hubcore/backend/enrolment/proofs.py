"""How a hub proves the keys that it asks certificates for, and what people compare of them.

Law: a hub proves that it has its keys. Its identity signs its CURVE key, which the handshake has
proven, and its request for a TLS certificate. The TLS key signs the request, which names the other
two. So no key is of use with others.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from hubcore.backend.enrolment.messages import Ask
from hubcore.backend.enrolment.token import ALPHABET
from hubcore.codec import cbor, cose, tls
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import ProofError

FINGERPRINT_CHARACTERS = 20
"""Of five bits each."""
_PROVES = "hubd enrolment 2"


@dataclass(frozen=True, slots=True)
class ProvenKeys:
    """What a hub has proven to have: its identity, and its TLS key as SubjectPublicKeyInfo."""

    identity: VerifyKey
    tls_key: bytes


def tls_request(key: SigningKey, identity_public: bytes, curve_public: bytes) -> bytes:
    """Return the request for a TLS certificate of the hub that has these two other keys."""
    return tls.make_request(key, _bound_to(identity_public, curve_public))


def prove_keys(identity: SigningKey, curve_public: bytes, request: bytes) -> bytes:
    """Return the hub's signature that its identity, its CURVE key and its request go together."""
    return identity.sign(_proven(curve_public, request))


def read_keys(ask: Ask, curve_public: bytes) -> ProvenKeys:
    """Return the keys that a hub has proven to have. Raise FrameError or ProofError."""
    identity = cose.read_key(cbor.decode(ask.identity))
    if identity.alg != cose.ES256:
        raise ProofError("enrolment: a hub's key is an ES256 key")
    identity.verify(ask.proof, _proven(curve_public, ask.request))
    tls_key = tls.read_request(ask.request, _bound_to(ask.identity, curve_public))
    return ProvenKeys(identity, tls_key)


def fingerprint(identity: bytes, curve_public: bytes, tls_key: bytes) -> str:
    """Return what two people compare: of all public keys, 100 bits in five groups of four."""
    digest = hashlib.sha256(cbor.encode([_PROVES, identity, curve_public, tls_key])).digest()
    number = int.from_bytes(digest, "big") >> (256 - 5 * FINGERPRINT_CHARACTERS)
    characters = []
    for place in range(FINGERPRINT_CHARACTERS - 1, -1, -1):
        characters.append(ALPHABET[number >> (5 * place) & 31])
    text = "".join(characters)
    return "-".join(text[start : start + 4] for start in range(0, FINGERPRINT_CHARACTERS, 4))


def _proven(curve_public: bytes, request: bytes) -> bytes:
    return cbor.encode([_PROVES, curve_public, request])


def _bound_to(identity_public: bytes, curve_public: bytes) -> bytes:
    return cbor.encode([_PROVES, identity_public, curve_public])
