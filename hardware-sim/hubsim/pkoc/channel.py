"""The cryptography of a visit, on the phone's side.

Source of each fact: CryptoProvider of psialliance-org/com-psia-pkoc at 5fe5b27 (android, ios), with
its unit tests of the nonce; CryptoProvider and BleEcdheFlowTransaction of
jaouellette/com-elatec-pkoc-aliro at b4568a7. The README of both says HKDF over a transcript. The
code of both hashes the shared secret once, and so does this.

Laws:
1. The key is SHA-256 of the x of both visit keys' product. It is used for AES-256-CCM, tag 16.
2. A nonce is 00 00 00 00 00 00 00 01 and a counter of 32 bits, big-endian, that begins at 1. A
   phone seals once.
3. Both sides sign the same bytes: site, location, the x of the phone's point, of the reader's.
4. A signature is r and s, 32 bytes each, of ECDSA with SHA-256.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FIRST = 1
COMPRESSED_BYTES = 33
SIGNATURE_BYTES = 64
_HALF = 32
_TAG_BYTES = 16
_NONCE_HEAD = bytes([0, 0, 0, 0, 0, 0, 0, 1])
_COUNTER_BYTES = 4


def shared_key(mine: ec.EllipticCurvePrivateKey, theirs: ec.EllipticCurvePublicKey) -> bytes:
    """Return the key of the seal (law 1)."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(mine.exchange(ec.ECDH(), theirs))
    return digest.finalize()


def seal(key: bytes, counter: int, plain: bytes) -> bytes:
    """Return the ciphertext and its tag (law 2)."""
    nonce = _NONCE_HEAD + counter.to_bytes(_COUNTER_BYTES, "big")
    return AESCCM(key, tag_length=_TAG_BYTES).encrypt(nonce, plain, None)


def both_sign(site: bytes, location: bytes, phone: bytes, reader: bytes) -> bytes:
    """Return what both sides sign. `phone` and `reader` are points, of any encoding (law 3)."""
    return site + location + phone[1 : 1 + _HALF] + reader[1 : 1 + _HALF]


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return 65 bytes: 04, x and y."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def key_of(point: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key at a point of any encoding. Raise ValueError for what is no point of P-256."""
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Return r and s."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")


def is_signed(key: ec.EllipticCurvePublicKey, message: bytes, signature: bytes) -> bool:
    """Tell whether r and s are the holder's of `key`."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    r = int.from_bytes(signature[:_HALF], "big")
    s = int.from_bytes(signature[_HALF:], "big")
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
