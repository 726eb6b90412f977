"""The certificate of a PKOC reader (TLV 0x10): the site's PKOC issuer says whose key this is.

138 bytes: version (1), location (16), site (16), not before (4), not after (4), the reader's key
compressed (33), the issuer's signature r‖s (64) over the 74 bytes before it. Numbers are big
endian, times Unix seconds. A "not before" of 0 is no limit, and so is a "not after" of 0xFFFFFFFF.
Each is a time like any other at the other end: a "not after" of 0 has ended.

Laws:
1. It is of one version, and has one size.
2. Whether it is valid now is not judged where it is read.
3. A hub cannot judge the signature: it does not have the issuer's key. Phones do.

Source: ELATEC's fork of PSIA's apps (ReaderCertificate), PKOC BLE Transport Profile 2.0.1 §7.1.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hubcore.codec.cose import SigningKey
from hubcore.errors import FrameError

CERTIFICATE_BYTES = 138
ID_BYTES = 16
COMPRESSED_BYTES = 33
VERSION = 1
NO_END = 0xFFFF_FFFF
_SIGNED_BYTES = 74
_LOCATION = slice(1, 17)
_SITE = slice(17, 33)
_NOT_BEFORE = slice(33, 37)
_NOT_AFTER = slice(37, 41)
_KEY = slice(41, 74)


@dataclass(frozen=True, slots=True)
class ReaderCertificate:
    """What a certificate says. `key` is compressed; times in Unix seconds, None without limit."""

    location: bytes
    site: bytes
    not_before: int | None
    not_after: int | None
    key: bytes

    def encode(self, issuer: SigningKey) -> bytes:
        """Return the certificate, signed by the site's PKOC issuer (P-256)."""
        signed = bytes([VERSION]) + self.location + self.site
        signed += (self.not_before or 0).to_bytes(4, "big")
        signed += (NO_END if self.not_after is None else self.not_after).to_bytes(4, "big")
        signed += self.key
        return signed + issuer.sign(signed)

    def holds(self, at: float) -> bool:
        """Tell whether it is valid at a Unix time."""
        if self.not_before is not None and at < self.not_before:
            return False
        return self.not_after is None or at <= self.not_after


def read_certificate(data: bytes) -> ReaderCertificate:
    """Read a certificate; its signature is not judged (law 3). Raise FrameError."""
    if len(data) != CERTIFICATE_BYTES:
        raise FrameError(f"pkoc: a certificate of {len(data)} bytes, not {CERTIFICATE_BYTES}")
    if data[0] != VERSION:
        raise FrameError(f"pkoc: a certificate of version {data[0]}, not {VERSION}")
    not_before = int.from_bytes(data[_NOT_BEFORE], "big")
    not_after = int.from_bytes(data[_NOT_AFTER], "big")
    return ReaderCertificate(
        location=data[_LOCATION],
        site=data[_SITE],
        not_before=not_before or None,
        not_after=None if not_after == NO_END else not_after,
        key=data[_KEY],
    )


def compressed(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key in 33 bytes (SEC 1, 2.3.3)."""
    return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def uncompressed(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key in 65 bytes (SEC 1, 2.3.3)."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
