"""What hubs say is wrong with them, by way of gateways and a real engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.health import HealthState
from hubgateway.engine.buckets import Buckets
from hubgateway.rules import names
from hubgateway.rules.hubpace import HEALTH
from tests.gateway.bench import WAIT_SECONDS, Bench, running
from tests.unit.test_uplink_messages import FULL, UNWELL, WELL

pytestmark = pytest.mark.once


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as one:
        yield one


async def comes_to(bench: Bench, **wanted: HealthState) -> None:
    """Wait until these are the hubs' words, and nobody else's."""
    expected = {hub.replace("_", "-"): codec.encode(said) for hub, said in wanted.items()}
    buckets = Buckets(bench.js)
    async with asyncio.timeout(WAIT_SECONDS):
        while await buckets.snapshot(names.HEALTH_BUCKET) != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_each_hub_has_its_own_newest_word_at_whichever_gateway(bench: Bench) -> None:
    first = await bench.gate()
    second = await bench.gate()
    one = await bench.hub("hub-1")
    other = await bench.hub("hub-2")
    await one.greet(first.endpoint)
    await other.greet(first.endpoint)
    await one.say(UNWELL)
    await comes_to(bench, hub_1=UNWELL)
    await other.say(FULL)
    await one.greet(second.endpoint)
    await one.say(WELL)
    await comes_to(bench, hub_1=WELL, hub_2=FULL)


async def test_what_is_said_while_the_engine_is_away_comes_when_it_is_back(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub("hub-1")
    await hub.greet(gate.endpoint)
    await hub.say(WELL)
    await comes_to(bench, hub_1=WELL)
    await bench.server.kill()
    await hub.say(FULL)
    await hub.say(UNWELL)
    await bench.server.start()
    await bench.reconnect()
    await comes_to(bench, hub_1=UNWELL)


async def test_a_hub_that_flaps_costs_the_engine_its_pace(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub("hub-1")
    await hub.greet(gate.endpoint)
    await hub.say(WELL)
    await comes_to(bench, hub_1=WELL)
    for _ in range(100):
        await hub.say(UNWELL)
        await hub.say(WELL)
    await hub.greet(gate.endpoint)  # all before it was looked at
    info = await bench.js.stream_info(f"KV_{names.HEALTH_BUCKET}")
    assert info.state.last_seq <= HEALTH.burst + 2
