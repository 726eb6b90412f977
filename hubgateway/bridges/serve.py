"""Joins the parts of a gateway's port for bridges."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from hubcore.bridge.ends import Whom
from hubcore.bridge.mandate import Use
from hubcore.codec.cose import VerifyKey
from hubcore.errors import LinkError
from hubcore.ports.clock import ClockState
from hubcore.timing.lines import LinePace
from hubcore.timing.pace import Rate
from hubgateway.bridges.certificates import BridgedCertificates
from hubgateway.bridges.directory import is_enrolled
from hubgateway.bridges.evidence.heads import HubKeys
from hubgateway.bridges.evidence.receipts import ReceiptSigner
from hubgateway.bridges.evidence.records import BridgedRecords
from hubgateway.bridges.evidence.witness import BridgedWords
from hubgateway.bridges.papers import BridgePapers
from hubgateway.bridges.place import BridgesPlace
from hubgateway.bridges.port import BridgesPort
from hubgateway.bridges.renewals import BridgeRenewals
from hubgateway.bridges.talk import BridgeTalks
from hubgateway.engine.engine import Engine
from hubgateway.engine.mirror import Mirror
from hubgateway.engine.trouble import complain
from hubgateway.keeper import Keeper
from hubgateway.rules import names
from hubgateway.rules.chain import Stop, read_stop
from hubgateway.rules.names import Standing, read_entry
from hubtls.peers import Peer

LINES = Rate(burst=60, per_second=1.0)


class GatewayClock:
    """`hubcore.ports.clock.Clock` of a gateway, whose machine keeps the time."""

    def wall(self) -> float:
        """Return Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def state(self) -> ClockState:
        """It is trusted: the machine of a backend is its owner's to keep."""
        return ClockState.TRUSTED


class PacedLines:
    """Tells people of bridges and hubs, at a pace that none of them sets."""

    def __init__(self) -> None:
        self._lines = LinePace(whole=LINES)

    def refused(self, address: str, why: str) -> None:
        """See `port.Told.refused`."""
        self._say(f"refused {address}", f"bridges: refused {address or 'a connection'}: {why}")

    def trouble(self, source: str, what: str) -> None:
        """See `port.Told.trouble`."""
        self._say(source, f"{source}: {what}")

    def of_hub(self, hub: str, what: str) -> None:
        """Tell of a hub, by what a bridge says."""
        self._say(f"hub {hub}", f"hub {hub}, by a bridge: {what}")

    def _say(self, source: str, text: str) -> None:
        line = self._lines.line(source, text, time.monotonic())
        if line is not None:
            complain(line)


class HubsInEngine:
    """Which hubs the engine knows, and which are stopped (`records.Hubs`)."""

    def __init__(self, engine: Engine, site: str, authority: bytes) -> None:
        self._hub_of: dict[str, str] = {}
        self._keys = Counter[str]()
        self.rows = Mirror(engine, names.KEYS_BUCKET, self._on_key)
        self.stops = Mirror(engine, names.STOPS_BUCKET)
        self.certificates = Mirror(engine, names.TLS_BUCKET)
        self._heads = HubKeys(self.certificates, site, authority)

    def is_known(self, hub: str) -> bool:
        """See `records.Hubs.is_known`."""
        if not self.rows.fresh:
            raise LinkError("the directory of keys was not read since the engine is back")
        return self._keys[hub] > 0

    def key_of(self, hub: str) -> VerifyKey | None:
        """See `records.Hubs.key_of`."""
        return self._heads.key_of(hub)

    def stop_of(self, hub: str) -> Stop | None:
        """See `records.Hubs.stop_of`."""
        if not self.stops.fresh:
            raise LinkError("the stops were not read since the engine is back")
        value = self.stops.values.get(hub)
        return None if value is None else read_stop(value)

    def _on_key(self, key: str, value: bytes | None) -> None:
        before = self._hub_of.pop(key, None)
        if before is not None:
            self._keys[before] -= 1
            if not self._keys[before]:
                del self._keys[before]
        entry = None if value is None else read_entry(value)
        if entry is not None and entry.standing is Standing.ENROLLED:
            self._hub_of[key] = entry.hub
            self._keys[entry.hub] += 1


async def serve_bridges(place: BridgesPlace, engine: Engine, group: asyncio.TaskGroup) -> int:
    """Open the port and serve in the group; return its number. Raise ConfigError, LinkError."""
    clock = GatewayClock()
    told = PacedLines()
    keeper = Keeper(engine)
    hubs = HubsInEngine(engine, place.site, place.identity.authority)
    directory = Mirror(engine, names.BRIDGES_BUCKET)
    signer = ReceiptSigner(place.site, place.receipts, clock)
    records = BridgedRecords(place.site, keeper, hubs, signer, told.of_hub)
    words = BridgedWords(
        site=place.site,
        engine=engine,
        keeper=keeper,
        mandate=lambda bridge: papers.mandates.find(Use.TESTIMONY, bridge),
        is_known=hubs.is_known,
        tell=told.of_hub,
        clock=clock,
    )
    certificates = BridgedCertificates(
        site=place.site,
        issuer=place.issuer,
        engine=engine,
        is_known=hubs.is_known,
        ends=lambda: papers.ends(),
        say=lambda bridge, message: talks.say(bridge, message),
        tell=told.of_hub,
        clock=clock,
    )
    renewals = BridgeRenewals(
        site=place.site,
        authority=place.identity.authority,
        engine=engine,
        directory=directory,
        say=lambda bridge, message: talks.say_own(bridge, message),
        tell=told.trouble,
        clock=clock,
    )
    talks = BridgeTalks(place.identity.name, records, words, certificates, renewals, told, clock)
    papers = BridgePapers(engine, place.site, place.issuer, talks.say_all, told.trouble)
    papers.on_mandates = signer.take
    talks.carries(papers)

    def may_come(peer: Peer) -> bool:
        is_ended = peer.key_digest in papers.ends().keys or papers.ends(Whom.BRIDGES).include(
            peer.name.id, peer.key_digest
        )
        if is_ended:
            return False
        bridge = peer.name.id
        is_known = is_enrolled(directory, bridge, peer.key_digest)
        return is_known or renewals.lets_speak(bridge, peer.key_digest)

    port = BridgesPort(place, may_come, talks, told, clock)
    mirrors = (
        hubs.rows,
        hubs.stops,
        hubs.certificates,
        directory,
        renewals.mirror,
        *papers.mirrors,
        *certificates.mirrors,
    )
    for mirror in mirrors:
        await mirror.start()
    is_open = asyncio.Event()
    for mirror in mirrors:
        group.create_task(mirror.run())
    group.create_task(port.serve(is_open))
    await is_open.wait()
    if signer.why_not:
        complain(f"bridges: no receipts are signed: {signer.why_not}")
    return port.port
