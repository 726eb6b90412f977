"""What a bridge gives one hub of a policy: once, no faster than it reads, never much at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from hubbridge.hubs.giving import SMALL_BYTES, PolicyGiving
from hubbridge.hubs.said import WIRE
from hubbridge.hubs.state import HubState
from hubbridge.policy.cache import Held
from hubcore.backend.uplink.from_backend import NewPolicy, Pieces
from hubcore.backend.uplink.words import MAX_PIECES, MAX_WANTED
from hubcore.bridge.from_bridge import Full
from hubcore.errors import LinkError
from hubtls.line import Line

NAMES = [number.to_bytes(32, "big") for number in range(MAX_WANTED)]


@dataclass
class OneLine:
    """A hub that reads when it is told to."""

    said: list[Any] = field(default_factory=list)
    reads: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, message: object) -> bool:
        self.said.append(message)
        return True

    async def has_read(self) -> None:
        await self.reads.wait()


@dataclass
class Policy:
    """What the bridge holds."""

    held: Held = field(default_factory=Held)

    async def pieces(self, _hub: str, names: Sequence[bytes]) -> Sequence[bytes]:
        return [name for name in names if name != NAMES[5]]


@dataclass
class World:
    line: OneLine = field(default_factory=OneLine)
    state: HubState = field(default_factory=HubState)
    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        self.giving = PolicyGiving("hub-1", self.line, self.state, self.policy)  # type: ignore[arg-type]

    def holds(self, version: int, size: int = 100) -> None:
        self.policy.held = Held(version, bytes(32), bytes(size))


@pytest.fixture
async def world() -> World:
    return World()


async def test_a_newer_policy_is_offered_once(world: World) -> None:
    """giving, law 1"""
    world.line.reads.set()
    await world.giving.offer()
    assert world.line.said == []
    world.holds(3)
    for _ in range(3):
        await world.giving.offer()
        world.giving.offer_if_small()
    assert world.line.said == [NewPolicy(bytes(100))]
    world.state.policy_version = 7
    world.holds(7)
    await world.giving.offer()
    assert len(world.line.said) == 1, "the hub has it from elsewhere"
    world.holds(8)
    world.giving.offer_if_small()
    assert len(world.line.said) == 2


async def test_no_piece_is_said_before_the_hub_has_read_the_last_ones(world: World) -> None:
    """giving, law 2"""
    bringing = asyncio.create_task(world.giving.bring(NAMES))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(world.line.said) == 1
    world.line.reads.set()
    async with asyncio.timeout(5):
        await bringing
    assert all(isinstance(one, Pieces) for one in world.line.said)
    assert all(len(one.pieces) <= MAX_PIECES for one in world.line.said)
    given = [piece for one in world.line.said for piece in one.pieces]
    assert given == [name for name in NAMES if name != NAMES[5]]


async def test_a_large_policy_waits_until_the_hub_says_something(world: World) -> None:
    """giving, law 3"""
    world.holds(3, SMALL_BYTES + 1)
    world.giving.offer_if_small()
    assert world.line.said == []
    world.line.reads.set()
    await world.giving.offer()
    assert len(world.line.said) == 1
    world.holds(4, SMALL_BYTES)
    world.giving.offer_if_small()
    assert len(world.line.said) == 2


async def test_a_peer_that_reads_nothing_has_gone() -> None:
    """hubtls.line, law 3: whoever waits until it has read is not kept for ever"""

    over = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await over.wait()
        writer.transport.abort()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    line = Line(reader, writer, WIRE, silent_seconds=0.2)
    await line.has_read()
    while writer.transport.get_write_buffer_size() < 200_000:
        writer.write(bytes(65_536))
        await asyncio.sleep(0)
    line.say(Full(1))
    with pytest.raises(LinkError, match="nothing was read"):
        await line.has_read()
    writer.transport.abort()
    over.set()
    server.close()
    await server.wait_closed()
