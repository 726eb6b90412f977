"""Each way in which no bridge is reached has its word, and the doctor has a row for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from hubcore.backend.uplink.documents import CarriedEnds
from hubcore.bridge.ends import Ends, Whom, issue_ends
from hubcore.bridge.frames import frame
from hubcore.codec.tls import TlsName, TlsRole, read_certificate
from hubcore.codec.tlsauthority import begin_authority
from hubcore.errors import LinkError
from hubcore.ports.bridge import LineFault
from hubd.adapters.bridge.faults import fault_of
from hubd.adapters.bridge.line import Endpoint, TlsBridgeLine
from hubsim.site.documents import make_key
from hubtls.identity import IdentityFiles
from tests.fakes.bridgedhub import AUTHORITY, BEGINS, BRIDGE, ISSUER, SITE, tls_files
from tests.fakes.uplink import FakeUplinkListener
from tests.scenario.test_bridge import TIMES, bridge_at, bridge_config, context_of, hub_at, until

HOST = "127.0.0.1"


@asynccontextmanager
async def line_to(
    endpoints: list[Endpoint], context: Callable[[], ssl.SSLContext]
) -> AsyncIterator[TlsBridgeLine]:
    line = TlsBridgeLine(endpoints, SITE, AUTHORITY.document, context, TIMES)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(line.serve(FakeUplinkListener()))
        yield line
        task.cancel()


@asynccontextmanager
async def server(
    shown: IdentityFiles | None, says: bytes = b"", asks: IdentityFiles | None = None
) -> AsyncIterator[Endpoint]:
    """What stands at the address: it says something and leaves. `asks`: it wants a certificate."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        writer.close()

    context = None
    if shown is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(shown.certificate, shown.key)
    if context is not None and asks is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(asks.authority)
    async with await asyncio.start_server(speak, HOST, 0, ssl=context) as listening:
        yield Endpoint(BRIDGE, HOST, listening.sockets[0].getsockname()[1])


@contextmanager
def closed() -> Iterator[Endpoint]:
    with socket.create_server((HOST, 0)) as listening:
        port = listening.getsockname()[1]
    yield Endpoint(BRIDGE, HOST, port)


def bridge_files(folder: Path, name: str = BRIDGE, site: str = SITE) -> IdentityFiles:
    authority = AUTHORITY if site == SITE else begin_authority(site, make_key(), BEGINS - 1000)
    return tls_files(folder, TlsName(site, TlsRole.BRIDGE, name), authority)


async def fault_at(folder: Path, endpoint: Endpoint) -> LineFault:
    async with line_to([endpoint], lambda: context_of(folder / "of-hub")) as line:
        await until(lambda: bool(line.place().faults))
        assert [one.startswith(f"{BRIDGE}: ") for one in line.place().failures] == [True]
        return line.place().faults[BRIDGE]


async def test_nobody_listens(tmp_path: Path) -> None:
    with closed() as endpoint:
        assert await fault_at(tmp_path, endpoint) is LineFault.REFUSED


async def test_another_name_another_role_and_another_authority(tmp_path: Path) -> None:
    """line, law 7"""
    other_name = bridge_files(tmp_path / "name", name="bridge-2")
    other_role = tls_files(tmp_path / "role", TlsName(SITE, TlsRole.HUB, BRIDGE))
    other_site = bridge_files(tmp_path / "site", site="site-2")
    for shown, fault in (
        (other_name, LineFault.OTHER_NAME),
        (other_role, LineFault.OTHER_NAME),
        (other_site, LineFault.OTHER_AUTHORITY),
    ):
        async with server(shown) as endpoint:
            assert await fault_at(tmp_path, endpoint) is fault


async def test_what_speaks_no_tls(tmp_path: Path) -> None:
    async with server(None, b"220 mail.example ESMTP\r\n" * 50) as endpoint:
        assert await fault_at(tmp_path, endpoint) is LineFault.NOT_TLS


async def test_one_that_does_not_let_this_hub_in(tmp_path: Path) -> None:
    """By an alert of TLS, as to a certificate of another site, or by leaving without a word."""
    shown = bridge_files(tmp_path / "bridge")
    foreign = bridge_files(tmp_path / "foreign", site="site-2")
    async with server(shown) as endpoint:
        assert await fault_at(tmp_path, endpoint) is LineFault.NOT_LET_IN
    async with server(shown, asks=foreign) as endpoint:
        assert await fault_at(tmp_path, endpoint) is LineFault.NOT_LET_IN


async def test_one_that_was_spoken_with_and_breaks_is_not_one_that_refuses(tmp_path: Path) -> None:
    async with server(bridge_files(tmp_path / "bridge"), frame(b"\x00")) as endpoint:
        assert await fault_at(tmp_path, endpoint) is LineFault.BROKEN


async def test_a_hub_that_cannot_show_its_own_certificate(tmp_path: Path) -> None:
    def no_context() -> ssl.SSLContext:
        raise LinkError("the hub's own TLS identity: it is gone")

    with closed() as endpoint:
        async with line_to([endpoint], no_context) as line:
            await until(lambda: bool(line.place().faults))
            assert line.place().faults == {BRIDGE: LineFault.OWN_KEYS}


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (TimeoutError(), LineFault.SILENT),
        (OSError(113, "No route to host"), LineFault.NO_ROUTE),
        (OSError(1, "Operation not permitted"), LineFault.BROKEN),
        (ConnectionResetError(), LineFault.NOT_TLS),
    ],
)
def test_why_an_attempt_fails(error: OSError, fault: LineFault) -> None:
    assert fault_of(error) is fault


async def test_a_fault_is_told_until_the_bridge_is_reached_and_each_certificate_with_its_bridge(
    tmp_path: Path,
) -> None:
    """line, law 7: and since when one is spoken with"""
    config = bridge_config(tmp_path)
    with closed() as nobody:
        async with bridge_at(tmp_path, config) as (_, endpoint):
            other = Endpoint("bridge-9", nobody.host, nobody.port)
            async with hub_at(tmp_path, [other, endpoint]) as hub:
                begun = hub.way.state.since
                await until(lambda: hub.way.state.phase == "speaking")
                state = hub.way.state
                assert state.faults == {"bridge-9": LineFault.REFUSED}
                assert state.since > begun
                assert state.certificate_ends > 0
                hub.way._line.leave("the test wants it")
                await until(lambda: BRIDGE in hub.way.state.faults)
                gone = [one for one in hub.way.state.failures if one.startswith(BRIDGE)]
                assert gone == [f"{BRIDGE}: the test wants it"]
                await until(lambda: hub.way.state.phase == "speaking")
                assert hub.way.state.since > state.since
                assert BRIDGE not in hub.way.state.faults


async def test_a_bridge_that_was_not_reached_has_no_certificate_of_another(tmp_path: Path) -> None:
    places: dict[str, int] = {}

    class Noting(FakeUplinkListener):
        def connected(self, bridge: str = "") -> None:
            places[bridge] = line.place().expires
            line.leave("the test wants it")

        def disconnected(self, why: str) -> None:
            super().disconnected(why)
            places.setdefault(line.place().name, line.place().expires)

    with closed() as nobody:
        other = Endpoint("bridge-9", nobody.host, nobody.port)
        async with bridge_at(tmp_path, bridge_config(tmp_path)) as (_, endpoint):
            hub = tmp_path / "of-hub"
            line = TlsBridgeLine(
                [endpoint, other], SITE, AUTHORITY.document, lambda: context_of(hub), TIMES
            )
            async with asyncio.TaskGroup() as group:
                task = group.create_task(line.serve(Noting()))
                await until(lambda: len(places) == 2)
                task.cancel()
    assert places[BRIDGE] > 0
    assert places["bridge-9"] == 0


def key_digest(folder: Path) -> bytes:
    name = TlsName(SITE, TlsRole.BRIDGE, BRIDGE)
    shown = ssl.PEM_cert_to_DER_cert((folder / "tls.pem").read_text())
    return sha256(read_certificate(shown, AUTHORITY.document, name).key).digest()


@pytest.mark.parametrize("by", ["name", "key"])
async def test_a_bridge_that_was_ended_is_neither_told_nor_heard(tmp_path: Path, by: str) -> None:
    """line, law 10: cut at once, refused from then on, and let in again by a newer list"""
    shown = bridge_files(tmp_path / "bridge")
    ended = BRIDGE if by == "name" else key_digest(tmp_path / "bridge")
    heard: list[bytes] = []
    ends = asyncio.Event()
    said = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(b"first"))
        while data := await reader.read(100):
            heard.append(data)
            said.set()
            await ends.wait()
            writer.write(frame(b"late"))
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    listener = FakeUplinkListener()
    async with await asyncio.start_server(speak, HOST, 0, ssl=context) as listening:
        endpoint = Endpoint(BRIDGE, HOST, listening.sockets[0].getsockname()[1])
        hub = tmp_path / "of-hub"
        line = TlsBridgeLine([endpoint], SITE, AUTHORITY.document, lambda: context_of(hub), TIMES)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(line.serve(listener))
            await until(lambda: listener.messages == [b"first"])
            assert line.send(b"hello")
            await said.wait()
            listener.ended.add(ended)
            ends.set()
            line.leave("the list has come")
            await until(lambda: len(listener.whys) > 2)
            assert not line.send(b"hello")
            assert line.place().faults == {BRIDGE: LineFault.ENDED}
            assert "has ended the bridge" in listener.why
            assert (listener.ups, listener.messages, len(heard)) == (1, [b"first"], 1)
            listener.ended.clear()
            await until(lambda: listener.ups == 2)
            task.cancel()


async def test_who_is_ended_is_looked_up_at_each_message(tmp_path: Path) -> None:
    """line, law 10: what has come already is not heard, either"""
    shown = bridge_files(tmp_path / "bridge")

    class Ending(FakeUplinkListener):
        def received(self, message: bytes) -> None:
            super().received(message)
            self.ended.add(BRIDGE)

    listener = Ending()
    async with server(shown, frame(b"first") + frame(b"second")) as endpoint:
        hub = tmp_path / "of-hub"
        line = TlsBridgeLine([endpoint], SITE, AUTHORITY.document, lambda: context_of(hub), TIMES)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(line.serve(listener))
            await until(lambda: len(listener.whys) > 1)
            task.cancel()
    assert listener.messages == [b"first"]


async def test_a_bridge_whose_end_the_backend_has_said_is_left_at_once(tmp_path: Path) -> None:
    """way, law 5: and it stays refused after a start of the hub"""
    ended = Ends(5, frozenset({BRIDGE}), whom=Whom.BRIDGES)
    async with bridge_at(tmp_path, bridge_config(tmp_path)) as (_, endpoint):
        async with hub_at(tmp_path, [endpoint]) as hub:
            await until(lambda: hub.way.state.phase == "speaking")
            hub.way.take_from_backend(CarriedEnds(issue_ends(ended, SITE, ISSUER)))
            await until(lambda: hub.way.state.faults.get(BRIDGE) is LineFault.ENDED)
            assert hub.way.state.phase == "down"
        async with hub_at(tmp_path, [endpoint]) as hub:
            await until(lambda: hub.way.state.faults.get(BRIDGE) is LineFault.ENDED)
            newer = Ends(6, whom=Whom.BRIDGES)
            hub.way.take_from_backend(CarriedEnds(issue_ends(newer, SITE, ISSUER)))
            await until(lambda: hub.way.state.phase == "speaking")
