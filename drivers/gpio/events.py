"""The edges of all doors of a hub, joined from their sources: wired inputs, strikes, a desk's
simulated doors.

Laws: order is the order of `put`; every reader first gets the level of every input; a reader that
lags keeps a bounded queue: when it is full, only the newest edge of each input is kept, so that its
last word is always the truth.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from hubcore.ports.doors import Input, InputEvent

MAX_QUEUED = 1024

_INPUT_OF = {
    Input.DOOR_OPEN: "dps",
    Input.DOOR_CLOSED: "dps",
    Input.STRIKE_ACTIVE: "strike",
    Input.STRIKE_INACTIVE: "strike",
    Input.REX: "rex",
}


class Edges:
    """`hubcore.ports.doors.Inputs` for one reader at a time, fed by `put` on the event loop."""

    def __init__(self, max_queued: int = MAX_QUEUED) -> None:
        self._max_queued = max_queued
        self._delivered: dict[tuple[str, str], InputEvent] = {}
        self._queue: deque[InputEvent] = deque()
        self._arrived = asyncio.Event()
        self.lost = 0  # edges that a lagging reader never saw

    def put(self, event: InputEvent) -> None:
        """Take one edge, or the first level of an input."""
        self._queue.append(event)
        if len(self._queue) > self._max_queued:
            self._compact()
        self._arrived.set()

    def _compact(self) -> None:
        newest: dict[tuple[str, str], InputEvent] = {}
        for event in self._queue:
            newest.pop(input_of(event), None)  # so that the order is that of the newest edges
            newest[input_of(event)] = event
        self.lost += len(self._queue) - len(newest)
        self._queue = deque(newest.values())

    async def events(self) -> AsyncIterator[InputEvent]:
        """Yield the level of every input an earlier reader saw (REX has none), then each edge,
        until cancelled.
        """
        for event in tuple(self._delivered.values()):
            if event.what is not Input.REX:
                yield event
        while True:
            while self._queue:
                event = self._queue.popleft()
                self._delivered[input_of(event)] = event
                yield event
            self._arrived.clear()
            await self._arrived.wait()


def input_of(event: InputEvent) -> tuple[str, str]:
    """Return which input an edge belongs to."""
    return event.door, _INPUT_OF[event.what]
