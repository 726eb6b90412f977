"""What every hub of a site is told at its enrolment, and what a certificate for it must be.

Law: what is signed is proven before it is believed.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubcore.backend.enrolment.messages import Enrolled, EnrolledDoor
from hubcore.backend.enrolment.promise import Promise
from hubcore.codec import cbor
from hubcore.codec.cose import read_key
from hubcore.errors import PeerError, TrustError
from hubcore.phone.certificates import read_hub_certificate


@dataclass(frozen=True, slots=True)
class OfSite:
    """What every hub of the site is told. `endpoints` are in order."""

    site: str
    issuer: bytes
    endpoints: tuple[str, ...]
    server_keys: tuple[bytes, ...]
    beacon: bytes = b""
    card_key: bytes = b""


def check_certificate(promise: Promise, certificate: bytes, of_site: OfSite) -> None:
    """Raise TrustError for what is no certificate of the issuer for the machine that asked."""
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
    """Return the answer to a machine whose promise has its certificate. Raise FrameError."""
    return Enrolled(
        site=of_site.site,
        hub=promise.hub,
        time_zone=promise.time_zone,
        certificate=bytes.fromhex(promise.certificate),
        issuer=of_site.issuer,
        endpoints=of_site.endpoints,
        server_keys=of_site.server_keys,
        beacon=of_site.beacon,
        card_key=of_site.card_key,
        doors=tuple(EnrolledDoor(point, promise.names[str(point)]) for point in promise.points),
    )
