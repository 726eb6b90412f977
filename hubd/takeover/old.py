"""The old process's side of a take-over: sees events, asks the table, does what it says.

How it works: one task hears the new process, one waits for its end, one for a quiet moment. Each
puts what it saw into one queue. `run` takes one after the other. What an act brings about (the
books are closed, the hub is taken up again) is an event like any other.

Laws:
1. The table alone says what is done (`hubcore.update.takeover`).
2. A phase in which the new process must do something has a time. When it is over, that is BROKEN.
3. A beat is no event: it begins the time of STANDBY again.
4. After KILL nothing that the new process said is looked at, and its descriptors are closed.
5. A word of the new process that the table does not know is BROKEN. Any other event that it does
   not know came too late, and nothing is to be done any more.
6. An end is told after what the new process said before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Coroutine, Iterable
from dataclasses import dataclass
from typing import assert_never

from hubcore.errors import HubError
from hubcore.update.packets import Back, Beat, Commit, Holdings, Packet, Taken, Turn, Warm
from hubcore.update.takeover import OLD_TABLE, OldAct, OldEvent, OldPhase, old_step
from hubd.takeover.neighbours import Hub, NewProcess, Talk


@dataclass(frozen=True, slots=True)
class Times:
    """How long the new process may take, in seconds."""

    warming: float = 60.0
    waiting: float = 3600.0
    """For a quiet moment; the update is tried again another day."""
    taking: float = 5.0
    silence: float = 5.0
    """Between two beats."""

    def of(self, phase: OldPhase) -> float | None:
        """Return the time of a phase; None where nothing is asked of the new process."""
        match phase:
            case OldPhase.WARMING:
                return self.warming
            case OldPhase.WAITING:
                return self.waiting
            case OldPhase.PASSED:
                return self.taking
            case OldPhase.STANDBY:
                return self.silence
            case _:
                return None


_FROM_NEW = frozenset({OldEvent.WARM, OldEvent.TAKEN, OldEvent.BACK, OldEvent.COMMIT})
_LAST_WORDS_SECONDS = 1.0
_Given = tuple[Holdings, tuple[int, ...]]


class OldSide:
    """One take-over, from its order to the moment when this process drives alone, or is to end."""

    def __init__(self, hub: Hub, new: NewProcess, times: Times | None = None) -> None:
        self.phase = OldPhase.SERVING
        self._hub = hub
        self._new = new
        self._times = times or Times()
        self._events: asyncio.Queue[OldEvent | None] = asyncio.Queue()
        """None: a beat."""
        self._talk: Talk | None = None
        self._back: _Given | None = None
        self._group = asyncio.TaskGroup()
        self._tasks = set[asyncio.Task[None]]()
        self._hearing: asyncio.Task[None] | None = None
        self._waits: asyncio.Task[None] | None = None
        """For a quiet moment."""
        self.is_in_vain = False
        """Whether no quiet moment came: nothing is known of the new version."""
        self.is_lost = False
        """Whether the hub came back and cannot be taken up again: nobody drives."""

    def stop(self) -> None:
        """The service manager ends this process."""
        self._events.put_nowait(OldEvent.STOP)

    async def run(self) -> OldPhase:
        """Return SERVING when this process drives on alone, LEFT when it is to end."""
        async with asyncio.TaskGroup() as self._group:
            try:
                await self._take(OldEvent.ORDERED)
                while self.phase not in (OldPhase.SERVING, OldPhase.LEFT):
                    event = await self._next()
                    if event is not None:
                        await self._take(event)
            finally:
                self._clear_up()
        return self.phase

    async def _next(self) -> OldEvent | None:
        try:
            async with asyncio.timeout(self._times.of(self.phase)):
                return await self._events.get()
        except TimeoutError:
            self.is_in_vain = self.phase is OldPhase.WAITING
            return OldEvent.BROKEN

    async def _take(self, event: OldEvent) -> None:
        if event in _FROM_NEW and (self.phase, event) not in OLD_TABLE:
            event = OldEvent.BROKEN
        if (self.phase, event) not in OLD_TABLE:
            return
        self.phase, acts = old_step(self.phase, event)
        self.is_lost = self.phase is OldPhase.LEFT and event is OldEvent.FAILED
        for act in acts:
            await self._do(act)
        self._wait_for_quiet()

    def _wait_for_quiet(self) -> None:
        if self.phase is OldPhase.WAITING and self._waits is None:
            self._waits = self._begin(self._tell(self._hub.quiet(), OldEvent.QUIET))
        elif self.phase is not OldPhase.WAITING and self._waits is not None:
            self._waits.cancel()
            self._waits = None

    async def _do(self, act: OldAct) -> None:
        match act:
            case OldAct.START:
                await self._start()
            case OldAct.SETTLE:
                settled = await self._hub.settle()
                self._events.put_nowait(OldEvent.SETTLED if settled else OldEvent.BUSY)
            case OldAct.REOPEN:
                await self._hub.reopen()
            case OldAct.GIVE:
                await self._give()
            case OldAct.KILL:
                self._kill()
            case OldAct.PROMOTE:
                moved = await self._new.promoted()
                self._events.put_nowait(OldEvent.MOVED if moved else OldEvent.UNMOVED)
            case OldAct.ADOPT:
                await self._adopt()
            case OldAct.REGISTER:
                await self._resume(self._hub.register())
            case OldAct.SECURE:
                await self._hub.secure()
            case OldAct.EXIT:
                pass  # the caller ends
            case _:
                assert_never(act)

    async def _start(self) -> None:
        try:
            self._talk = await self._new.start()
        except HubError:
            self._events.put_nowait(OldEvent.ENDED)
            return
        self._hearing = self._begin(self._hear(self._talk))
        self._begin(self._tell(self._ended(self._hearing), OldEvent.ENDED))

    async def _ended(self, hearing: asyncio.Task[None]) -> None:
        await self._new.ended()
        await asyncio.wait({hearing}, timeout=_LAST_WORDS_SECONDS)

    async def _give(self) -> None:
        holdings, descriptors = self._hub.holdings()
        try:
            if self._talk is not None:
                await self._talk.say(Turn(holdings), descriptors)
        except HubError:
            self._events.put_nowait(OldEvent.BROKEN)

    def _kill(self) -> None:
        self._new.kill()
        if self._talk is not None:
            self._talk.close()
            self._talk = None
        if self._hearing is not None:
            self._hearing.cancel()
        self._drop_back()

    async def _adopt(self) -> None:
        if self._back is None:
            self._events.put_nowait(OldEvent.FAILED)
            return
        holdings, descriptors = self._back
        self._back = None
        await self._resume(self._hub.adopt(holdings, descriptors))

    async def _resume(self, taken_up: Awaitable[None]) -> None:
        try:
            await taken_up
        except HubError:
            self._events.put_nowait(OldEvent.FAILED)
        else:
            self._events.put_nowait(OldEvent.RESUMED)

    async def _hear(self, talk: Talk) -> None:
        """Tell what the new process says, until it is killed, closes its end, or says nonsense."""
        while True:
            try:
                packet, descriptors = await talk.hear()
            except HubError:
                if talk is self._talk:
                    self._events.put_nowait(OldEvent.BROKEN)
                return
            if talk is not self._talk:
                _close(descriptors)
                return
            self._heard(packet, descriptors)

    def _heard(self, packet: Packet, descriptors: tuple[int, ...]) -> None:
        match packet:
            case Beat():
                self._events.put_nowait(None)
            case Warm():
                self._events.put_nowait(OldEvent.WARM)
            case Taken():
                self._events.put_nowait(OldEvent.TAKEN)
            case Commit():
                self._events.put_nowait(OldEvent.COMMIT)
            case Back(holdings):
                self._drop_back()
                self._back = (holdings, descriptors)
                self._events.put_nowait(OldEvent.BACK)
            case Turn():
                _close(descriptors)
                self._events.put_nowait(OldEvent.BROKEN)
            case _:
                assert_never(packet)

    def _drop_back(self) -> None:
        if self._back is not None:
            _close(self._back[1])
            self._back = None

    async def _tell(self, awaited: Awaitable[None], event: OldEvent) -> None:
        await awaited
        self._events.put_nowait(event)

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        return task

    def _clear_up(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._talk is not None:
            self._talk.close()
            self._talk = None
        self._drop_back()


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
