"""Who is at the other end of a TLS connection.

TLS has proven before that the site's authority signed the certificate, and that the peer has its
key.

Laws:
1. A peer is what its certificate alone says: a name with its role and site, and a key. An address
   is nobody.
2. Who has another role than is asked for, or is of another site, is refused, whoever signed for it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509

from hubcore.codec.tls import CERTIFICATE_BYTES_MAX, TlsName, TlsRole, read_certificate
from hubcore.errors import SignatureError, TrustError


@dataclass(frozen=True, slots=True)
class Peer:
    """Who has proven to be there; `key` is its SubjectPublicKeyInfo, with the SHA-256 of it."""

    name: TlsName
    key_digest: bytes
    expires: int
    key: bytes


def read_peer(document: bytes, authority: bytes, site: str, role: TlsRole) -> Peer:
    """Return who shows a certificate (DER). Raise TrustError for anybody else (law 2)."""
    name = _named_in(document)
    if name.site != site or name.role is not role:
        raise TrustError(f"TLS: {name.uri} is no {role} of the site {site}")
    certified = read_certificate(document, authority, name)
    digest = hashlib.sha256(certified.key).digest()
    return Peer(name, digest, certified.expires, certified.key)


def _named_in(document: bytes) -> TlsName:
    """Return the name of a certificate, unproven. Raise TrustError for none."""
    if len(document) > CERTIFICATE_BYTES_MAX:
        raise SignatureError(f"TLS: a certificate has at most {CERTIFICATE_BYTES_MAX} bytes")
    try:
        certificate = x509.load_der_x509_certificate(document)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        (uri,) = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    except (
        ValueError,
        x509.DuplicateExtension,
        x509.ExtensionNotFound,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise SignatureError("TLS: the certificate has no single URI for a name") from error
    scheme, _, rest = uri.partition("://")
    parts = rest.split("/")
    if scheme != "spiffe" or len(parts) != 3 or parts[1] not in set(TlsRole):
        raise TrustError("TLS: the certificate's URI is no name of a site")
    return TlsName(parts[0], TlsRole(parts[1]), parts[2])
