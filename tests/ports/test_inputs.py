"""What all wired inputs keep: the suite of `ports.doors.Inputs`, on the fake and on the joined
edges of a hub.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from drivers.gpio.events import Edges
from hubcore.ports.doors import Input, InputEvent
from tests.fakes.inputs import FakeInputs

Bench = FakeInputs | Edges


@pytest.fixture(params=[FakeInputs, Edges], ids=["fake", "edges"])
def inputs(request: pytest.FixtureRequest) -> Bench:
    made: Bench = request.param()
    return made


def edge(what: Input, at: float, door: str = "front") -> InputEvent:
    return InputEvent(door, what, at)


async def take(events: AsyncIterator[InputEvent], count: int) -> list[InputEvent]:
    async with asyncio.timeout(5):
        return [await anext(events) for _ in range(count)]


async def test_edges_come_in_the_order_they_were_seen(inputs: Bench) -> None:
    seen = [
        edge(Input.DOOR_CLOSED, 1),
        edge(Input.REX, 2),
        edge(Input.DOOR_OPEN, 3),
        edge(Input.DOOR_CLOSED, 2.5, "back"),
    ]
    for one in seen:
        inputs.put(one)
    assert await take(inputs.events(), 4) == seen


async def test_a_reader_that_waits_is_woken(inputs: Bench) -> None:
    asyncio.get_running_loop().call_soon(inputs.put, edge(Input.REX, 1))
    assert await take(inputs.events(), 1) == [edge(Input.REX, 1)]


async def test_a_later_reader_gets_each_level_once_and_no_old_button(inputs: Bench) -> None:
    for one in (edge(Input.DOOR_CLOSED, 1), edge(Input.REX, 2), edge(Input.DOOR_OPEN, 3)):
        inputs.put(one)
    await take(inputs.events(), 3)
    inputs.put(edge(Input.STRIKE_ACTIVE, 4))
    assert await take(inputs.events(), 2) == [
        edge(Input.DOOR_OPEN, 3),
        edge(Input.STRIKE_ACTIVE, 4),
    ]


async def test_a_reader_that_is_cancelled_loses_no_edge(inputs: Bench) -> None:
    waiting = asyncio.ensure_future(anext(inputs.events()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    inputs.put(edge(Input.DOOR_OPEN, 1))
    assert await take(inputs.events(), 1) == [edge(Input.DOOR_OPEN, 1)]
