"""Packets that a router drops, between network namespaces: no side is told of anything."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.scenario.uplink_faults import network
from tests.scenario.uplink_faults.desk import Desk
from tests.scenario.uplink_faults.network import Network

WHY_NOT = network.why_not()
pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.once,
    pytest.mark.long,
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "never"),
]


@pytest_asyncio.fixture
async def net() -> AsyncIterator[Network]:
    async with Network().open() as made:
        yield made


async def test_an_outage_of_the_network_in_the_midst_of_records_and_orders(
    desk: Desk, net: Network
) -> None:
    endpoint = f"tcp://{network.BACKEND}:8871"
    await desk.start_backend(endpoint, net.inside("backend"))
    await desk.start_hub(endpoint, net.inside("hub"))
    await desk.speaking()
    assert (await desk.release())["outcome"] == "released"
    for _ in range(2):
        await desk.hub.ask(do="append", count=80)
        await net.forward(False)
        await desk.hub.ask(do="append", count=80)
        answer = await desk.release(valid_seconds=1.0)
        assert answer.get("outcome") != "released", "it never reached the hub"
        await desk.gone()
        await net.forward(True)
        await desk.drained()
    await desk.released_at_last()
    await desk.drained()
    account = await desk.account()
    assert account.is_clean(), account
    assert (account.orders, account.strikes) == (2, 2), "no order outlived the outage"
