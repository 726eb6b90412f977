"""The joined edges of all doors: order, levels for each reader, a bounded queue."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from drivers.gpio.events import Edges
from hubcore.ports.doors import Input, InputEvent, Inputs

pytestmark = pytest.mark.asyncio


def edge(what: Input, at: float, door: str = "front") -> InputEvent:
    return InputEvent(door, what, at)


async def take(events: AsyncIterator[InputEvent], count: int) -> list[InputEvent]:
    async with asyncio.timeout(10):
        return [await anext(events) for _ in range(count)]


async def quiet(events: AsyncIterator[InputEvent]) -> bool:
    """Whether a reader would wait now. It is not usable afterwards."""
    waiting = asyncio.ensure_future(anext(events))
    for _ in range(3):
        await asyncio.sleep(0)
    done = waiting.done()
    waiting.cancel()
    return not done


async def test_edges_come_once_in_the_order_they_were_put() -> None:
    edges = Edges()
    port: Inputs = edges
    put = [
        edge(Input.DOOR_CLOSED, 1),
        edge(Input.REX, 2),
        edge(Input.DOOR_OPEN, 3),
        edge(Input.DOOR_CLOSED, 2.5, "b"),
    ]
    for event in put:
        edges.put(event)
    events = port.events()
    assert await take(events, 4) == put
    assert await quiet(events)


async def test_a_waiting_reader_is_woken() -> None:
    edges = Edges()
    asyncio.get_running_loop().call_soon(edges.put, edge(Input.REX, 1))
    assert await take(edges.events(), 1) == [edge(Input.REX, 1)]


async def test_a_later_reader_gets_the_levels_again_but_no_old_rex() -> None:
    edges = Edges()
    for event in (edge(Input.DOOR_CLOSED, 1), edge(Input.REX, 2), edge(Input.DOOR_OPEN, 3)):
        edges.put(event)
    await take(edges.events(), 3)
    edges.put(edge(Input.STRIKE_ACTIVE, 4))
    events = edges.events()
    assert await take(events, 2) == [edge(Input.DOOR_OPEN, 3), edge(Input.STRIKE_ACTIVE, 4)]
    assert await quiet(events)


async def test_a_lagging_reader_keeps_a_bounded_queue_that_ends_with_the_truth() -> None:
    edges = Edges(max_queued=10)
    edges.put(edge(Input.DOOR_CLOSED, 0))
    edges.put(edge(Input.DOOR_OPEN, 0, "b"))
    for at in range(1, 10):
        edges.put(edge(Input.DOOR_OPEN if at % 2 else Input.DOOR_CLOSED, at))
    assert edges.lost == 9
    edges.put(edge(Input.STRIKE_ACTIVE, 10))
    events = edges.events()
    assert await take(events, 3) == [
        edge(Input.DOOR_OPEN, 0, "b"),
        edge(Input.DOOR_OPEN, 9),
        edge(Input.STRIKE_ACTIVE, 10),
    ]
    assert await quiet(events)
