"""Bridges' own renewals at a gateway: their requests up to the issuer, certificates down to them.

How it works: the bridge asks by its key of now, the engine keeps its newest request, and an issuer
far away writes the certificate. The bridge comes by the new key. Once it says that this is durable
there (OnlyKey), the directory knows it by that key, and by no other.

Laws:
1. A request is kept if the very key of this connection has signed it. One that is there already is
   not written again.
2. A bridge hears the certificate for the key that it asks for, and each newer one as it comes. The
   gateway has no key of the authority, and makes none.
3. Which key a bridge has changes only to that of this connection, and only after the one that the
   certificate follows. It is written after the revision that was read.
4. Requests have a pace by bridge, and one for all. What is beyond is not answered: the bridge asks
   again.
5. While the buckets were not read since the engine is back, nobody speaks by a certificate here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256

from hubcore.backend.uplink.from_backend import TlsCertificate
from hubcore.bridge.backend.from_backend import FromBackend
from hubcore.bridge.backend.ownrequest import prove_own_request
from hubcore.codec.tls import TlsName, TlsRole
from hubcore.errors import FrameError, ProofError, TrustError
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Paces, Rate
from hubgateway.bridges.directory import (
    CERTIFICATE,
    BridgeEntry,
    NextCertificate,
    read_bridge,
    read_next,
    read_request,
    request_key,
    write_bridge,
    write_request,
)
from hubgateway.engine.engine import Engine
from hubgateway.engine.mirror import Mirror
from hubgateway.engine.trouble import MovedOnError
from hubgateway.rules import names
from hubgateway.rules.names import Standing

EACH = Rate(burst=8, per_second=1 / 30)
WHOLE = Rate(burst=256, per_second=4.0)
"""Each costs two checks of a signature, and a write."""
SOURCES_MAX = 1024


class BridgeRenewals:
    """`say` says something to a bridge, or loses it. `tell` hears what people should know."""

    def __init__(
        self,
        site: str,
        authority: bytes,
        engine: Engine,
        directory: Mirror,
        say: Callable[[str, FromBackend], None],
        tell: Callable[[str, str], None],
        clock: Clock,
    ) -> None:
        self._site = site
        self._authority = authority
        self._engine = engine
        self._directory = directory
        self._say = say
        self._tell = tell
        self._clock = clock
        self._paces = Paces(each=EACH, whole=WHOLE, sources_max=SOURCES_MAX)
        self._next: dict[str, NextCertificate] = {}
        self.mirror = Mirror(
            engine, names.BRIDGE_RENEWALS_BUCKET, self._on_change, f"*.{CERTIFICATE}"
        )
        """To be started and run."""

    def lets_speak(self, bridge: str, key_digest: bytes) -> bool:
        """Tell whether a bridge may speak by its next key (law 5)."""
        found = self._next.get(bridge)
        if found is None or not (self.mirror.fresh and self._directory.fresh):
            return False
        return found.lets_speak(read_bridge(self._directory.values.get(bridge)), key_digest)

    async def requested(self, bridge: str, key: bytes, document: bytes) -> list[FromBackend]:
        """Keep a request that `key` has signed, and answer it. Raise StoreError, LinkError."""
        if not self._paces.take(bridge, self._clock.monotonic()):
            return []
        try:
            wanted = prove_own_request(document, self._name(bridge), key)
            row = write_request(key, document)
        except ProofError as error:
            self._tell(f"bridge {bridge}", f"it asks for a certificate: {error}")
            return []
        found = self._next.get(bridge)
        if found is not None and found.certificate.key == wanted:
            return _messages(found)
        await self._keep(bridge, row, wanted)
        return []

    async def only_key(self, bridge: str, key: bytes) -> None:
        """A bridge has no other key than this one (law 3). Raise StoreError, LinkError."""
        digest = sha256(key).digest()
        value, revision = await self._engine.buckets.at(names.BRIDGES_BUCKET, bridge)
        found = self._next.get(bridge)
        entry = read_bridge(value)
        if entry is None or entry.key == digest.hex():
            return
        if found is None or not found.lets_speak(entry, digest):
            return
        row = write_bridge(BridgeEntry(Standing.ENROLLED, digest.hex()))
        try:
            await self._engine.buckets.swap(names.BRIDGES_BUCKET, bridge, row, revision)
        except MovedOnError:
            return  # another gateway has done it, or a person has decided otherwise
        self._tell(f"bridge {bridge}", "it has a new key and certificate, and speaks by these")

    async def _keep(self, bridge: str, row: bytes, wanted: bytes) -> None:
        """Keep the newest request (law 1)."""
        place = request_key(bridge)
        value, revision = await self._engine.buckets.at(names.BRIDGE_RENEWALS_BUCKET, place)
        with suppress(ProofError):
            before = read_request(value, self._name(bridge))
            if before is not None and row.startswith(before.now) and before.wanted == wanted:
                return
        try:
            await self._engine.buckets.swap(names.BRIDGE_RENEWALS_BUCKET, place, row, revision)
        except MovedOnError:
            return  # by another gateway; the bridge asks again

    def _on_change(self, place: str, value: bytes | None) -> None:
        bridge = place.removesuffix(f".{CERTIFICATE}")
        try:
            name = self._name(bridge)
        except TrustError:
            return  # no bridge has such a name
        found = read_next(value, name, self._authority)
        if found is None:
            self._next.pop(bridge, None)
            if value is not None:
                what = f"what {names.BRIDGE_RENEWALS_BUCKET} has for it is no certificate of it"
                self._tell(f"bridge {bridge}", what)
            return
        self._next[bridge] = found
        for message in _messages(found):
            self._say(bridge, message)

    def _name(self, bridge: str) -> TlsName:
        return TlsName(self._site, TlsRole.BRIDGE, bridge)


def _messages(found: NextCertificate) -> list[FromBackend]:
    try:
        return [TlsCertificate(found.certificate.document)]
    except FrameError:
        return []
