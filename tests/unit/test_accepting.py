"""Connections that are taken on the event loop: a wait that is cancelled loses none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from hublocal.accepting import accept


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.mark.parametrize("turns", range(8))
async def test_a_cancelled_wait_loses_no_connection(listening: socket.socket, turns: int) -> None:
    waiting = asyncio.create_task(accept(listening))
    await asyncio.sleep(0)
    with socket.create_connection(listening.getsockname()):
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            (await waiting).close()
            return
        async with asyncio.timeout(10):
            (await accept(listening)).close()


async def test_what_is_taken_does_not_block(listening: socket.socket) -> None:
    with socket.create_connection(listening.getsockname()):
        connection = await accept(listening)
        with connection:
            assert not connection.getblocking()


async def test_a_closed_socket_is_an_error_at_once(listening: socket.socket) -> None:
    listening.close()
    with pytest.raises(OSError, match="descriptor"):
        await accept(listening)
