"""The bridge's way to a gateway on loopback, and a disk that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hubbridge.backend.calling import CallTimes, Gateway
from hubbridge.backend.way import BackendWay, Own
from hubbridge.policy.cache import PolicyCache
from hubbridge.policy.files import PolicyFiles
from hubbridge.rules.kept import Kept, Span
from hubcore.access.words import HubName
from hubcore.bridge.backend import codec
from hubcore.bridge.backend.from_backend import (
    BackendWelcome,
    EndsNow,
    FromBackend,
    HubKnown,
    HubReceipt,
)
from hubcore.bridge.backend.from_bridge import AskHub, FromBridge
from hubcore.bridge.backend.words import FROM_BRIDGE_BYTES
from hubcore.bridge.ends import Ends
from hubcore.bridge.from_bridge import CarriedReceipt
from hubcore.bridge.mandate import Mandate, Use
from hubcore.bridge.signedhead import HeadKind, SignedHead, sign_head
from hubcore.bridge.stretch import Stretch
from hubcore.codec.tls import TlsName, TlsRole
from hubcore.errors import StoreError
from hubcore.evidence.records import Head
from hubgateway.bridges.place import BridgesPlace
from hubgateway.bridges.port import BridgesPort, BridgeVisit
from hubsim.site.documents import make_key
from hubtls.identity import Identity, load_identity
from hubtls.line import Line, Wire
from tests.fakes.bridgedhub import BEGINS, BRIDGE, ENDS, ISSUER, SITE, tls_files
from tests.fakes.clock import FakeClock
from tests.unit.backendway.test_bridges_port import GATEWAY, PATIENCE_SECONDS, Told
from tests.unit.backendway.test_what_is_kept import Desk, papers

KEY = make_key()
SEEN = Head(2, bytes(32))
WIRE: Wire[FromBridge, FromBackend] = Wire(
    codec.decode_from_bridge, codec.encode, FROM_BRIDGE_BYTES
)


def identity(folder: Path, role: TlsRole, name: str) -> Identity:
    return load_identity(SITE, role, name, tls_files(folder, TlsName(SITE, role, name)))


@dataclass
class Backend:
    """Says the same to each bridge that comes, and answers each question about a hub."""

    ends: Ends
    visits: int = 0
    asked: int = 0

    async def serve(self, visit: BridgeVisit) -> None:
        line = Line(visit.reader, visit.writer, WIRE, PATIENCE_SECONDS)
        await line.first(PATIENCE_SECONDS)
        self.visits += 1
        line.say(BackendWelcome(1, GATEWAY, SITE, 0))
        line.say(EndsNow.of(self.ends))
        while True:
            for message in await line.next():
                if isinstance(message, AskHub):
                    self.asked += 1
                    said = SignedHead(
                        HeadKind.RECEIPT, "backend", HubName(SITE, "hub-1"), SEEN, BEGINS + 1
                    )
                    line.say(HubReceipt("hub-1", sign_head(said, KEY)))
                    line.say(HubKnown("hub-1", message.turn, SEEN.number, SEEN.hash))


@dataclass
class Disk(Desk):
    """A bridge's disk with one hub; it refuses that many lists and receipts, and is well then."""

    refused_lists: int = 0
    refused_receipts: int = 0
    hubs: Mapping[str, Kept] = field(default_factory=lambda: {"hub-1": Kept((Span(Head(), SEEN),))})

    async def take_ends(self, offered: Ends) -> Ends:
        if self.refused_lists:
            self.refused_lists -= 1
            raise StoreError("the disk is full")
        return await super().take_ends(offered)

    async def take_receipt(self, hub: str, head: Head, document: bytes) -> bool:
        if self.refused_receipts:
            self.refused_receipts -= 1
            raise StoreError("the disk is full")
        return await super().take_receipt(hub, head, document)

    def covered(self, hub: str) -> int:
        return SEEN.number

    async def read_stretch(self, hub: str, after: int, most: int) -> Stretch | None:
        return None

    def of_hub(self, hub: str, what: str) -> None:
        self.troubles.append(what)


@pytest.mark.parametrize(("lists", "receipts", "visits"), [(2, 0, 3), (0, 2, 1)])
async def test_what_a_full_disk_did_not_take_comes_again(
    tmp_path: Path, lists: int, receipts: int, visits: int
) -> None:
    """way, law 2: a list of ends by a new connection, a receipt by another question"""
    clock = FakeClock(float(BEGINS + 1))
    place = BridgesPlace(
        "127.0.0.1", 0, identity(tmp_path / "gw", TlsRole.BACKEND, GATEWAY), ISSUER.verify_key, KEY
    )
    backend = Backend(Ends(4, frozenset({"hub-9"})))
    port = BridgesPort(place, lambda _peer: True, backend, Told(), clock)
    disk = Disk(refused_lists=lists, refused_receipts=receipts)
    mandate = Mandate(SITE, "backend", Use.RECEIPTS, 1, KEY.verify_key, BEGINS, ENDS)
    async with asyncio.TaskGroup() as group:
        ready = asyncio.Event()
        serving = group.create_task(port.serve(ready))
        await ready.wait()
        way = BackendWay(
            own=Own(BRIDGE, SITE, bytes(16)),
            gateways=(Gateway(GATEWAY, "127.0.0.1", port.port),),
            identity=identity(tmp_path / "bridge", TlsRole.BRIDGE, BRIDGE),
            store=disk,
            papers=papers(disk),
            policy=PolicyCache(
                site=SITE,
                issuer=ISSUER.verify_key,
                files=PolicyFiles(tmp_path / "policy"),
                told=disk,
                clock=clock,
                hubs_max=8,
            ),
            mandate=lambda: mandate,
            hubs_max=8,
            told=disk,
            clock=clock,
            chance=lambda: 0.0,
            times=CallTimes(pause_seconds=0.01, pause_seconds_max=0.02),
        )
        running = group.create_task(way.run())
        await until(lambda: bool(disk.cuts and disk.heard), clock)
        assert disk.cuts[0] == backend.ends
        hub, said = disk.heard[0]
        assert hub == "hub-1"
        assert isinstance(said, CarriedReceipt)
        assert (disk.refused_lists, disk.refused_receipts) == (0, 0)
        assert backend.visits == visits
        running.cancel()
        serving.cancel()


async def until(is_so: Callable[[], bool], clock: FakeClock) -> None:
    """Let time pass, for the bridge's clock as well, until this is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():
            clock.advance(0.1)
            await asyncio.sleep(0.01)
