"""A bridge's port on loopback: real TLS 1.3, and everybody who must not get in."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hubbridge.port.hubsport import HubsPort, Visit
from hubcore.bridge.ends import Ends
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import NO_CHECK_TIME, TlsName, TlsRole, pem_of
from hubcore.codec.tlsauthority import Authority, begin_authority, certify
from hubcore.errors import ConfigError, FrameError, LinkError, RollbackError, StoreError
from hubsim.site.authority import public_of
from hubsim.site.documents import make_key, pem
from hubtls.identity import Identity, IdentityFiles, load_identity
from hubtls.port import PortTimes
from tests.fakes.clock import NOON, FakeClock

SITE = "site-1"
BEGINS = int(NOON) - 86_400
ENDS = int(NOON) + 86_400
AUTHORITY = begin_authority(SITE, make_key(), BEGINS - 1000)
OTHER_AUTHORITY = begin_authority(SITE, make_key(), BEGINS - 1000)
PATIENCE_SECONDS = 20.0


def files(
    folder: Path,
    name: TlsName,
    authority: Authority = AUTHORITY,
    key: SigningKey | None = None,
    expires: int = ENDS,
) -> IdentityFiles:
    """What somebody of a site has, in PEM."""
    folder.mkdir(parents=True)
    own = key or make_key()
    found = IdentityFiles(folder / "tls.key", folder / "tls.pem", folder / "authority.pem")
    found.key.write_bytes(pem(own))
    found.key.chmod(0o600)
    document = certify(authority, name, public_of(own), BEGINS, expires)
    found.certificate.write_bytes(pem_of(document))
    found.authority.write_bytes(pem_of(authority.document))
    return found


def hub(name: str) -> TlsName:
    return TlsName(SITE, TlsRole.HUB, name)


def bridge(folder: Path, expires: int = ENDS) -> Identity:
    name = TlsName(SITE, TlsRole.BRIDGE, "bridge-1")
    return load_identity(SITE, TlsRole.BRIDGE, "bridge-1", files(folder, name, expires=expires))


def client(shown: IdentityFiles | None) -> ssl.SSLContext:
    """Believe bridges of the site, and show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= NO_CHECK_TIME
    context.load_verify_locations(cadata=pem_of(AUTHORITY.document).decode("ascii"))
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    return context


@dataclass
class Listener:
    """A talk that answers each line with what the hub may, and who is told; all is noted."""

    refusals: list[str] = field(default_factory=list)
    contests: list[str] = field(default_factory=list)
    hurts: list[str] = field(default_factory=list)
    happened: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, visit: Visit) -> None:
        try:
            while line := await visit.reader.readline():
                if line == b"nonsense\n":
                    raise FrameError("this is no message")
                if line == b"fault\n":
                    raise ValueError("nobody has foreseen this")
                if line == b"disk\n":
                    raise StoreError("the disk is full")
                said = f"{visit.peer.name.id} {visit.may().value}\n"
                visit.writer.write(said.encode("ascii"))
                await visit.writer.drain()
        finally:
            self.left.set()

    def refused(self, address: str, why: str) -> None:
        self.refusals.append(why)
        self.happened.set()

    def contested(self, hub: str) -> None:
        self.contests.append(hub)

    def hurt(self, hub: str, why: str) -> None:
        self.hurts.append(f"{hub}: {why}")
        self.happened.set()

    async def told(self, count: int) -> None:
        """Wait until so many were refused or hurt."""
        while len(self.refusals) + len(self.hurts) < count:
            self.happened.clear()
            await self.happened.wait()


@dataclass
class Desk:
    """A bridge's port that runs."""

    port: HubsPort
    listener: Listener
    clock: FakeClock
    folder: Path

    async def come(self, shown: IdentityFiles | None, name: str = "bridge-1") -> Line:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.port.port,
            ssl=client(shown),
            server_hostname=f"{name}.bridge.{SITE}",
        )
        return Line(reader, writer)

    def hub(self, name: str, **how: object) -> IdentityFiles:
        folder = self.folder / f"{name}-{len(list(self.folder.iterdir()))}"
        return files(folder, hub(name), **how)  # type: ignore[arg-type]


@dataclass
class Line:
    """The hub's end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, text: str = "hello") -> str:
        """Say a line; return what comes back, "" when the other end has closed."""
        with suppress(ConnectionError, ssl.SSLError):
            self.writer.write(f"{text}\n".encode("ascii"))
            await self.writer.drain()
            return (await self.reader.readline()).decode("ascii").strip()
        return ""

    async def is_cut(self) -> bool:
        with suppress(ConnectionError, ssl.SSLError):
            return await self.reader.read() == b""
        return True

    def close(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def serving(
    tmp_path: Path,
    ends: Ends | None = None,
    unproven_max: int = 64,
    handshake_seconds: float = PATIENCE_SECONDS,
) -> AsyncIterator[Desk]:
    listener = Listener()
    clock = FakeClock()
    port = HubsPort(
        "127.0.0.1",
        0,
        bridge(tmp_path / "bridge"),
        ends or Ends(),
        listener,
        listener,
        clock,
        unproven_max=unproven_max,
        times=PortTimes(handshake_seconds),
    )
    ready = asyncio.Event()
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        serving = group.create_task(port.serve(ready))
        await ready.wait()
        yield Desk(port, listener, clock, tmp_path)
        serving.cancel()


async def test_a_hub_of_the_site_talks(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        with closing(await desk.come(desk.hub("hub-1"))) as line:
            assert await line.say() == "hub-1 speak"
            assert desk.port.hubs == 1
            tls = line.writer.get_extra_info("ssl_object")
            assert tls.version() == "TLSv1.3"
        await desk.listener.left.wait()
        assert desk.listener.refusals == []


async def test_who_must_not_get_in_does_not(tmp_path: Path) -> None:
    """hubsport, law 2; identity, law 2"""
    async with serving(tmp_path, Ends(1, frozenset({"hub-9"}))) as desk:
        other_site = begin_authority("site-2", make_key(), BEGINS)
        foreign = files(tmp_path / "foreign", TlsName("site-2", TlsRole.HUB, "hub-1"), other_site)
        false_bridge = files(tmp_path / "false", TlsName(SITE, TlsRole.BRIDGE, "bridge-2"))
        nobodies = [
            None,
            desk.hub("hub-1", authority=OTHER_AUTHORITY),
            foreign,
            false_bridge,
            desk.hub("hub-9"),
        ]
        for number, shown in enumerate(nobodies, 1):
            with suppress(ConnectionError, ssl.SSLError), closing(await desk.come(shown)) as line:
                assert await line.say() == ""
            await desk.listener.told(number)
        assert desk.port.hubs == 0
        reasons = ["no handshake"] * 3 + ["is no hub of the site", "was ended"]
        assert len(desk.listener.refusals) == len(reasons)
        for reason, refusal in zip(reasons, desk.listener.refusals, strict=True):
            assert reason in refusal
        with closing(await desk.come(desk.hub("hub-1"))) as line:
            assert await line.say() == "hub-1 speak"


async def test_an_older_tls_is_not_spoken(tmp_path: Path) -> None:
    """identity, law 3"""
    async with serving(tmp_path) as desk:
        context = client(desk.hub("hub-1"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(
                "127.0.0.1",
                desk.port.port,
                ssl=context,
                server_hostname=f"bridge-1.bridge.{SITE}",
            )


async def test_a_hub_asks_for_its_bridge_by_name(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await desk.come(desk.hub("hub-1"), name="bridge-2")


async def test_a_hub_whose_certificate_has_ended_may_renew_alone(tmp_path: Path) -> None:
    """identity, law 4; hubsport, law 2: also one that ends during the talk."""
    async with serving(tmp_path) as desk:
        ended = desk.hub("hub-1", expires=int(NOON) - 1)
        with closing(await desk.come(ended)) as line:
            assert await line.say() == "hub-1 renew"
        with closing(await desk.come(desk.hub("hub-2"))) as line:
            assert await line.say() == "hub-2 speak"
            desk.clock.advance(2 * 86_400)
            assert await line.say() == "hub-2 renew"


async def test_a_hubs_newer_connection_ends_its_older_one(tmp_path: Path) -> None:
    """hubsport, law 3"""
    async with serving(tmp_path) as desk:
        shown = desk.hub("hub-1")
        with closing(await desk.come(shown)) as first:
            assert await first.say() == "hub-1 speak"
            with closing(await desk.come(shown)) as second:
                assert await second.say() == "hub-1 speak"
                assert await first.is_cut()
                assert await second.say() == "hub-1 speak"
                assert desk.port.hubs == 1
        assert desk.listener.contests == []


async def test_two_machines_with_one_key_are_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        shown = desk.hub("hub-1")
        for _ in range(10):
            with closing(await desk.come(shown)) as line:
                assert await line.say() == "hub-1 speak"
                newer = await desk.come(shown)
                assert await newer.say() == "hub-1 speak"
                newer.close()
        assert "hub-1" in desk.listener.contests


async def test_an_end_cuts_at_once(tmp_path: Path) -> None:
    """hubsport, law 3"""
    async with serving(tmp_path) as desk:
        shown = desk.hub("hub-1")
        with (
            closing(await desk.come(shown)) as line,
            closing(await desk.come(desk.hub("hub-2"))) as other,
        ):
            assert await line.say() == "hub-1 speak"
            assert await other.say() == "hub-2 speak"
            desk.port.take_ends(Ends(1, frozenset({"hub-1"})))
            assert await line.is_cut()
            assert await other.say() == "hub-2 speak"
        with pytest.raises(RollbackError):
            desk.port.take_ends(Ends(0))
        with suppress(ConnectionError, ssl.SSLError), closing(await desk.come(shown)) as line:
            assert await line.say() == ""
        await desk.listener.told(1)
        assert "was ended" in desk.listener.refusals[0]


async def test_what_a_hub_must_not_say_ends_its_connection_alone(tmp_path: Path) -> None:
    """hubsport, law 4"""
    async with serving(tmp_path) as desk:
        with (
            closing(await desk.come(desk.hub("hub-1"))) as line,
            closing(await desk.come(desk.hub("hub-2"))) as other,
        ):
            assert await line.say() == "hub-1 speak"
            assert await other.say() == "hub-2 speak"
            assert await line.say("nonsense") == ""
            await desk.listener.told(1)
            assert desk.listener.hurts == ["hub-1: this is no message"]
            assert await other.say() == "hub-2 speak"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("disk", "the disk is full"),
        ("fault", "a fault of the bridge: ValueError: nobody has foreseen this"),
    ],
)
async def test_trouble_of_the_bridge_ends_one_connection(
    tmp_path: Path, said: str, told: str
) -> None:
    """port, law 2"""
    async with serving(tmp_path) as desk:
        with closing(await desk.come(desk.hub("hub-1"))) as line:
            assert await line.say(said) == ""
            await desk.listener.told(1)
            assert desk.listener.hurts == [f"hub-1: {told}"]
        with closing(await desk.come(desk.hub("hub-1"))) as line:
            assert await line.say() == "hub-1 speak"


async def test_who_proves_nothing_makes_room_and_does_not_last(tmp_path: Path) -> None:
    """port, law 1"""
    async with serving(tmp_path, unproven_max=3) as desk:
        with closing(await desk.come(desk.hub("hub-1"))) as line:
            assert await line.say() == "hub-1 speak"
            silent = [
                Line(*await asyncio.open_connection("127.0.0.1", desk.port.port)) for _ in range(5)
            ]
            assert await silent[0].is_cut()
            assert await silent[1].is_cut()
            with closing(await desk.come(desk.hub("hub-2"))) as other:
                assert await other.say() == "hub-2 speak"
            assert await silent[2].is_cut()
            assert await line.say() == "hub-1 speak"
            for one in silent:
                one.close()


async def test_a_handshake_has_an_end(tmp_path: Path) -> None:
    """port, law 1"""
    async with serving(tmp_path, handshake_seconds=0.05) as desk:
        reader, writer = await asyncio.open_connection("127.0.0.1", desk.port.port)
        with closing(Line(reader, writer)) as line:
            assert await line.is_cut()
            await desk.listener.told(1)
        assert desk.listener.refusals[0].startswith("no handshake")


async def test_bytes_that_are_no_tls_end_their_connection_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        reader, writer = await asyncio.open_connection("127.0.0.1", desk.port.port)
        with closing(Line(reader, writer)) as line:
            writer.write(b"GET / HTTP/1.1\r\n\r\n" * 100)
            await reader.read()
            await desk.listener.told(1)
        with closing(await desk.come(desk.hub("hub-1"))) as line:
            assert await line.say() == "hub-1 speak"


async def test_a_renewed_certificate_is_for_those_who_come_then(tmp_path: Path) -> None:
    async with serving(tmp_path) as desk:
        with closing(await desk.come(desk.hub("hub-1"))) as line:
            assert await line.say() == "hub-1 speak"
            newer = bridge(tmp_path / "newer", expires=ENDS + 86_400)
            desk.port.renew(newer)
            with closing(await desk.come(desk.hub("hub-2"))) as other:
                assert await other.say() == "hub-2 speak"
                shown = other.writer.get_extra_info("ssl_object").getpeercert()
                assert ssl.cert_time_to_seconds(shown["notAfter"]) == newer.expires
            assert await line.say() == "hub-1 speak"
        name = TlsName(SITE, TlsRole.BRIDGE, "bridge-2")
        second = load_identity(SITE, TlsRole.BRIDGE, "bridge-2", files(tmp_path / "second", name))
        with pytest.raises(ConfigError, match="same name"):
            desk.port.renew(second)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "localhost", "", "224.0.0.1"])  # noqa: S104
def test_a_port_for_every_network_is_refused(tmp_path: Path, address: str) -> None:
    """hubsport, law 1"""
    identity = bridge(tmp_path / "bridge")
    listener = Listener()
    with pytest.raises(ConfigError, match="hubbridge: listen"):
        HubsPort(address, 0, identity, Ends(), listener, listener, FakeClock())


async def test_an_address_that_is_not_here_yet_may_come(tmp_path: Path) -> None:
    """hubsport, law 1. 192.0.2.1 is for documents (RFC 5737): no machine has it."""
    identity = bridge(tmp_path / "bridge")
    listener = Listener()
    port = HubsPort("192.0.2.1", 0, identity, Ends(), listener, listener, FakeClock())
    with pytest.raises(LinkError, match="cannot listen"):
        await port.serve(asyncio.Event())


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    """identity, laws 1 and 5"""
    name = TlsName(SITE, TlsRole.BRIDGE, "bridge-1")
    own = files(tmp_path / "own", name)
    assert load_identity(SITE, TlsRole.BRIDGE, "bridge-1", own).expires == ENDS
    other = files(tmp_path / "other", name)
    as_hub = files(tmp_path / "hub", hub("bridge-1"))
    false = files(tmp_path / "false", name, OTHER_AUTHORITY)
    absent = own.key.with_name("absent")
    wrong = {
        "another private key": IdentityFiles(other.key, own.certificate, own.authority),
        "is no certificate for": IdentityFiles(as_hub.key, as_hub.certificate, as_hub.authority),
        "the authority": IdentityFiles(false.key, false.certificate, own.authority),
        "No such file": IdentityFiles(absent, own.certificate, own.authority),
        "is no private key": IdentityFiles(own.certificate, own.certificate, own.authority),
    }
    own.certificate.chmod(0o600)
    for part, mixed in wrong.items():
        with pytest.raises(ConfigError, match=part):
            load_identity(SITE, TlsRole.BRIDGE, "bridge-1", mixed)
    own.key.chmod(0o644)
    with pytest.raises(ConfigError, match="others may use it"):
        load_identity(SITE, TlsRole.BRIDGE, "bridge-1", own)
    with pytest.raises(ConfigError, match="no name"):
        load_identity(SITE, TlsRole.BRIDGE, "Bridge", own)
