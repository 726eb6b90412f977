"""The edges of all doors of a hub, joined from their sources.

Sources are wired inputs, strikes, and the simulated doors of a desk.

Laws:
1. The order is that of `put`.
2. Every reader first gets the level of every input.
3. A reader that lags keeps a bounded queue. When it is full, only the newest edge of each input
   stays, so that the last word on each is always the truth.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import NamedTuple

from hubcore.ports.doors import Input, InputEvent

MAX_QUEUED = 1024

_INPUT_OF = {
    Input.DOOR_OPEN: "dps",
    Input.DOOR_CLOSED: "dps",
    Input.STRIKE_ACTIVE: "strike",
    Input.STRIKE_INACTIVE: "strike",
    Input.REX: "rex",
    Input.BOLT_LOCKED: "bolt",
    Input.BOLT_FREE: "bolt",
    Input.TAMPER: "tamper",
    Input.TAMPER_ENDED: "tamper",
    Input.FIRE: "fire",
    Input.FIRE_ENDED: "fire",
}


class DoorInput(NamedTuple):
    """One input of one door."""

    door: str
    input: str


class Edges:
    """`hubcore.ports.doors.Inputs` for one reader at a time, fed by `put` on the event loop.

    `lost` counts the edges that a lagging reader never saw.
    """

    def __init__(self, max_queued: int = MAX_QUEUED) -> None:
        self._max_queued = max_queued
        self._delivered: dict[DoorInput, InputEvent] = {}
        self._queue: deque[InputEvent] = deque()
        self._arrived = asyncio.Event()
        self._listens = asyncio.Event()
        self.lost = 0

    @property
    def waiting(self) -> int:
        """How many edges no reader has seen yet."""
        return len(self._queue)

    async def heard(self) -> None:
        """Return once there is a reader."""
        await self._listens.wait()

    def put(self, event: InputEvent) -> None:
        """Take one edge, or the first level of an input."""
        self._queue.append(event)
        if len(self._queue) > self._max_queued:
            self._drop_overtaken()
        self._arrived.set()

    def _drop_overtaken(self) -> None:
        """Keep the newest edge of each input, in the order of these edges."""
        newest: dict[DoorInput, InputEvent] = {}
        for event in self._queue:
            newest.pop(input_of(event), None)
            newest[input_of(event)] = event
        self.lost += len(self._queue) - len(newest)
        self._queue = deque(newest.values())

    async def events(self) -> AsyncIterator[InputEvent]:
        """Yield what an earlier reader saw of each input (not of REX), then each edge.

        This goes on until cancelled.
        """
        self._listens.set()
        try:
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
        finally:
            self._listens.clear()


def input_of(event: InputEvent) -> DoorInput:
    """Return which input an edge belongs to."""
    return DoorInput(event.door, _INPUT_OF[event.what])
