"""The use case that watches the doors: inputs and releases in, records and door states out.

Laws:
1. It observes; it never moves a strike and never delays one.
2. A door counts as released while its strike is driven and no longer, so that one forced open after
   that, or while the strike rests in the middle of a release, is told as forced.
3. In any span of t seconds a door has at most HAPPENINGS' burst and rate times t records, whatever
   its contact does. What is left out is counted, and told by one record as soon as the pace allows
   it.
4. Phones are not told what the strike does when it does it: who listens could tell a yes from a no
   by that.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress

from hubcore.door.machine import DoorMachine, Event, Happening
from hubcore.door.state import DoorState
from hubcore.errors import AuditError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import Record, RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.doors import Input, InputEvent, Inputs
from hubcore.ports.stores import AuditLog
from hubcore.timing.pace import Bucket, Rate

_EVENTS = {Input.DOOR_OPEN: Event.OPENED, Input.DOOR_CLOSED: Event.CLOSED, Input.REX: Event.REX}
UNRECORDED_MAX = 256
HAPPENINGS = Rate(burst=60, per_second=0.5)
"""Records of one door: more than people who go through it give, and at worst some 10 MB a day."""
IDLE_SECONDS = 2.0
RETRY_SECONDS = 1.0
LAST_SECONDS = 1.0


class DoorWatch:
    """All doors of the hub. Implements `unlock.Watch`."""

    def __init__(
        self,
        machines: Mapping[str, DoorMachine],
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        driven: Callable[[str], bool] = lambda _door: True,
    ) -> None:
        """`machines` by door id; `driven` tells whether the strike of a door is driven now."""
        self._machines = machines
        self._log = log
        self._clock = clock
        self._tell = tell
        self._driven = driven
        self._strikes: dict[str, float] = {}
        self._ends: dict[str, float] = {}  # when the latest release ends, driven or at rest
        self._since: dict[str, float] = {}
        self._points: dict[str, int] = {}
        self._paces = {door: Bucket(HAPPENINGS) for door in machines}
        self._left_out: Counter[str] = Counter()
        self._happened: asyncio.Queue[Record] = asyncio.Queue(UNRECORDED_MAX)
        self._changed = asyncio.Event()
        self.on_state: Callable[[int, DoorState], None] = lambda _point, _state: None
        """Called with (access point of the last release, state) when the door itself has moved."""

    def state(self, door: str) -> DoorState:
        """What the door is seen to do."""
        return self._machines[door].state

    def released(self, door: str, access_point: int, seconds: float) -> None:
        """A release was driven just now; it ends by itself after `seconds`, or when its strike is
        seen at rest.

        One whose strike has fallen meanwhile, at its cap, releases nobody before the strike is
        driven again.
        """
        now = self._clock.monotonic()
        running = self._ends.get(door, 0.0) if door in self._strikes else 0.0
        self._since[door] = now
        self._points[door] = access_point
        self._ends[door] = max(now + seconds, running)
        if self._driven(door):
            self._strikes[door] = self._ends[door]
            self._see(door, Event.STRIKE_ON, now)
        self._changed.set()

    async def run(self, inputs: Inputs, beat: Callable[[], None]) -> None:
        """Watch until cancelled; `beat` is called at least every IDLE_SECONDS."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(inputs))
            tasks.create_task(self._keep_time(beat))
            tasks.create_task(self._write())

    async def _read(self, inputs: Inputs) -> None:
        async for event in inputs.events():
            self._take(event)

    def _take(self, event: InputEvent) -> None:
        if event.door not in self._machines:
            return
        kind = _EVENTS.get(event.what)
        now = self._clock.monotonic()
        if kind is not None:
            self._see(event.door, kind, now)
        elif event.what is Input.STRIKE_INACTIVE and event.at >= self._since.get(event.door, now):
            self._end_release(event.door, now)  # not one of an earlier release, seen late
        elif event.what is Input.STRIKE_ACTIVE and event.at >= self._since.get(event.door, now):
            self._go_on(event.door, now)
        self._changed.set()

    def _go_on(self, door: str, now: float) -> None:
        """The strike is driven again after it had to rest in the middle of a release."""
        if door not in self._strikes and now < self._ends.get(door, now):
            self._strikes[door] = self._ends[door]
            self._see(door, Event.STRIKE_ON, now)

    def _end_release(self, door: str, now: float) -> None:
        if self._strikes.pop(door, None) is not None:
            self._see(door, Event.STRIKE_OFF, now)

    async def _keep_time(self, beat: Callable[[], None]) -> None:
        """Wake at the next deadline of any door, or when something changed."""
        while True:
            beat()
            now = self._clock.monotonic()
            for door, machine in self._machines.items():
                if self._strikes.get(door, now + 1) <= now:
                    self._end_release(door, now)
                if machine.deadline is not None and machine.deadline <= now:
                    self._see(door, Event.TIMEOUT, now)
                self._tell_left_out(door, now)
            ends = [
                *self._strikes.values(),
                *(m.deadline for m in self._machines.values() if m.deadline is not None),
            ]
            self._changed.clear()
            try:
                async with asyncio.timeout(max(0.0, min([*ends, now + IDLE_SECONDS]) - now)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _see(self, door: str, event: Event, now: float) -> None:
        machine = self._machines[door]
        before = machine.state
        happening = machine.see(event, now)
        if machine.state is not before and event not in (Event.STRIKE_ON, Event.STRIKE_OFF):
            self.on_state(self._points.get(door, 0), machine.state)
        if happening is not None:
            self._report(door, happening, now)

    def _report(self, door: str, happening: Happening, now: float) -> None:
        detail: Detail = {Fact.DOOR: door, Fact.WHAT: str(happening)}
        self._tell(EventName.DOOR, detail)
        if self._left_out[door] or not self._paces[door].take(now):
            self._left_out[door] += 1
        else:
            self._record(detail)

    def _tell_left_out(self, door: str, now: float) -> None:
        """Record how many happenings have no record of their own, and where the door stands after
        them.
        """
        if not self._left_out[door] or not self._paces[door].take(now):
            return
        state = self._machines[door].state.name.lower()
        count = self._left_out.pop(door)
        left_out = str(Happening.TOO_OFTEN)
        self._record({Fact.DOOR: door, Fact.WHAT: left_out, Fact.COUNT: count, Fact.STATE: state})

    def _record(self, detail: Detail) -> None:
        try:
            self._happened.put_nowait(
                Record.at(RecordKind.DOOR, self._clock.wall(), self._clock.monotonic(), detail)
            )
        except asyncio.QueueFull:
            self._tell(EventName.DOOR_UNRECORDED, detail)

    async def _write(self) -> None:
        """Write what happened, in order; what the disk refuses is tried again; at the stop, what is
        left.
        """
        try:
            while True:
                record = await self._happened.get()
                pause_seconds = 0.0
                while not await self._written(record, pause_seconds):
                    pause_seconds = RETRY_SECONDS
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    while not self._happened.empty():
                        await self._written(self._happened.get_nowait(), 0.0)

    async def _written(self, record: Record, pause_seconds: float) -> bool:
        await asyncio.sleep(pause_seconds)
        try:
            await self._log.append(record)
        except AuditError as error:
            self._tell(EventName.AUDIT_FAILED, {Fact.WHY: str(error)})
            return False
        return True
