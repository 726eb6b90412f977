"""What every hub of a site is told at its enrolment, and what the certificates for it must be.

Law: what is signed is proven before it is believed.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubcore.backend.enrolment.messages import Enrolled, EnrolledDoor
from hubcore.backend.enrolment.promise import Promise, Signed
from hubcore.codec import cbor
from hubcore.codec.cose import read_key
from hubcore.codec.tls import TlsName, TlsRole, read_certificate
from hubcore.errors import PeerError, TrustError
from hubcore.phone.certificates import read_hub_certificate


@dataclass(frozen=True, slots=True)
class OfSite:
    """What every hub of the site is told.

    `tls_authority` is a certificate in DER, `endpoints` are in order.
    """

    site: str
    issuer: bytes
    tls_authority: bytes
    endpoints: tuple[str, ...]
    server_keys: tuple[bytes, ...]
    beacon: bytes = b""
    card_key: bytes = b""


def check_certificates(promise: Promise, signed: Signed, of_site: OfSite) -> None:
    """Raise TrustError for what was not signed for the machine that asked, by issuer and authority.

    The time is not judged.
    """
    _check_certificate(promise, signed.certificate, of_site)
    name = TlsName(of_site.site, TlsRole.HUB, promise.hub)
    proven = read_certificate(signed.tls_certificate, of_site.tls_authority, name)
    if proven.key.hex() != promise.tls_key:
        raise TrustError(f"this TLS certificate is not for the key that {promise.hub} asked with")


def _check_certificate(promise: Promise, certificate: bytes, of_site: OfSite) -> None:
    hub = promise.hub
    try:
        proven = read_hub_certificate(certificate, read_key(cbor.decode(of_site.issuer)))
        asked = read_key(cbor.decode(bytes.fromhex(promise.identity)))
    except PeerError as error:
        raise TrustError(f"this is no certificate of the site's issuer: {error}") from error
    if proven.key.kid != asked.kid or (proven.site, proven.hub) != (of_site.site, hub):
        raise TrustError(f"this certificate is not for the keys that hub {hub} asked with")
    if not set(promise.points) <= set(proven.access_points):
        raise TrustError(f"this certificate has not all access points of hub {hub}")


def enrolled(promise: Promise, of_site: OfSite) -> Enrolled:
    """Return the answer to a machine whose promise has its certificates. Raise FrameError."""
    return Enrolled(
        site=of_site.site,
        hub=promise.hub,
        time_zone=promise.time_zone,
        certificate=bytes.fromhex(promise.certificate),
        issuer=of_site.issuer,
        tls_certificate=bytes.fromhex(promise.tls_certificate),
        tls_authority=of_site.tls_authority,
        endpoints=of_site.endpoints,
        server_keys=of_site.server_keys,
        beacon=of_site.beacon,
        card_key=of_site.card_key,
        doors=tuple(EnrolledDoor(point, promise.names[str(point)]) for point in promise.points),
    )
