"""The bridge's way to a gateway on loopback, and a disk that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hubbridge.backend.calling import CallTimes, Gateway
from hubbridge.backend.way import BackendWay, Own
from hubbridge.policy.cache import PolicyCache
from hubbridge.policy.files import PolicyFiles
from hubbridge.renewal.files import OwnFiles
from hubbridge.renewal.own import OwnRenewal, load_pairs
from hubbridge.rules.kept import Kept, Span
from hubcore.access.words import HubName
from hubcore.bridge.backend import codec
from hubcore.bridge.backend.from_backend import (
    BackendWelcome,
    EndsNow,
    FromBackend,
    HubHalted,
    HubKnown,
    HubReceipt,
)
from hubcore.bridge.backend.from_bridge import AskHub, FromBridge
from hubcore.bridge.backend.words import FROM_BRIDGE_BYTES
from hubcore.bridge.ends import Ends, issue_ends
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
    """Says the same to each bridge that comes, and answers so many questions about hubs at once."""

    ends: Ends
    at_once: int = 1
    halts: str = ""
    """The hub of which it takes nothing."""
    visits: int = 0
    asked: int = 0

    async def serve(self, visit: BridgeVisit) -> None:
        line = Line(visit.reader, visit.writer, WIRE, PATIENCE_SECONDS)
        await line.first(PATIENCE_SECONDS)
        self.visits += 1
        line.say(BackendWelcome(1, GATEWAY, SITE, 0))
        line.say(EndsNow(issue_ends(self.ends, SITE, ISSUER)))
        asked: list[AskHub] = []
        while True:
            asked += [one for one in await line.next() if isinstance(one, AskHub)]
            if len(asked) >= self.at_once:
                self.asked += len(asked)
                for one in asked:
                    self.answer(line, one)
                asked = []

    def answer(self, line: Line[FromBridge, FromBackend], asked: AskHub) -> None:
        if asked.hub == self.halts:
            line.say(HubHalted(asked.hub, None, "nobody enrolled it"))
            return
        name = HubName(SITE, asked.hub)
        said = SignedHead(HeadKind.RECEIPT, "backend", name, SEEN, BEGINS + 1)
        line.say(HubReceipt(asked.hub, sign_head(said, KEY)))
        line.say(HubKnown(asked.hub, asked.turn, SEEN.number, SEEN.hash))


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

    async def read_stretches(self, hub: str, after: int, most: int) -> tuple[Stretch, ...]:
        return ()

    def of_hub(self, hub: str, what: str) -> None:
        self.troubles.append(what)

    def note(self, what: str) -> None:
        self.troubles.append(what)


@dataclass
class SlowDisk(Disk):
    """Its first commit ends once people were told of a hub, the next with two receipts in it."""

    told: asyncio.Event = field(default_factory=asyncio.Event)
    second: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(2))

    async def take_receipt(self, hub: str, head: Head, document: bytes) -> bool:
        if hub == "hub-1":
            await self.told.wait()
        else:
            await self.second.wait()
        return await super().take_receipt(hub, head, document)

    def of_hub(self, hub: str, what: str) -> None:
        super().of_hub(hub, what)
        self.told.set()


def renewal_of(folder: Path, disk: Disk, clock: FakeClock) -> OwnRenewal:
    """A bridge's own pair, which needs no renewal."""
    name = TlsName(SITE, TlsRole.BRIDGE, BRIDGE)
    files = tls_files(folder, name)
    own = OwnFiles(folder)
    return OwnRenewal(
        load_pairs(name, files, own),
        configured=files,
        own=own,
        make_key=make_key,
        put_in_force=lambda _: None,
        told=disk,
        clock=clock,
    )


@asynccontextmanager
async def calling(
    folder: Path, backend: Backend, disk: Disk, clock: FakeClock
) -> AsyncIterator[None]:
    """A bridge on this disk that calls this backend."""
    place = BridgesPlace(
        "127.0.0.1", 0, identity(folder / "gw", TlsRole.BACKEND, GATEWAY), ISSUER.verify_key, KEY
    )
    port = BridgesPort(place, lambda _peer: True, backend, Told(), clock)
    mandate = Mandate(SITE, "backend", Use.RECEIPTS, 1, KEY.verify_key, BEGINS, ENDS)
    async with asyncio.TaskGroup() as group:
        ready = asyncio.Event()
        serving = group.create_task(port.serve(ready))
        await ready.wait()
        way = BackendWay(
            own=Own(BRIDGE, SITE, bytes(16)),
            gateways=(Gateway(GATEWAY, "127.0.0.1", port.port),),
            renewal=renewal_of(folder / "bridge", disk, clock),
            store=disk,
            papers=papers(disk),
            policy=PolicyCache(
                site=SITE,
                issuer=ISSUER.verify_key,
                files=PolicyFiles(folder / "policy"),
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
        yield
        running.cancel()
        serving.cancel()


@pytest.mark.parametrize(("lists", "receipts", "visits"), [(2, 0, 3), (0, 2, 1)])
async def test_what_a_full_disk_did_not_take_comes_again(
    tmp_path: Path, lists: int, receipts: int, visits: int
) -> None:
    """way, law 2: a list of ends by a new connection, a receipt by another question"""
    clock = FakeClock(float(BEGINS + 1))
    backend = Backend(Ends(4, frozenset({"hub-9"})))
    disk = Disk(refused_lists=lists, refused_receipts=receipts)
    async with calling(tmp_path, backend, disk, clock):
        await until(lambda: bool(disk.cuts and disk.heard), clock)
        assert disk.cuts[0] == backend.ends
        hub, said = disk.heard[0]
        assert hub == "hub-1"
        assert isinstance(said, CarriedReceipt)
        assert (disk.refused_lists, disk.refused_receipts) == (0, 0)
        assert backend.visits == visits


async def test_receipts_that_wait_go_to_the_disk_together(tmp_path: Path) -> None:
    """way, law 1"""
    hubs = {f"hub-{number}": Kept((Span(Head(), SEEN),)) for number in (1, 2, 3, 4)}
    disk = SlowDisk(hubs=hubs)
    backend = Backend(Ends(3), at_once=4, halts="hub-4")
    clock = FakeClock(float(BEGINS + 1))
    async with calling(tmp_path, backend, disk, clock):
        await until(lambda: len(disk.heard) == 3, clock)
        assert sorted(hub for hub, _ in disk.heard) == ["hub-1", "hub-2", "hub-3"]


async def until(is_so: Callable[[], bool], clock: FakeClock) -> None:
    """Let time pass, for the bridge's clock as well, until this is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():
            clock.advance(0.1)
            await asyncio.sleep(0.01)
