"""The site's TLS authority: what makes the certificates by which hubs and bridges know each other.

    SITE/authority.key  authority.pem      beside the issuer's key, apart from the backend

Laws:
1. It signs for names of its own site alone, and for no address: its own certificate says so.
2. It makes no other authority.
3. What it signs ends before itself.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import TlsName, der_of, pem_of, public_der, read_authority
from hubsim.phone.wallet import write_private
from hubsim.site.documents import Validity, make_key, pem, read_ec_key

AUTHORITY_DAYS = 7300
_KEY = "authority.key"
_CERTIFICATE = "authority.pem"
_ANY_ADDRESS = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, slots=True)
class Authority:
    """Its key, and its certificate as DER."""

    key: SigningKey
    document: bytes


def new_authority(site: str) -> Authority:
    """Return a new authority for a site."""
    key = make_key()
    private = _private(key)
    validity = Validity.days(AUTHORITY_DAYS)
    name = _subject(site, "site authority")
    signs_alone = _usage(key_cert_sign=True)
    addresses = [x509.IPAddress(ipaddress.ip_network(text)) for text in _ANY_ADDRESS]
    certificate = (
        _builder(name, name, private.public_key(), validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(signs_alone, critical=True)
        .add_extension(x509.NameConstraints([x509.DNSName(site)], addresses), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False
        )
        .sign(private, hashes.SHA256())
    )
    return Authority(key, certificate.public_bytes(Encoding.DER))


def make_authority(path: Path, site: str) -> None:
    """Make the authority of a new site in its folder."""
    made = new_authority(site)
    write_private(path / _KEY, pem(made.key))
    (path / _CERTIFICATE).write_bytes(pem_of(made.document))


def authority_document(path: Path) -> bytes:
    """Return the certificate of a site's authority as DER; its key is not read.

    Raise ValueError for a site without one.
    """
    file = path / _CERTIFICATE
    if not file.exists():
        raise ValueError(f"{file} is missing: this site is older than its TLS authority; make anew")
    return der_of(file.read_bytes())


def open_authority(path: Path) -> Authority:
    """Read the authority of a site."""
    return Authority(read_ec_key(path / _KEY), authority_document(path))


def certify_tls(authority: Authority, name: TlsName, key: bytes, validity: Validity) -> bytes:
    """Return a certificate (DER) for client and server, for a key as SubjectPublicKeyInfo.

    It ends with the authority, when that ends first.
    """
    root = read_authority(authority.document)
    public = load_der_public_key(key)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    ends = min(validity.expires, int(root.not_valid_after_utc.timestamp()))
    both_ends = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    names = [x509.UniformResourceIdentifier(name.uri), x509.DNSName(name.dns)]
    issuer_key = _private(authority.key).public_key()
    certificate = (
        _builder(
            _subject(name.site, name.id), root.subject, public, Validity(validity.not_before, ends)
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both_ends), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
        )
        .sign(_private(authority.key), hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.DER)


def public_of(key: SigningKey) -> bytes:
    """Return the public half of a key as SubjectPublicKeyInfo."""
    return public_der(key.private.public_key())


def _private(key: SigningKey) -> ec.EllipticCurvePrivateKey:
    assert isinstance(key.private, ec.EllipticCurvePrivateKey)
    return key.private


def _subject(site: str, name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, site),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    validity: Validity,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(validity.not_before, UTC))
        .not_valid_after(datetime.fromtimestamp(validity.expires, UTC))
    )


def _usage(digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
