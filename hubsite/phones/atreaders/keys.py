"""Keys of phones that others make (PKOC), as people hand them over.

Law: a key is a point on P-256. What is none is refused, with a sentence that says why.
"""

from __future__ import annotations

import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from hubcore.codec import cbor, cose
from hubcore.issuing.cardasks import POINT_BYTES, Shown
from hubsite.phones.atreaders.adding import Typed
from hubsite.register.models import Credential

TEXT_LENGTH = 1024
DIGITS = 2 * POINT_BYTES
_BETWEEN = re.compile(r"[\s:-]")
_PEM = "-----BEGIN"


def read_key(text: str) -> ec.EllipticCurvePublicKey:
    """Return a key, typed as 130 hexadecimal digits or as PEM (RFC 7468, section 13).

    Raise ValueError with a sentence (the law).
    """
    if text.strip().startswith(_PEM):
        return _read_pem(text)
    digits = _BETWEEN.sub("", text).lower().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-f]*", digits):
        raise ValueError("A key has the digits 0 to 9 and a to f, and spaces between them.")
    if len(digits) != DIGITS or not digits.startswith("04"):
        raise ValueError(
            f"A key has {DIGITS} digits and begins with 04. This one has {len(digits)}"
            + (f" and begins with {digits[:2]}." if digits else ".")
        )
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(digits))
    except ValueError as error:
        raise ValueError(
            "This is no key: the point is not on the curve P-256. A digit may be wrong."
        ) from error


def _read_pem(text: str) -> ec.EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(text.strip().encode("ascii"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("This is no public key in PEM.") from error
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError("This key is of another kind: a phone has one on the curve P-256.")


def read_typed(text: str) -> Typed:
    """Return a phone of others by what was typed. Raise as `read_key`."""
    return typed_of(read_key(text))


def typed_of(key: ec.EllipticCurvePublicKey) -> Typed:
    """Return a key as its digest is asked for, and as the database keeps it."""
    return Typed(Shown.KEY, point_of(key), cbor.encode(cose.write_key(key)))


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the 65 bytes of a key (SEC 1, 2.3.3)."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def digits_of(phone: Credential) -> str:
    """Return a phone's key as its app shows it, "" where only its digest is known."""
    if not phone.key:
        return ""
    public = cose.read_key(cbor.decode(bytes(phone.key))).public
    return point_of(public).hex() if isinstance(public, ec.EllipticCurvePublicKey) else ""
