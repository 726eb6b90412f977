"""The hub's newer certificates over a bridge: asked for by its own signature, and taken.

How it works: when it is time the hub signs its request, and the bridge brings that to the backend.
What comes back goes to the very use cases that take what the uplink brings.

Laws:
1. The request is signed by the hub's key. A bridge can lose it, and cannot invent or change it.
2. What comes proves itself: a certificate by its issuer, one for TLS by the site's authority.
3. It asks as on the uplink (`backend.beside.renewal`), and looks at both certificates. A bridge
   that takes nothing but the request gets it each time that it says so, but no more than SIGNED
   are signed, whatever a bridge says and however often.
4. Once a newer TLS certificate is in force the hub leaves a bridge that refused the one before,
   and comes back with the newer one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from hubcore.access.words import HubName
from hubcore.backend.pace import Pace
from hubcore.backend.renewal import sign_renewal
from hubcore.backend.uplink.from_backend import Certificate, TlsCertificate
from hubcore.backend.uplink.from_hub import CertificateRequest
from hubcore.bridge.from_hub import CarriedRequest
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import TlsInForce
from hubcore.phone.certificates import CertificateInForce
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Bucket, Rate
from hubd.backend.beside.certificates import CertificateWorkers, TakeCertificate
from hubd.backend.beside.renewal import RenewalAsker

SIGNED = Rate(burst=4, per_second=1 / 30)
"""A signature takes a small board 1 ms, and a bridge takes one request a minute."""
CAME_BACK = "it comes back with its newer TLS certificate"


@dataclass(frozen=True, slots=True)
class OwnCertificates:
    """The certificates of this hub that are in force, its key, and who takes newer ones."""

    key: SigningKey
    certificate: CertificateInForce
    tls: TlsInForce
    take: TakeCertificate
    take_tls: TakeCertificate


class BridgeCertificates:
    """`say` hands a request to the connection. `leave_if_refused` closes one that waits for it.

    Call `run` once.
    """

    def __init__(
        self,
        own: OwnCertificates,
        *,
        hub: HubName,
        clock: Clock,
        pace: Pace,
        counters: Counter[str],
        say: Callable[[CarriedRequest], bool],
        leave_if_refused: Callable[[str], None],
    ) -> None:
        self._own = own
        self._hub = hub
        self._say = say
        self._leave_if_refused = leave_if_refused
        self._asker = RenewalAsker(
            certificate=own.certificate,
            clock=clock,
            again_seconds=pace.certificate_seconds,
            say=self._sign_and_say,
            tls=own.tls,
        )
        self._signed = Bucket(SIGNED)
        self._clock = clock
        self._workers = CertificateWorkers(own.take, self._take_tls, pace, counters)

    def rewind(self) -> None:
        """The connection has ended: on the next one it may ask at once."""
        self._asker.rewind()

    def ask(self) -> float | None:
        """Ask when it is time; return when to look again, None for never."""
        return self._asker.ask()

    def ask_now(self) -> None:
        """The bridge takes nothing but the request (law 3)."""
        self._asker.ask_now(self._own.certificate)

    def let_wait(self, message: Certificate | TlsCertificate) -> None:
        """Let a certificate wait for its turn."""
        if isinstance(message, Certificate):
            self._workers.take_certificate(message.document)
        else:
            self._workers.take_tls_certificate(message.document)

    async def run(self) -> None:
        """Take what comes, until cancelled."""
        await self._workers.run()

    def _sign_and_say(self, request: CertificateRequest) -> bool:
        if not self._signed.take(self._clock.monotonic()):
            return False
        return self._say(CarriedRequest(sign_renewal(self._hub, request, self._own.key)))

    async def _take_tls(self, document: bytes) -> None:
        before = self._own.tls.certified
        await self._own.take_tls(document)
        if self._own.tls.certified != before:
            self._leave_if_refused(CAME_BACK)
