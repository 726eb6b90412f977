"""Keeps each door in its mode: lets schedules and inputs order, holds open, secures.

Laws:
1. A door is held open by releases of HOLD_SECONDS, renewed each RENEW_SECONDS, whatever keeps a
   record or another door waiting. So when hubd dies the driver's own timer lets the door fall shut.
2. The record of a schedule's order is durable before a mover is driven by it.
3. A door whose mode keeps it shut is secured at once. One whose hold has ended falls shut by its
   timer, so that nobody's release is cut.
4. The mode of a door is asked right before each release.
5. Who watches the door is told of its mode before anything moves.
6. A schedule is no order given once. It is asked at each look, so it holds a door open after a
   lockdown has ended, if it still holds then.
7. A door whose mover is slow keeps no other door, no order and no look waiting (MOVE_SECONDS).
8. A fire alarm stands until FIRE_QUIET_SECONDS after its input last said so. It drives no mover:
   that release is wired past the hub. It stands at once, whatever keeps a record or an order
   waiting.
9. What a schedule or an input ends, and what an input begins, takes effect at once and is recorded
   afterwards, again and again until the disk has taken it. Of one that began and ended often
   meanwhile the last is recorded, with the one before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from hubcore.access.precedence import RULES_OF, DoorMode, DoorOrder, StandingOrder
from hubcore.errors import HardwareError
from hubcore.evidence.facts import EventName, Fact, Tell
from hubcore.ports.clock import Clock
from hubcore.ports.doors import Mover
from hubd.orders.order_log import OrderLog, facts_of
from hubd.orders.schedules import HoldSchedules
from hubd.orders.standing import OrderSource, StandingOrders

RENEW_SECONDS = 1.0
HOLD_SECONDS = 3.0
"""A hold outlasts hubd by at most so long."""
FIRE_QUIET_SECONDS = 10.0
RECORD_AGAIN_SECONDS = 30.0
"""After a disk that took no record, until something is recorded again."""
UNRECORDED_MAX = 2
"""Beginnings and ends of one order at one door that wait to be recorded."""
MOVE_SECONDS = 1.0
"""Nobody waits longer for movers: a lock that does not answer takes half a minute to say so."""

_BY_SCHEDULE = StandingOrder(DoorOrder.HOLD_OPEN, OrderSource.SCHEDULE)
_BY_INPUT = StandingOrder(DoorOrder.FIRE, OrderSource.INPUT)


class ModeWatch(Protocol):
    """Who watches the doors, and is told what each is in."""

    def mode_is(self, door: str, mode: DoorMode) -> None:
        """The door is in this mode from now on."""

    def failed(self, door: str) -> None:
        """A mover of the door did not do what it was told."""

    def works(self, door: str) -> None:
        """The movers of the door have done what they were told."""


class DoorKeeper:
    """All doors of the hub."""

    def __init__(
        self,
        *,
        standing: StandingOrders,
        schedules: HoldSchedules,
        movers: Mapping[str, Mover],
        may_hold: Callable[[str], bool],
        watch: ModeWatch,
        log: OrderLog,
        clock: Clock,
        tell: Tell,
        cannot_hold: Callable[[frozenset[str]], None],
    ) -> None:
        """`cannot_hold` takes the doors that a schedule holds open, but whose movers may not."""
        self._standing = standing
        self._schedules = schedules
        self._movers = movers
        self._may_hold = may_hold
        self._watch = watch
        self._log = log
        self._clock = clock
        self._tell = tell
        self._cannot_hold = cannot_hold
        self._modes = dict.fromkeys(standing.points, DoorMode.LOCKED)
        self._shut_orders = 0
        self._unsecured: dict[str, int] = {}
        """Doors that are to be secured, with the number of the change of mode that wants it."""
        self._secured = asyncio.Event()
        """Something was secured."""
        self._tasks: asyncio.TaskGroup | None = None
        """Of `run`, while it runs."""
        self._moves: dict[tuple[str, bool], asyncio.Task[None]] = {}
        """What moves a door just now, by door and whether it is being secured."""
        self._failing_since: dict[str, float] = {}
        """Since when a door cannot be held or secured."""
        self._told: set[str] = set()
        """Doors of which that was told."""
        self._fire: set[str] = set()
        self._fire_quiet_at: dict[str, float] = {}
        self._unrecorded: dict[tuple[str, StandingOrder], list[bool]] = {}
        """By door and order: that it began or ended, in turn, until that is recorded."""
        self._record_again_at = 0.0

    async def run(self, look_first: Callable[[], Awaitable[None]]) -> None:
        """Look each RENEW_SECONDS until cancelled; await `look_first` before each look."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                tasks.create_task(self._renew())
                while True:
                    await look_first()
                    await self.look()
                    await asyncio.sleep(RENEW_SECONDS)
            finally:
                self._tasks = None

    async def _renew(self) -> None:
        """Renew the holds and see fire alarms, whatever keeps a record waiting."""
        while True:
            self._take_inputs()
            await self.apply(self._standing.points)
            await asyncio.sleep(RENEW_SECONDS)

    async def look(self) -> None:
        """Take what schedules and inputs order, and bring each door into its mode."""
        self._take_inputs()
        wanted = self._schedules.open_now()
        self._cannot_hold(frozenset(door for door in wanted if not self._may_hold(door)))
        self._end_schedules(wanted)
        await self.apply(self._standing.points)
        if self._clock.monotonic() < self._record_again_at:
            return
        if await self._record_what_was():
            await self._begin_schedules(wanted)
        await self.apply(self._standing.points)

    def fire(self, door: str, active: bool) -> None:
        """An input says that the fire alarm of a door is on, or off."""
        if active:
            self._fire.add(door)
        elif door in self._fire:
            self._fire.discard(door)
            self._fire_quiet_at[door] = self._clock.monotonic() + FIRE_QUIET_SECONDS

    async def apply(self, doors: Iterable[str]) -> None:
        """Bring doors into their modes: tell the watch, secure, hold open.

        Return when their movers have done it, or while `run` runs after MOVE_SECONDS: what is slow
        goes on.
        """
        if self._tasks is not None:
            await self._move_all(doors, self._tasks)
            return
        async with asyncio.TaskGroup() as tasks:
            await self._move_all(doors, tasks)

    async def secured(self, door: str) -> None:
        """Return once the movers of a door have said that nothing is left to be secured."""
        while door in self._unsecured:
            self._secured.clear()
            await self._secured.wait()

    # Who orders.

    def _end_schedules(self, wanted: frozenset[str]) -> None:
        for door in self._standing.points:
            if door not in wanted and self._standing.end(door, _BY_SCHEDULE):
                self._has_become(door, _BY_SCHEDULE, on=False)

    async def _begin_schedules(self, wanted: frozenset[str]) -> None:
        for door in sorted(wanted):
            stands = _BY_SCHEDULE in self._standing.standing(door)
            if not stands and not await self._hold_by_schedule(door):
                return

    async def _hold_by_schedule(self, door: str) -> bool:
        """Hold a door open if it may be; return False when the disk takes no record."""
        may_hold = self._may_hold(door)
        if not may_hold or self._standing.why_not(door, _BY_SCHEDULE) is not None:
            return True
        if not await self._record(door, _BY_SCHEDULE, on=True):
            return False
        self._standing.take(door, _BY_SCHEDULE)
        return True

    def _take_inputs(self) -> None:
        now = self._clock.monotonic()
        for door in self._standing.points:
            burns = door in self._fire or now < self._fire_quiet_at.get(door, 0.0)
            if burns == (_BY_INPUT in self._standing.standing(door)):
                continue
            if burns:
                self._standing.take(door, _BY_INPUT)
            else:
                self._standing.end(door, _BY_INPUT)
            self._has_become(door, _BY_INPUT, on=burns)

    def _has_become(self, door: str, order: StandingOrder, on: bool) -> None:
        """Have it recorded that an order stands by now, or does not."""
        waiting = self._unrecorded.setdefault((door, order), [])
        waiting.append(on)
        if len(waiting) > UNRECORDED_MAX:
            del waiting[-3:-1]

    async def _record_what_was(self) -> bool:
        """Record what has begun or ended; return False when the disk takes no record."""
        for (door, order), waiting in list(self._unrecorded.items()):
            while waiting:
                on = waiting.pop(0)
                if not await self._record(door, order, on=on):
                    if waiting[:1] != [on]:  # else it became so once more meanwhile
                        waiting.insert(0, on)
                    return False
        return True

    async def _record(self, door: str, order: StandingOrder, on: bool) -> bool:
        facts = facts_of(order.order, on, order.source, None)
        recorded = await self._log.write({**facts, Fact.DOOR: door})
        if not recorded:
            self._record_again_at = self._clock.monotonic() + RECORD_AGAIN_SECONDS
        return recorded

    # What follows from a mode.

    def _change_mode(self, door: str) -> None:
        mode = self._standing.mode(door)
        was = self._modes[door]
        if mode is was:
            return
        self._modes[door] = mode
        if RULES_OF[mode].refuses is not None:
            self._shut_orders += 1
            self._unsecured[door] = self._shut_orders
        else:
            self._unsecured.pop(door, None)
            self._secured.set()
        self._tell(
            EventName.MODE,
            {Fact.DOOR: door, Fact.MODE: mode.value, Fact.WAS: was.value},
        )
        self._watch.mode_is(door, mode)

    async def _move_all(self, doors: Iterable[str], tasks: asyncio.TaskGroup) -> None:
        """Begin to move doors, and wait for MOVE_SECONDS; what is under way is not begun twice."""
        moves: list[asyncio.Task[None]] = []
        for door in doors:
            self._change_mode(door)
            key = (door, door in self._unsecured)
            move = self._moves.get(key)
            if move is None or move.done():
                move = tasks.create_task(self._move(door))
                self._moves[key] = move
            moves.append(move)
        if moves:
            await asyncio.wait(moves, timeout=MOVE_SECONDS)

    async def _move(self, door: str) -> None:
        """Secure a door that must be shut, hold open one that must be open."""
        wanted_by = self._unsecured.get(door)
        try:
            if wanted_by is not None:
                await self._movers[door].secure()
                if self._unsecured.get(door) == wanted_by:  # else a later change wants it again
                    del self._unsecured[door]
                    self._secured.set()
            elif self._standing.mode(door) is DoorMode.UNLOCKED and self._may_hold(door):
                await self._movers[door].release(HOLD_SECONDS)
            else:
                return
        except HardwareError as error:
            self._failed(door, str(error))
        else:
            self._failing_since.pop(door, None)
            if door in self._told:
                self._told.discard(door)
                self._watch.works(door)

    def _failed(self, door: str, why: str) -> None:
        """Tell once what fails for RENEW_SECONDS: at a start the movers are not there at once."""
        now = self._clock.monotonic()
        since = self._failing_since.setdefault(door, now)
        if door in self._told or now - since < RENEW_SECONDS:
            return
        self._told.add(door)
        self._watch.failed(door)
        is_to_be_shut = door in self._unsecured
        event = EventName.NOT_SECURED if is_to_be_shut else EventName.NOT_HELD
        self._tell(event, {Fact.DOOR: door, Fact.WHY: why})
