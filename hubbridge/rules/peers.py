"""Who is at the other end of a TLS connection, and what that one may do.

TLS has proven before that the site's authority signed the certificate, and that the peer has its
key. Dates are judged here, because a site may be without its backend for longer than a certificate
lives.

Laws:
1. A peer is what its certificate alone says: a name with its role and site, and a key. An address
   is nobody.
2. A hub of this site may come. Another site's may not, whoever signed for it.
3. A certificate that has ended is good for its renewal and for nothing else.
4. A certificate that has not begun is taken: the authority has signed that moment, so it is the
   bridge's clock that is behind.
5. Who has been ended, by name or by key, may nothing. A list of ends with a lower version is
   refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum

from cryptography import x509

from hubcore.codec.tls import CERTIFICATE_BYTES_MAX, TlsName, TlsRole, read_certificate
from hubcore.errors import RollbackError, SignatureError, TrustError

ENDS_MAX = 16_384
"""Names and keys in one list."""
KEY_DIGEST_BYTES = 32


class May(Enum):
    """What a peer may do now."""

    SPEAK = "speak"
    RENEW = "renew"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who has proven to be there; `key_digest` is the SHA-256 of its SubjectPublicKeyInfo."""

    name: TlsName
    key_digest: bytes
    expires: int


@dataclass(frozen=True, slots=True)
class Ends:
    """Whom the site has ended: hubs by their ids, and keys by their digests."""

    version: int = 0
    hubs: frozenset[str] = field(default_factory=frozenset)
    keys: frozenset[bytes] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        """Raise TrustError for a list that is no list of ends."""
        if len(self.hubs) + len(self.keys) > ENDS_MAX:
            raise TrustError(f"a list of ends has at most {ENDS_MAX} names and keys")
        if any(len(key) != KEY_DIGEST_BYTES for key in self.keys):
            raise TrustError("a list of ends names a key that is no digest")

    def newer(self, offered: Ends) -> Ends:
        """Return the list that counts. Raise RollbackError for an older one (law 5)."""
        if offered.version < self.version:
            raise RollbackError(
                f"a list of ends of version {offered.version} came after version {self.version}"
            )
        if offered.version == self.version and offered != self:
            raise RollbackError(f"two lists of ends have the version {self.version}")
        return offered

    def names(self, peer: Peer) -> bool:
        """Tell whether this peer is ended."""
        return peer.name.id in self.hubs or peer.key_digest in self.keys


def read_peer(document: bytes, authority: bytes, site: str) -> Peer:
    """Return who shows a certificate (DER). Raise TrustError for nobody of this site (law 2)."""
    name = _named_in(document)
    if name.site != site or name.role is not TlsRole.HUB:
        raise TrustError(f"TLS: {name.uri} is no hub of the site {site}")
    certified = read_certificate(document, authority, name)
    return Peer(name, hashlib.sha256(certified.key).digest(), certified.expires)


def may(peer: Peer, ends: Ends, now: float) -> May:
    """Return what a peer may do at a Unix time in seconds (laws 3 to 5)."""
    if ends.names(peer):
        return May.NOTHING
    return May.SPEAK if now <= peer.expires else May.RENEW


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
