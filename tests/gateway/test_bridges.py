"""Records of hubs by a real bridge through real gateways into a real engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from hubcore.backend.uplink import from_backend
from hubcore.backend.uplink.documents import CarriedMandate
from hubcore.backend.uplink.from_backend import NewPolicy, Pieces
from hubcore.backend.uplink.from_hub import PiecesWanted
from hubcore.backend.uplink.words import MAX_WANTED
from hubcore.bridge.from_bridge import CarriedReceipt
from hubgateway.rules import names
from hubgateway.rules.names import Standing
from tests.fakes.bridgedhub import head_of, make_log
from tests.gateway.bench import WAIT_SECONDS, Bench, running, until
from tests.gateway.bridged import BridgedSite, hear_receipt, issued_policy, stored
from tests.gateway.operators import OperatorsDesk

pytestmark = pytest.mark.once

LARGE = issued_policy(3, cards=20_000)


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
    await made.know("hub-2")
    return made


async def test_records_go_up_and_receipts_come_down(
    site: BridgedSite, bench: Bench, tmp_path: Path
) -> None:
    log = make_log(300)
    async with site.bridge(tmp_path / "bridge") as (bridge, port):
        with closing(await site.come(port)) as hub:
            await hub.greet(log)
            hub.send(log[:250])
            assert await hear_receipt(site, hub, 250) == head_of(log[:250])
            await until(lambda: bridge.store.hubs["hub-1"].waiting == 0)
            assert bridge.store.used["hub-1"] == 0
        with closing(await site.come(port)) as hub:  # what it missed is said again
            await hub.greet(log)
            assert await hear_receipt(site, hub, 1) == head_of(log[:250])
            hub.send(log[250:])
            await hear_receipt(site, hub, 300)
    assert await bench.stored("hub-1") == log


async def test_a_record_that_takes_both_ways_is_stored_once(
    site: BridgedSite, bench: Bench, tmp_path: Path
) -> None:
    log = make_log(200)
    uplink = await bench.hub("hub-1")
    uplink.records = log
    async with site.bridge(tmp_path / "bridge") as (_, port):
        with closing(await site.come(port)) as hub:
            await hub.greet(log)
            welcome = await uplink.greet(bench.gates[0].endpoint)
            assert isinstance(welcome, from_backend.Welcome)
            hub.send(log)
            await uplink.send_until_durable(bench.gates[0].endpoint)
            await hear_receipt(site, hub, 200)
    assert await bench.stored("hub-1") == log
    assert "until decided" not in bench.gates[0].log


async def test_gateways_and_engine_that_are_killed_lose_nothing(
    site: BridgedSite, bench: Bench, tmp_path: Path
) -> None:
    second = await site.gate()
    log = make_log(900)
    async with site.bridge(tmp_path / "bridge") as (bridge, port):
        with closing(await site.come(port)) as hub:
            await hub.greet(log)
            hub.send(log[:300])
            await hear_receipt(site, hub, 64)
            await bench.gates[0].kill()
            hub.send(log[300:600])
            await hear_receipt(site, hub, 450)
            await bench.server.kill()
            hub.send(log[600:])
            await hub.held(300)
            await bench.server.start()
            await second.kill()
            await bench.gates[0].start()
            assert await hear_receipt(site, hub, 900) == head_of(log)
            await until(lambda: bridge.store.hubs["hub-1"].waiting == 0)
    await bench.reconnect()
    assert await bench.stored("hub-1") == log


async def test_a_long_outage_drains_in_order_and_starves_nobody(
    site: BridgedSite, bench: Bench, tmp_path: Path
) -> None:
    log = make_log(4000)
    other = make_log(1, b"other")
    await bench.gates[0].kill()
    async with site.bridge(tmp_path / "bridge") as (bridge, port):
        with closing(await site.come(port)) as hub:
            await hub.greet(log)
            hub.send(log)
            await hub.held(4000)
            with closing(await site.come(port, "hub-2")) as two:
                await two.greet(other)
                await bench.gates[0].start()
                await hear_receipt(site, hub, 1)
                two.send(other)
                await hear_receipt(site, two, 1)
                behind = bridge.store.hubs["hub-1"].waiting
                assert behind > 0  # the live record did not wait for the old ones
            await hear_receipt(site, hub, 4000)
    assert await bench.stored("hub-1") == log
    assert await bench.stored("hub-2") == other


async def test_only_a_bridge_whose_key_is_enrolled_speaks(
    site: BridgedSite, bench: Bench, tmp_path: Path
) -> None:
    """bridges.port, law 1: also one that is revoked while it speaks"""
    log = make_log(20)
    folder = tmp_path / "bridge"
    async with site.bridge(folder) as (bridge, port):
        assert bridge.backend is not None
        with closing(await site.come(port)) as hub:
            await hub.greet(log)
            hub.send(log[:10])
            await hear_receipt(site, hub, 10)
            await site.enroll(folder, Standing.REVOKED)
            hub.send(log[10:])
            await hub.held(10)
            await until(lambda: "may not speak" in bench.gates[0].log)
            await until(lambda: "is not enrolled" in bench.gates[0].log)
            assert await bench.stored("hub-1") == log[:10]
            await site.enroll(folder)
            await hear_receipt(site, hub, 20)
    assert await bench.stored("hub-1") == log


async def test_without_a_mandate_nothing_is_let_go_and_people_are_told(
    bench: Bench, tmp_path: Path
) -> None:
    """receipts, law 2"""
    site = BridgedSite(bench, tmp_path)
    await site.gate()
    await site.know("hub-1")
    log = make_log(10)
    async with site.bridge(tmp_path / "bridge") as (bridge, port):
        with closing(await site.come(port)) as hub:
            await hub.greet(log)
            hub.send(log)
            await hub.held(10)
            assert await stored(bench, "hub-1", 10) == log
            assert "there is no mandate for receipts" in bench.gates[0].log
            assert bridge.store.hubs["hub-1"].waiting == 10
            await site.give_mandates()
            await hear_receipt(site, hub, 10)


async def test_a_hub_that_nobody_enrolled_gets_no_record_in(
    site: BridgedSite, bench: Bench, tmp_path: Path
) -> None:
    """records, law 4"""
    log = make_log(5)
    async with site.bridge(tmp_path / "bridge") as (bridge, port):
        with closing(await site.come(port, "hub-9")) as hub:
            await hub.greet(log)
            hub.send(log)
            await hub.held(5)
        with closing(await site.come(port)) as known:
            await known.greet(log)
            known.send(log)
            await hear_receipt(site, known, 5)
        assert bridge.store.hubs["hub-9"].waiting == 5
    assert await bench.stored("hub-9") == []


async def test_a_fork_is_told_and_stops_this_way_alone(
    site: BridgedSite, bench: Bench, tmp_path: Path
) -> None:
    """records, law 5: the engine has the hub's own records, the bridge another machine's"""
    log = make_log(30)
    uplink = await bench.hub("hub-1")
    uplink.records = log[:20]
    await uplink.greet(bench.gates[0].endpoint)
    await uplink.send_until_durable(bench.gates[0].endpoint)
    copy = make_log(25, b"copy")
    async with site.bridge(tmp_path / "bridge") as (bridge, port):
        with closing(await site.come(port)) as hub:
            await hub.greet(copy)
            hub.send(copy)
            await hub.held(25)
            await until(lambda: "FORK" in bench.gates[0].log)
            uplink.records = log
            await uplink.send_until_durable(bench.gates[0].endpoint)
            assert bridge.store.hubs["hub-1"].waiting == 25
    assert await bench.stored("hub-1") == log


@pytest.mark.long
async def test_an_operators_commands_are_all_that_a_bridge_needs(
    bench: Bench, tmp_path: Path
) -> None:
    """hubissuer makes keys, certificates, mandates and ends; gateway and bridge run by them"""
    desk = OperatorsDesk(bench, tmp_path)
    await desk.begin()
    await bench.put(names.KEYS_BUCKET, "0" * 64, "enrolled hub-1")
    log = make_log(12)
    async with desk.bridge() as (bridge, port):
        with closing(await desk.hub(port, "hub-1")) as hub:
            await hub.greet(log)
            hub.send(log[:5])
            async with asyncio.timeout(WAIT_SECONDS):
                await hub.until(CarriedMandate)
                await hub.until(CarriedReceipt)
            assert await stored(bench, "hub-1", 5) == log[:5]
            await desk.command("end", "hub-1")
            async with asyncio.timeout(WAIT_SECONDS):
                while await hub.next() is not None:  # it is cut
                    pass
        assert bridge.store.ends.names == {"hub-1"}
        with closing(await desk.hub(port, "hub-1")) as hub:
            hub.say(hub.hello(log))
            assert await hub.next() is None
        await desk.command("end-bridge", "bridge-1")
        await until(lambda: "is not enrolled" in bench.gates[0].log)


async def test_hubs_get_the_policy_of_their_bridge_with_the_backend_gone(
    site: BridgedSite, bench: Bench, tmp_path: Path
) -> None:
    """hubbridge.policy.cache"""
    names_of_pieces = tuple(LARGE.pieces)
    for name, piece in LARGE.pieces.items():
        await bench.put(names.POLICY_BUCKET, names.piece_key(name), piece)
    await bench.put(names.POLICY_BUCKET, names.root_key(3), LARGE.root)
    folder = tmp_path / "bridge"
    async with site.bridge(folder) as (_, port):
        with closing(await site.come(port)) as hub:
            await hub.greet([])  # before the bridge has it, or after
            async with asyncio.timeout(WAIT_SECONDS):
                assert await hub.until(NewPolicy) == NewPolicy(LARGE.root)
    await bench.gates[0].kill()
    async with site.bridge(folder) as (_, port):
        with closing(await site.come(port, "hub-2")) as fresh:
            await fresh.greet([])
            async with asyncio.timeout(WAIT_SECONDS):
                assert await fresh.until(NewPolicy) == NewPolicy(LARGE.root)
                got: set[bytes] = set()
                for start in range(0, len(names_of_pieces), MAX_WANTED):
                    wanted = names_of_pieces[start : start + MAX_WANTED]
                    fresh.say(PiecesWanted(wanted))
                    before = len(got)
                    while len(got) < before + len(wanted):
                        said = await fresh.until(Pieces)
                        assert isinstance(said, Pieces)
                        got.update(said.pieces)
            assert got == set(LARGE.pieces.values())
