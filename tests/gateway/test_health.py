"""What hubs say is wrong with them, by way of gateways and a real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hubcore.backend.uplink import codec
from hubgateway.engine.buckets import Buckets
from hubgateway.rules import names
from hubgateway.rules.hubpace import HEALTH
from tests.gateway.bench import Bench, running
from tests.unit.test_uplink_messages import FULL, UNWELL, WELL

pytestmark = pytest.mark.once


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as one:
        yield one


async def kept(bench: Bench) -> dict[str, bytes]:
    return await Buckets(bench.js).snapshot(names.HEALTH_BUCKET)


async def test_each_hub_has_its_own_newest_word_at_whichever_gateway(bench: Bench) -> None:
    first = await bench.gate()
    second = await bench.gate()
    one = await bench.hub("hub-1")
    other = await bench.hub("hub-2")
    await one.greet(first.endpoint)
    await other.greet(first.endpoint)
    await one.say(UNWELL)
    await one.greet(first.endpoint)
    assert await kept(bench) == {"hub-1": codec.encode(UNWELL)}, "and no other hub's"
    await other.say(FULL)
    await other.greet(first.endpoint)
    await one.greet(second.endpoint)
    await one.say(WELL)
    await one.greet(second.endpoint)
    assert await kept(bench) == {"hub-1": codec.encode(WELL), "hub-2": codec.encode(FULL)}


async def test_a_hub_that_flaps_costs_the_engine_its_pace(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub("hub-1")
    await hub.greet(gate.endpoint)
    for _ in range(100):
        await hub.say(UNWELL)
        await hub.say(WELL)
    await hub.greet(gate.endpoint)  # all before it was looked at
    info = await bench.js.stream_info(f"KV_{names.HEALTH_BUCKET}")
    assert 1 <= info.state.last_seq <= HEALTH.burst + 2
