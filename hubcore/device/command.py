"""What a thing is told: one device, one verb, at most one level.

Laws:
1. A command holds a device's id of the configuration, a verb of this list and a whole number.
   Nothing else crosses to a driver: no text, no person, no credential, no number of a wish.
2. A verb that takes a level names its range; one that takes none has none.
3. A capability has its verbs, and no other verb reaches its device.
4. Unlocking and pulsing are never repeated: they are not idempotent (`REPEATABLE`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, IntEnum

DEVICE_ID = re.compile(r"[a-z][a-z0-9-]{0,31}")
"""A device's id: letters, digits and hyphens, as the installer writes it."""


class Capability(Enum):
    """What a device can do."""

    STRIKE = "strike"
    LOCK = "lock"
    SWITCH = "switch"
    COVER = "cover"
    BARRIER = "barrier"
    """A garage door or a gate: an entrance, never a shutter."""
    SENSOR = "sensor"
    METER = "meter"


class Verb(IntEnum):
    """What a device is told to do. The numbers cross to drivers: they are never changed."""

    PULSE = 1
    """Drive a strike, or unlock a lock, for a time that its own timer ends."""
    LOCK = 2
    UNLOCK = 3
    ON = 4
    OFF = 5
    OPEN = 6
    CLOSE = 7
    STOP = 8
    SET_LEVEL = 9
    READ = 10
    """Ask the device itself how it stands."""


VERBS_OF = {
    Capability.STRIKE: frozenset({Verb.PULSE}),
    Capability.LOCK: frozenset({Verb.LOCK, Verb.UNLOCK, Verb.PULSE, Verb.READ}),
    Capability.SWITCH: frozenset({Verb.ON, Verb.OFF, Verb.READ}),
    Capability.COVER: frozenset({Verb.OPEN, Verb.CLOSE, Verb.STOP, Verb.SET_LEVEL, Verb.READ}),
    Capability.BARRIER: frozenset({Verb.OPEN, Verb.CLOSE, Verb.READ}),
    Capability.SENSOR: frozenset({Verb.READ}),
    Capability.METER: frozenset({Verb.READ}),
}

LEVELS_OF = {
    Verb.PULSE: range(1, 601),
    Verb.SET_LEVEL: range(101),
}
"""The levels of the verbs that take one: tenths of a second, and per cent open."""

REPEATABLE = frozenset(Verb) - {Verb.UNLOCK, Verb.PULSE}


@dataclass(frozen=True, slots=True)
class Command:
    """One command to one device; `level` as its verb says, None where the verb takes none."""

    device: str
    verb: Verb
    level: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for an id or a level that no command has."""
        if not DEVICE_ID.fullmatch(self.device):
            raise ValueError(f"{self.device!r} is no device's id")
        levels = LEVELS_OF.get(self.verb)
        if levels is None:
            if self.level is not None:
                raise ValueError(f"{self.verb.name} takes no level")
        elif self.level not in levels:
            raise ValueError(
                f"{self.verb.name} takes a level of {levels[0]}..{levels[-1]}, not {self.level}"
            )


class CommandOutcome(Enum):
    """What became of a command. Only proof makes CONFIRMED: never a promise of the device."""

    CONFIRMED = "confirmed"
    FAILED = "failed"
    """It was not done."""
    TIMEOUT = "timeout"
    """No answer came in time; it may have been done."""
    UNKNOWN = "unknown"
    """The driver or its wire ended in the middle; it may have been done."""
