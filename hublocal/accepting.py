"""Taking connections on the event loop, so that a cancelled wait loses none.

Law: a connection that the kernel has handed over belongs to whoever asked, and nobody waits between
the two. (`loop.sock_accept` waits there, and a task that is cancelled at that moment leaves the
connection open to nobody.)
"""

from __future__ import annotations

import asyncio
import socket


async def accept(listening: socket.socket) -> socket.socket:
    """Return the next connection of a socket that does not block. Raise OSError."""
    while True:
        try:
            connection, _ = listening.accept()
        except BlockingIOError:
            await _readable(listening)
            continue
        connection.setblocking(False)
        return connection


async def _readable(listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    loop.add_reader(listening, came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(listening)
