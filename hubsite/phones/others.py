"""Phones that others make (PKOC): their keys as people hand them over, and how they are added.

Laws:
1. A key is a point on P-256. What is none is refused, with a sentence that says why.
2. Of two who add one key at the same moment, one has it.
3. An act, as a hub's record, knows such a phone by its digest.
4. Of many who add one at the same moment only so many have one as what signs was told there would
   be. So they do not pass its limit together, and the policy with their rows is signed.
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
from django.db import IntegrityError, transaction

from hubcore.codec import cbor, cose
from hubcore.issuing.cardasks import POINT_BYTES, Shown
from hubsite.acts.kinds import ActKind
from hubsite.hubs.office import MadeDigest, Office, phones_of_others
from hubsite.register import changes
from hubsite.register.models import Credential, CredentialKind, Person

TEXT_LENGTH = 1024
DIGITS = 2 * POINT_BYTES
HELD = "Somebody has this key already: a key is one person's."
MEANWHILE = "Somebody has added another phone of others in the same moment. Add this one again."
_BETWEEN = re.compile(r"[\s:-]")
_PEM = "-----BEGIN"


def read_key(text: str) -> ec.EllipticCurvePublicKey:
    """Return a key, typed as 130 hexadecimal digits or as PEM (RFC 7468, section 13).

    Raise ValueError with a sentence (law 1).
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


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the 65 bytes of a key (SEC 1, 2.3.3)."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def digits_of(phone: Credential) -> str:
    """Return a phone's key as its app shows it, "" where only its digest is known."""
    if not phone.key:
        return ""
    public = cose.read_key(cbor.decode(bytes(phone.key))).public
    return point_of(public).hex() if isinstance(public, ec.EllipticCurvePublicKey) else ""


def add_by_key(
    by: str, office: Office, person: Person, label: str, key: ec.EllipticCurvePublicKey
) -> Credential:
    """Add a phone by its key. Raise HubError as `Office.digest`.

    Raise ValueError with a sentence where somebody has it, or has just added one (laws 2 and 4).
    The digest is asked for before the transaction: a signer may be far.
    """
    made = office.digest(Shown.KEY, point_of(key))
    return _add(by, person, label, made, cbor.encode(cose.write_key(key)))


def add_by_digest(by: str, office: Office, person: Person, label: str, digest: bytes) -> Credential:
    """Add a phone by the digest that a hub has recorded. Raise as `add_by_key`."""
    return _add(by, person, label, office.digest(Shown.RECORDED, digest), b"")


def _add(by: str, person: Person, label: str, of: MadeDigest, key: bytes) -> Credential:
    try:
        with transaction.atomic():
            made = Credential.objects.create(
                person=person,
                kind=CredentialKind.PKOC,
                label=label,
                key=key,
                digest=of.digest.hex(),
                changed_by=by,
            )
            facts = {"person": person.pk, "credential_kind": str(made.kind), "digest": of.digest}
            changes.write_act(by, ActKind.CREDENTIAL_MADE, made, **facts)
            # Acts are written one after the other, so each counts those before it (law 4).
            if phones_of_others() > of.count:
                raise ValueError(MEANWHILE)
    except IntegrityError as error:
        raise ValueError(HELD) from error
    return made
