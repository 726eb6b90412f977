"""A bridge renews its own key and certificate, before real gateways, by the issuer's command."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from hubbridge.app import Bridge
from hubbridge.renewal.files import IN_FORCE, NEXT
from hubbridge.rules.nextkey import NextPhase
from hubcore.codec.tls import TlsName, TlsRole, der_of, read_certificate
from hubgateway.bridges.directory import BridgeEntry, read_bridge
from hubgateway.engine.buckets import Buckets
from hubgateway.issuer.office.bridges import BridgeOffice
from hubgateway.issuer.office.words import NoError, Validity
from hubgateway.rules import names
from hubgateway.rules.names import Standing
from tests.fakes.bridgedhub import AUTHORITY, BRIDGE, ISSUER, SITE, certify_again, make_log
from tests.gateway.bench import WAIT_SECONDS, Bench, running, until
from tests.gateway.bridged import BridgedSite, hear_receipt

pytestmark = [pytest.mark.once, pytest.mark.long]

OF_BRIDGE = TlsName(SITE, TlsRole.BRIDGE, BRIDGE)
DAY = 86_400


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


def office(bench: Bench) -> BridgeOffice:
    return BridgeOffice(Buckets(bench.js), ISSUER, AUTHORITY, SITE, wall=time.time)


def valid() -> Validity:
    now = int(time.time())
    return Validity(now - 60, now + 3000 * DAY)


async def entry_of(bench: Bench) -> BridgeEntry | None:
    return read_bridge(await Buckets(bench.js).get(names.BRIDGES_BUCKET, BRIDGE))


async def asks(bench: Bench) -> None:
    """Wait until the engine has the bridge's request."""
    async with asyncio.timeout(WAIT_SECONDS):
        while await office(bench).asking_bridges() != [BRIDGE]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def digest_of(bridge: Bridge) -> str:
    return hashlib.sha256(bridge.renewal.identity.key).hexdigest()


@pytest.mark.parametrize("days", [30, -30])
async def test_a_bridge_gets_its_new_key_and_certificate_by_itself(
    site: BridgedSite, bench: Bench, tmp_path: Path, days: int
) -> None:
    """Also one whose certificate ended in a long outage."""
    folder = tmp_path / "bridge"
    log = make_log(10)
    async with site.bridge(folder):
        pass
    certify_again(folder / "identity", OF_BRIDGE, int(time.time()) + days * DAY)
    async with site.bridge(folder) as (bridge, port):
        before = digest_of(bridge)
        await asks(bench)
        assert (folder / NEXT).exists()
        made = await office(bench).renew_bridge(BRIDGE, valid())
        await until(lambda: bridge.renewal.identity.expires == made.expires)
        await is_known_by(bench, digest_of(bridge))
        assert digest_of(bridge) != before
        assert bridge.renewal.phase is NextPhase.NONE
        with closing(await site.come(port)) as hub:
            shown = hub.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            assert shown == made.document, "hubs see it, too"
            await hub.greet(log)
            hub.send(log)
            await hear_receipt(site, hub, 10)
    kept = (folder / IN_FORCE).read_bytes()
    assert read_certificate(der_of(kept), AUTHORITY.document, OF_BRIDGE) == made
    assert not (folder / NEXT).exists()
    async with site.bridge(folder) as (bridge, _):  # a start finds it
        assert digest_of(bridge) != before
        await until(lambda: bridge.backend is not None and bridge.backend.phase == "speaking")
    assert await bench.stored("hub-1") == log


async def is_known_by(bench: Bench, digest: str) -> None:
    """Wait until the directory knows the bridge by this key alone."""
    async with asyncio.timeout(WAIT_SECONDS):
        while await entry_of(bench) != BridgeEntry(Standing.ENROLLED, digest):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_who_was_ended_meanwhile_gets_nothing(
    site: BridgedSite, bench: Bench, tmp_path: Path
) -> None:
    folder = tmp_path / "bridge"
    async with site.bridge(folder):
        pass
    certify_again(folder / "identity", OF_BRIDGE, int(time.time()) + DAY)
    async with site.bridge(folder) as (bridge, _):
        await asks(bench)
        await office(bench).end_bridge(BRIDGE)
        with pytest.raises(NoError, match="no bridge"):
            await office(bench).renew_bridge(BRIDGE, valid())
        assert bridge.renewal.phase is NextPhase.ASKED
