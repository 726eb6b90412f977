"""Faults between a bridge and its backend: a long outage, and somebody else's certificate."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from hubcore.bridge.backend.codec import encode
from hubcore.bridge.backend.from_bridge import BridgeHello
from hubcore.bridge.frames import frame
from hubcore.codec.tls import TlsName, TlsRole
from hubcore.codec.tlsauthority import begin_authority
from hubsim.site.documents import make_key
from hubtls.identity import IdentityFiles
from tests.fakes.bridgedhub import (
    AUTHORITY,
    BEGINS,
    BRIDGE,
    ENDS,
    SITE,
    certify_again,
    make_log,
    tls_files,
)
from tests.gateway.bench import WAIT_SECONDS, Bench, running, until
from tests.gateway.bridged import GATEWAY, BridgedSite, hear_receipt

pytestmark = pytest.mark.once

OF_BRIDGE = TlsName(SITE, TlsRole.BRIDGE, BRIDGE)
OF_GATEWAY = TlsName(SITE, TlsRole.BACKEND, GATEWAY)
HELLO = BridgeHello(
    protocol=1,
    bridge=BRIDGE,
    site=SITE,
    boot_id=bytes(16),
    software="rogue",
    policy_version=0,
    policy_digest=bytes(32),
    ends_version=0,
    time_ms=0,
)


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as one:
        yield one


@pytest_asyncio.fixture
async def site(bench: Bench, tmp_path: Path) -> BridgedSite:
    made = BridgedSite(bench, tmp_path)
    await made.gate()
    await made.give_mandates()
    await made.know("hub-1")
    return made


async def test_certificates_that_ended_in_a_long_outage_lose_nothing(
    site: BridgedSite, bench: Bench, tmp_path: Path
) -> None:
    """The gateway's stops nothing. A bridge's waits for a person's newer one, with all it holds."""
    ended = int(time.time()) - 1
    folder = tmp_path / "bridge"
    log = make_log(30)
    async with site.bridge(folder):
        pass
    certify_again(folder / "identity", OF_BRIDGE, ended)
    certify_again(tmp_path / "tls-0", OF_GATEWAY, ended)
    await bench.gates[0].kill()
    await bench.gates[0].start()
    async with site.bridge(folder) as (bridge, port):
        with closing(await site.come(port)) as hub:
            await hub.greet(log)
            hub.send(log)
            await hub.held(30)  # nothing is different on site
        await until(lambda: "its certificate has ended" in bench.gates[0].log)
        assert bridge.store.hubs["hub-1"].newest.number == 30
    assert await bench.stored("hub-1") == []
    certify_again(folder / "identity", OF_BRIDGE, ENDS)  # a person has brought it
    async with site.bridge(folder) as (bridge, port):
        with closing(await site.come(port)) as hub:
            await hub.greet(log)
            await hear_receipt(site, hub, 30)
        assert bridge.store.hubs["hub-1"].durable == 30
    assert await bench.stored("hub-1") == log


async def heard(port: int, shown: IdentityFiles) -> bytes:
    """Come to the gateway with a certificate, say Hello as the bridge of the site; what came?"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # a rogue believes anybody
    context.load_cert_chain(shown.certificate, shown.key)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            with closing(writer):
                writer.write(frame(encode(HELLO)))
                return await reader.read(1000)
    except (ConnectionError, ssl.SSLError):
        return b""


async def test_a_bridge_with_a_good_certificate_of_somebody_else_is_told_nothing(
    site: BridgedSite, bench: Bench, tmp_path: Path
) -> None:
    """bridges.port, law 1"""
    others = begin_authority("site-2", make_key(), BEGINS)
    twin = begin_authority(SITE, make_key(), BEGINS)
    rogues = [
        tls_files(tmp_path / "r0", TlsName("site-2", TlsRole.BRIDGE, BRIDGE), others),
        tls_files(tmp_path / "r1", OF_BRIDGE, twin),
        tls_files(tmp_path / "r2", TlsName("site-2", TlsRole.BRIDGE, BRIDGE), AUTHORITY),
        tls_files(tmp_path / "r3", TlsName(SITE, TlsRole.BRIDGE, "bridge-2"), AUTHORITY),
        tls_files(tmp_path / "r4", TlsName(SITE, TlsRole.HUB, BRIDGE), AUTHORITY),
        tls_files(tmp_path / "r5", OF_BRIDGE, AUTHORITY),  # its name, and another key
    ]
    folder = tmp_path / "bridge"
    async with site.bridge(folder) as (_, port):
        for shown in rogues:
            assert await heard(site.ports[0], shown) == b"", shown
        log = make_log(5)
        with closing(await site.come(port)) as hub:  # none of them took its place
            await hub.greet(log)
            hub.send(log)
            await hear_receipt(site, hub, 5)
    assert await bench.stored("hub-1") == log
    own = IdentityFiles(
        folder / "identity/tls.key", folder / "identity/tls.pem", folder / "identity/authority.pem"
    )
    assert await heard(site.ports[0], own) != b"", "what is said is what the gateway answers"
