"""The two directions of one client's connection, line by line, with a limit on every wait."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Final

from hublocal.calls import HANDLER_SECONDS
from hublocal.messages import LINE_BYTES_MAX, error_line

IDLE_SECONDS = 60.0
"""Without a request, when not tailing."""
STALL_SECONDS = 30.0
"""A client that takes nothing for so long is dropped."""
BEAT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Waits:
    """How long the server waits for whom, in seconds."""

    idle: float = IDLE_SECONDS
    handler: float = HANDLER_SECONDS
    stall: float = STALL_SECONDS
    beat: float = BEAT_SECONDS


WAITS: Final = Waits()


class GoneError(Exception):
    """The client has closed, or was dropped."""


class ClientStream:
    """The lines of one client."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        waits: Waits,
        program: str,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._waits = waits
        self._program = program

    async def line(self) -> bytes:
        """Return the next request with its newline.

        Return b"" when the client has closed, was silent for too long, or sent too long a line.
        """
        try:
            async with asyncio.timeout(self._waits.idle):
                line = await self._reader.readline()
        except TimeoutError:
            return b""
        except ValueError:  # longer than the reader's limit
            sentence = f"a request is at most {LINE_BYTES_MAX} bytes"
            await self.write(error_line(None, "too-long", sentence))
            return b""
        return line if line.endswith(b"\n") else b""

    async def body(self, length: int) -> bytes:
        """Return the bytes behind a request. Raise GoneError when they do not come in time."""
        if not length:
            return b""
        try:
            async with asyncio.timeout(self._waits.stall):
                return await self._reader.readexactly(length)
        except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise GoneError from error

    async def received(self) -> bool:
        """Read and drop what the client sends next; False when it has closed."""
        return bool(await self._reader.read(LINE_BYTES_MAX))

    async def write(self, data: bytes) -> None:
        """Send; raise GoneError when the client has gone or takes nothing."""
        self._writer.write(data)
        try:
            async with asyncio.timeout(self._waits.stall):
                await self._writer.drain()
        except (TimeoutError, OSError) as error:
            raise GoneError from error

    def dismiss(self) -> None:
        """Close the connection of a client whose place another takes.

        It hears why if it takes a line at once.
        """
        if self._writer.transport.is_closing():
            return
        sentence = f"{self._program} gave this place to a newer client; end some that only wait"
        self._writer.write(error_line(None, "gave-way", sentence))
        self.abort()

    def abort(self) -> None:
        """Close the connection at once; what was not sent is gone."""
        self._writer.transport.abort()


async def open_stream(connection: socket.socket, waits: Waits, program: str) -> ClientStream:
    """Return the stream of a connected socket; `program` answers there. Raise OSError."""
    reader, writer = await asyncio.open_unix_connection(sock=connection, limit=LINE_BYTES_MAX)
    # drain means: all of it is the kernel's
    writer.transport.set_write_buffer_limits(high=0)
    writer.transport.max_size = LINE_BYTES_MAX  # type: ignore[attr-defined]  # of one read; else 256 KiB
    return ClientStream(reader, writer, waits, program)
