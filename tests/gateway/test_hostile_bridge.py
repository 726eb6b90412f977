"""A bridge in wrong hands, with its own good keys, before a real gateway and a real engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from nats.js.errors import KeyNotFoundError

from hubbridge.app import read_files
from hubbridge.backend.calling import Called, CallTimes, Gateway, call
from hubcore.access.words import HubName
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_backend import Halt, Pong
from hubcore.backend.uplink.from_hub import Evidence, Notice, Ping
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.backend.from_backend import BackendWelcome, FromBackend
from hubcore.bridge.backend.from_bridge import (
    Ahead,
    BornWitness,
    BridgeHello,
    Doubted,
    Forwarded,
)
from hubcore.bridge.signedhead import HeadKind, SignedHead, sign_head
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Head, Record, RecordKind
from hubgateway.rules import names
from hubgateway.rules.names import Standing
from tests.fakes.bridgedhub import BRIDGE, SITE, bridge_config, make_log
from tests.gateway.bench import WAIT_SECONDS, Bench, running
from tests.gateway.bridged import GATEWAY, BridgedSite

pytestmark = pytest.mark.once
NOW = 1_800_000_000
HEAD = Head(7, bytes(32))


@asynccontextmanager
async def hostile(site: BridgedSite, folder: Path) -> AsyncIterator[Called]:
    """Come to the gateway with a bridge's own keys; the Welcome has come."""
    folder.mkdir()  # noqa: ASYNC240
    config = bridge_config(folder, testimony=site.testimony)
    await site.enroll(folder)
    identity = read_files(config, folder / "hubbridge.toml").identity
    called = await call(Gateway(GATEWAY, "127.0.0.1", site.ports[0]), identity, CallTimes())
    try:
        called.line.say(
            BridgeHello(1, BRIDGE, SITE, bytes(16), "hostile", 0, bytes(32), 0, 1000 * NOW)
        )
        assert isinstance(await called.line.first(WAIT_SECONDS), BackendWelcome)
        yield called
    finally:
        called.writer.transport.abort()


async def settled(called: Called) -> list[FromBackend]:
    """Wait until all that was said before has been taken; return what was said meanwhile."""
    called.line.say(Ping(b"settled-"))
    heard: list[FromBackend] = []
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            for one in await called.line.next():
                if isinstance(one, Pong) and one.nonce == b"settled-":
                    return heard
                heard.append(one)


def words_about(site: BridgedSite, hub: str) -> list[Ahead | BornWitness | Doubted]:
    """Return an alarm, a testimony and a doubt, each as good as a bridge can make it."""
    record = Record(RecordKind.FAULT, 1000 * NOW, 0, {str(Fact.DURESS): True})
    notice = Notice(9, record.encode(), bytes(32))
    said = SignedHead(HeadKind.TESTIMONY, BRIDGE, HubName(SITE, hub), HEAD, NOW)
    return [
        Ahead(hub, uplink.encode(notice)),
        BornWitness(hub, sign_head(said, site.testimony)),
        Doubted(hub, Cause.FORK, 7, bytes(32), 7, bytes(32)),
    ]


async def test_a_bridge_that_invents_hubs_leaves_nothing_of_them(tmp_path: Path) -> None:
    """witness, law 4"""
    async with running(tmp_path) as bench:
        site = BridgedSite(bench, tmp_path)
        await site.gate()
        await site.give_mandates()
        await site.know("hub-1")
        async with hostile(site, tmp_path / "bridge") as called:
            for number in range(50):
                for message in words_about(site, f"invented-{number}"):
                    called.line.say(message)
            for message in words_about(site, "hub-1"):
                called.line.say(message)
            await settled(called)
        hubs = ["hub-1", *(f"invented-{number}" for number in range(50))]
        assert [one for one in hubs if await is_kept(bench, one)] == ["hub-1"]
        assert "invented" not in bench.gates[0].log
        assert "hub-1" in bench.gates[0].log


async def test_a_record_that_a_bridge_invents_stops_the_hub_and_is_told(tmp_path: Path) -> None:
    """records, law 6: the hub keeps its own, and people decide by both"""
    async with running(tmp_path) as bench:
        site = BridgedSite(bench, tmp_path)
        await site.gate()
        await site.give_mandates()
        hub = await bench.hub("hub-1")
        hub.records = make_log(3)
        (forged,) = make_log(1, b"forged")
        said = uplink.encode(Evidence(forged.number, forged.body, forged.hash))
        async with hostile(site, tmp_path / "bridge") as called:
            called.line.say(Forwarded("hub-1", (said,)))
            await settled(called)
        assert await bench.stored("hub-1") == [forged]
        await hub.greet(bench.gates[0].endpoint)
        await hub.send(hub.records)
        assert isinstance(await hub.hear_a(Halt), Halt)
        assert "hub-1: FORK" in bench.gates[0].log


@pytest.mark.parametrize("standing", [Standing.REVOKED, Standing.RETIRED])
async def test_a_hub_that_was_revoked_is_not_heard_by_a_bridge(
    tmp_path: Path, standing: Standing
) -> None:
    """records, law 4"""
    async with running(tmp_path) as bench:
        site = BridgedSite(bench, tmp_path)
        await site.gate()
        await site.give_mandates()
        await bench.put(names.KEYS_BUCKET, "0" * 64, f"{standing.value} hub-1")
        await bench.put(names.KEYS_BUCKET, "1" * 64, "enrolled hub-2")
        async with hostile(site, tmp_path / "bridge") as called:
            for hub in ("hub-1", "hub-2"):
                for one in make_log(2):
                    said = uplink.encode(Evidence(one.number, one.body, one.hash))
                    called.line.say(Forwarded(hub, (said,)))
            await settled(called)
        assert await bench.stored("hub-1") == []
        assert len(await bench.stored("hub-2")) == 2


async def is_kept(bench: Bench, hub: str) -> bool:
    """Tell whether a testimony of this hub lies in the engine."""
    bucket = await bench.js.key_value(names.TESTIMONIES_BUCKET)
    with suppress(KeyNotFoundError):
        return bool((await bucket.get(names.testimony(BRIDGE, hub))).value)
    return False
