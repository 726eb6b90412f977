"""What lies between a hub and its backend here: a TCP relay that does what bad networks do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from enum import Enum

CHUNK_BYTES = 65_536


class Way(Enum):
    """A direction."""

    UP = "from the hub to the backend"
    DOWN = "from the backend to the hub"


class Relay:
    """Carries bytes between one port and the backend's, until it is told otherwise."""

    def __init__(self, backend: str) -> None:
        """`backend` is an endpoint `tcp://HOST:PORT`."""
        host, _, port = backend.removeprefix("tcp://").rpartition(":")
        self._backend = (host, int(port))
        self.endpoint = ""
        self.connections = 0
        self.carried = dict.fromkeys(Way, 0)
        self.cut_after: list[int] = []
        """Of each next connection: after so many bytes from the hub it is cut."""
        self.reads = asyncio.Event()
        """While it is not set, nothing is read from the hub, and its bytes pile up there."""
        self.reads.set()
        self.broken: list[OSError] = []
        """How connections of the hub ended that it did not close."""
        self._lost: set[Way] = set()
        """Of the newest connection."""
        self._legs: list[asyncio.StreamWriter] = []
        self._lost_legs: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Relay]:
        """Listen while the context lasts."""
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.endpoint = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)
            for leg in (*self._legs, *self._lost_legs):
                leg.transport.abort()

    def lose(self, *ways: Way) -> None:
        """From now on bytes of these directions vanish; nobody is told, and nothing is closed.

        New connections are carried again.
        """
        self._lost.update(ways)
        self._lost_legs += self._legs
        self._legs = []

    def forget(self) -> None:
        """End the connections whose bytes vanish, as a router does that has forgotten them."""
        for leg in self._lost_legs:
            leg.transport.abort()

    async def _accepted(self, near: asyncio.StreamReader, hub: asyncio.StreamWriter) -> None:
        self.connections += 1
        cut_after = self.cut_after.pop(0) if self.cut_after else None
        try:
            far, backend = await asyncio.open_connection(*self._backend)
        except OSError:
            hub.transport.abort()
            return
        self._legs += [hub, backend]
        lost: set[Way] = set()
        self._lost = lost
        self._carry(near, backend, Way.UP, lost, cut_after)
        self._carry(far, hub, Way.DOWN, lost, None)

    def _carry(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        way: Way,
        lost: set[Way],
        cut_after: int | None,
    ) -> None:
        task = asyncio.create_task(self._carrying(source, sink, way, lost, cut_after))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, source: asyncio.StreamReader, way: Way) -> bytes:
        if way is Way.DOWN:
            return await source.read(CHUNK_BYTES)
        await self.reads.wait()
        try:
            return await source.read(CHUNK_BYTES)
        except OSError as error:
            self.broken.append(error)
            raise

    async def _carrying(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        way: Way,
        lost: set[Way],
        cut_after: int | None,
    ) -> None:
        left = cut_after
        with contextlib.suppress(OSError):
            while data := await self._read(source, way):
                if way in lost:
                    continue
                if left is not None:
                    data = data[:left]
                    left -= len(data)
                self.carried[way] += len(data)
                sink.write(data)
                await sink.drain()
                if left == 0:
                    break
        if not lost:
            sink.transport.abort()
