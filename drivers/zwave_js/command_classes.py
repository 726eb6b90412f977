"""Which Z-Wave command classes hubd speaks, and what their values mean. All of it is tables.

Laws:
1. Only what stands in WRITES and CALLS is ever sent to a node. No names, no user codes, no users
   of locks, no schedules: nothing about people fits into it.
2. A value that its class does not define means UNKNOWN.
3. A lock and a barrier are entrances (ENTRANCES). A node with such a class is moved by it alone:
   it is no shutter and no switch beside that. A barrier is closed, and never opened.

Source: Z-Wave Application Command Class Specification; property names as zwave-js gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from hubcore.device.command import Capability, Verb
from hubcore.device.state import Position, Quantity

FULL = 99
"""The whole of a level: shutters and dimmers count 0..99."""


class CommandClass(IntEnum):
    """The command classes that hubd speaks."""

    BINARY_SWITCH = 37
    MULTILEVEL_SWITCH = 38
    BINARY_SENSOR = 48
    MULTILEVEL_SENSOR = 49
    METER = 50
    DOOR_LOCK = 98
    BARRIER_OPERATOR = 102
    WINDOW_COVERING = 106
    NOTIFICATION = 113
    BATTERY = 128


WRITES = frozenset(
    {
        (CommandClass.DOOR_LOCK, "targetMode"),
        (CommandClass.BARRIER_OPERATOR, "targetState"),
        (CommandClass.MULTILEVEL_SWITCH, "targetValue"),
        (CommandClass.WINDOW_COVERING, "targetValue"),
        (CommandClass.BINARY_SWITCH, "targetValue"),
    }
)
"""What may be set: (class, property)."""

CALLS = frozenset(
    {
        (CommandClass.DOOR_LOCK, "get"),
        (CommandClass.DOOR_LOCK, "setConfiguration"),
        (CommandClass.BARRIER_OPERATOR, "get"),
        (CommandClass.MULTILEVEL_SWITCH, "get"),
        (CommandClass.MULTILEVEL_SWITCH, "stopLevelChange"),
        (CommandClass.WINDOW_COVERING, "get"),
        (CommandClass.WINDOW_COVERING, "stopLevelChange"),
        (CommandClass.BINARY_SWITCH, "get"),
    }
)
"""What may be called: (class, method). Getters ask the node itself."""

POLLS = frozenset(
    {
        CommandClass.BINARY_SENSOR,
        CommandClass.MULTILEVEL_SENSOR,
        CommandClass.METER,
        CommandClass.BATTERY,
    }
)
"""Of which classes a node may be asked for a value that it has told before."""

SECURED = 255
UNSECURED = 0
UNSECURED_FOR_A_TIME = 1
"""Modes of a door lock (SDS13783). In the last one the lock ends it by its own timer."""
TIMED_OPERATION = 2
"""The type of operation in which a lock knows that mode."""


def _lock_position(value: object) -> Position:
    if isinstance(value, bool):
        return Position.UNKNOWN
    if value == SECURED:
        return Position.LOCKED
    known = value in (UNSECURED, UNSECURED_FOR_A_TIME, 0x10, 0x11, 0x20, 0x21)
    return Position.UNLOCKED if known else Position.UNKNOWN


def _level_position(value: object) -> Position:
    if not isinstance(value, int) or not 0 <= value <= FULL:
        return Position.UNKNOWN
    if value == 0:
        return Position.CLOSED
    return Position.OPEN if value == FULL else Position.BETWEEN


def _barrier_position(value: object) -> Position:
    names = {
        0: Position.CLOSED,
        252: Position.MOVING,
        253: Position.BETWEEN,
        254: Position.MOVING,
        255: Position.OPEN,
    }
    return names.get(value, Position.UNKNOWN) if isinstance(value, int) else Position.UNKNOWN


def _switch_position(value: object) -> Position:
    if value is True:
        return Position.ON
    return Position.OFF if value is False else Position.UNKNOWN


@dataclass(frozen=True, slots=True)
class Actuator:
    """How one command class moves something: what is set, what is read, and what it means.

    `goals`: the value that each verb sets. `leveled`: it takes SET_LEVEL, on 0..99.
    `stops`: its method that stops a travel, if it has one.
    """

    command_class: CommandClass
    target: str
    current: str
    goals: Mapping[Verb, object]
    position: Callable[[object], Position]
    leveled: bool = False
    stops: str | None = None


LEVELED = {Verb.OPEN: FULL, Verb.CLOSE: 0}

DOOR_LOCK = Actuator(
    command_class=CommandClass.DOOR_LOCK,
    target="targetMode",
    current="currentMode",
    goals={Verb.LOCK: SECURED, Verb.UNLOCK: UNSECURED, Verb.PULSE: UNSECURED_FOR_A_TIME},
    position=_lock_position,
)
BINARY_SWITCH = Actuator(
    command_class=CommandClass.BINARY_SWITCH,
    target="targetValue",
    current="currentValue",
    goals={Verb.ON: True, Verb.OFF: False},
    position=_switch_position,
)
WINDOW_COVERING = Actuator(
    command_class=CommandClass.WINDOW_COVERING,
    target="targetValue",
    current="currentValue",
    goals=LEVELED,
    position=_level_position,
    leveled=True,
    stops="stopLevelChange",
)
MULTILEVEL_SWITCH = Actuator(
    command_class=CommandClass.MULTILEVEL_SWITCH,
    target="targetValue",
    current="currentValue",
    goals=LEVELED,
    position=_level_position,
    leveled=True,
    stops="stopLevelChange",
)
BARRIER_OPERATOR = Actuator(
    command_class=CommandClass.BARRIER_OPERATOR,
    target="targetState",
    current="currentState",
    goals={Verb.CLOSE: 0},
    position=_barrier_position,
)

ACTUATORS_OF: dict[Capability, tuple[Actuator, ...]] = {
    Capability.LOCK: (DOOR_LOCK,),
    Capability.SWITCH: (BINARY_SWITCH,),
    Capability.COVER: (WINDOW_COVERING, MULTILEVEL_SWITCH),
    Capability.BARRIER: (BARRIER_OPERATOR,),
    Capability.STRIKE: (),
    Capability.SENSOR: (),
    Capability.METER: (),
}
"""By which classes a capability may be done, the best one first."""

ENTRANCES = {
    CommandClass.DOOR_LOCK: Capability.LOCK,
    CommandClass.BARRIER_OPERATOR: Capability.BARRIER,
}
"""The classes of entrances, and the only capability that may move a node with one."""

KINDS_SENSED: dict[Capability, frozenset[CommandClass]] = {
    Capability.SENSOR: POLLS | {CommandClass.NOTIFICATION},
    Capability.METER: frozenset({CommandClass.METER, CommandClass.MULTILEVEL_SENSOR}),
}
"""Of which classes a node must have one to be what is only read."""

QUANTITY_OF: dict[tuple[CommandClass, str], Quantity] = {
    (CommandClass.BATTERY, "level"): Quantity.BATTERY,
    (CommandClass.BINARY_SENSOR, "Door/Window"): Quantity.CONTACT,
    (CommandClass.BINARY_SENSOR, "Motion"): Quantity.MOTION,
    (CommandClass.BINARY_SENSOR, "Smoke"): Quantity.SMOKE,
    (CommandClass.BINARY_SENSOR, "CO"): Quantity.CARBON_MONOXIDE,
    (CommandClass.BINARY_SENSOR, "Water"): Quantity.WATER,
    (CommandClass.MULTILEVEL_SENSOR, "Air temperature"): Quantity.TEMPERATURE,
    (CommandClass.MULTILEVEL_SENSOR, "Humidity"): Quantity.HUMIDITY,
    (CommandClass.MULTILEVEL_SENSOR, "Illuminance"): Quantity.ILLUMINANCE,
    (CommandClass.MULTILEVEL_SENSOR, "Power"): Quantity.POWER,
}
"""Which values are readings: (class, property)."""

SENSOR_UNIT_OF: dict[Quantity, str] = {
    Quantity.HUMIDITY: "%",
    Quantity.ILLUMINANCE: "Lux",
    Quantity.POWER: "W",
}
"""The only unit in which a sensor's value is a reading, where a class has several."""

ALARM_OR_NONE: dict[int, float] = {0: 0.0, 1: 1.0, 2: 1.0}
NOTIFIED: dict[tuple[str, str], tuple[Quantity, dict[int, float]]] = {
    ("Smoke Alarm", "Sensor status"): (Quantity.SMOKE, ALARM_OR_NONE),
    ("CO Alarm", "Sensor status"): (Quantity.CARBON_MONOXIDE, ALARM_OR_NONE),
    ("Water Alarm", "Sensor status"): (Quantity.WATER, ALARM_OR_NONE),
    ("Access Control", "Door state"): (
        Quantity.CONTACT,
        {22: 1.0, 23: 0.0, 0x1600: 1.0, 0x1601: 1.0},
    ),
    ("Home Security", "Motion sensor status"): (Quantity.MOTION, {0: 0.0, 7: 1.0, 8: 1.0}),
}
"""Which states of notifications are readings, (property, key), and what their events mean there.

Newer sensors have no Binary Sensor. 0x1600 and 0x1601 are a window that is open or tilted. Of an
alarm of a place there are two events: with the place, which is dropped, and without.
"""

ELECTRIC_METER = 1
METER_SCALES = {0: Quantity.ENERGY, 2: Quantity.POWER}
"""What an electric meter measures, by its scale: kWh and W."""

MOVING = frozenset(
    actuator.command_class for actuators in ACTUATORS_OF.values() for actuator in actuators
)

ACCESS_CONTROL = 6
HOME_SECURITY = 7
JAMMED_EVENT = 11
LOCK_STATE = ("Access Control", "Lock state")
COVER_STATE = ("Home Security", "Cover status")
"""The states, (property, key), that jamming and tampering leave behind."""
TAMPER_EVENTS = frozenset({3, 9})
"""Notification types and events (SDS13713): lock jammed; cover removed, product moved."""


def goal_of(actuator: Actuator, verb: Verb, level: int | None) -> object | None:
    """Return the value that a command sets, None when the class cannot do it."""
    if verb is Verb.SET_LEVEL and actuator.leveled and level is not None:
        return round(level * FULL / 100)
    return actuator.goals.get(verb)


def level_of(actuator: Actuator, value: object) -> int | None:
    """Return a value as per cent open, None where the class has no level."""
    if not actuator.leveled or not isinstance(value, int) or not 0 <= value <= FULL:
        return None
    return round(value * 100 / FULL)


def reached(actuator: Actuator, raw: object, goal: object) -> bool:
    """Tell whether a reported value is where a command was to lead.

    A lock that is unlocked is that in whatever mode; a cover is at its very level.
    """
    if actuator.leveled:
        return raw == goal
    position = actuator.position(raw)
    return position is not Position.UNKNOWN and position is actuator.position(goal)
