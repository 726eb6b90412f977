"""The backend killed, frozen and gone on: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import signal

import pytest

from tests.scenario.uplink_faults.desk import Desk, free_endpoint

pytestmark = [pytest.mark.asyncio, pytest.mark.once, pytest.mark.long]


async def test_a_backend_killed_again_and_again_while_records_flow(desk: Desk) -> None:
    endpoint = free_endpoint()
    await desk.start_backend(endpoint)
    await desk.start_hub(endpoint)
    await desk.speaking()
    for _ in range(3):
        await desk.hub.ask(do="append", count=100)
        await desk.server.kill()
        await desk.hub.ask(do="append", count=20)
        await desk.start_backend(endpoint)
    await desk.drained()
    account = await desk.account()
    assert account.is_clean(), account
    assert account.sent >= 360


async def test_a_backend_that_freezes_and_goes_on(desk: Desk) -> None:
    endpoint = free_endpoint()
    await desk.start_backend(endpoint)
    await desk.start_hub(endpoint)
    await desk.speaking()
    assert (await desk.release())["outcome"] == "released"
    await desk.hub.ask(do="append", count=50)
    desk.server.signal(signal.SIGSTOP)
    await desk.hub.ask(do="append", count=50)
    await desk.gone()
    assert await desk.hub.ask(do="present", strength="full") is None, "doors go on"
    await desk.until(lambda state: "frozen" in state["uplink"]["why"], "the cause is told")
    desk.server.signal(signal.SIGCONT)
    await desk.drained()
    assert (await desk.release())["outcome"] == "released"
    await desk.drained()
    account = await desk.account()
    assert account.is_clean(), account
    assert (account.orders, account.strikes) == (2, 3)


async def test_a_hub_that_freezes_and_goes_on(desk: Desk) -> None:
    """What it had sent before comes again, and orders that came meanwhile are too late."""
    endpoint = free_endpoint()
    await desk.start_backend(endpoint)
    await desk.start_hub(endpoint)
    await desk.speaking()
    await desk.hub.ask(do="append", count=50)
    desk.hub.signal(signal.SIGSTOP)
    answer = await desk.release(valid_seconds=1.0)
    assert answer.get("outcome") != "released", answer
    desk.hub.signal(signal.SIGCONT)
    await desk.drained()
    account = await desk.account()
    assert account.is_clean(), account
    assert account.strikes == 0


async def test_a_hub_killed_while_orders_run_does_none_of_them_twice(desk: Desk) -> None:
    endpoint = free_endpoint()
    await desk.start_backend(endpoint)
    await desk.start_hub(endpoint)
    await desk.speaking()
    strikes = 0
    for _ in range(2):
        assert (await desk.release())["outcome"] == "released"
        strikes += (await desk.state_of_hub())["strikes"]
        await desk.hub.kill()
        await desk.start_hub(endpoint)
        await desk.speaking()
    await desk.settled()
    account = await desk.account()
    assert account.is_clean(), account
    assert (account.orders, strikes) == (2, 2)
