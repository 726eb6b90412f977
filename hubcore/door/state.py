"""The state of a door, in the words and numbers that phones, operators and records share."""

from __future__ import annotations

from collections.abc import Collection
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
    """What holds the leaf, by a word as strong as its proof.

    `locked` and `free` are proven by a contact or by a lock that says so itself. A strike and a
    magnet cannot tell what became of the bolt: they are at rest or released, and that is all.
    """

    UNKNOWN = "unknown"
    LOCKED = "locked"
    FREE = "free"
    """Nothing holds it."""
    AT_REST = "at_rest"
    """Its mover rests, and would hold the bolt if it works. Nobody has seen that it does."""
    RELEASED = "released"
    """Its mover is driven, and would let the bolt go if it works."""


def bolt_of_several(bolts: Collection[BoltState]) -> BoltState:
    """Return what holds a leaf that several movers hold, one at least: any of them is enough."""
    if BoltState.LOCKED in bolts:
        return BoltState.LOCKED
    for weaker in (BoltState.UNKNOWN, BoltState.AT_REST, BoltState.RELEASED):
        if weaker in bolts:
            return weaker
    return BoltState.FREE


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
