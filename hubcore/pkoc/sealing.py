"""The cryptography of one PKOC visit: a shared key, a seal, and what both sides sign.

Laws:
1. The key is SHA-256 of the x coordinate that both sides agree on (P-256), the seal AES-256-CCM
   with a tag of 16 bytes.
2. The nonce is 00000000 00000001 and a counter of 4 bytes. A phone counts from 1, and seals once.
3. Both sides sign the same bytes: site, location, x of the phone's key, x of the reader's. So a
   reader's own signature is taken from nobody as a phone's (`reader`, law 5).
4. Whatever does not open or verify is one ProofError.

Source: ELATEC's fork of PSIA's apps (CryptoProvider), PKOC BLE Transport Profile 2.0.1.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from hubcore.codec.cose import ES256, VerifyKey, read_key
from hubcore.errors import ProofError
from hubcore.pkoc.messages import TAG_BYTES

_NONCE_BEGINS = bytes([0, 0, 0, 0, 0, 0, 0, 1])
_X = slice(1, 33)
_Y = slice(33, 65)
FIRST = 1
"""What a phone counts from."""


def x_of(point: bytes) -> bytes:
    """Return x (32 bytes) of an encoded point, compressed or not."""
    return point[_X]


def verify_key(point: bytes) -> VerifyKey:
    """Return the key of an uncompressed point (65 bytes). Raise ProofError off the curve."""
    return read_key({1: 2, 3: ES256, -1: 1, -2: point[_X], -3: point[_Y]})


def agree(private: ec.EllipticCurvePrivateKey, point: bytes) -> bytes:
    """Return the key that both sides share (32 bytes). Raise ProofError for no point of P-256."""
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise ProofError("pkoc: the phone's key is not on P-256") from error
    return hashlib.sha256(private.exchange(ec.ECDH(), public)).digest()


def open_sealed(key: bytes, data: bytes) -> bytes:
    """Return what a phone has sealed first. Raise ProofError."""
    nonce = _NONCE_BEGINS + FIRST.to_bytes(4, "big")
    try:
        return AESCCM(key, TAG_BYTES).decrypt(nonce, data, None)
    except InvalidTag as error:
        raise ProofError("pkoc: the seal does not open") from error


def to_sign(site: bytes, location: bytes, phone_key: bytes, reader_key: bytes) -> bytes:
    """Return what reader and phone sign."""
    return site + location + x_of(phone_key) + x_of(reader_key)
