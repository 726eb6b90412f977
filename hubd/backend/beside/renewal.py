"""Asks for newer certificates, long before those in force end.

Laws:
1. It asks once a third of a certificate's life is left, and after its end; at most once in
   `again_seconds` on one connection.
2. It asks by the wall clock. One that is wrong costs a question, for the backend answers only with
   what the issuer has signed.
"""

from __future__ import annotations

from collections.abc import Callable

from hubcore.backend.uplink.from_hub import CertificateRequest
from hubcore.codec.tls import TlsInForce
from hubcore.phone.certificates import CertificateInForce
from hubcore.ports.clock import Clock

LOOK_SECONDS = 3600.0
"""How often the wall clock is looked at before it is time."""


class RenewalAsker:
    """`say` hands a message to the way that it asks on; without a certificate it never asks.

    `tls` is looked at, too, where this way brings both certificates in answer to one request.
    """

    def __init__(
        self,
        certificate: CertificateInForce | None,
        clock: Clock,
        again_seconds: float,
        say: Callable[[CertificateRequest], bool],
        tls: TlsInForce | None = None,
    ) -> None:
        self._certificate = certificate
        self._tls = tls
        self._clock = clock
        self._again_seconds = again_seconds
        self._say = say
        self._asks_at: float | None = None

    def rewind(self) -> None:
        """The connection has ended: on the next one it may ask at once."""
        self._asks_at = None

    def ask(self) -> float | None:
        """Ask when it is time; return when to look again, in monotonic seconds, or None."""
        certificate = self._certificate
        if certificate is None:
            return None
        now = self._clock.monotonic()
        if self._asks_at is not None and now < self._asks_at:
            return self._asks_at
        renew_at = certificate.renew_at()
        if self._tls is not None:
            renew_at = min(renew_at, self._tls.renew_at())
        left = renew_at - self._clock.wall()
        if left > 0:
            return now + min(left, LOOK_SECONDS)
        return self.ask_now(certificate)

    def ask_now(self, certificate: CertificateInForce) -> float | None:
        """Ask; return when to look again, None where it could not be said."""
        now = self._clock.monotonic()
        request = CertificateRequest(certificate.digest, certificate.certified.expires)
        if not self._say(request):
            return None
        self._asks_at = now + self._again_seconds
        return self._asks_at
