"""Many byte streams over one serial line of the guest: its disk, and its backend connections.

A frame is channel (2 bytes), length (2) and data; one without data ends its channel. On channel 0
the length counts what the guest has read. The guest's end is `GuestMux` in `agent.py`.

Laws:
1. At most WINDOW_BYTES are under way to the guest: a line of user-mode Linux that was once full is
   never read again.
2. What the guest sent before its end still reaches the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct

HEAD = struct.Struct(">HH")
READ = 0
DISK = 1
PART_BYTES = 16384
WINDOW_BYTES = 2048
TAKEN_SECONDS = 20.0


class _ChannelTransport(asyncio.WriteTransport):
    """Writes to one channel."""

    def __init__(self, mux: SerialMux, number: int) -> None:
        super().__init__()
        self._mux = mux
        self._number = number

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._mux.send(self._number, bytes(data))


class SerialMux(asyncio.Protocol):
    """Serves `disk`, and joins each other channel to the TCP server at `port`.

    `aclose` when the guest has ended.
    """

    def __init__(self, disk: asyncio.Protocol, port: int) -> None:
        self._disk = disk
        self._port = port
        self._buffer = bytearray()
        self._out = bytearray()
        self._under_way = 0
        self._line: asyncio.WriteTransport | None = None
        self._queues: dict[int, asyncio.Queue[bytes]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def aclose(self) -> None:
        """Wait until all that came has been handed on. Raise TimeoutError when it is not taken."""
        for queue in self._queues.values():
            queue.put_nowait(b"")
        async with asyncio.timeout(TAKEN_SECONDS):
            await asyncio.gather(*self._tasks)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._line = transport
        self._disk.connection_made(_ChannelTransport(self, DISK))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= HEAD.size:
            number, length = HEAD.unpack_from(self._buffer)
            size = HEAD.size
            if number != READ:
                size += length
            if len(self._buffer) < size:
                return
            part = bytes(self._buffer[HEAD.size : size])
            del self._buffer[:size]
            if number == READ:
                self._under_way -= length
                self._pump()
            elif number == DISK:
                self._disk.data_received(part)
            else:
                self._join(number, part)

    def send(self, number: int, data: bytes) -> None:
        """Send to the guest; no data ends the channel."""
        for at in range(0, max(1, len(data)), PART_BYTES):
            part = data[at : at + PART_BYTES]
            self._out += HEAD.pack(number, len(part)) + part
        self._pump()

    def _pump(self) -> None:
        part = bytes(self._out[: WINDOW_BYTES - self._under_way])
        if part and self._line is not None and not self._line.is_closing():
            del self._out[: len(part)]
            self._under_way += len(part)
            self._line.write(part)

    def _join(self, number: int, part: bytes) -> None:
        if number not in self._queues:
            queue: asyncio.Queue[bytes] = asyncio.Queue()
            self._queues[number] = queue
            self._tasks.append(asyncio.create_task(self._serve(number, queue)))
        self._queues[number].put_nowait(part)

    async def _serve(self, number: int, queue: asyncio.Queue[bytes]) -> None:
        with contextlib.suppress(OSError):  # the server is away or has gone: the channel ends
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            back = asyncio.create_task(self._back(number, reader))
            try:
                while part := await queue.get():
                    writer.write(part)
                    await writer.drain()
            finally:
                back.cancel()
                writer.close()
                await writer.wait_closed()
        self.send(number, b"")

    async def _back(self, number: int, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while part := await reader.read(PART_BYTES):
                self.send(number, part)
        self.send(number, b"")
