"""One connection as messages: what came, and what is said.

Laws:
1. Until the first message has come nothing longer than FIRST_BYTES is read (`bridge.frames`).
2. Saying never waits. A peer that does not read loses its connection once `unsent_bytes` wait for
   it.
3. Who says nothing for `silent_seconds` has gone.
4. At most MESSAGES_AT_ONCE are given at once, and before each of these others have their turn.
5. What is no message of the talk is counted, and has no effect. A frame that is none ends the
   connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hubcore.bridge.frames import Frames, frame
from hubcore.bridge.words import FIRST_BYTES
from hubcore.errors import FrameError, LinkError

READ_BYTES = 65_536
MESSAGES_AT_ONCE = 256
UNSENT_BYTES = 1 << 20
"""What may wait for one peer: a quarter MiB of pieces, and much that is small."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True, slots=True)
class Wire(Generic[_In, _Out]):
    """The messages of one side of a talk. `decode` raises FrameError.

    `longest` is the longest message that is read after the first one.
    """

    decode: Callable[[bytes], _In]
    encode: Callable[[_Out], bytes]
    longest: int
    unsent_bytes: int = UNSENT_BYTES


class Line(Generic[_In, _Out]):
    """Reads and says messages on one connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        wire: Wire[_In, _Out],
        silent_seconds: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._wire = wire
        self._silent_seconds = silent_seconds
        self._frames = Frames(FIRST_BYTES)
        self.unread = 0
        """Messages that are none of the talk."""

    async def first(self, wait_seconds: float) -> _In | None:
        """Return the first message, None for one that is none of the talk. Raise HubError."""
        message = self._frames.next()
        while message is None:
            await self._read(wait_seconds)
            message = self._frames.next()
        self._frames.allow(self._wire.longest)
        return self._decoded(message)

    async def next(self) -> list[_In]:
        """Return what has come, at least one message. Raise HubError when the connection ends."""
        while True:
            await asyncio.sleep(0)
            found, are_all = self._whole()
            if found:
                return found
            if are_all:
                await self._read(self._silent_seconds)

    def say(self, message: _Out) -> bool:
        """Send a message; False when the peer does not read (law 2)."""
        if self._writer.is_closing():
            return False
        if self._writer.transport.get_write_buffer_size() > self._wire.unsent_bytes:
            self._writer.transport.abort()
            return False
        self._writer.write(frame(self._wire.encode(message)))
        return True

    async def has_read(self) -> None:
        """Wait until the peer has read nearly all that was said. Raise LinkError (law 3)."""
        try:
            async with asyncio.timeout(self._silent_seconds):
                await self._writer.drain()
        except TimeoutError:
            raise LinkError(f"nothing was read for {self._silent_seconds:g} s") from None
        except OSError as error:
            raise LinkError(f"the connection broke: {error}") from error

    def _whole(self) -> tuple[list[_In], bool]:
        """Return the next whole messages, and whether they are all that has come (law 4)."""
        messages = self._frames.whole(MESSAGES_AT_ONCE)
        read = map(self._decoded, messages)
        found = [one for one in read if one is not None]
        return found, not messages

    def _decoded(self, message: bytes) -> _In | None:
        try:
            return self._wire.decode(message)
        except FrameError:
            self.unread += 1
            return None

    async def _read(self, wait_seconds: float) -> None:
        try:
            async with asyncio.timeout(wait_seconds):
                data = await self._reader.read(READ_BYTES)
        except TimeoutError:
            raise LinkError(f"nothing was heard for {wait_seconds:g} s") from None
        except OSError as error:
            raise LinkError(f"the connection broke: {error}") from error
        if not data:
            raise LinkError("it has closed the connection")
        self._frames.feed(data)
