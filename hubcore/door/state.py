"""The state of a door, in the words and numbers that phones, operators and records share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class DoorState(IntEnum):
    """What the hub sees of the door, as far as its inputs tell.

    SECURED: closed, and the strike is at rest.
    """

    UNKNOWN = 0
    SECURED = 1
    RELEASED = 2
    OPEN = 3
    HELD_OPEN = 4
    FORCED = 5
    FAULT = 6


class DoorPosition(StrEnum):
    """What the position switch says, once its contact has settled."""

    UNKNOWN = "unknown"
    CLOSED = "closed"
    OPEN = "open"


class BoltState(StrEnum):
    """What holds the leaf: `free` once nothing does."""

    UNKNOWN = "unknown"
    LOCKED = "locked"
    FREE = "free"


class DoorAlarm(StrEnum):
    """ONVIF's alarms of a door. Of two that stand, the forced door is shown."""

    NORMAL = "normal"
    FORCED = "forced"
    OPEN_TOO_LONG = "open_too_long"


@dataclass(frozen=True, slots=True)
class DoorMasks:
    """What the mode of a door makes of its openings: ONVIF's words, as plain answers.

    `released`: it stands open to everybody. `forced` and `too_long`: these alarms are not raised.
    """

    released: bool = False
    forced: bool = False
    too_long: bool = False


NO_MASKS = DoorMasks()


@dataclass(frozen=True, slots=True)
class DoorAspects:
    """All that is known of a door, each aspect by itself."""

    position: DoorPosition
    bolt: BoltState
    alarm: DoorAlarm
    tamper: bool
    fault: bool
