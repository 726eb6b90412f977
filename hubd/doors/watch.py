"""The use case that watches the doors: inputs and releases in, records and door states out.

Laws:
1. It observes; it never moves a strike and never delays one.
2. A door counts as released while its strike is driven and no longer. One that is opened after
   that, or while the strike rests in the middle of a release, is forced.
3. A door that was held open counts as released until its mover is at rest, MASK_SECONDS at most.
4. Phones are told what the door does, not what the strike does: that would show a yes to anybody
   who listens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from hubcore.access.precedence import RULES_OF, DoorMode
from hubcore.door.machine import DoorMachine
from hubcore.door.phases import Aspect, Event, Happening
from hubcore.door.state import BoltState, DoorAspects, DoorMasks, DoorState
from hubcore.evidence.facts import Tell
from hubcore.ports.clock import Clock
from hubcore.ports.doors import Input, InputEvent, Inputs
from hubcore.ports.stores import AuditLog
from hubd.doors.door_records import Happenings

_EVENTS = {
    Input.DOOR_OPEN: Event.OPENED,
    Input.DOOR_CLOSED: Event.CLOSED,
    Input.REX: Event.REX,
}
_ASPECTS = {
    Input.BOLT_LOCKED: Aspect.BOLT_LOCKED,
    Input.BOLT_FREE: Aspect.BOLT_FREE,
    Input.TAMPER: Aspect.TAMPERED,
    Input.TAMPER_ENDED: Aspect.UNTAMPERED,
}
_FIRE = {
    Input.FIRE: True,
    Input.FIRE_ENDED: False,
}
_UNDER_WAY = frozenset({DoorState.RELEASED, DoorState.OPEN})
IDLE_SECONDS = 2.0
MASK_SECONDS = 4.0
"""Longer than a hold outlasts its order (`orders.keeper.HOLD_SECONDS`)."""

Beat = Callable[[], None]
"""Says that the loop comes round."""
TellState = Callable[[int, DoorState], None]
"""Takes the access point of a door's latest release, and the state to which the door went."""
TellFire = Callable[[str, bool], None]
"""Takes a door, and whether its input says that there is a fire alarm."""


def _nobody(_access_point: int) -> None:
    return


def _no_fire(_door: str, _active: bool) -> None:
    return


@dataclass(slots=True)
class _Door:
    """A door and its latest release, in monotonic seconds.

    `ends` is the end of the release; `strike_ends` is None while the strike is at rest.
    `unmask_at`: then at the latest the masks of its mode of now hold.
    """

    name: str
    machine: DoorMachine
    access_point: int = 0
    began: float = 0.0
    ends: float = 0.0
    strike_ends: float | None = None
    mode: DoorMode = DoorMode.LOCKED
    unmask_at: float | None = None

    def release(self, access_point: int, began: float, ends: float) -> None:
        """Begin a release; one that runs is not made shorter."""
        if self.strike_ends is not None:
            ends = max(ends, self.ends)
        self.access_point = access_point
        self.began = began
        self.ends = ends

    def ends_before(self, moment: float) -> float:
        """Return when something ends here by itself before a moment, or that moment."""
        for end in (self.strike_ends, self.machine.deadline, self.unmask_at):
            if end is not None:
                moment = min(moment, end)
        return moment


class DoorWatch:
    """All doors of the hub. Implements `movers.Watch`."""

    def __init__(
        self,
        machines: Mapping[str, DoorMachine],
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        driven: Callable[[str], bool] = lambda _door: True,
        came_in: Callable[[int], None] = _nobody,
        bolt: Callable[[str], BoltState] = lambda _door: BoltState.UNKNOWN,
    ) -> None:
        """`machines` by door id; `driven` and `bolt` tell what is known of a door's movers now.

        `came_in` takes the access point of the release in which a door was seen to open.
        """
        self._doors: dict[str, _Door] = {}
        for name, machine in machines.items():
            self._doors[name] = _Door(name, machine)
        self._clock = clock
        self._driven = driven
        self._came_in = came_in
        self._bolt = bolt
        self._happenings = Happenings(machines, log=log, clock=clock, tell=tell)
        self._changed = asyncio.Event()

    def state(self, door: str) -> DoorState:
        """What the door is seen to do."""
        return self._doors[door].machine.state

    def aspects(self, door: str) -> DoorAspects:
        """All that is known of the door; without a bolt contact its movers tell of the bolt."""
        aspects = self._doors[door].machine.aspects
        has_contact = aspects.bolt is not BoltState.UNKNOWN
        return aspects if has_contact else replace(aspects, bolt=self._bolt(door))

    def asks_out(self, door: str) -> bool:
        """Tell whether somebody asked to leave just now."""
        return self._doors[door].machine.asks_out(self._clock.monotonic())

    def is_released(self, door: str) -> bool:
        """Tell whether a release for somebody is under way."""
        return self._doors[door].strike_ends is not None

    def is_in_cycle(self, door: str) -> bool:
        """Tell whether a door is between a release and its rest.

        One that is held open by order, that stands open for too long, or that was forced is not:
        that may last for days.
        """
        if self._doors[door].mode is DoorMode.UNLOCKED:
            return False
        return self.is_released(door) or self.state(door) in _UNDER_WAY

    def mode_is(self, door: str, mode: DoorMode) -> None:
        """See `orders.keeper.ModeWatch.mode_is`."""
        of_door = self._doors[door]
        was_released = RULES_OF[of_door.mode].released
        of_door.mode = mode
        still_free = was_released and not RULES_OF[mode].released and self._driven(door)
        now = self._clock.monotonic()
        if still_free:
            of_door.unmask_at = now + MASK_SECONDS
        else:
            self._mask(of_door, now)
        self._changed.set()

    def failed(self, door: str) -> None:
        """A mover of the door did not do what it was told."""
        self._notice(door, Aspect.FAULTY)

    def works(self, door: str) -> None:
        """The movers of the door have done what they were told."""
        self._notice(door, Aspect.FAULTLESS)

    def _notice(self, door: str, aspect: Aspect) -> None:
        of_door = self._doors[door]
        self._happened(of_door, of_door.machine.notice(aspect), self._clock.monotonic())

    def released(
        self, door: str, access_point: int, seconds: float, *, extended: bool = False
    ) -> None:
        """A release was driven just now; it ends after `seconds`, or when its strike is at rest.

        One whose strike has fallen already, at its cap, releases nobody until it is driven again.
        `extended`: it is for somebody who needs longer.
        """
        released = self._doors[door]
        self.works(door)
        released.machine.extended = extended
        now = self._clock.monotonic()
        released.release(access_point, began=now, ends=now + seconds)
        if self._driven(door):
            self._strike_on(released, now)
        self._changed.set()

    async def run(
        self,
        inputs: Inputs,
        beat: Beat,
        tell_state: TellState,
        tell_fire: TellFire = _no_fire,
    ) -> None:
        """Watch until cancelled.

        `beat` is called at least every IDLE_SECONDS, `tell_state` when a door itself has moved.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(inputs, tell_state, tell_fire))
            tasks.create_task(self._keep_time(beat, tell_state))
            tasks.create_task(self._happenings.write())

    async def _read(self, inputs: Inputs, tell_state: TellState, tell_fire: TellFire) -> None:
        async for event in inputs.events():
            door = self._doors.get(event.door)
            if door is None:
                continue
            if event.what in _FIRE:
                tell_fire(door.name, _FIRE[event.what])
            else:
                self._take(door, event, tell_state)
            self._changed.set()

    def _take(self, door: _Door, event: InputEvent, tell_state: TellState) -> None:
        now = self._clock.monotonic()
        if (kind := _EVENTS.get(event.what)) is not None:
            self._see(door, kind, now, tell_state)
            return
        aspect = _ASPECTS.get(event.what)
        if aspect is not None:
            self._happened(door, door.machine.notice(aspect), now)
            return
        if event.what is Input.STRIKE_INACTIVE and door.unmask_at is not None:
            self._mask(door, now)
        if event.at < door.began:
            return  # of an earlier release, seen late
        if event.what is Input.STRIKE_INACTIVE:
            self._strike_off(door, now)
        elif event.what is Input.STRIKE_ACTIVE:
            self._drive_again(door, now)

    def _drive_again(self, door: _Door, now: float) -> None:
        """The strike is driven again after it had to rest in the middle of a release."""
        if door.strike_ends is None and now < door.ends:
            self._strike_on(door, now)

    def _strike_on(self, door: _Door, now: float) -> None:
        door.strike_ends = door.ends
        self._see(door, Event.STRIKE_ON, now)

    def _strike_off(self, door: _Door, now: float) -> None:
        if door.strike_ends is not None:
            door.strike_ends = None
            self._see(door, Event.STRIKE_OFF, now)

    async def _keep_time(self, beat: Beat, tell_state: TellState) -> None:
        """Wake at the next deadline of any door, or when something changed."""
        while True:
            beat()
            now = self._clock.monotonic()
            for door in self._doors.values():
                self._take_time(door, now, tell_state)
            self._changed.clear()
            try:
                async with asyncio.timeout(self._idle_seconds(now)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _take_time(self, door: _Door, now: float, tell_state: TellState) -> None:
        """End what is over by now at a door."""
        if door.unmask_at is not None and door.unmask_at <= now:
            self._mask(door, now)
        if door.strike_ends is not None and door.strike_ends <= now:
            self._strike_off(door, now)
        deadline = door.machine.deadline
        if deadline is not None and deadline <= now:
            self._see(door, Event.TIMEOUT, now, tell_state)
        self._happenings.sum_up(door.name, door.machine.state, now)

    def _idle_seconds(self, now: float) -> float:
        """Return how long nothing ends by itself."""
        end = now + IDLE_SECONDS
        for door in self._doors.values():
            end = door.ends_before(end)
        return max(0.0, end - now)

    def _see(
        self, door: _Door, event: Event, now: float, tell_state: TellState | None = None
    ) -> None:
        """Let a door's machine see an event; `tell_state` None for what the strike does."""
        before = door.machine.state
        happened = door.machine.see(event, now)
        state = door.machine.state
        if state is not before and tell_state is not None:
            tell_state(door.access_point, state)
        self._happened(door, happened, now)

    def _mask(self, door: _Door, now: float) -> None:
        """Let the machine of a door expect what the door's mode allows."""
        door.unmask_at = None
        rules = RULES_OF[door.mode]
        masks = DoorMasks(
            released=rules.released,
            forced=rules.forced_masked,
            too_long=rules.too_long_masked,
        )
        self._happened(door, door.machine.expect(masks, now), now)

    def _happened(self, door: _Door, happened: Iterable[Happening], now: float) -> None:
        for happening in happened:
            if happening is Happening.ACCESS_TAKEN:
                self._came_in(door.access_point)
            self._happenings.take(door.name, happening, now)
