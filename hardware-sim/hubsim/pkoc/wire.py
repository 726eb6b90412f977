"""What a PKOC phone reads and writes: TLVs, the certificate of a reader, the seal.

Laws:
1. Nothing of the hub's reader is used here (`hubcore.pkoc`): what both understand, they have
   understood apart.
2. What is no message is an empty list, as in the public apps: a phone waits for the next one.

Sources: PSIA's apps (TLVProvider, CryptoProvider), ELATEC's fork of them (ReaderCertificate).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SERVICE = 0xFFF0
WRITE = "fe278a85-89ae-191f-5dde-841202693835"
NOTIFY = "e5b1b3b5-3cca-3f76-cd86-a884cc239692"
MTU = 512
"""What the public Android app asks for."""

PUBLIC_KEY = 0x01
READER_KEY = 0x02
SIGNATURE = 0x03
RESPONSE = 0x04
PHONE_KEY = 0x07
LAST_UPDATE = 0x09
VERSION = 0x0C
LOCATION = 0x0D
SITE = 0x0E
CERTIFICATE = 0x10
SEALED = 0x40

_CURVE = ec.SECP256R1()
_ECDSA = ec.ECDSA(SHA256())
_NUMBER_BYTES = 32
_SIGNED_OF_CERTIFICATE = 74
_CERTIFICATE_BYTES = 138
_FOR_EVER = b"\xff\xff\xff\xff"


def tlv(kind: int, value: bytes, one_byte: bool = False) -> bytes:
    """Return one TLV; `one_byte`: lengths as the older apps write them."""
    if one_byte or len(value) < 0x80:
        return bytes((kind, len(value))) + value
    return bytes((kind, 0x81, len(value))) + value


def split(message: bytes) -> list[tuple[int, bytes]]:
    """Return the TLVs of a reader's message, as far as they are whole."""
    found: list[tuple[int, bytes]] = []
    rest = message
    while len(rest) >= 2:
        begins = 2
        if rest[1] == 0x81 and len(rest) > 2:
            begins = 3
        ends = begins + rest[begins - 1]
        if len(rest) < ends:
            break
        found.append((rest[0], rest[begins:ends]))
        rest = rest[ends:]
    return found


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key uncompressed, 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def public_key(encoded: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key of an encoded point, compressed or not. Raise ValueError."""
    return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, encoded)


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Return r and s, 32 bytes each."""
    numbers = decode_dss_signature(key.sign(message, _ECDSA))
    return b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in numbers)


def is_signed(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Tell whether r and s are this key's over a message."""
    r = int.from_bytes(signature[:_NUMBER_BYTES], "big")
    s = int.from_bytes(signature[_NUMBER_BYTES:], "big")
    try:
        key.verify(encode_dss_signature(r, s), message, _ECDSA)
    except InvalidSignature:
        return False
    return True


def shared_key(mine: ec.EllipticCurvePrivateKey, theirs: ec.EllipticCurvePublicKey) -> bytes:
    """Return the key of the seal."""
    return sha256(mine.exchange(ec.ECDH(), theirs)).digest()


def seal(key: bytes, counter: int, message: bytes) -> bytes:
    """Seal with AES-256-CCM; a phone counts its seals from 1."""
    return AESCCM(key).encrypt((1 << 32 | counter).to_bytes(12, "big"), message, None)


@dataclass(frozen=True, slots=True)
class Certified:
    """What a reader's certificate says; times as the four bytes that it has."""

    location: bytes
    site: bytes
    begins: bytes
    ends: bytes
    key: bytes


def certified(certificate: bytes, issuer: ec.EllipticCurvePublicKey) -> Certified | None:
    """Return what a certificate says, None for one that this issuer has not signed."""
    if len(certificate) != _CERTIFICATE_BYTES or certificate[0] != 1:
        return None
    signed = certificate[:_SIGNED_OF_CERTIFICATE]
    if not is_signed(issuer, certificate[_SIGNED_OF_CERTIFICATE:], signed):
        return None
    return Certified(signed[1:17], signed[17:33], signed[33:37], signed[37:41], signed[41:])


def in_time(one: Certified, wall: float) -> bool:
    """Tell whether a certificate is valid at a Unix time."""
    if int.from_bytes(one.begins, "big") > wall:
        return False
    return one.ends == _FOR_EVER or wall <= int.from_bytes(one.ends, "big")
