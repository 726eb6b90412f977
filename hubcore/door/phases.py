"""The phases of a door, what moves it from one to the next, and what is seen of each.

The laws of the table are those of `hubcore.door.machine`.
"""

from __future__ import annotations

from enum import Enum, StrEnum

from hubcore.door.state import DoorPosition, DoorState


class DoorPhase(Enum):
    """Where the door stands."""

    UNKNOWN = "its position switch has said nothing yet"
    SECURED = "closed, strike at rest"
    RELEASED = "closed, strike driven"
    EGRESS = "closed, somebody asked to leave"
    OPEN = "open, rightly"
    PRE_ALARM = "open, and soon for too long"
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


class Aspect(Enum):
    """What is seen of a door beside its leaf."""

    BOLT_LOCKED = "bolt thrown"
    BOLT_FREE = "bolt drawn"
    TAMPERED = "its contacts contradict each other"
    UNTAMPERED = "its contacts agree again"
    FAULTY = "it does not do what it was told"
    FAULTLESS = "it does what it is told again"


class Happening(StrEnum):
    """What is worth a record. The words stand in records: they never change."""

    ACCESS_TAKEN = "access_taken"
    ACCESS_NOT_TAKEN = "access_not_taken"
    EXIT = "exit"
    CLOSED = "closed"
    FORCED = "forced"
    FORCED_ENDED = "forced_ended"
    PRE_ALARM = "pre_alarm"
    """It is to be closed now, or HELD_OPEN comes."""
    HELD_OPEN = "held_open"
    HELD_OPEN_ENDED = "held_open_ended"
    TAMPER = "tamper"
    TAMPER_ENDED = "tamper_ended"
    FAULT = "fault"
    FAULT_ENDED = "fault_ended"
    TOO_OFTEN = "too_often"
    """Too many happenings for a record each; this one tells how many there were."""


TABLE: dict[tuple[DoorPhase, Event], tuple[DoorPhase, Happening | None]] = {
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
    (DoorPhase.OPEN, Event.TIMEOUT): (DoorPhase.PRE_ALARM, Happening.PRE_ALARM),
    (DoorPhase.PRE_ALARM, Event.CLOSED): (DoorPhase.SETTLING, None),
    (DoorPhase.PRE_ALARM, Event.TIMEOUT): (DoorPhase.HELD_OPEN, Happening.HELD_OPEN),
    (DoorPhase.SETTLING, Event.OPENED): (DoorPhase.OPEN, None),
    (DoorPhase.SETTLING, Event.TIMEOUT): (DoorPhase.SECURED, Happening.CLOSED),
    (DoorPhase.HELD_OPEN, Event.CLOSED): (DoorPhase.SETTLING, None),
    (DoorPhase.FORCED, Event.CLOSED): (DoorPhase.SETTLING, None),
    (DoorPhase.FORCED, Event.TIMEOUT): (DoorPhase.HELD_OPEN, Happening.HELD_OPEN),
}

STATES = {
    DoorPhase.UNKNOWN: DoorState.UNKNOWN,
    DoorPhase.SECURED: DoorState.SECURED,
    DoorPhase.RELEASED: DoorState.RELEASED,
    DoorPhase.EGRESS: DoorState.SECURED,
    DoorPhase.OPEN: DoorState.OPEN,
    DoorPhase.PRE_ALARM: DoorState.OPEN,
    DoorPhase.SETTLING: DoorState.OPEN,
    DoorPhase.HELD_OPEN: DoorState.HELD_OPEN,
    DoorPhase.FORCED: DoorState.FORCED,
}
"""What phones and operators see of each phase."""

POSITIONS = {
    DoorPhase.UNKNOWN: DoorPosition.UNKNOWN,
    DoorPhase.SECURED: DoorPosition.CLOSED,
    DoorPhase.RELEASED: DoorPosition.CLOSED,
    DoorPhase.EGRESS: DoorPosition.CLOSED,
    DoorPhase.OPEN: DoorPosition.OPEN,
    DoorPhase.PRE_ALARM: DoorPosition.OPEN,
    DoorPhase.SETTLING: DoorPosition.OPEN,
    DoorPhase.HELD_OPEN: DoorPosition.OPEN,
    DoorPhase.FORCED: DoorPosition.OPEN,
}
