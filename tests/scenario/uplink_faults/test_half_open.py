"""Connections that nobody has closed and that lead nowhere, and connections cut at any byte."""

from __future__ import annotations

import pytest

from tests.scenario.uplink_faults.desk import Desk, free_endpoint
from tests.scenario.uplink_faults.relay import Relay, Way

pytestmark = [pytest.mark.asyncio, pytest.mark.once, pytest.mark.long]


@pytest.mark.parametrize("ways", [(Way.UP, Way.DOWN), (Way.UP,), (Way.DOWN,)])
async def test_a_peer_that_vanishes_without_a_word_is_noticed(
    desk: Desk, ways: tuple[Way, ...]
) -> None:
    """The hub's connection stays open, and what is written to it goes nowhere."""
    endpoint = free_endpoint()
    await desk.start_backend(endpoint)
    async with Relay(endpoint).open() as relay:
        await desk.start_hub(relay.endpoint)
        await desk.speaking()
        await desk.hub.ask(do="append", count=30)
        relay.lose(*ways)
        await desk.hub.ask(do="append", count=30)
        await desk.until(lambda _: relay.connections > 1, "the hub connects again")
        relay.forget()
        await desk.drained()
        await desk.released_at_last()
        await desk.drained()
        account = await desk.account()
    assert account.is_clean(), account
    assert (account.orders, account.strikes) == (1, 1)


async def test_a_connection_that_is_cut_at_any_byte_loses_nothing(desk: Desk) -> None:
    endpoint = free_endpoint()
    await desk.start_backend(endpoint)
    async with Relay(endpoint).open() as relay:
        cuts = [1, 10, 63, 64, 65, 200, 264, 300, 500, 700, 900, 1500, 3000, 6000]
        relay.cut_after = list(cuts)
        await desk.start_hub(relay.endpoint)
        await desk.hub.ask(do="append", count=60)
        await desk.drained()
        account = await desk.account()
    assert account.is_clean(), account
    assert relay.connections > len(cuts), "each cut was tried"
