"""What a bridge says of its hubs: each hub's messages in their order, several hubs side by side.

How it works: who reads the connection puts each message into its hub's line, and reads on. A task
of that hub takes them out, one after the other. So while the engine writes a batch of one hub, that
of another is proven.

Laws:
1. Messages of one hub are taken in their order, and one only after the one before it was.
2. At most `waiting_max` messages wait or are being taken, of all hubs. Then no more are read.
3. Records that follow one another need one receipt together: that of the last one. At most
   `together` do.
4. What one message raises ends all.
5. Who asks whether all was taken is answered once it was.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from hubcore.bridge.backend.from_bridge import (
    Ahead,
    AskHub,
    BornWitness,
    Doubted,
    Forwarded,
    RequestOfHub,
)

OfHub = AskHub | Forwarded | Ahead | BornWitness | Doubted | RequestOfHub
"""What a bridge says of one hub."""
WAITING_MAX = 32
"""2 MiB: as many as a true bridge has unanswered."""
TOGETHER = 4

Take = Callable[[OfHub, bool], Awaitable[None]]
"""Takes a message; tells whether it is to be answered with a receipt, if it brings records."""


class Abreast:
    """The lines of one connection; their tasks are of `group`."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        take: Take,
        waiting_max: int = WAITING_MAX,
        together: int = TOGETHER,
    ) -> None:
        self._group: asyncio.TaskGroup = group
        self._take = take
        self._waiting_max = waiting_max
        self._together = together
        self._lines: dict[str, deque[OfHub]] = {}
        self._waiting = 0
        self._moved = asyncio.Event()

    async def put(self, message: OfHub) -> None:
        """Hand a message over; return when there was room for it (law 2)."""
        await self._until_waiting(self._waiting_max - 1)
        self._waiting += 1
        line = self._lines.get(message.hub)
        if line is None:
            line = self._lines[message.hub] = deque()
            self._group.create_task(self._run(message.hub, line))
        line.append(message)

    async def taken(self) -> None:
        """Return once all that was handed over is taken (law 5)."""
        await self._until_waiting(0)

    async def _until_waiting(self, most: int) -> None:
        while self._waiting > most:
            self._moved.clear()
            await self._moved.wait()

    async def _run(self, hub: str, line: deque[OfHub]) -> None:
        unsaid = 0
        while line:
            message = line.popleft()
            goes_on = isinstance(message, Forwarded) and bool(line)
            if goes_on and isinstance(line[0], Forwarded) and unsaid + 1 < self._together:
                unsaid += 1
                await self._take(message, False)
            else:
                unsaid = 0
                await self._take(message, True)
            self._waiting -= 1
            self._moved.set()
        del self._lines[hub]
