"""Wired inputs in memory: the test puts edges, the hub sees them in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hubcore.errors import HardwareError
from hubcore.ports.doors import Input, InputEvent


class FakeInputs:
    """`ports.doors.Inputs`.

    `fail` ends `events` with an error, once all edges before it were seen.
    """

    def __init__(self) -> None:
        self._edges: asyncio.Queue[InputEvent | HardwareError] = asyncio.Queue()
        self._levels: dict[tuple[str, str], InputEvent] = {}

    def put(self, edge: InputEvent) -> None:
        """Let the hub see this edge."""
        self._edges.put_nowait(edge)

    def fail(self, error: HardwareError) -> None:
        """Let the lines fail."""
        self._edges.put_nowait(error)

    async def events(self) -> AsyncIterator[InputEvent]:
        for level in tuple(self._levels.values()):
            yield level
        while True:
            edge = await self._edges.get()
            if isinstance(edge, HardwareError):
                raise edge
            if edge.what is not Input.REX:  # a push button has no level
                wire = edge.door, edge.what.value.partition("_")[0]
                self._levels.pop(wire, None)
                self._levels[wire] = edge
            yield edge
