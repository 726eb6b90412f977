"""The keys of the PKOC reader: its own or the site's, and its certificate.

Laws:
1. A certificate is for this key, this site and this location.
2. Who signed it only phones can tell: the key of the site's PKOC issuer is not here.
3. Validity in time is not judged here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.codec.cose import SigningKey
from hubcore.errors import ConfigError, FrameError
from hubcore.pkoc.certificate import (
    CERTIFICATE_BYTES,
    ReaderCertificate,
    compressed,
    read_certificate,
)
from hubd.config.radio import Pkoc

WANTED_PKOC_KEY = (
    "the key of the PKOC reader, or of the site: an EC P-256 private key, PEM (PKCS#8), without a "
    "passphrase"
)
WANTED_PKOC_CERTIFICATE = f"the certificate of the PKOC reader, {CERTIFICATE_BYTES} raw bytes"


@dataclass(frozen=True, slots=True)
class PkocKeys:
    """What the PKOC reader signs with, what it shows, and how phones' keys are known.

    `certificate` has 138 bytes, `certified` is what it says; both None where the site's key signs.
    """

    signing: SigningKey = field(repr=False)
    card_key: bytes = field(repr=False)
    certificate: bytes | None = None
    certified: ReaderCertificate | None = None


def checked_pkoc(
    section: Pkoc,
    key: ec.EllipticCurvePrivateKey,
    card_key: bytes,
    certificate: bytes | None,
    places: tuple[str, str],
) -> PkocKeys:
    """Return the keys. Raise ConfigError for a certificate that does not belong to them.

    `places` are those of the key and of the certificate, for sentences.
    """
    signing = SigningKey(key)
    if certificate is None:
        return PkocKeys(signing, card_key)
    key_place, place = places
    try:
        certified = read_certificate(certificate)
    except FrameError as error:
        raise ConfigError(
            f"{place}: expected {WANTED_PKOC_CERTIFICATE}, found none: {error}"
        ) from error
    if certified.key != compressed(key.public_key()):
        raise ConfigError(
            f"{place}: this certificate is for another private key than {key_place}; "
            "put the two files there that were made together"
        )
    named = (certified.site, certified.location)
    if named != (section.site.bytes, section.location.bytes):
        raise ConfigError(
            f"{place}: this certificate is for another site or location than pkoc.site and "
            "pkoc.location say; correct one of them"
        )
    return PkocKeys(signing, card_key, certificate, certified)
