"""What a thing says of itself: its state, its readings, and what is wrong with it.

Laws:
1. A state names when it was proven. What is older than its device allows is unknown.
2. A reading is a number with a unit of this list. No text of a device goes further.
3. A fault stands until its cause is gone, and is told once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum


class Position(Enum):
    """How a lock, a switch or a cover stands."""

    UNKNOWN = "unknown"
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    ON = "on"
    OFF = "off"
    OPEN = "open"
    CLOSED = "closed"
    BETWEEN = "between"
    """A cover that is neither: `level` says how far it is open."""
    MOVING = "moving"


@dataclass(frozen=True, slots=True)
class DeviceState:
    """How a device stands, as it said itself at monotonic second `at`; `level` in per cent open."""

    position: Position
    at: float
    level: int | None = None


class Quantity(IntEnum):
    """What a reading measures. The numbers stand in telemetry: they are never changed."""

    BATTERY = 1
    TEMPERATURE = 2
    HUMIDITY = 3
    ILLUMINANCE = 4
    POWER = 5
    ENERGY = 6
    CONTACT = 7
    MOTION = 8
    SMOKE = 9
    WATER = 10
    CARBON_MONOXIDE = 11
    POSITION = 64
    """How a device stands, by its number (`telemetry.POSITION_NUMBERS`)."""
    LEVEL = 65
    """How far a cover is open."""


UNIT_OF = {
    Quantity.BATTERY: "%",
    Quantity.TEMPERATURE: "degC",
    Quantity.HUMIDITY: "%",
    Quantity.ILLUMINANCE: "lx",
    Quantity.POWER: "W",
    Quantity.ENERGY: "kWh",
    Quantity.CONTACT: "1",
    Quantity.MOTION: "1",
    Quantity.SMOKE: "1",
    Quantity.WATER: "1",
    Quantity.CARBON_MONOXIDE: "1",
    Quantity.POSITION: "1",
    Quantity.LEVEL: "%",
}
"""Units by their symbols; yes and no are 1 and 0."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one device, in the unit of its quantity."""

    device: str
    quantity: Quantity
    value: float


class DeviceFault(StrEnum):
    """What is wrong with a device. The words stand in records: they are never changed."""

    JAMMED = "jammed"
    """It tried to move and could not."""
    REFUSED = "refused"
    """It said no to a command."""
    DEAD = "dead"
    """It does not answer; the others on its wire do."""
    INTERFACE_GONE = "interface_gone"
    """The stick, the adapter or the serial line is not there."""
    SERVICE_GONE = "service_gone"
    """The program between hubd and the interface does not run, or does not answer."""
    WRONG_VERSION = "wrong_version"
    """The program between hubd and the interface is none that hubd knows."""
    NOT_SECURE = "not_secure"
    """It was taken into its network without the protection that its kind needs."""
    TAMPERED = "tampered"
    BATTERY_LOW = "battery_low"
    STRANGE = "strange"
    """It says what its kind cannot say."""
