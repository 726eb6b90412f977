"""What a lock proves of its bolt."""

from __future__ import annotations

from collections.abc import Set

from hubcore.device.state import DeviceFault, DeviceState, Position
from hubcore.door.state import BoltState

_BOLT_OF = {Position.LOCKED: BoltState.LOCKED, Position.UNLOCKED: BoltState.FREE}
DOUBTS = frozenset(DeviceFault) - {
    DeviceFault.REFUSED,
    DeviceFault.TAMPERED,
    DeviceFault.BATTERY_LOW,
}
"""While one of these stands, what a lock said last proves nothing of its bolt."""


def bolt_of(state: DeviceState, faults: Set[DeviceFault], driven: bool) -> BoltState:
    """Return what is proven by a lock's last word, its faults, and whether it is unlocked by us."""
    was_said_before = driven and state.position is Position.LOCKED
    if faults & DOUBTS or was_said_before:
        return BoltState.UNKNOWN
    return _BOLT_OF.get(state.position, BoltState.UNKNOWN)
