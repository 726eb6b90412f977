"""A gateway's port for bridges on loopback: real TLS 1.3, and everybody who must not get in."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubbridge.backend.calling import CallTimes, Gateway, call
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_backend import Pong
from hubcore.backend.uplink.from_hub import Evidence, Ping
from hubcore.bridge.backend import codec
from hubcore.bridge.backend.from_backend import BackendWelcome, FromBackend, HubHalted
from hubcore.bridge.backend.from_bridge import AskHub, BridgeHello, Forwarded, FromBridge
from hubcore.bridge.backend.words import FROM_BACKEND_BYTES, FROM_BRIDGE_BYTES
from hubcore.bridge.frames import Frames, frame
from hubcore.bridge.from_bridge import RenewFirst
from hubcore.codec.tls import NO_CHECK_TIME, TlsName, TlsRole
from hubcore.codec.tlsauthority import begin_authority
from hubcore.errors import LinkError
from hubgateway.bridges.place import BridgesPlace
from hubgateway.bridges.port import BridgesPort
from hubgateway.bridges.talk import REFUSED, BridgeTalks, TalkTimes
from hubsim.site.documents import make_key
from hubtls.identity import IdentityFiles, load_identity
from hubtls.peers import Peer
from tests.fakes.bridgedhub import (
    AUTHORITY,
    BEGINS,
    BRIDGE,
    ENDS,
    ISSUER,
    SITE,
    make_log,
    tls_files,
)
from tests.fakes.clock import FakeClock
from tests.unit.backendway.renewaldesk import RenewalDesk
from tests.unit.backendway.test_bridged_certificates import CertificateDesk
from tests.unit.backendway.test_gateway_of_bridges import Way, Words

GATEWAY = "gateway-1"
PATIENCE_SECONDS = 20.0
TIMES = TalkTimes(first_seconds=5.0, silent_seconds=60.0)


@dataclass
class Told:
    """Who is told; all is noted."""

    said: list[str] = field(default_factory=list)
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    def refused(self, address: str, why: str) -> None:
        self.said.append(why)
        self.happened.set()

    def trouble(self, source: str, what: str) -> None:
        self.said.append(what)
        self.happened.set()

    async def hears(self, part: str) -> None:
        """Wait until somebody was told this."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(part in one for one in self.said):
                self.happened.clear()
                await self.happened.wait()


@dataclass
class Desk:
    """A port that runs."""

    port: BridgesPort
    told: Told
    folder: Path
    clock: FakeClock
    ended: set[str] = field(default_factory=set)
    rested: list[float] = field(default_factory=list)

    def bridge(self, name: str = BRIDGE) -> IdentityFiles:
        folder = self.folder / f"of-{name}"
        if folder.exists():
            return IdentityFiles(folder / "tls.key", folder / "tls.pem", folder / "authority.pem")
        return tls_files(folder, TlsName(SITE, TlsRole.BRIDGE, name))

    async def come(self, shown: IdentityFiles | None) -> Line:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= NO_CHECK_TIME
        context.load_verify_locations(self.folder / "tls" / "authority.pem")
        if shown is not None:
            context.load_cert_chain(shown.certificate, shown.key)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.port.port,
            ssl=context,
            server_hostname=f"{GATEWAY}.backend.{SITE}",
        )
        return Line(reader, writer)


@dataclass
class Line:
    """The bridge's end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: Frames = field(default_factory=lambda: Frames(FROM_BACKEND_BYTES))

    def write(self, data: bytes) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            self.writer.write(data)

    def say(self, *messages: FromBridge) -> None:
        self.write(b"".join(frame(codec.encode(one)) for one in messages))

    async def next(self) -> FromBackend | None:
        """Return what is said, None when the gateway has closed the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (message := self.frames.next()) is None:
                try:
                    data = await self.reader.read(65_536)
                except (ConnectionError, ssl.SSLError):
                    return None
                if not data:
                    return None
                self.frames.feed(data)
        return codec.decode_from_backend(message)


def hello(bridge: str = BRIDGE, site: str = SITE, protocol: int = 1) -> BridgeHello:
    return BridgeHello(protocol, bridge, site, bytes(16), "0", 0, bytes(32), 0, 0)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Desk]:
    shown = tls_files(folder / "tls", TlsName(SITE, TlsRole.BACKEND, GATEWAY))
    identity = load_identity(SITE, TlsRole.BACKEND, GATEWAY, shown)
    place = BridgesPlace("127.0.0.1", 0, identity, ISSUER.verify_key, make_key())
    told = Told()
    clock = FakeClock()
    rested: list[float] = []

    async def rest(seconds: float) -> None:
        rested.append(seconds)

    talks = BridgeTalks(
        identity.name,
        Way().records,
        Words([]).words,
        CertificateDesk(clock=clock).certificates,
        RenewalDesk(clock).renewals,
        told,
        clock,
        TIMES,
        rest,
    )
    ended: set[str] = set()

    def may_come(peer: Peer) -> bool:
        return peer.name.id not in ended

    port = BridgesPort(place, may_come, talks, told, clock)
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(port.serve(ready))
        await ready.wait()
        yield Desk(port, told, folder, clock, ended, rested)
        task.cancel()


async def test_a_bridge_is_welcomed_and_answered(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        line = await desk.come(desk.bridge())
        line.say(hello(), Ping(b"12345678"), AskHub("hub-9", 1, 0, bytes(32)))
        welcome = await line.next()
        assert isinstance(welcome, BackendWelcome)
        assert (welcome.backend, welcome.site) == (GATEWAY, SITE)
        pong = await line.next()
        assert isinstance(pong, Pong)
        assert pong.nonce == b"12345678"
        halted = await line.next()
        assert isinstance(halted, HubHalted)
        assert halted.cause is None


async def test_who_is_no_bridge_of_the_site_gets_nothing(tmp_path: Path) -> None:
    """port, law 1"""
    other = begin_authority("site-2", make_key(), BEGINS - 1000)
    same_name = begin_authority(SITE, make_key(), BEGINS - 1000)
    async with serving(tmp_path) as desk:
        strangers = [
            tls_files(tmp_path / "hub", TlsName(SITE, TlsRole.HUB, "hub-1")),
            tls_files(tmp_path / "gateway", TlsName(SITE, TlsRole.BACKEND, GATEWAY)),
            tls_files(tmp_path / "other", TlsName("site-2", TlsRole.BRIDGE, BRIDGE), other),
            tls_files(tmp_path / "false", TlsName(SITE, TlsRole.BRIDGE, BRIDGE), same_name),
        ]
        for shown in (None, *strangers):
            line = await desk.come(shown)
            line.say(hello())
            assert await line.next() is None
        desk.ended.add("bridge-9")
        line = await desk.come(desk.bridge("bridge-9"))
        line.say(hello("bridge-9"))
        assert await line.next() is None
        await desk.told.hears("not enrolled")
        assert desk.port.bridges == 0


async def test_a_bridge_whose_certificate_has_ended_may_renew_and_nothing_else(
    tmp_path: Path,
) -> None:
    """talk, law 6"""
    async with serving(tmp_path) as desk:
        desk.clock.offset = ENDS + 1.0
        line = await desk.come(desk.bridge())
        line.say(hello(), AskHub("hub-9", 1, 0, bytes(32)), Ping(b"12345678"))
        first = await line.next()
        assert isinstance(first, RenewFirst)
        assert first.ended == ENDS
        pong = await line.next()
        assert isinstance(pong, Pong), "the question is not answered"
        await desk.told.hears("its certificate has ended")
        desk.ended.add(BRIDGE)
        line.say(Ping(bytes(8)))
        assert await line.next() is None


async def test_a_bridge_whose_certificate_ends_meanwhile_is_cut(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        line = await desk.come(desk.bridge())
        line.say(hello())
        assert isinstance(await line.next(), BackendWelcome)
        desk.clock.offset = ENDS + 1.0
        line.say(Ping(bytes(8)))
        assert await line.next() is None
        await desk.told.hears("may not speak any more")


@pytest.mark.parametrize(
    ("first", "part"),
    [
        (hello("bridge-2"), "otherwise than its certificate"),
        (hello(site="site-2"), "otherwise than its certificate"),
        (hello(protocol=2), "it speaks version 2"),
        (Ping(bytes(8)), "no BridgeHello"),
        (Forwarded("hub-1", (b"r",), b"h"), "no BridgeHello"),
    ],
)
async def test_another_first_word_ends_the_connection(
    tmp_path: Path, first: FromBridge, part: str
) -> None:
    """talk, laws 1 and 4"""
    async with serving(tmp_path) as desk:
        line = await desk.come(desk.bridge())
        line.say(first)
        assert await line.next() is None
        await desk.told.hears(part)


async def test_what_a_hub_did_not_say_ends_the_connection(tmp_path: Path) -> None:
    """talk, law 4"""
    async with serving(tmp_path) as desk:
        line = await desk.come(desk.bridge())
        line.say(hello(), Forwarded("hub-1", (b"nonsense",), b"h"))
        assert isinstance(await line.next(), BackendWelcome)
        assert await line.next() is None
        line = await desk.come(desk.bridge())
        line.say(hello(), hello())
        assert isinstance(await line.next(), BackendWelcome)
        assert await line.next() is None


async def test_who_brings_what_no_hub_signed_again_and_again_waits_for_others(
    tmp_path: Path,
) -> None:
    """talk, law 5"""
    record = make_log(1)[0]
    said = uplink.encode(Evidence(record.number, record.body, record.hash))
    count = int(REFUSED.burst) + 3
    async with serving(tmp_path) as desk:
        line = await desk.come(desk.bridge())
        line.say(hello(), *[Forwarded("hub-1", (said,), b"invented")] * count)
        assert isinstance(await line.next(), BackendWelcome)
        for _ in range(count):
            assert isinstance(await line.next(), HubHalted)
        line.say(Ping(bytes(8)))
        assert isinstance(await line.next(), Pong)
        assert desk.rested == [1 / REFUSED.per_second] * 3


@pytest.mark.parametrize("size", [0, FROM_BRIDGE_BYTES + 1, 0xFFFFFFFF])
async def test_a_length_above_the_ceiling_ends_the_connection(tmp_path: Path, size: int) -> None:
    """docs/bridge.md, Bridge and backend, rule 1"""
    async with serving(tmp_path) as desk:
        line = await desk.come(desk.bridge())
        line.say(hello())
        assert isinstance(await line.next(), BackendWelcome)
        line.write(size.to_bytes(4, "big"))
        assert await line.next() is None
        await desk.told.hears("frame: a message of")


async def test_a_bridge_that_is_ended_is_cut_at_its_next_message(tmp_path: Path) -> None:
    """talk, law 1"""
    async with serving(tmp_path) as desk:
        line = await desk.come(desk.bridge())
        line.say(hello())
        assert isinstance(await line.next(), BackendWelcome)
        desk.ended.add(BRIDGE)
        line.say(Ping(bytes(8)))
        assert await line.next() is None
        await desk.told.hears("may not speak any more")


async def test_a_newer_connection_of_a_bridge_ends_the_older_one(tmp_path: Path) -> None:
    """port, law 2"""
    async with serving(tmp_path) as desk:
        old = await desk.come(desk.bridge())
        old.say(hello())
        assert isinstance(await old.next(), BackendWelcome)
        new = await desk.come(desk.bridge())
        new.say(hello())
        assert isinstance(await new.next(), BackendWelcome)
        assert await old.next() is None
        new.say(Ping(bytes(8)))
        assert isinstance(await new.next(), Pong)
        assert desk.port.bridges == 1


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(said=st.lists(st.binary(max_size=200), max_size=8), framed=st.booleans())
def test_any_bytes_end_no_port(
    tmp_path_factory: pytest.TempPathFactory, said: list[bytes], framed: bool
) -> None:
    """port, law 3"""

    async def play() -> None:
        async with serving(tmp_path_factory.mktemp("port")) as desk:
            line = await desk.come(desk.bridge())
            line.say(hello())
            for data in said:
                line.write(frame(data) if framed and data else data)
            line.writer.close()
            well = await desk.come(desk.bridge("bridge-2"))
            well.say(hello("bridge-2"), Ping(bytes(8)))
            assert isinstance(await well.next(), BackendWelcome)
            assert isinstance(await well.next(), Pong)

    asyncio.run(play())


async def test_a_bridge_calls_nobody_but_its_gateway(tmp_path: Path) -> None:
    """calling, law 1"""
    async with serving(tmp_path) as desk:
        shown = load_identity(SITE, TlsRole.BRIDGE, BRIDGE, desk.bridge())
        times = CallTimes(connect_seconds=5.0)
        here = Gateway(GATEWAY, "127.0.0.1", desk.port.port)
        called = await call(here, shown, times)
        called.writer.transport.abort()
        with pytest.raises(LinkError, match="gateway-2"):
            await call(Gateway("gateway-2", "127.0.0.1", desk.port.port), shown, times)
        assert AUTHORITY.document == shown.authority
    with pytest.raises(LinkError):
        await call(here, shown, times)
