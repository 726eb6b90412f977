"""Each way in which no bridge is reached has its word, and the doctor has a row for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from hubcore.bridge.frames import frame
from hubcore.codec.tls import TlsName, TlsRole
from hubcore.codec.tlsauthority import begin_authority
from hubcore.errors import LinkError
from hubcore.ports.bridge import LineFault
from hubd.adapters.bridge.faults import fault_of
from hubd.adapters.bridge.line import Endpoint, TlsBridgeLine
from hubsim.site.documents import make_key
from hubtls.identity import IdentityFiles
from tests.fakes.bridgedhub import AUTHORITY, BEGINS, BRIDGE, SITE, tls_files
from tests.fakes.uplink import FakeUplinkListener
from tests.scenario.test_bridge import TIMES, bridge_at, bridge_config, context_of, hub_at, until

HOST = "127.0.0.1"


class Listener(FakeUplinkListener):
    """Hears that a bridge was reached."""

    def connected(self, bridge: str = "") -> None:
        super().connected()


@asynccontextmanager
async def line_to(
    endpoints: list[Endpoint], context: Callable[[], ssl.SSLContext]
) -> AsyncIterator[TlsBridgeLine]:
    line = TlsBridgeLine(endpoints, SITE, AUTHORITY.document, context, TIMES)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(line.serve(Listener()))
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

    class Noting(Listener):
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
