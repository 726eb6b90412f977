"""The proof of a backend's answer, against the hub's own keys."""

from __future__ import annotations

from hubcore.backend.enrolment.messages import Enrolled
from hubcore.codec import cbor, cose
from hubcore.codec.tls import TlsName, TlsRole, read_certificate
from hubcore.errors import ConfigError, PeerError, TrustError
from hubcore.phone.certificates import HubCertificate, read_hub_certificate
from hubd.enrolment.ownkeys import OwnKeys


def check(enrolled: Enrolled, keys: OwnKeys) -> HubCertificate:
    """Prove an answer against the hub's own keys. Raise ConfigError."""
    try:
        issuer = cose.read_key(cbor.decode(enrolled.issuer))
        certificate = read_hub_certificate(enrolled.certificate, issuer)
    except PeerError as error:
        sentence = f"the backend sent no certificate of the site's issuer: {error}"
        raise ConfigError(sentence) from error
    if certificate.key.kid != keys.identity.verify_key.kid:
        raise ConfigError("the backend sent a certificate for the key of another hub")
    if (certificate.hub, certificate.site) != (enrolled.hub, enrolled.site):
        raise ConfigError("the backend sent the certificate of another hub or site")
    doors = {door.access_point for door in enrolled.doors}
    if not doors <= set(certificate.access_points):
        raise ConfigError("the backend sent doors that its certificate does not have")
    if keys.public in enrolled.server_keys:
        raise ConfigError("the backend sent this hub's own key as its own")
    _check_tls(enrolled, keys)
    return certificate


def _check_tls(enrolled: Enrolled, keys: OwnKeys) -> None:
    try:
        name = TlsName(enrolled.site, TlsRole.HUB, enrolled.hub)
        certificate = read_certificate(enrolled.tls_certificate, enrolled.tls_authority, name)
    except TrustError as error:
        raise ConfigError(f"the backend sent no TLS certificate for this hub: {error}") from error
    if certificate.key != keys.tls_public:
        raise ConfigError("the backend sent a TLS certificate for the key of another hub")
