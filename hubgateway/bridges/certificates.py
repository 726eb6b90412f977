"""A hub's request for its newest certificates that a bridge has carried, and the answer to it.

Laws:
1. A request counts if the directory names the hub, the site has not ended it, and its signature is
   by the key of the newest certificate that the engine has for it. So a bridge that invents
   requests gets nothing.
2. The answer is what the hub would get on its uplink: the newest of both certificates. The one that
   the hub has already is left out, and so is another site's.
3. Where there is no newer one somebody is told that the hub wants it, as for an uplink. When the
   engine gets one, it goes to the bridge that asked last.
4. Requests have a pace by bridge and hub, one by bridge, and one for all that four bridges can use
   up: a bridge that invents requests delays its own alone, however many hubs it names. A request
   beyond it, and one that does not prove itself, is not answered. At most SOURCES_MAX hubs are
   remembered.
5. Dates are not judged: who was dark past the end is to be renewed. The hub proves what comes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from hubcore.access.words import HubName
from hubcore.backend.renewal import prove_renewal
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_backend import Certificate, TlsCertificate
from hubcore.backend.uplink.from_hub import CertificateRequest
from hubcore.bridge.backend.from_backend import CertificateOfHub, FromBackend
from hubcore.bridge.backend.from_bridge import RequestOfHub
from hubcore.bridge.ends import Ends
from hubcore.codec.cose import VerifyKey
from hubcore.errors import LinkError, ProofError
from hubcore.phone.certificates import read_hub_certificate
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Paces, Rate
from hubgateway.engine.engine import Engine
from hubgateway.engine.mirror import Mirror
from hubgateway.rules import certificates, names

EACH = Rate(burst=8, per_second=1 / 30)
OF_BRIDGE = Rate(burst=256, per_second=4.0)
"""As many as a bridge hands on of all its hubs."""
WHOLE = Rate(burst=1024, per_second=16.0)
"""Each costs two checks of a signature."""
SOURCES_MAX = 8192
_ANY = Rate(burst=1e12, per_second=1e12)


class BridgedCertificates:
    """`is_known` tells whether the directory names a hub; it raises LinkError while that is away.

    `say` says something to a bridge, or loses it. `tell` hears what people should know.
    """

    def __init__(
        self,
        site: str,
        issuer: VerifyKey,
        engine: Engine,
        is_known: Callable[[str], bool],
        ends: Callable[[], Ends],
        say: Callable[[str, FromBackend], None],
        tell: Callable[[str, str], None],
        clock: Clock,
    ) -> None:
        self._site = site
        self._issuer = issuer
        self._engine = engine
        self._is_known = is_known
        self._ends = ends
        self._say = say
        self._tell = tell
        self._clock = clock
        self._of_hubs = Paces(each=EACH, whole=_ANY, sources_max=SOURCES_MAX)
        self._of_bridges = Paces(each=OF_BRIDGE, whole=WHOLE, sources_max=SOURCES_MAX)
        self._asked_by: OrderedDict[str, str] = OrderedDict()
        """The bridge that has asked for a hub and got no newer certificate, by hub."""
        self._documents = Mirror(engine, names.CERTIFICATES_BUCKET, self._on_new)
        self._tls = Mirror(engine, names.TLS_BUCKET, self._on_new_tls)

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        """To be started and run."""
        return (self._documents, self._tls)

    async def answer(self, bridge: str, said: RequestOfHub) -> list[FromBackend]:
        """Return what the hub gets; nothing for a request that proves nothing (law 1).

        Raise LinkError, StoreError.
        """
        hub = said.hub
        if not self._is_known(hub) or hub in self._ends().names:
            return []
        if not self._may_ask(bridge, hub):
            return []
        if not (self._documents.fresh and self._tls.fresh):
            raise LinkError("the bucket of certificates was not read since the engine is back")
        try:
            request = self._proven(said)
        except ProofError as error:
            self._tell(hub, f"bridge {bridge} brings a request for certificates: {error}")
            return []
        self._remember(hub, bridge)
        found = list(self._newest(hub, request))
        if not any(isinstance(one, Certificate) for one in found):
            await self._engine.tell(names.subject(names.RENEWALS, hub), uplink.encode(request))
        return [CertificateOfHub(hub, uplink.encode(one)) for one in found]

    def _may_ask(self, bridge: str, hub: str) -> bool:
        """Keep the paces (law 4)."""
        now = self._clock.monotonic()
        return self._of_hubs.take((bridge, hub), now) and self._of_bridges.take(bridge, now)

    def _proven(self, said: RequestOfHub) -> CertificateRequest:
        document = self._documents.values.get(said.hub)
        if document is None:
            raise ProofError(f"{names.CERTIFICATES_BUCKET} has no certificate of it")
        certified = read_hub_certificate(document, self._issuer)
        if (certified.hub, certified.site) != (said.hub, self._site):
            raise ProofError(f"what {names.CERTIFICATES_BUCKET} has is of another hub or site")
        return prove_renewal(said.document, HubName(self._site, said.hub), certified.key)

    def _newest(
        self, hub: str, request: CertificateRequest
    ) -> Iterator[Certificate | TlsCertificate]:
        """Yield both that the engine has; not the one for phones that the hub has (law 2)."""
        tls = certificates.tls_message_of(self._tls.values.get(hub))
        if tls is not None:
            yield tls
        document = certificates.message_of(self._documents.values.get(hub))
        if document is not None and certificates.is_other(document.document, request.digest):
            yield document

    def _remember(self, hub: str, bridge: str) -> None:
        self._asked_by.pop(hub, None)
        self._asked_by[hub] = bridge
        if len(self._asked_by) > SOURCES_MAX:
            self._asked_by.popitem(last=False)

    def _on_new(self, hub: str, document: bytes | None) -> None:
        self._push(hub, certificates.message_of(document))

    def _on_new_tls(self, hub: str, document: bytes | None) -> None:
        self._push(hub, certificates.tls_message_of(document))

    def _push(self, hub: str, message: Certificate | TlsCertificate | None) -> None:
        """Say a new one to the bridge that asked last (law 3)."""
        bridge = self._asked_by.get(hub)
        if bridge is not None and message is not None:
            self._say(bridge, CertificateOfHub(hub, uplink.encode(message)))
