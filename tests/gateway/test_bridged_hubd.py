"""A real hubd whose uplink is cut: its bridge brings its records up, and the receipts down."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio

from hubbridge.config import Backend
from hubcore.access.cards import Card
from hubcore.access.grant import Access
from hubcore.access.precedence import DoorOrder
from hubcore.bridge.site.order import DoorsOrder
from hubcore.evidence.records import Head, follows
from hubgateway.engine.buckets import Buckets
from hubgateway.rules import names
from hubsim.bridge.engine import fill_engine
from hubsim.bridge.files import make_bridge
from hubsim.bridge.gateway import GATEWAY_CONFIG, make_gateway
from hubsim.bridge.running import NAME, SiteBridge, running_bridge, section
from hubsim.site import DAY
from tests.gateway.bench import Bench, Gate, free_port, running
from tests.gateway.desk import HUB, GatewayStage

pytestmark = [pytest.mark.once, pytest.mark.long]

GATEWAY = "gateway-1"


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as one:
        yield one


class BridgedStage(GatewayStage):
    """A hub that comes to the first gateway alone; its bridge comes to the second one."""

    def __init__(self, path: Path, bench: Bench) -> None:
        self.bridge_port = free_port()
        self.port = free_port()
        super().__init__(path, bench, extra_config=section(self.bridge_port))

    async def for_bridges(self) -> Gate:
        """Start the gateway for bridges, as `hubsim site` makes it."""
        make_bridge(self.site, NAME)
        servers = [self.bench.server.url]
        folder = make_gateway(self.site, GATEWAY, servers, port=self.port)
        assert await fill_engine(self.site, servers) > 4
        text = (folder / GATEWAY_CONFIG).read_text()
        _, _, extra = text.partition("[bridges]")
        for name in ("tls.key", "tls.pem", "authority.pem", "issuer.cbor", "receipts.key"):
            extra = extra.replace(f'"{name}"', f'"{folder / name}"')
        return await self.bench.gate(f"\n[bridges]{extra}")

    @asynccontextmanager
    async def bridge(self) -> AsyncIterator[SiteBridge]:
        """Run the site's bridge."""
        backend = [Backend(GATEWAY, "127.0.0.1", self.port)]
        async with running_bridge(self.site, self.bridge_port, backend=backend) as bridge:
            yield bridge

    async def lock_down(self, bridge: SiteBridge) -> None:
        """Order a lockdown as the site, and its end: that makes records."""
        until = int(time.time()) + DAY
        await bridge.order(DoorsOrder(DoorOrder.LOCKDOWN, None, until), HUB)
        await bridge.order(DoorsOrder(DoorOrder.LOCKDOWN, None, None), HUB)

    async def once_and_in_order(self, newest: int) -> None:
        """The engine has each record once, in one story."""
        stored = await self.bench.stored(HUB)
        assert [record.number for record in stored] == list(range(1, len(stored) + 1))
        assert len(stored) >= newest
        before = Head()
        for record in stored:
            follows(before, record)
            before = Head(record.number, record.hash)


async def test_a_hub_without_its_uplink_lets_go_by_the_receipts_of_its_bridge(
    bench: Bench, tmp_path: Path
) -> None:
    uplink = await bench.gate()
    async with BridgedStage(tmp_path / "site", bench) as stage:
        await stage.welcomed()
        await stage.offer(stage.site.policy())
        await stage.drained()
        for_bridges = await stage.for_bridges()
        async with stage.bridge() as bridge:
            await stage.until(_holds(stage, bridge), "the bridge holds all records")
            await uplink.kill()
            await stage.lock_down(bridge)
            await stage.offer(stage.site.change(cards=_cards()))  # over the bridge, in pieces
            newest = await stage.drained()  # by receipts alone
            assert bridge.held(HUB) >= newest
            await stage.once_and_in_order(newest)
            testimony = await Buckets(bench.js).get(
                names.TESTIMONIES_BUCKET, names.testimony(NAME, HUB)
            )
            assert testimony is not None
            await uplink.start()  # both ways are open again
            await stage.lock_down(bridge)
            await stage.once_and_in_order(await stage.drained())
        assert "until decided" not in uplink.log + for_bridges.log
        assert "FORK" not in for_bridges.log


async def test_a_gateway_that_is_killed_at_random_loses_nothing(
    bench: Bench, tmp_path: Path
) -> None:
    uplink = await bench.gate()
    chance = Random(139)
    async with BridgedStage(tmp_path / "site", bench) as stage:
        await stage.welcomed()
        await stage.offer(stage.site.policy())
        for_bridges = await stage.for_bridges()
        await uplink.kill()
        async with stage.bridge() as bridge:
            await stage.until(_holds(stage, bridge), "the bridge holds all records")
            for _ in range(4):
                for _ in range(chance.randrange(1, 4)):
                    await stage.lock_down(bridge)
                victim = chance.choice([for_bridges, bench.server])
                await victim.kill()
                await stage.lock_down(bridge)
                await victim.start()
            newest = await stage.drained()
        await bench.reconnect()
        await stage.once_and_in_order(newest)


async def test_a_bridge_that_ends_at_any_moment_keeps_no_record_back(
    bench: Bench, tmp_path: Path
) -> None:
    """decision 0148: what was held and not signed is signed on the next connection"""
    uplink = await bench.gate()
    async with BridgedStage(tmp_path / "site", bench) as stage:
        await stage.welcomed()
        await stage.offer(stage.site.policy())
        for_bridges = await stage.for_bridges()
        await uplink.kill()
        for _ in range(3):
            async with stage.bridge() as bridge:
                await stage.lock_down(bridge)  # its records may be held, signed, up, or none of it
        async with stage.bridge():
            newest = await stage.drained()
        await stage.once_and_in_order(newest)
        assert "FORK" not in for_bridges.log
        assert "has not signed" not in for_bridges.log


def _cards() -> dict[bytes, Card]:
    cards = [
        Card(secrets.token_bytes(16), secrets.token_hex(8), 0, 1 << 40, (Access(1, 1, ()),))
        for _ in range(2000)
    ]
    return {card.digest: card for card in cards}


def _holds(stage: BridgedStage, bridge: SiteBridge) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        last = (await stage.hub("status"))["records"]["last"]
        return bridge.held(HUB) >= int(last)

    return holds
