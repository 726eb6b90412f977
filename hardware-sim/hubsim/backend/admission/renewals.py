"""The newest certificates of each hub go to it; who wants a newer one is shown to people."""

from __future__ import annotations

from collections.abc import Callable

from hubcore.backend.uplink.from_backend import BackendMessage, Certificate, TlsCertificate
from hubcore.phone.certificates import CertificateInForce
from hubsim.site.certificates import Certificates


class Renewals:
    """Without `certificates` no hub has an end and none gets any."""

    def __init__(
        self, certificates: Certificates | None, send: Callable[[str, BackendMessage], bool]
    ) -> None:
        """`send` hands a message over to a hub; False when that is away."""
        self._certificates = certificates
        self._send = send
        self.wanted: dict[str, int] = {}
        """By hub: the end of its certificate, when it wants a newer one that is not there."""

    def may_speak(self, hub: str) -> bool:
        """Tell whether a hub may do more than renew: its newest certificate has not ended."""
        if self._certificates is None or not self._certificates.has_ended(hub):
            return True
        newest = self._certificates.of(hub)
        self.wanted[hub] = newest.certified.expires if newest else 0
        return False

    def newest(self, hub: str) -> tuple[BackendMessage, ...]:
        """Return the messages that bring a hub its newest certificates, () without any."""
        newest = self._certificates.of(hub) if self._certificates else None
        if self._certificates is None or newest is None:
            return ()
        return self._messages(hub, newest)

    def asked(self, hub: str, digest: bytes, expires: int) -> None:
        """Answer a hub that asks for a newer certificate; without one, an operator sees it."""
        newer = self._certificates.asked(hub, digest) if self._certificates else None
        if newer is None:
            self.wanted[hub] = expires
            return
        self.wanted.pop(hub, None)
        for message in self._messages(hub, newer):
            self._send(hub, message)

    def hand(self, hub: str) -> bool:
        """Send a hub its newest certificates; False when it is away, and gets them at its Hello."""
        newest = self.newest(hub)
        if not newest:
            return False
        self.wanted.pop(hub, None)
        return all(self._send(hub, message) for message in newest)

    def _messages(self, hub: str, newest: CertificateInForce) -> tuple[BackendMessage, ...]:
        tls = self._certificates.tls_of(hub) if self._certificates else None
        if tls is None:
            return (Certificate(newest.document),)
        return (TlsCertificate(tls), Certificate(newest.document))
