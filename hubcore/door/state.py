"""The state of a door, in the words and numbers that phones, operators and records share."""

from __future__ import annotations

from enum import IntEnum


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
