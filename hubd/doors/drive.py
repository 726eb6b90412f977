"""Driving the movers of the doors; who decides, and why, is not known here.

Laws:
1. A mover that must rest is waited for, REST_WAIT_SECONDS at most.
2. After each wait it is asked whether the release is still allowed.
3. Who watches the doors learns of each release that was driven.
4. No door waits to be secured until another one is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

from hubcore.access.words import Denial
from hubcore.door.state import DoorState
from hubcore.errors import HardwareError, RestingError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.ports.doors import Mover
from hubd.doors.operation import WhyNot
from hubd.doors.rules import Point

REST_WAIT_SECONDS = 2.0


class Watch(Protocol):
    """Who watches the doors, and is told of releases."""

    def released(
        self, door: str, access_point: int, seconds: float, *, extended: bool = False
    ) -> None:
        """A release was driven just now; `extended`: for somebody who needs longer."""

    def failed(self, door: str) -> None:
        """A mover of the door did not do what it was told."""

    def state(self, door: str) -> DoorState:
        """What the door is seen to do."""


class DoorMovers:
    """The movers by door id."""

    def __init__(self, movers: Mapping[str, Mover], watch: Watch, tell: Tell) -> None:
        self._movers = movers
        self._watch = watch
        self._tell = tell

    def rests_too_long(self, point: Point, seconds: float) -> bool:
        """Tell whether a release of so many seconds would wait for too long."""
        mover = self._movers[point.door]
        return mover.must_rest_seconds(seconds) > REST_WAIT_SECONDS

    async def release(
        self, point: Point, seconds: float, why_not: WhyNot, *, extended: bool = False
    ) -> Denial | None:
        """Drive a mover; return why it is no longer allowed, None when it was driven.

        `extended`: for somebody who needs longer, by the factor of the access point.
        Raise RestingError when it must rest for too long, HardwareError as `Mover.release` does.
        """
        mover = self._movers[point.door]
        if extended:
            seconds = point.extended_seconds(seconds)
        left_seconds = REST_WAIT_SECONDS
        while True:
            try:
                await mover.release(seconds)
            except RestingError as error:
                rest_seconds = error.seconds
                left_seconds -= rest_seconds
                if left_seconds < 0:
                    raise
            except HardwareError:
                self._watch.failed(point.door)
                raise
            else:
                self._watch.released(point.door, point.number, seconds, extended=extended)
                return None
            await asyncio.sleep(rest_seconds)
            why = why_not()
            if why is not None:
                return why

    async def secure(self, doors: Iterable[str]) -> None:
        """End the releases of these doors, all at the same time; what fails is told."""
        async with asyncio.TaskGroup() as tasks:
            for door in doors:
                tasks.create_task(self._secure(door))

    async def _secure(self, door: str) -> None:
        try:
            await self._movers[door].secure()
        except HardwareError as error:
            self._watch.failed(door)
            facts: Detail = {
                Fact.DOOR: door,
                Fact.WHY: str(error),
            }
            self._tell(EventName.NOT_SECURED, facts)
