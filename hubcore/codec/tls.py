"""The X.509 certificates of a site, by which its hubs and bridges know each other in TLS.

Laws:
1. A name has its role in it: `spiffe://SITE/hub/HUB` and `HUB.hub.SITE`. So no hub has a bridge's
   name, whatever it is called. No certificate names an address.
2. A certificate counts if the site's authority has signed it, for this name and this key, and for a
   client. `cryptography.x509.verification` judges signature, constraints and use.
3. Who asks for one proves by the request's own signature that it has the key, and for what the
   request is (`bound_to`). A request of another enrolment is of no use.
4. Bytes have a ceiling before they are read. A reader raises one of the errors that it names.
5. Whether a certificate is valid now is for the reader to judge.

What is not verified: revocation. Who ends a hub must look it up by its name or key.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from hubcore.codec.cose import PublicKey, SigningKey, VerifyKey, read_key, write_key
from hubcore.errors import ProofError, RollbackError, SignatureError, TrustError

CERTIFICATE_BYTES_MAX = 2048
REQUEST_BYTES_MAX = 1024
NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, for law 5; Python has no name for it."""
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,32}(?<!-)")
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises for bytes that are not what was asked for."""


class TlsRole(StrEnum):
    """What a certificate's holder is at its site."""

    HUB = "hub"
    BRIDGE = "bridge"
    BACKEND = "backend"
    """A gateway in front of the backend, where bridges come."""
    SITE = "site"
    """The server of a site, which has documents signed."""
    ISSUER = "issuer"
    """What signs for it, where the issuer's key is."""


def check_name(what: str, text: str) -> None:
    """Raise TrustError for what is no label of a DNS name with small letters, or has over 32."""
    if not _LABEL.fullmatch(text):
        raise TrustError(
            f"TLS: {text!r} is no {what}: 1 to 32 characters of a-z, 0-9 and -, none of them - at "
            "an end"
        )


@dataclass(frozen=True, slots=True)
class TlsName:
    """Who somebody is."""

    site: str
    role: TlsRole
    id: str

    def __post_init__(self) -> None:
        """Raise TrustError for a text that is no name."""
        check_name("site", self.site)
        check_name("name", self.id)

    @property
    def uri(self) -> str:
        """The name in the form of SPIFFE."""
        return f"spiffe://{self.site}/{self.role}/{self.id}"

    @property
    def dns(self) -> str:
        """The name that a TLS client asks a server for; no name server knows it."""
        return f"{self.id}.{self.role}.{self.site}"


@dataclass(frozen=True, slots=True)
class TlsCertificate:
    """What a certificate says: DER `document`, Unix seconds, `key` as SubjectPublicKeyInfo."""

    document: bytes
    not_before: int
    expires: int
    key: bytes


def public_der(key: PublicKey) -> bytes:
    """Return a public key as SubjectPublicKeyInfo (RFC 5280, 4.1)."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def read_public(key: bytes) -> ec.EllipticCurvePublicKey:
    """Read a P-256 key from its SubjectPublicKeyInfo. Raise SignatureError."""
    try:
        return _p256(load_der_public_key(key))
    except _UNREADABLE as error:
        raise SignatureError("TLS: this is no public key") from error


def verify_key_of(key: bytes) -> VerifyKey:
    """Return what proves signatures by the key of a certificate. Raise SignatureError."""
    return read_key(write_key(read_public(key)))


def der_of(text: bytes) -> bytes:
    """Return the one certificate of a PEM text as DER. Raise SignatureError."""
    try:
        (certificate,) = x509.load_pem_x509_certificates(text)
    except _UNREADABLE as error:
        raise SignatureError(f"TLS: no single certificate in PEM: {error}") from error
    return certificate.public_bytes(Encoding.DER)


def pem_of(document: bytes) -> bytes:
    """Return a certificate, proven before, as PEM."""
    return x509.load_der_x509_certificate(document).public_bytes(Encoding.PEM)


def read_authority(document: bytes) -> x509.Certificate:
    """Read the certificate of a site's authority.

    Raise SignatureError for one that did not sign itself, that may sign no certificates, or that
    may make other authorities.
    """
    certificate = _load(document)
    try:
        certificate.verify_directly_issued_by(certificate)
        extensions = certificate.extensions
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except (InvalidSignature, *_UNREADABLE) as error:
        raise SignatureError("TLS: this is no certificate of a site's authority") from error
    if not basic.ca or basic.path_length != 0 or not usage.key_cert_sign:
        raise SignatureError("TLS: a site's authority signs certificates, and no authorities")
    return certificate


def read_certificate(document: bytes, authority: bytes, name: TlsName) -> TlsCertificate:
    """Prove and read the certificate of `name`. Raise SignatureError or TrustError.

    It is proven at its own beginning, or the authority's: dates are not judged beside that.
    """
    root = read_authority(authority)
    certificate = _load(document)
    begins = certificate.not_valid_before_utc
    proven_at = max(begins, root.not_valid_before_utc).replace(tzinfo=None)
    try:
        policy = PolicyBuilder().store(Store([root])).time(proven_at)
        policy.build_client_verifier().verify(certificate, [])
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (VerificationError, *_UNREADABLE) as error:
        raise SignatureError(f"TLS: not a client's certificate of this authority: {error}") from (
            error
        )
    wanted = {x509.UniformResourceIdentifier(name.uri), x509.DNSName(name.dns)}
    if set(names) != wanted:
        raise TrustError(f"TLS: the certificate is not for {name.uri} alone")
    return TlsCertificate(
        document=document,
        not_before=_seconds(begins),
        expires=_seconds(certificate.not_valid_after_utc),
        key=public_der(_p256(certificate.public_key())),
    )


def make_request(key: SigningKey, bound_to: bytes) -> bytes:
    """Return a request for a certificate (PKCS #10, RFC 2986), for this use alone."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(bound_to))
    return builder.sign(key.private, hashes.SHA256()).public_bytes(Encoding.DER)


def read_request(data: bytes, bound_to: bytes) -> bytes:
    """Return the key that a request proves to have. Raise ProofError."""
    if len(data) > REQUEST_BYTES_MAX:
        raise ProofError(f"TLS: a request has at most {REQUEST_BYTES_MAX} bytes")
    try:
        request = x509.load_der_x509_csr(data)
        key = public_der(_p256(request.public_key()))
        is_proven = request.is_signature_valid
        is_bound = request.subject == _subject(bound_to)
    except (SignatureError, *_UNREADABLE) as error:
        raise ProofError("TLS: this is no request for a certificate") from error
    if not is_proven or not is_bound:
        raise ProofError("TLS: the request does not prove its key for this enrolment")
    return key


class TlsInForce:
    """The TLS certificate of a hub that is in force now: that of the start, or a newer one."""

    def __init__(self, certified: TlsCertificate, authority: bytes, name: TlsName) -> None:
        self.certified = certified
        self.name = name
        self.authority = authority

    def newer(self, document: bytes, now: float | None = None) -> TlsCertificate:
        """Read a document that may take its place.

        Raise TrustError for one of another authority, name or key, an older one, or one that is not
        valid at `now` (Unix seconds; None: not judged).
        """
        old = self.certified
        new = read_certificate(document, self.authority, self.name)
        if new.key != old.key:
            raise TrustError("TLS: the certificate is for another key")
        if new.not_before < old.not_before:
            raise RollbackError("TLS: the certificate is older than the one in force")
        if now is not None and not new.not_before <= now <= new.expires:
            raise TrustError("TLS: the certificate is not valid now")
        return new

    def renew(self, certified: TlsCertificate) -> None:
        """Take a newer one, which `newer` has read and which is durable."""
        self.certified = certified

    def renew_at(self) -> float:
        """Return when to ask for a newer one: with a third of its life left, in Unix seconds."""
        life = self.certified.expires - self.certified.not_before
        return self.certified.expires - life / 3


def _load(document: bytes) -> x509.Certificate:
    if len(document) > CERTIFICATE_BYTES_MAX:
        raise SignatureError(f"TLS: a certificate has at most {CERTIFICATE_BYTES_MAX} bytes")
    try:
        return x509.load_der_x509_certificate(document)
    except _UNREADABLE as error:
        raise SignatureError("TLS: this is no certificate") from error


def _p256(key: object) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SignatureError("TLS: a key of a site is one on the curve P-256")
    return key


def _subject(bound_to: bytes) -> x509.Name:
    digest = hashlib.sha256(bound_to).hexdigest()
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, digest)])


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
