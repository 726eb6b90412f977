"""The hub's clock jumps both ways under a live uplink: records flow, and orders wait."""

from __future__ import annotations

import pytest

from tests.scenario.uplink_faults.desk import Desk, free_endpoint

pytestmark = [pytest.mark.asyncio, pytest.mark.once]

HOUR = 3600.0


async def test_a_clock_that_jumps_under_a_live_uplink(desk: Desk) -> None:
    endpoint = free_endpoint()
    await desk.start_backend(endpoint)
    await desk.start_hub(endpoint)
    await desk.speaking()
    strikes = 0
    for ahead in (HOUR, -HOUR, 20 * 365 * 24 * HOUR):
        assert (await desk.release())["outcome"] == "released"
        strikes += 1
        await desk.until(lambda state: not state["driven"], "the strike falls")
        attempts = (await desk.state_of_hub())["uplink"]["counters"].get("silences", 0)
        state = await desk.hub.ask(do="clock", ahead=ahead)
        assert state["clock"] == "contradicted", "the backend's time was known already"
        assert state["trouble"] == "clock-contradicted"
        assert state["uplink"]["clock_offset_seconds"] == pytest.approx(-ahead, abs=30)
        assert (await desk.release())["outcome"] in ("refused", "late")
        for strength in ("short", "card", "card-pin"):
            assert await desk.hub.ask(do="present", strength=strength) == "time-untrusted"
        await desk.hub.ask(do="append", count=20)
        await desk.drained()
        state = await desk.state_of_hub()
        assert state["uplink"]["phase"] == "speaking"
        assert state["uplink"]["counters"].get("silences", 0) == attempts
        state = await desk.hub.ask(do="clock", ahead=0.0)
        assert state["clock"] == "trusted"
    await desk.drained()
    account = await desk.account()
    assert account.is_clean(), account
    assert (account.orders, account.strikes) == (strikes, strikes)
    told = [record["detail"].get("backend_ahead") for record in await desk.records()]
    assert {round(number / 3_600_000) for number in told if number is not None} >= {-1, 1}
    assert None in told, "a record of a right clock is no longer than before"


async def test_a_wrong_clock_that_a_person_vouched_for_is_told_and_doors_go_on(
    desk: Desk,
) -> None:
    endpoint = free_endpoint()
    await desk.start_backend(endpoint)
    await desk.start_hub(endpoint)
    await desk.speaking()
    await desk.hub.ask(do="clock", ahead=HOUR)
    state = await desk.hub.ask(do="vouch")
    assert (state["clock"], state["trouble"]) == ("trusted", "clock-apart")
    assert await desk.hub.ask(do="present", strength="short") is None
    state = await desk.hub.ask(do="clock", ahead=0.0)
    assert state["clock"] == "behind_records"
    await desk.until(lambda state: state["clock"] == "trusted", "the backend vouches")
    await desk.drained()
    assert (await desk.account()).is_clean()
