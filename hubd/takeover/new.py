"""The new process's side of a take-over: sees events, asks the table, does what it says.

Laws:
1. The table alone says what is done (`hubcore.update.takeover`).
2. On trial it says a beat each `Beats.beat`. Beats come from the loop that drives: a hub that
   stands still says none. One that hands everything back says none: it cannot hang in that.
3. An event that the table does not know came too late, or tells nothing new.
4. What cannot be handed back is not handed back by halves: the process ends, and the old one sees
   that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import assert_never

from hubcore.errors import HubError
from hubcore.update.packets import Back, Beat, Commit, Holdings, Packet, Taken, Turn, Warm
from hubcore.update.takeover import NEW_TABLE, NewAct, NewEvent, NewPhase, new_step
from hubd.takeover.neighbours import NewHub, Talk


@dataclass(frozen=True, slots=True)
class Beats:
    """How often the new process speaks, in seconds."""

    beat: float = 1.0
    commit: float = 5.0
    """Until COMMIT is said again."""


class NewSide:
    """One take-over, from the start of this process until it drives alone, or is to end."""

    def __init__(self, hub: NewHub, talk: Talk, software: str, beats: Beats | None = None) -> None:
        self.phase = NewPhase.WARMING
        self._hub = hub
        self._talk = talk
        self._software = software
        self._beats = beats or Beats()
        self._events: asyncio.Queue[NewEvent] = asyncio.Queue()
        self._given: tuple[Holdings, tuple[int, ...]] | None = None
        self.mistake: Exception | None = None
        """What this version did wrong in its checks or on trial, for people."""
        self._group = asyncio.TaskGroup()
        self._tasks = set[asyncio.Task[None]]()

    def stop(self) -> None:
        """The service manager ends this process."""
        self._events.put_nowait(NewEvent.STOP)

    async def run(self) -> NewPhase:
        """Return SERVING when this process drives alone, LEFT when it is to end."""
        async with asyncio.TaskGroup() as self._group:
            try:
                self._begin(self._hear())
                self._begin(self._come_to(self._hub.check(), NewEvent.CHECKED))
                while self.phase not in (NewPhase.SERVING, NewPhase.LEFT):
                    await self._take(await self._next())
            finally:
                for task in self._tasks:
                    task.cancel()
                self._talk.close()
        return self.phase

    async def _next(self) -> NewEvent:
        wait = self._beats.commit if self.phase is NewPhase.COMMITTING else None
        try:
            async with asyncio.timeout(wait):
                return await self._events.get()
        except TimeoutError:
            return NewEvent.LATE

    async def _take(self, event: NewEvent) -> None:
        if (self.phase, event) not in NEW_TABLE:
            return
        self.phase, acts = new_step(self.phase, event)
        for act in acts:
            await self._do(act)

    async def _do(self, act: NewAct) -> None:
        match act:
            case NewAct.SAY_WARM:
                await self._say(Warm(self._software))
            case NewAct.TAKE:
                await self._take_up()
            case NewAct.SAY_TAKEN:
                await self._say(Taken())
                self._begin(self._beat())
                self._begin(self._come_to(self._hub.healthy(), NewEvent.HEALTHY))
            case NewAct.SAY_COMMIT:
                await self._say(Commit())
            case NewAct.GIVE_BACK:
                await self._give_back()
            case NewAct.SECURE:
                await self._hub.secure()
            case NewAct.EXIT:
                pass  # the caller ends
            case _:
                assert_never(act)

    async def _take_up(self) -> None:
        if self._given is None:
            self._events.put_nowait(NewEvent.FAILED)
            return
        holdings, descriptors = self._given
        try:
            await self._hub.take(holdings, descriptors)
        except HubError:
            self._events.put_nowait(NewEvent.FAILED)
        else:
            self._events.put_nowait(NewEvent.TOOK)

    async def _give_back(self) -> None:
        try:
            holdings, descriptors = await self._hub.give_back()
            await self._talk.say(Back(holdings), descriptors)
        except HubError:
            return  # law 4

    async def _say(self, packet: Packet) -> None:
        try:
            await self._talk.say(packet)
        except HubError:
            self._events.put_nowait(NewEvent.GONE)

    async def _beat(self) -> None:
        while self.phase in (NewPhase.TRIAL, NewPhase.COMMITTING):
            await self._say(Beat())
            await asyncio.sleep(self._beats.beat)

    async def _hear(self) -> None:
        """Wait for the turn, then for the end: the old process says nothing else."""
        try:
            while True:
                packet, descriptors = await self._talk.hear()
                if not isinstance(packet, Turn) or self._given is not None:
                    break
                self._given = (packet.holdings, descriptors)
                self._events.put_nowait(NewEvent.TURN)
        except HubError:
            pass
        self._events.put_nowait(NewEvent.GONE)

    async def _come_to(self, work: Coroutine[None, None, None], well: NewEvent) -> None:
        try:
            await work
        except Exception as error:  # also a mistake of this version: that is what a trial finds
            self.mistake = error
            self._events.put_nowait(NewEvent.FAILED)
        else:
            self._events.put_nowait(well)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.add(self._group.create_task(work))
