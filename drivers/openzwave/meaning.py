"""What commands, values and happenings mean for a device. All of it is tables."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.openzwave.values import LEVEL_MAX, LOCKED
from drivers.openzwave.wire import Happening, Unfitness
from hubcore.device.command import Capability, Command, Verb
from hubcore.device.state import DeviceFault, DeviceState, Position

LOW_BATTERY = 15
LOSSES = (DeviceFault.SERVICE_GONE, DeviceFault.INTERFACE_GONE)
FAULT_OF = {
    Unfitness.LIBRARY: DeviceFault.SERVICE_GONE,
    Unfitness.STICK: DeviceFault.INTERFACE_GONE,
    Unfitness.ORDERS: DeviceFault.SERVICE_GONE,
}
"""What a process that cannot work means for its devices."""
GOALS = {
    (Capability.LOCK, Verb.LOCK): LOCKED,
    (Capability.LOCK, Verb.UNLOCK): 0,
    (Capability.SWITCH, Verb.ON): 1,
    (Capability.SWITCH, Verb.OFF): 0,
    (Capability.COVER, Verb.OPEN): LEVEL_MAX,
    (Capability.COVER, Verb.CLOSE): 0,
}
FAULT_OF_HAPPENING = {
    Happening.JAMMED: (DeviceFault.JAMMED, True),
    Happening.NOT_JAMMED: (DeviceFault.JAMMED, False),
    Happening.TAMPERED: (DeviceFault.TAMPERED, True),
    Happening.NOT_TAMPERED: (DeviceFault.TAMPERED, False),
}


@dataclass(frozen=True, slots=True)
class OzwDevice:
    """A device as it is configured: one endpoint of one node."""

    id: str
    capability: Capability
    node: int
    endpoint: int = 0
    accepts_s0: bool = False


def goal_of(device: OzwDevice, command: Command) -> int | None:
    """Return what a command sets a device to, None for what it cannot be set to."""
    if command.verb is Verb.SET_LEVEL and device.capability is Capability.COVER:
        return round((command.level or 0) * LEVEL_MAX / 100)
    return GOALS.get((device.capability, command.verb))


def state_of(device: OzwDevice, value: int, at: float) -> DeviceState:
    """Return how a device stands that has said `value` at monotonic second `at`."""
    if device.capability is Capability.COVER and value <= LEVEL_MAX:
        level = round(value * 100 / LEVEL_MAX)
        position = {0: Position.CLOSED, LEVEL_MAX: Position.OPEN}.get(value, Position.BETWEEN)
        return DeviceState(position, at, level)
    positions = {
        (Capability.LOCK, LOCKED): Position.LOCKED,
        (Capability.LOCK, 0): Position.UNLOCKED,
        (Capability.SWITCH, 1): Position.ON,
        (Capability.SWITCH, 0): Position.OFF,
    }
    return DeviceState(positions.get((device.capability, value), Position.UNKNOWN), at)
