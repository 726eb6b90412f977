"""The proof that a hub has the secret of the key that it wants to come with next.

Laws:
1. The proof is for one hub, one old key, one new key and one backend. Elsewhere it proves nothing,
   so nobody can have another hub's key taken as his own.
2. It is made by X25519 (RFC 7748) between one side's secret and the other's public key, and HMAC
   with SHA-256 (RFC 2104). Both sides come to the same 32 bytes.
3. It is compared in constant time.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from hubcore.codec import cbor

_LABEL = "hubd new key 1"


def proof_of(
    secret: bytes,
    peer: bytes,
    *,
    hub: str,
    old: bytes,
    new: bytes,
    backend: bytes,
) -> bytes:
    """Return the proof, 32 bytes.

    `old`, `new` and `backend` are public keys. In the hub `secret` is that of `new`, and `peer` is
    `backend`. In the backend `secret` is its own, and `peer` is `new`. Raise ValueError for a key
    that is none.
    """
    own_key = X25519PrivateKey.from_private_bytes(secret)
    shared = own_key.exchange(X25519PublicKey.from_public_bytes(peer))
    said = cbor.encode([_LABEL, hub, old, new, backend])
    return hmac.digest(shared, said, "sha256")


def is_proof(proof: bytes, expected: bytes) -> bool:
    """Compare two proofs."""
    return hmac.compare_digest(proof, expected)
