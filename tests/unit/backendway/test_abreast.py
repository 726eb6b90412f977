"""What a bridge says of its hubs is taken in the order of each hub, and side by side."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

import pytest

from hubcore.bridge.backend.from_bridge import AskHub, Forwarded
from hubcore.errors import PeerError
from hubgateway.bridges.abreast import Abreast, OfHub

TURNS = 20
"""Of the loop: more than anything here needs."""


def batch(hub: str, number: int) -> Forwarded:
    return Forwarded(hub, (b"record %d" % number,), b"head")


@dataclass
class Engine:
    """Takes what its gate lets through; a hub's gate is open unless it is closed here."""

    closed: set[str] = field(default_factory=set)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    taken: list[tuple[OfHub, bool]] = field(default_factory=list)
    busy: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def take(self, message: OfHub, to_receipt: bool) -> None:
        self.busy[message.hub] += 1
        assert self.busy[message.hub] == 1  # law 1
        if message.hub in self.closed:
            await self.opened.wait()
        self.taken.append((message, to_receipt))
        self.busy[message.hub] -= 1


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def test_each_hub_has_its_order_and_none_waits_for_another() -> None:
    """law 1"""
    engine = Engine(closed={"hub-1"})
    slow = [batch("hub-1", number) for number in range(3)]
    quick = [batch("hub-2", number) for number in range(3)]
    async with asyncio.TaskGroup() as group:
        hubs = Abreast(group, engine.take)
        for pair in zip(slow, quick, strict=True):
            for one in pair:
                await hubs.put(one)
        await turns()
        assert [one for one, _ in engine.taken] == quick
        engine.opened.set()
    assert [one for one, _ in engine.taken if one.hub == "hub-1"] == slow


async def test_no_more_is_read_than_may_wait() -> None:
    """law 2: of all hubs together"""
    engine = Engine(closed={"hub-1", "hub-2"})
    read: list[Forwarded] = []

    async def reads(hubs: Abreast) -> None:
        for number in range(10):
            one = batch(f"hub-{1 + number % 2}", number)
            await hubs.put(one)
            read.append(one)

    async with asyncio.TaskGroup() as group:
        hubs = Abreast(group, engine.take, waiting_max=4)
        group.create_task(reads(hubs))
        await turns()
        assert len(read) == 4
        engine.opened.set()
    assert len(engine.taken) == 10


async def test_batches_that_came_together_share_a_receipt() -> None:
    """law 3: and a question between them is no batch"""
    engine = Engine(closed={"hub-1"})
    batches = [batch("hub-1", number) for number in range(6)]
    question = AskHub("hub-1", 1, 0, bytes(32))
    async with asyncio.TaskGroup() as group:
        hubs = Abreast(group, engine.take, together=4)
        for one in (*batches, question, batches[0]):
            await hubs.put(one)
        engine.opened.set()
    receipts = [to_receipt for one, to_receipt in engine.taken if isinstance(one, Forwarded)]
    assert receipts == [False, False, False, True, False, True, True]


async def test_who_asks_whether_all_was_taken_is_answered_once_it_was() -> None:
    """law 5"""
    engine = Engine(closed={"hub-1"})
    async with asyncio.TaskGroup() as group:
        hubs = Abreast(group, engine.take)
        await hubs.taken()  # nothing was
        for number in range(3):
            await hubs.put(batch("hub-1", number))
        asks = group.create_task(hubs.taken())
        await turns()
        assert not asks.done()
        engine.opened.set()
        await asks
        assert len(engine.taken) == 3


async def test_what_one_message_raises_ends_all() -> None:
    """law 4"""
    engine = Engine(closed={"hub-2"})

    async def take(message: OfHub, to_receipt: bool) -> None:
        if message.hub == "hub-1":
            raise PeerError("no record")
        await engine.take(message, to_receipt)

    async def bring() -> None:
        async with asyncio.TaskGroup() as group:
            hubs = Abreast(group, take)
            await hubs.put(batch("hub-2", 1))
            await hubs.put(batch("hub-1", 1))

    with pytest.raises(ExceptionGroup) as raised:
        await bring()
    assert isinstance(raised.value.exceptions[0], PeerError)
    assert engine.taken == []
