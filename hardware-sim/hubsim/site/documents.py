"""Keys, and the documents that a site's issuer signs.

Law: no grant is made that could never hold.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hubcore.access.grant import Access, Grant, issue_grant
from hubcore.codec.cose import SigningKey, VerifyKey, write_key
from hubcore.phone.certificates import HubCertificate, issue_hub_certificate
from hubsim.weekly import refuse_never

DAY = 86_400
HUB_DAYS = 365
GRANT_DAYS = 30
GRANT_DAYS_MAX = 366
"""What grant_days_max of a hub's configuration may be at most."""
OPEN_AND_QUERY = 0b1001
"""The actions of a usual grant."""

_BEGAN_SECONDS_AGO = 60
_GRANT_ID_BYTES = 8
_RSA_EXPONENT = 65537
_RSA_BITS = 3072


@dataclass(frozen=True, slots=True)
class Validity:
    """A span of Unix seconds."""

    not_before: int
    expires: int

    @classmethod
    def days(cls, days: float, begins: float | None = None) -> Validity:
        """Return `days` from a minute before `begins`, which is now if nothing is said."""
        if begins is None:
            begins = time.time()
        start = int(begins) - _BEGAN_SECONDS_AGO
        return cls(start, start + int(days * DAY))


def make_key(kind: str = "ES256") -> SigningKey:
    """Make a signature key: ES256 or PS256 (RSA-3072)."""
    if kind == "PS256":
        return SigningKey(rsa.generate_private_key(_RSA_EXPONENT, _RSA_BITS))
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def read_ec_key(path: Path) -> SigningKey:
    """Read an ES256 key that `pem` wrote."""
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return SigningKey(key)


def pem(key: SigningKey) -> bytes:
    """Return a private key as unencrypted PKCS8 PEM."""
    return key.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def certify_hub(
    issuer: SigningKey,
    *,
    site: str,
    hub: str,
    key: VerifyKey,
    points: Sequence[int],
    validity: Validity | None = None,
) -> bytes:
    """Return a certificate for a hub's public key, for HUB_DAYS if nothing else is said."""
    validity = validity or Validity.days(HUB_DAYS)
    document = HubCertificate(
        site,
        hub,
        validity.not_before,
        validity.expires,
        key,
        tuple(sorted(points)),
    )
    return issue_hub_certificate(issuer, document, write_key(key.public))


def make_grant(
    issuer: SigningKey,
    *,
    site: str,
    credential: str,
    key: SigningKey,
    access: Sequence[Access],
    validity: Validity | None = None,
    uses: int | None = None,
) -> bytes:
    """Return a grant, for GRANT_DAYS if nothing else is said.

    Raise ValueError for a rule that never holds.
    """
    for entry in access:
        refuse_never(entry.rules)
    validity = validity or Validity.days(GRANT_DAYS)
    document = Grant(
        site,
        credential,
        validity.not_before,
        validity.expires,
        secrets.token_bytes(_GRANT_ID_BYTES),
        key.verify_key,
        tuple(access),
        uses,
    )
    return issue_grant(issuer, document, key.cose_key)
