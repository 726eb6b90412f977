"""A hub's newer certificates: its request up to the backend, and the answer down to it.

How it works: a hub signs its request (`hubcore.backend.renewal`). The bridge hands it on as it
came. What the backend answers goes to the hub as it came, too. A hub whose TLS certificate has
ended gets a connection for this alone.

Laws:
1. A request goes on in the bytes that came. The bridge reads neither it nor the answer.
2. Requests have a pace for each hub, and one for all. What is beyond is left out: the hub asks
   again.
3. A hub whose TLS certificate has ended says Hello and its request. It hears RenewFirst, and its
   certificates when they come. Nothing else that it says is looked at, and nothing else is said.
4. What it may is asked at each message. Who was ended is cut off.
"""

from __future__ import annotations

from typing import Protocol

from hubbridge.hubs.said import HubLine
from hubbridge.port.hubsport import Visit
from hubbridge.rules.peers import May
from hubcore.backend.uplink.from_backend import Certificate, TlsCertificate
from hubcore.bridge.from_bridge import RenewFirst
from hubcore.bridge.from_hub import CarriedRequest, HubHello
from hubcore.errors import SequenceError
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Paces, Rate

REQUESTS_EACH = Rate(burst=4, per_second=1 / 60)
REQUESTS_WHOLE = Rate(burst=256, per_second=4.0)


class Asked(Protocol):
    """The way to the backend."""

    def requested(self, hub: str, document: bytes) -> None:
        """A hub asks for its newest certificates; this never waits."""


class Renewals:
    """Hands requests on, and serves the hubs that may only renew."""

    def __init__(self, clock: Clock, hubs_max: int) -> None:
        self._clock = clock
        self._paces = Paces(each=REQUESTS_EACH, whole=REQUESTS_WHOLE, sources_max=hubs_max)
        self._lines: dict[str, HubLine] = {}

    def hand_on(self, hub: str, request: CarriedRequest, upward: Asked | None) -> None:
        """Hand a hub's request on (laws 1 and 2). Without a way up it is lost."""
        if upward is not None and self._paces.take(hub, self._clock.monotonic()):
            upward.requested(hub, request.document)

    def say(self, hub: str, message: Certificate | TlsCertificate) -> bool:
        """Say a certificate to a hub that may only renew; tell whether it is here."""
        line = self._lines.get(hub)
        return line is not None and line.say(message)

    async def serve(self, visit: Visit, line: HubLine, upward: Asked | None) -> None:
        """Talk with a hub whose Hello has come, and whose certificate has ended (law 3).

        Raise PeerError for what ends it.
        """
        hub = visit.peer.name.id
        self._lines[hub] = line
        try:
            self._say_first(visit, line)
            while True:
                for message in await line.next():
                    if visit.may() is May.NOTHING:
                        raise SequenceError("its certificate does not let it renew any more")
                    if isinstance(message, HubHello):
                        self._say_first(visit, line)
                    elif isinstance(message, CarriedRequest):
                        self.hand_on(hub, message, upward)
        finally:
            if self._lines.get(hub) is line:
                del self._lines[hub]

    def _say_first(self, visit: Visit, line: HubLine) -> None:
        line.say(RenewFirst(visit.peer.expires, int(1000 * self._clock.wall())))
