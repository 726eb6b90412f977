"""Which values of OpenZWave hubd reads and sets. All of it is tables.

Laws:
1. Only what stands in ACTUATORS is ever set. No names, no places, no user codes.
2. Of a notification the event is read, as a number. Its parameters, such as the number of a user,
   are values of their own, which nobody here reads.
3. A value that its class does not define means UNKNOWN_VALUE.

A value's name is its class and its index, as OpenZWave 1.6 counts them (`ValueIDIndexes.h`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from drivers.openzwave.wire import UNKNOWN_VALUE, Happening
from hubcore.device.command import Capability
from hubcore.device.state import Quantity

ValueName = tuple[str, int]
SWITCH_BINARY = "COMMAND_CLASS_SWITCH_BINARY"
SWITCH_MULTILEVEL = "COMMAND_CLASS_SWITCH_MULTILEVEL"
DOOR_LOCK = "COMMAND_CLASS_DOOR_LOCK"
SECURED: ValueName = ("COMMAND_CLASS_SECURITY", 0)
"""Whether the node has joined with S0, and speaks it."""
LEVEL_MAX = 99
LOCKED = 255
UNLOCKED_MODES = frozenset(
    {
        "Unsecure",
        "Unsecured with Timeout",
        "Inside Handle Unsecured",
        "Inside Handle Unsecured with Timeout",
        "Outside Handle Unsecured",
        "Outside Handle Unsecured with Timeout",
    }
)


def _lock_value(value: object) -> int:
    if value == "Secured":
        return LOCKED
    return 0 if value in UNLOCKED_MODES else UNKNOWN_VALUE


def _switch_value(value: object) -> int:
    return int(value) if isinstance(value, bool) else UNKNOWN_VALUE


def _level_value(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= LEVEL_MAX:
        return UNKNOWN_VALUE
    return value


@dataclass(frozen=True, slots=True)
class Actuator:
    """How a capability is moved: the value that is set, the one that is read, what it means.

    `settable`: what `Set` may say, and what the library is given for it. `stops`: the button whose
    release stops a travel.
    """

    target: ValueName
    current: ValueName
    meaning: Callable[[object], int]
    settable: dict[int, bool | int]
    stops: ValueName | None = None


ACTUATORS: dict[Capability, Actuator] = {
    Capability.LOCK: Actuator(
        target=(DOOR_LOCK, 0),
        current=(DOOR_LOCK, 1),
        meaning=_lock_value,
        settable={0: False, LOCKED: True},
    ),
    Capability.SWITCH: Actuator(
        target=(SWITCH_BINARY, 0),
        current=(SWITCH_BINARY, 0),
        meaning=_switch_value,
        settable={0: False, 1: True},
    ),
    Capability.COVER: Actuator(
        target=(SWITCH_MULTILEVEL, 0),
        current=(SWITCH_MULTILEVEL, 0),
        meaning=_level_value,
        settable={level: level for level in range(LEVEL_MAX + 1)},
        stops=(SWITCH_MULTILEVEL, 2),
    ),
}

QUANTITIES: dict[ValueName, tuple[Quantity, str]] = {
    ("COMMAND_CLASS_BATTERY", 0): (Quantity.BATTERY, "%"),
    ("COMMAND_CLASS_SENSOR_BINARY", 2): (Quantity.SMOKE, ""),
    ("COMMAND_CLASS_SENSOR_BINARY", 6): (Quantity.WATER, ""),
    ("COMMAND_CLASS_SENSOR_BINARY", 10): (Quantity.CONTACT, ""),
    ("COMMAND_CLASS_SENSOR_BINARY", 12): (Quantity.MOTION, ""),
    ("COMMAND_CLASS_SENSOR_MULTILEVEL", 1): (Quantity.TEMPERATURE, "C"),
    ("COMMAND_CLASS_SENSOR_MULTILEVEL", 3): (Quantity.ILLUMINANCE, "lux"),
    ("COMMAND_CLASS_SENSOR_MULTILEVEL", 4): (Quantity.POWER, "W"),
    ("COMMAND_CLASS_SENSOR_MULTILEVEL", 5): (Quantity.HUMIDITY, "%"),
    ("COMMAND_CLASS_METER", 0): (Quantity.ENERGY, "kWh"),
    ("COMMAND_CLASS_METER", 2): (Quantity.POWER, "W"),
}
"""Which values are readings, and in which unit. In another unit they are dropped."""

_NOTIFICATION_CLASSES = ("COMMAND_CLASS_ALARM", "COMMAND_CLASS_NOTIFICATION")
_LOCK_EVENTS = {11: Happening.JAMMED}
_TAMPER_EVENTS = {3: Happening.TAMPERED, 9: Happening.TAMPERED}
HAPPENINGS: dict[ValueName, tuple[dict[int, Happening], Happening]] = {
    (name, index): row
    for name in _NOTIFICATION_CLASSES
    for index, row in (
        (6, (_LOCK_EVENTS, Happening.NOT_JAMMED)),
        (7, (_TAMPER_EVENTS, Happening.NOT_TAMPERED)),
    )
}
"""Notifications by their type: what each event means, and what any other means."""


def reading_of(name: ValueName, value: object, unit: str) -> tuple[Quantity, float] | None:
    """Return a value as a reading, None when it is none."""
    row = QUANTITIES.get(name)
    if row is None or not isinstance(value, bool | int | float) or unit != row[1]:
        return None
    number = float(value)
    return (row[0], number) if math.isfinite(number) else None
