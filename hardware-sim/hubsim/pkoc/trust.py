"""Which readers a phone trusts, and why not.

Source of each fact: ReaderCertificate and BleEcdheFlowTransaction of
jaouellette/com-elatec-pkoc-aliro at b4568a7 ("PKOC BLE Transport Profile 2.0.1", 7.1 and 7.3);
BleEcdheFlowTransaction of psialliance-org/com-psia-pkoc at 5fe5b27 for sites of 1.x.

The pin of 2.0.1, 7.2, is left out: it saves a check and changes no outcome.

Laws:
1. A phone answers only a reader at a location, of a site, that it was told of.
2. A phone that has a site's issuer wants a certificate of that issuer. It does not fall back to the
   site's key, as the app does: who can leave the certificate out would choose the weaker way.
3. A certificate has 138 bytes, version 1, the location and site that the reader says, and the
   issuer's signature over its first 74 bytes.
4. It holds from not-before (0: always) to not-after (FFFFFFFF: for ever), both included.
5. Revocation is asked about at each visit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from cryptography.hazmat.primitives.asymmetric import ec

from hubsim.pkoc.channel import COMPRESSED_BYTES, is_signed, key_of

ID_BYTES = 16
CERTIFICATE_BYTES = 138
_VERSION = 1
_SIGNED_BYTES = 74
_ALWAYS = 0
_FOR_EVER = 0xFFFFFFFF


class Distrust(Enum):
    """Why a phone goes away without a word."""

    SITE = "the reader is of a site that the phone does not know"
    LOCATION = "the reader is at a location that the phone does not know"
    NO_CERTIFICATE = "the reader shows no certificate"
    CERTIFICATE = "the reader's certificate is not of the site's issuer for this reader"
    VALIDITY = "the reader's certificate does not hold now"
    REVOKED = "the reader is revoked"
    POINT = "the reader's visit key is no point of P-256"
    SIGNATURE = "the reader's signature is wrong"
    EARLY = "an answer comes before the phone has shown its key"
    BYTES = "the reader says what no reader says"


class UntrustedError(Exception):
    """A phone that does not trust a reader."""

    def __init__(self, why: Distrust) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True)
class KnownSite:
    """What a phone was told of a site: ids of 16 bytes, and keys.

    `issuer` signs readers' certificates (2.0.1). `site_key` is a site's one key (1.x).
    """

    site: bytes
    locations: frozenset[bytes]
    issuer: ec.EllipticCurvePublicKey | None = None
    site_key: ec.EllipticCurvePublicKey | None = None
    revoked: frozenset[bytes] = frozenset()

    def reader_key(
        self, site: bytes, location: bytes, certificate: bytes | None, now: float
    ) -> ec.EllipticCurvePublicKey:
        """Return the key that the reader has to sign with. Raise UntrustedError."""
        if site != self.site:
            raise UntrustedError(Distrust.SITE)
        if location not in self.locations:
            raise UntrustedError(Distrust.LOCATION)
        if location in self.revoked:
            raise UntrustedError(Distrust.REVOKED)
        if self.issuer is not None:
            if certificate is None:
                raise UntrustedError(Distrust.NO_CERTIFICATE)
            return _certified(certificate, site, location, self.issuer, now)
        if self.site_key is None:
            raise UntrustedError(Distrust.NO_CERTIFICATE)
        return self.site_key


def _certified(
    certificate: bytes,
    site: bytes,
    location: bytes,
    issuer: ec.EllipticCurvePublicKey,
    now: float,
) -> ec.EllipticCurvePublicKey:
    """Check a certificate (laws 3 and 4) and return the reader's key."""
    if len(certificate) != CERTIFICATE_BYTES or certificate[0] != _VERSION:
        raise UntrustedError(Distrust.CERTIFICATE)
    if certificate[1:33] != location + site:
        raise UntrustedError(Distrust.CERTIFICATE)
    if not is_signed(issuer, certificate[:_SIGNED_BYTES], certificate[_SIGNED_BYTES:]):
        raise UntrustedError(Distrust.CERTIFICATE)
    not_before = int.from_bytes(certificate[33:37], "big")
    not_after = int.from_bytes(certificate[37:41], "big")
    is_early = not_before != _ALWAYS and now < not_before
    is_late = not_after != _FOR_EVER and now > not_after
    if is_early or is_late:
        raise UntrustedError(Distrust.VALIDITY)
    try:
        return key_of(certificate[41 : 41 + COMPRESSED_BYTES])
    except ValueError as error:
        raise UntrustedError(Distrust.CERTIFICATE) from error
