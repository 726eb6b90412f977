"""A backend with the right key says wrong things: each type, in each phase, in any order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hubcore.backend.uplink import from_backend, from_hub
from hubcore.backend.uplink.words import MAX_MESSAGE_BYTES, Cause, ReleaseOutcome
from hubd.backend.orders import RELEASES
from tests.scenario.uplink_faults.desk import SECONDS, Desk
from tests.scenario.uplink_faults.hostile import (
    Hostile,
    forgetful_welcome,
    is_sound,
    now_ms,
    release,
    samples,
    spoiled,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.once, pytest.mark.long]

YEAR_MS = 365 * 86_400_000
LINES = 10
"""Of a journal that no backend fills."""


@pytest_asyncio.fixture
async def hostile(desk: Desk) -> AsyncIterator[Hostile]:
    async with Hostile(desk.backend_secret).open() as backend:
        yield backend


async def met(desk: Desk, hostile: Hostile) -> None:
    """The hub and the backend speak."""
    await desk.start_hub(hostile.endpoint)
    await desk.speaking()


async def test_before_the_welcome_nothing_is_obeyed_in_any_order(
    desk: Desk, hostile: Hostile
) -> None:
    hostile.welcomes = None
    await desk.start_hub(hostile.endpoint)
    await hostile.until_heard(lambda heard: len(heard) >= 1)
    volley = [one for one in samples(1) if not isinstance(one, from_backend.Welcome)]
    without_halt = [one for one in volley if not isinstance(one, from_backend.Halt)]
    for order in (without_halt, without_halt[::-1], without_halt * 2, volley):
        await hostile.say(*order)
    hostile.welcomes = now_ms
    await desk.speaking()
    await desk.drained()
    state = await desk.state_of_hub()
    assert (state["strikes"], hostile.results()) == (0, [])
    assert {type(one) for one in hostile.heard} <= {
        from_hub.Hello,
        from_hub.Evidence,
        from_hub.Ping,
    }


async def test_receipts_for_what_was_never_sent_make_the_hub_forget_nothing(
    desk: Desk, hostile: Hostile
) -> None:
    hostile.acknowledges = False
    hostile.welcomes = None
    await desk.start_hub(hostile.endpoint)
    state = await desk.hub.ask(do="append", count=5)
    await hostile.until_heard(lambda heard: len(heard) >= 1)
    every = tuple(range(1, 200))
    await hostile.say(from_backend.Acknowledge(every))
    hostile.welcomes = now_ms
    await desk.speaking()
    await hostile.say(from_backend.Acknowledge(tuple(range(100, 300))))
    await hostile.in_step()
    await desk.hub.ask(do="append", count=5)
    state = await desk.state_of_hub()
    assert state["waiting"] == state["last"]
    hostile.acknowledges = True
    await desk.drained()
    numbers = {one.number for one in hostile.heard if isinstance(one, from_hub.Evidence)}
    assert numbers >= set(range(1, state["last"] + 1))


async def test_orders_that_come_twice_late_forged_or_after_a_restart(
    desk: Desk, hostile: Hostile
) -> None:
    await met(desk, hostile)
    await hostile.say(*[release(1)] * 30)
    await hostile.until_heard(lambda _: len(hostile.results()) == 30)
    said = Counter(one.outcome for one in hostile.results())
    assert said[ReleaseOutcome.RELEASED] >= 1
    assert set(said) <= {ReleaseOutcome.RELEASED, ReleaseOutcome.BUSY}
    hostile.heard.clear()
    refused = (
        release(2, lasts=-5),
        release(3, lasts=100_000),
        release(4, by="nobody"),
        release(5, point=77),
        release(1, point=77),
    )
    for order in refused:
        await hostile.say(order)
        await hostile.in_step()
    await hostile.until_heard(lambda _: len(hostile.results()) == len(refused))
    assert ReleaseOutcome.RELEASED not in {one.outcome for one in hostile.results()}
    assert (await desk.state_of_hub())["strikes"] == 1
    await desk.hub.kill()
    hostile.heard.clear()
    await met(desk, hostile)
    await hostile.say(*[release(1)] * 3)
    await hostile.until_heard(lambda _: len(hostile.results()) == 3)
    assert (await desk.state_of_hub())["strikes"] == 0, "it was done before the restart"


async def test_a_halted_hub_obeys_no_order_and_keeps_its_records(
    desk: Desk, hostile: Hostile
) -> None:
    await met(desk, hostile)
    await desk.drained()
    hostile.welcomes = None
    await hostile.say(from_backend.Halt(Cause.GAP, 1, bytes(32), "why"))
    await hostile.say(*[release(9), release(9), *samples(8)[1:]])
    await hostile.in_step()
    await desk.hub.ask(do="append", count=10)
    state = await desk.state_of_hub()
    assert state["strikes"] == 0
    assert {one.outcome for one in hostile.results()} == {ReleaseOutcome.REFUSED}
    assert state["waiting"] >= 10
    await hostile.say(hostile.welcome())
    await desk.drained()


async def test_what_is_no_message_ends_nothing_and_leaves_no_trace(
    desk: Desk, hostile: Hostile
) -> None:
    await met(desk, hostile)
    before = await desk.settled()
    lines = desk.hub.log_lines()
    chance = random.Random(11)
    volley = [spoiled(chance, number) for number in range(1500)]
    nothing = [data for data in volley if not is_sound(data)]
    assert len(nothing) > 1000
    await hostile.say(*nothing)
    await hostile.in_step()
    after = await desk.state_of_hub()
    assert after["uplink"]["counters"]["undecodable"] == len(nothing)
    assert after["last"] == before["last"]
    assert after["told"] == before["told"]
    assert desk.hub.log_lines() == lines
    assert after["uplink"]["phase"] == "speaking"
    assert len([one for one in hostile.heard if isinstance(one, from_hub.Hello)]) == 1


async def test_a_message_that_is_too_long_ends_the_connection_and_not_the_hub(
    desk: Desk, hostile: Hostile
) -> None:
    await met(desk, hostile)
    await desk.hub.ask(do="append", count=20)
    await hostile.say(bytes(MAX_MESSAGE_BYTES + 1))
    hellos = [from_hub.Hello] * 2
    await hostile.until_heard(
        lambda heard: [type(one) for one in heard].count(from_hub.Hello) == len(hellos)
    )
    await desk.drained()
    assert await desk.hub.ask(do="present", strength="full") is None


async def test_a_flood_of_sound_messages_sets_no_pace_for_records_log_or_strikes(
    desk: Desk, hostile: Hostile
) -> None:
    await met(desk, hostile)
    before = await desk.settled()
    lines = desk.hub.log_lines()
    flood = [one for number in range(200) for one in samples(number)]
    chance = random.Random(7)
    chance.shuffle(flood)
    ending = (from_backend.Halt, from_backend.Welcome)
    await hostile.say(*[one for one in flood if not isinstance(one, ending)])
    await hostile.in_step()
    await hostile.until_heard(lambda _: len(hostile.results()) >= 200)
    after = await desk.settled()
    done = {one.id for one in hostile.results() if one.outcome is ReleaseOutcome.RELEASED}
    assert after["strikes"] <= len(done)
    may_be_done = RELEASES.burst + SECONDS * RELEASES.per_second
    assert len(done) <= may_be_done
    assert after["last"] - before["last"] <= may_be_done
    assert desk.hub.log_lines() - lines <= LINES


async def test_a_flood_of_welcomes_of_a_backend_that_forgets_costs_one_hello_and_one_record(
    desk: Desk, hostile: Hostile
) -> None:
    await met(desk, hostile)
    before = await desk.settled()
    lines = desk.hub.log_lines()
    hostile.heard.clear()
    await hostile.say(*[forgetful_welcome() for _ in range(400)])
    await hostile.in_step()
    after = await desk.settled()
    hellos = [one for one in hostile.heard if isinstance(one, from_hub.Hello)]
    assert len(hellos) == 1
    assert after["uplink"]["counters"]["restored"] == 1
    assert after["last"] - before["last"] <= 1, "one of them may answer the Hello"
    assert desk.hub.log_lines() - lines <= 4


@pytest.mark.parametrize("forgets", [False, True])
async def test_a_backend_that_halts_and_welcomes_without_end_fills_nothing(
    desk: Desk, hostile: Hostile, forgets: bool
) -> None:
    await met(desk, hostile)
    before = await desk.settled()
    lines = desk.hub.log_lines()
    for number in range(200):
        cause = Cause(1 + number % len(Cause))
        halt = from_backend.Halt(cause, number, bytes(32), str(number))
        await hostile.say(halt, forgetful_welcome() if forgets else hostile.welcome())
    await hostile.in_step()
    after = await desk.settled()
    assert after["last"] - before["last"] <= len(Cause), "a break each"
    assert desk.hub.log_lines() - lines <= 4 * len(Cause)


async def test_no_time_of_a_backend_moves_the_clock_or_doubts_a_proven_one(
    desk: Desk, hostile: Hostile
) -> None:
    hostile.welcomes = lambda: now_ms() + 10 * YEAR_MS
    hostile.pongs = hostile.welcomes
    await met(desk, hostile)
    state = await desk.state_of_hub()
    assert (state["clock"], state["floor"]) == ("contradicted", 0)
    assert await desk.hub.ask(do="present", strength="card") == "time-untrusted"
    assert await desk.hub.ask(do="present", strength="full") is None
    state = await desk.state_of_hub()
    assert (state["clock"], state["trouble"]) == ("trusted", "clock-apart")
    chance = random.Random(3)
    hostile.pongs = lambda: chance.choice((0, now_ms() - YEAR_MS, now_ms(), (1 << 62)))
    before = state
    pings = len([one for one in hostile.heard if isinstance(one, from_hub.Ping)])
    await hostile.until_heard(
        lambda heard: len([one for one in heard if isinstance(one, from_hub.Ping)]) > pings + 5
    )
    state = await desk.state_of_hub()
    assert state["clock"] == "trusted"
    assert await desk.hub.ask(do="present", strength="card") is None
    assert state["last"] - before["last"] <= 1, "the backend's mind makes no records"
    assert state["floor"] / 1000 < now_ms() / 1000 + 1
