"""A certificate to try the server with: it signs itself, so no browser believes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

DAYS = 30
COMMON_NAME_LENGTH = 64
"""Longer ones X.509 does not have. Browsers read the other name, which is whole."""


def trial_certificate(host: str, now: int) -> tuple[bytes, bytes]:
    """Return a key and a certificate, both in PEM; `now` in Unix seconds."""
    pem = new_key()
    return pem, certificate_for(pem, host, now)


def new_key() -> bytes:
    """Return a private key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate_for(pem: bytes, host: str, now: int) -> bytes:
    """Return a certificate for a key, both in PEM. Raise ValueError for no such key."""
    key = load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("it is no key on a curve")  # noqa: TRY004, what was read is wrong
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:COMMON_NAME_LENGTH])])
    begins = datetime.fromtimestamp(now, UTC) - timedelta(minutes=5)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([_name_of(host)]), critical=False)
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def _name_of(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
