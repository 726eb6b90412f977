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
from hubcore.backend.uplink.from_backend import Pong
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
from hubcore.evidence.records import Head, Record, RecordKind, StoredRecord
from hubgateway.rules import names
from hubgateway.rules.names import Standing
from hubsim.site.documents import make_key
from hubtls.keys import read_signing_key
from tests.fakes.bridgedhub import BRIDGE, SITE, bridge_config, head_of, make_log, own_head
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


async def test_a_record_that_a_bridge_invents_stops_nobody(tmp_path: Path) -> None:
    """records, law 6: it is told, and the hub that comes with its own is no fork"""
    async with running(tmp_path) as bench:
        site = BridgedSite(bench, tmp_path)
        await site.gate()
        await site.give_mandates()
        hub = await bench.hub("hub-1")
        await site.certify("hub-1")
        own = read_signing_key(site.files_of("hub-1").key)
        log = make_log(3)
        hub.records = log
        forged = make_log(3, b"forged")
        head = {
            "true": own_head("hub-1", head_of(log[:2]), own),
            "of another key": own_head("hub-1", head_of(forged), make_key()),
            "of another hub": own_head("hub-2", head_of(forged), own),
        }
        async with hostile(site, tmp_path / "bridge") as called:
            for document in (*head.values(), b"none"):
                called.line.say(Forwarded("hub-1", forwarded(forged), document))
            mixed = [*log[:2], forged[2]]
            called.line.say(Forwarded("hub-1", forwarded(mixed), head["true"]))
            await settled(called)
            assert await bench.stored("hub-1") == []
            called.line.say(Forwarded("hub-1", forwarded(log[:2]), head["true"]))
            await settled(called)
            assert await bench.stored("hub-1") == log[:2]
        await hub.greet(bench.gates[0].endpoint)
        await hub.send_until_durable(bench.gates[0].endpoint)
        assert await bench.stored("hub-1") == log
        assert "hub hub-1, by a bridge: its bridge brings records" in bench.gates[0].log
        assert "FORK" not in bench.gates[0].log


async def test_a_replaced_machine_is_not_heard_by_what_it_has_signed(tmp_path: Path) -> None:
    """heads, law 2: the key is looked up for each batch"""
    async with running(tmp_path) as bench:
        site = BridgedSite(bench, tmp_path)
        await site.gate()
        await site.give_mandates()
        await site.know("hub-1")
        old = read_signing_key(site.files_of("hub-1").key)
        log = make_log(4)
        async with hostile(site, tmp_path / "bridge") as called:
            called.line.say(
                Forwarded("hub-1", forwarded(log[:2]), own_head("hub-1", head_of(log[:2]), old))
            )
            await settled(called)
            (tmp_path / "of-hub-1").rename(tmp_path / "of-hub-1-before")
            await site.certify("hub-1")
            new = read_signing_key(site.files_of("hub-1").key)
            for key in (old, new):
                called.line.say(
                    Forwarded("hub-1", forwarded(log[2:]), own_head("hub-1", head_of(log), key))
                )
                await settled(called)
                is_new = key is new
                assert await bench.stored("hub-1") == (log if is_new else log[:2])


def forwarded(log: list[StoredRecord]) -> tuple[bytes, ...]:
    """Return records as a bridge forwards them."""
    return tuple(uplink.encode(Evidence(one.number, one.body, one.hash)) for one in log)


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
        log = make_log(2)
        async with hostile(site, tmp_path / "bridge") as called:
            for hub in ("hub-1", "hub-2"):
                await site.certify(hub)
                key = read_signing_key(site.files_of(hub).key)
                document = own_head(hub, head_of(log), key)
                called.line.say(Forwarded(hub, forwarded(log), document))
            await settled(called)
        assert await bench.stored("hub-1") == []
        assert len(await bench.stored("hub-2")) == 2


async def is_kept(bench: Bench, hub: str) -> bool:
    """Tell whether a testimony of this hub lies in the engine."""
    bucket = await bench.js.key_value(names.TESTIMONIES_BUCKET)
    with suppress(KeyNotFoundError):
        return bool((await bucket.get(names.testimony(BRIDGE, hub))).value)
    return False
