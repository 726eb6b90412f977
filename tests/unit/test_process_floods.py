"""A driver's process that floods its socket: the loop goes round all the same."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from drivers.openzwave.process import Process as OpenZwaveProcess
from drivers.openzwave.reports import Said
from drivers.osdp.process import PanelLink
from drivers.osdp.wire.reports import Keys

PACKETS = 100


class Reporting(Protocol):
    """Our end of a process's socket."""

    async def report(self) -> object:
        """Return the next report."""


@pytest.fixture
async def process() -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that says nothing by itself: the test does."""
    process = await asyncio.create_subprocess_exec("sleep", "60")
    yield process
    process.kill()
    await process.wait()


async def turns_of_the_loop(link: Reporting, flood: socket.socket, packet: bytes) -> int:
    """Return how often somebody else had a turn while all that had come was received."""
    for _ in range(PACKETS):
        flood.send(packet)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    for _ in range(PACKETS):
        await link.report()
    task.cancel()
    return turns


# osdp process, law 4
async def test_a_panel_that_floods_leaves_the_loop_to_others(
    process: asyncio.subprocess.Process,
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with ours, theirs:
        packet = Keys(number=0, at=1.0, keys="1").encode()
        assert await turns_of_the_loop(PanelLink(process, ours), theirs, packet) >= PACKETS


# openzwave process, law 4
async def test_an_openzwave_process_that_floods_leaves_the_loop_to_others(
    process: asyncio.subprocess.Process,
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with ours, theirs:
        packet = Said(0, 255).encode()
        assert await turns_of_the_loop(OpenZwaveProcess(process, ours), theirs, packet) >= PACKETS
