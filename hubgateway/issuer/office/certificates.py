"""A hub's two certificates, as an office signs and reads them: for phones, and for bridges (TLS).

Laws:
1. What is not of this site's issuer or authority, or of another hub, is not read.
2. Whoever wants to hear of each certificate for phones hears of it before it goes anywhere. If he
   raises, there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hubcore.codec.cose import SigningKey, VerifyKey, write_key
from hubcore.codec.tls import TlsName, TlsRole, read_certificate
from hubcore.codec.tlsauthority import Authority, certify
from hubcore.errors import PeerError, TrustError
from hubcore.phone.certificates import (
    HubCertificate,
    issue_hub_certificate,
    read_hub_certificate,
)
from hubgateway.issuer.office.words import NoError, Validity
from hubgateway.rules import names

Heard = Callable[[HubCertificate, bytes], None]
"""Is given a certificate and its document. Raises HubError where it must not be."""


class HubCertificates:
    """Those of the hubs of one site; `heard` is law 2."""

    def __init__(
        self, issuer: SigningKey, authority: Authority, site: str, heard: Heard | None = None
    ) -> None:
        self._heard = heard
        self._issuer = issuer
        self._authority = authority
        self._site = site

    def read(self, hub: str, document: bytes) -> HubCertificate:
        """Return the certificate that phones see. Raise NoError for one that is not ours."""
        try:
            certificate = read_hub_certificate(document, self._issuer.verify_key)
        except PeerError as error:
            raise NoError(
                f"the certificate of hub {hub} in {names.CERTIFICATES_BUCKET} is not this "
                f"issuer's: {error}"
            ) from error
        if (certificate.site, certificate.hub) != (self._site, hub):
            raise NoError(f"the certificate of hub {hub} is of another site or hub")
        return certificate

    def sign(self, hub: str, key: VerifyKey, points: Sequence[int], validity: Validity) -> bytes:
        """Return a certificate that phones see (law 2)."""
        certificate = HubCertificate(
            site=self._site,
            hub=hub,
            not_before=validity.not_before,
            expires=validity.expires,
            key=key,
            access_points=tuple(points),
        )
        document = issue_hub_certificate(self._issuer, certificate, write_key(key.public))
        if self._heard is not None:
            self._heard(certificate, document)
        return document

    def tls_key(self, hub: str, document: bytes) -> bytes:
        """Return the key of a TLS certificate. Raise NoError for one that is not ours."""
        try:
            name = TlsName(self._site, TlsRole.HUB, hub)
            return read_certificate(document, self._authority.document, name).key
        except TrustError as error:
            raise NoError(
                f"what {names.TLS_BUCKET} has of hub {hub} is not of this authority: {error}"
            ) from error

    def sign_tls(self, hub: str, key: bytes, validity: Validity) -> bytes:
        """Return a TLS certificate (DER)."""
        name = TlsName(self._site, TlsRole.HUB, hub)
        return certify(self._authority, name, key, validity.not_before, validity.expires)
