"""A door as a state machine: strike, contacts, exit button and mode in, happenings out.

Laws:
1. It only watches: nothing here moves anything.
2. An opening without a release or an exit request is `forced`, unless the mode holds it open.
3. A contact that bounces while the door falls shut opens nothing and ends no alarm.
4. An event that is not in the table (`hubcore.door.phases`) changes nothing.
5. Each alarm is raised once, and ended once: by the door that is shut again, or by a mode in which
   it is no alarm. What is masked is not raised.
6. Tamper and fault are aspects of their own: they come and go whatever the leaf does.
7. An exit request counts for EGRESS_SECONDS, also while the door is released or just falls shut.
8. An alarm of before a restart (`carry`) stands on. A door that is found open goes on with it, and
   is not raised again; one that is found shut ends it once its contact has settled.
9. Tamper of before a restart ends with the first position: a switch that is tampered with tells
   none.

How it works: an event and the phase give a new phase, and perhaps a happening. Some phases end by
themselves: `deadline` says when, and the caller then hands in TIMEOUT. Alarms stand beside the
phases: a phase may raise one, and a door that has settled in SECURED ends them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hubcore.door.phases import (
    POSITIONS,
    STATES,
    TABLE,
    Aspect,
    DoorPhase,
    Event,
    Happening,
)
from hubcore.door.state import (
    NO_MASKS,
    BoltState,
    DoorAlarm,
    DoorAspects,
    DoorMasks,
    DoorPosition,
    DoorState,
)

SETTLE_SECONDS = 0.5
EGRESS_SECONDS = 10.0

_RAISED_BY = {
    Happening.FORCED: DoorAlarm.FORCED,
    Happening.HELD_OPEN: DoorAlarm.OPEN_TOO_LONG,
}
_ENDED_AS = {
    DoorAlarm.FORCED: Happening.FORCED_ENDED,
    DoorAlarm.OPEN_TOO_LONG: Happening.HELD_OPEN_ENDED,
}
_OPEN = frozenset({DoorPhase.OPEN, DoorPhase.PRE_ALARM, DoorPhase.HELD_OPEN, DoorPhase.FORCED})

Happened = tuple[Happening, ...]


_NOBODYS = frozenset({DoorPhase.SECURED, DoorPhase.EGRESS, DoorPhase.FORCED})
"""Phases that no release has made: nobody has longer in them."""


@dataclass(slots=True)
class DoorMachine:
    """One door; `watched` says that it has a position switch. Times are monotonic seconds.

    `pre_alarm_seconds`: so long before `held_open_seconds` are over PRE_ALARM comes; 0: never.
    `extended_factor`: how much longer a door may stand open for somebody who needs longer.
    """

    watched: bool
    held_open_seconds: float
    pre_alarm_seconds: float = 0.0
    extended_factor: float = 1.0
    phase: DoorPhase = DoorPhase.SECURED
    strike: bool = False
    """Whether the strike is driven."""
    taken: bool = False
    """Whether somebody went through since the strike was last driven."""
    extended: bool = False
    """Whether the release of now is for somebody who needs longer."""
    deadline: float | None = None
    masks: DoorMasks = NO_MASKS
    bolt: BoltState = BoltState.UNKNOWN
    tamper: bool = False
    fault: bool = False
    alarms: set[DoorAlarm] = field(default_factory=set)
    _asked_out: float | None = None
    """When somebody last asked to leave."""
    _carried_tamper: bool = False
    """Whether `tamper` is of before a restart, and nothing was heard of it since."""

    def __post_init__(self) -> None:
        """Begin with UNKNOWN where there is a switch: it has not been read yet."""
        if self.watched:
            self.phase = DoorPhase.UNKNOWN

    @property
    def state(self) -> DoorState:
        """The state as phones and operators see it."""
        state = STATES[self.phase]
        if self.masks.released and state is DoorState.SECURED:
            return DoorState.RELEASED
        return state

    def asks_out(self, now: float) -> bool:
        """Tell whether somebody asked to leave within the last EGRESS_SECONDS."""
        return self._asked_out is not None and now - self._asked_out < EGRESS_SECONDS

    @property
    def alarm(self) -> DoorAlarm:
        """The alarm that stands; of two the graver one."""
        for alarm in (DoorAlarm.FORCED, DoorAlarm.OPEN_TOO_LONG):
            if alarm in self.alarms:
                return alarm
        return DoorAlarm.NORMAL

    @property
    def aspects(self) -> DoorAspects:
        """All that is known of the door."""
        position = POSITIONS[self.phase] if self.watched else DoorPosition.UNKNOWN
        return DoorAspects(
            position=position,
            bolt=self.bolt,
            alarm=self.alarm,
            tamper=self.tamper,
            fault=self.fault,
        )

    def carry(self, alarms: Iterable[Happening]) -> None:
        """Let these alarms stand, each by its beginning: they were raised before a restart.

        Without a position switch nothing would end what only a switch can tell.
        """
        begun = frozenset(alarms)
        self.fault = Happening.FAULT in begun
        if not self.watched:
            return
        self.tamper = self._carried_tamper = Happening.TAMPER in begun
        self.alarms = {_RAISED_BY[one] for one in begun if one in _RAISED_BY}

    def see(self, event: Event, now: float) -> Happened:
        """Take one event; return what is worth a record."""
        ended: Happened = ()
        if event in (Event.OPENED, Event.CLOSED) and self._carried_tamper:
            ended = self.notice(Aspect.UNTAMPERED)
        return ended + self._take(event, now)

    def _take(self, event: Event, now: float) -> Happened:
        if event is Event.STRIKE_ON:
            self.strike = True
            self.taken = False
        elif event is Event.STRIKE_OFF:
            self.strike = False
        elif event is Event.REX:
            self._asked_out = now
        elif event is Event.OPENED:
            self._asked_out = None
        step = self._step(event)
        if step is None:
            return ()
        phase, happening = self._with_mode(*step)
        return self._enter(phase, happening, now)

    def _step(self, event: Event) -> tuple[DoorPhase, Happening | None] | None:
        """Return what an event leads to; alarms beside a door not seen open are carried ones."""
        is_carried = self.alarms and self.phase not in _OPEN | {DoorPhase.SETTLING}
        if is_carried and event is Event.CLOSED:
            return DoorPhase.SETTLING, None
        if is_carried and event is Event.OPENED and self.phase is DoorPhase.UNKNOWN:
            too_long = DoorAlarm.OPEN_TOO_LONG in self.alarms
            return (DoorPhase.HELD_OPEN if too_long else DoorPhase.FORCED), None
        return TABLE.get((self.phase, event))

    def notice(self, aspect: Aspect) -> Happened:
        """Take what is seen of an aspect; return what is worth a record."""
        match aspect:
            case Aspect.BOLT_LOCKED:
                self.bolt = BoltState.LOCKED
            case Aspect.BOLT_FREE:
                self.bolt = BoltState.FREE
            case Aspect.TAMPERED | Aspect.UNTAMPERED:
                was = self.tamper
                self._carried_tamper = False
                self.tamper = aspect is Aspect.TAMPERED
                return _changed(was, self.tamper, Happening.TAMPER, Happening.TAMPER_ENDED)
            case Aspect.FAULTY | Aspect.FAULTLESS:
                was = self.fault
                self.fault = aspect is Aspect.FAULTY
                return _changed(was, self.fault, Happening.FAULT, Happening.FAULT_ENDED)
        return ()

    def expect(self, masks: DoorMasks, now: float) -> Happened:
        """Take what the mode of the door makes of its openings from now on."""
        times_change = masks.too_long is not self.masks.too_long
        self.masks = masks
        ended: list[Happening] = []
        if masks.forced:
            ended += self._end_alarm(DoorAlarm.FORCED)
        if masks.too_long:
            ended += self._end_alarm(DoorAlarm.OPEN_TOO_LONG)
        if self.phase is DoorPhase.FORCED:
            begins_again = masks.forced
        else:
            begins_again = self.phase in _OPEN and times_change
        if begins_again:
            self._begin(DoorPhase.OPEN, now)
        return tuple(ended)

    def _with_mode(
        self, phase: DoorPhase, happening: Happening | None
    ) -> tuple[DoorPhase, Happening | None]:
        """Return the step as the mode of the door has it."""
        if phase is DoorPhase.FORCED and self.masks.forced:
            return DoorPhase.OPEN, None
        if phase is DoorPhase.PRE_ALARM and not self.pre_alarm_seconds:
            return DoorPhase.HELD_OPEN, Happening.HELD_OPEN
        if phase is DoorPhase.SECURED and self.strike:
            return DoorPhase.RELEASED, happening
        return phase, happening

    def _enter(self, phase: DoorPhase, happening: Happening | None, now: float) -> Happened:
        """Begin a phase, and return what is worth a record of that."""
        had_settled = self.phase is DoorPhase.SETTLING and phase not in _OPEN
        self._begin(phase, now)
        happened = [] if happening is None else self._worth_recording(happening)
        if had_settled:
            happened += self._end_alarm(DoorAlarm.FORCED)
            happened += self._end_alarm(DoorAlarm.OPEN_TOO_LONG)
        return tuple(happened)

    def _worth_recording(self, happening: Happening) -> list[Happening]:
        if happening is Happening.ACCESS_TAKEN:
            self.taken = True
        if happening is Happening.ACCESS_NOT_TAKEN:
            someone_may_have_passed = self.taken or not self.watched
            return [] if someone_may_have_passed else [happening]
        alarm = _RAISED_BY.get(happening)
        if alarm is None:
            return [happening]
        if alarm in self.alarms:
            return []
        self.alarms.add(alarm)
        return [happening]

    def _end_alarm(self, alarm: DoorAlarm) -> list[Happening]:
        if alarm not in self.alarms:
            return []
        self.alarms.discard(alarm)
        return [_ENDED_AS[alarm]]

    def _begin(self, phase: DoorPhase, now: float) -> None:
        """Begin a phase: a door that is shut may be that of somebody who asked to leave."""
        self.phase = phase
        if phase in _NOBODYS:
            self.extended = False
        seconds = self._seconds_of(phase)
        self.deadline = None if seconds is None else now + seconds
        if phase is not DoorPhase.SECURED or self._asked_out is None:
            return
        egress_ends = self._asked_out + EGRESS_SECONDS
        if now < egress_ends:
            self.phase = DoorPhase.EGRESS
            self.deadline = egress_ends

    def _seconds_of(self, phase: DoorPhase) -> float | None:
        """Return how long a phase lasts by itself, None for ever."""
        factor = self.extended_factor if self.extended else 1.0
        held_seconds = self.held_open_seconds * factor
        pre_seconds = min(self.pre_alarm_seconds, held_seconds)
        times = {
            DoorPhase.SETTLING: SETTLE_SECONDS,
            DoorPhase.EGRESS: EGRESS_SECONDS,
            DoorPhase.OPEN: held_seconds - pre_seconds,
            DoorPhase.PRE_ALARM: pre_seconds,
            DoorPhase.FORCED: held_seconds,
        }
        if self.masks.too_long and phase in _OPEN:
            return None
        return times.get(phase)


def _changed(was: bool, is_now: bool, begun: Happening, ended: Happening) -> Happened:
    if was is is_now:
        return ()
    return (begun,) if is_now else (ended,)
