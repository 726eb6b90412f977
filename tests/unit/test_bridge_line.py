"""What a hub's connection to its bridge makes of many small messages: few writes, in order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from hubd.adapters.bridge.line import WRITE_BYTES, _Connection

pytestmark = pytest.mark.once

MESSAGE = bytes(1000)


@dataclass
class Writes:
    """A writer that keeps each write."""

    found: list[bytes] = field(default_factory=list)
    transport: Any = field(default_factory=lambda: SimpleNamespace(get_write_buffer_size=lambda: 0))

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.found.append(data)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_message_alone_goes_with_the_next_turn() -> None:
    writes = Writes()
    connection = _Connection(
        asyncio.StreamReader(),
        writes,  # type: ignore[arg-type]
        bridge="bridge-1",
        key_digest=bytes(32),
    )
    connection.send(b"alone")
    await turns(1)
    assert writes.found == [b"alone"]
    assert connection.waiting_bytes == 0


async def test_messages_of_turns_that_follow_share_a_write() -> None:
    """line, law 9: also those of one turn"""
    writes = Writes()
    connection = _Connection(
        asyncio.StreamReader(),
        writes,  # type: ignore[arg-type]
        bridge="bridge-1",
        key_digest=bytes(32),
    )
    for _ in range(5):
        connection.send(b"one ")
        connection.send(b"two ")
        await turns(1)
    assert writes.found == []
    await turns(2)
    assert writes.found == [b"one two " * 5]


async def test_no_write_waits_for_more_than_its_ceiling() -> None:
    """line, law 9: however long more and more is sent"""
    writes = Writes()
    connection = _Connection(
        asyncio.StreamReader(),
        writes,  # type: ignore[arg-type]
        bridge="bridge-1",
        key_digest=bytes(32),
    )
    count = 10 * WRITE_BYTES // len(MESSAGE) // 2 * 2
    for _ in range(count // 2):
        connection.send(MESSAGE)
        connection.send(MESSAGE)
        await turns(1)
    await turns(2)
    assert b"".join(writes.found) == MESSAGE * count
    assert max(map(len, writes.found)) <= WRITE_BYTES + 2 * len(MESSAGE)
    assert len(writes.found) <= 11
