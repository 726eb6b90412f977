"""A site's TLS authority: what makes the certificates by which hubs and bridges know each other.

Laws:
1. It signs for names of its own site alone, and for no address: its own certificate says so.
2. It makes no other authority.
3. What it signs ends before itself.

Its key lies where the issuer's key lies, apart from every server.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hubcore.codec.cose import PublicKey, SigningKey
from hubcore.codec.tls import TlsName, check_name, read_authority, read_public
from hubcore.errors import ExpiredError

AUTHORITY_SECONDS = 7300 * 86_400
_ANY_ADDRESS = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, slots=True)
class Authority:
    """Its key, and its certificate as DER."""

    key: SigningKey
    document: bytes


def begin_authority(site: str, key: SigningKey, not_before: int) -> Authority:
    """Return the authority of a site, with a new P-256 key. Raise TrustError for no site's name."""
    check_name("site", site)
    private = key.private
    expires = not_before + AUTHORITY_SECONDS
    name = _subject(site, "site authority")
    signs_alone = _usage(key_cert_sign=True)
    addresses = [x509.IPAddress(ipaddress.ip_network(text)) for text in _ANY_ADDRESS]
    certificate = (
        _builder(name, name, private.public_key(), not_before, expires)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(signs_alone, critical=True)
        .add_extension(x509.NameConstraints([x509.DNSName(site)], addresses), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False
        )
        .sign(private, hashes.SHA256())
    )
    return Authority(key, certificate.public_bytes(Encoding.DER))


def certify(
    authority: Authority, name: TlsName, key: bytes, not_before: int, expires: int
) -> bytes:
    """Return a certificate (DER) for client and server, for a key as SubjectPublicKeyInfo.

    It ends with the authority, when that ends first. Raise SignatureError for what is no P-256 key,
    ExpiredError when the authority has ended.
    """
    root = read_authority(authority.document)
    public = read_public(key)
    ends = min(expires, int(root.not_valid_after_utc.timestamp()))
    if ends <= not_before:
        raise ExpiredError("TLS: the site's authority has ended: the site needs a new one")
    both_ends = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    names = [x509.UniformResourceIdentifier(name.uri), x509.DNSName(name.dns)]
    issuer_key = authority.key.private.public_key()
    certificate = (
        _builder(_subject(name.site, name.id), root.subject, public, not_before, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both_ends), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
        )
        .sign(authority.key.private, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.DER)


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
    key: PublicKey,
    not_before: int,
    expires: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(not_before, UTC))
        .not_valid_after(datetime.fromtimestamp(expires, UTC))
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
