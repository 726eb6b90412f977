"""A door as a state machine: strike, position switch and exit button in, happenings out.

Laws:
1. It only watches: nothing here moves anything.
2. An opening without a release or an exit request is `forced`.
3. A contact that bounces while the door falls shut opens nothing.
4. An event that is not in the table changes nothing.

How it works: an event and the phase give a new phase, and perhaps a happening. Some phases end by
themselves: `deadline` says when, and the caller then hands in TIMEOUT.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from hubcore.door.state import DoorState

SETTLE_SECONDS = 0.5
EGRESS_SECONDS = 10.0


class DoorPhase(Enum):
    """Where the door stands."""

    UNKNOWN = "its position switch has said nothing yet"
    SECURED = "closed, strike at rest"
    RELEASED = "closed, strike driven"
    EGRESS = "closed, somebody asked to leave"
    OPEN = "open, rightly"
    SETTLING = "just fell shut, its contact may bounce"
    HELD_OPEN = "open for too long"
    FORCED = "opened without release"


class Event(Enum):
    """What is seen at the door. TIMEOUT is the end of the phase's own time."""

    STRIKE_ON = "strike on"
    STRIKE_OFF = "strike off"
    OPENED = "opened"
    CLOSED = "closed"
    REX = "exit requested"
    TIMEOUT = "timeout"


class Happening(StrEnum):
    """What is worth a record."""

    ACCESS_TAKEN = "access_taken"
    ACCESS_NOT_TAKEN = "access_not_taken"
    EXIT = "exit"
    CLOSED = "closed"
    FORCED = "forced"
    HELD_OPEN = "held_open"
    TOO_OFTEN = "too_often"
    """Too many happenings for a record each; this one tells how many there were."""


_TABLE: dict[tuple[DoorPhase, Event], tuple[DoorPhase, Happening | None]] = {
    (DoorPhase.UNKNOWN, Event.CLOSED): (DoorPhase.SECURED, None),
    (DoorPhase.UNKNOWN, Event.OPENED): (DoorPhase.OPEN, None),
    (DoorPhase.UNKNOWN, Event.STRIKE_ON): (DoorPhase.RELEASED, None),
    (DoorPhase.SECURED, Event.STRIKE_ON): (DoorPhase.RELEASED, None),
    (DoorPhase.SECURED, Event.REX): (DoorPhase.EGRESS, None),
    (DoorPhase.SECURED, Event.OPENED): (DoorPhase.FORCED, Happening.FORCED),
    (DoorPhase.RELEASED, Event.STRIKE_OFF): (DoorPhase.SECURED, Happening.ACCESS_NOT_TAKEN),
    (DoorPhase.RELEASED, Event.OPENED): (DoorPhase.OPEN, Happening.ACCESS_TAKEN),
    (DoorPhase.EGRESS, Event.STRIKE_ON): (DoorPhase.RELEASED, None),
    (DoorPhase.EGRESS, Event.OPENED): (DoorPhase.OPEN, Happening.EXIT),
    (DoorPhase.EGRESS, Event.TIMEOUT): (DoorPhase.SECURED, None),
    (DoorPhase.OPEN, Event.CLOSED): (DoorPhase.SETTLING, None),
    (DoorPhase.OPEN, Event.TIMEOUT): (DoorPhase.HELD_OPEN, Happening.HELD_OPEN),
    (DoorPhase.SETTLING, Event.OPENED): (DoorPhase.OPEN, None),
    (DoorPhase.SETTLING, Event.TIMEOUT): (DoorPhase.SECURED, Happening.CLOSED),
    (DoorPhase.HELD_OPEN, Event.CLOSED): (DoorPhase.SETTLING, None),
    (DoorPhase.FORCED, Event.CLOSED): (DoorPhase.SETTLING, None),
    (DoorPhase.FORCED, Event.TIMEOUT): (DoorPhase.HELD_OPEN, Happening.HELD_OPEN),
}

_STATES = {
    DoorPhase.UNKNOWN: DoorState.UNKNOWN,
    DoorPhase.SECURED: DoorState.SECURED,
    DoorPhase.RELEASED: DoorState.RELEASED,
    DoorPhase.EGRESS: DoorState.SECURED,
    DoorPhase.OPEN: DoorState.OPEN,
    DoorPhase.SETTLING: DoorState.OPEN,
    DoorPhase.HELD_OPEN: DoorState.HELD_OPEN,
    DoorPhase.FORCED: DoorState.FORCED,
}
"""What phones and operators see of each phase."""


@dataclass(slots=True)
class DoorMachine:
    """One door; `watched` says that it has a position switch. Times are monotonic seconds."""

    watched: bool
    held_open_seconds: float
    phase: DoorPhase = DoorPhase.SECURED
    strike: bool = False
    """Whether the strike is driven."""
    taken: bool = False
    """Whether somebody went through since the strike was last driven."""
    deadline: float | None = None

    def __post_init__(self) -> None:
        """Begin with UNKNOWN where there is a switch: it has not been read yet."""
        if self.watched:
            self.phase = DoorPhase.UNKNOWN

    @property
    def state(self) -> DoorState:
        """The state as phones and operators see it."""
        return _STATES[self.phase]

    def see(self, event: Event, now: float) -> Happening | None:
        """Take one event; return what is worth a record."""
        if event is Event.STRIKE_ON:
            self.strike = True
            self.taken = False
        elif event is Event.STRIKE_OFF:
            self.strike = False
        step = _TABLE.get((self.phase, event))
        if step is None:
            return None
        phase, happening = step
        if phase is DoorPhase.SECURED and self.strike:
            phase = DoorPhase.RELEASED
        self._enter(phase, now)
        if happening is Happening.ACCESS_TAKEN:
            self.taken = True
        if happening is Happening.ACCESS_NOT_TAKEN:
            someone_may_have_passed = self.taken or not self.watched
            if someone_may_have_passed:
                return None
        return happening

    def _enter(self, phase: DoorPhase, now: float) -> None:
        times = {
            DoorPhase.SETTLING: SETTLE_SECONDS,
            DoorPhase.EGRESS: EGRESS_SECONDS,
            DoorPhase.OPEN: self.held_open_seconds,
            DoorPhase.FORCED: self.held_open_seconds,
        }
        self.phase = phase
        seconds = times.get(phase)
        self.deadline = None if seconds is None else now + seconds
