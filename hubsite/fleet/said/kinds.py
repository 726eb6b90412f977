"""What a device may be, by what it has said: telemetry does not say what it can.

Laws:
1. A device that has said too little may be several things. Its hub knows, and judges.
2. Only what says how far it is open is a cover for sure. All else that opens and closes may be a
   barrier: an entrance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hubcore.device.command import VERBS_OF, Capability, Verb
from hubcore.device.remote import FROM_AFAR
from hubcore.device.state import Position, Quantity
from hubcore.device.telemetry import POSITION_NUMBERS
from hubsite.fleet.said.values import Row

_POSITIONS = {number: position for position, number in POSITION_NUMBERS.items()}
_LOCK = frozenset({Capability.LOCK})
_SWITCH = frozenset({Capability.SWITCH})
_MOVING = frozenset({Capability.COVER, Capability.BARRIER})
_SAYS_NO_POSITION = frozenset({Capability.SENSOR, Capability.METER})
_ANY = frozenset(Capability) - _SAYS_NO_POSITION
KINDS: Mapping[Position, frozenset[Capability]] = {
    Position.UNKNOWN: _ANY,
    Position.LOCKED: _LOCK,
    Position.UNLOCKED: _LOCK,
    Position.ON: _SWITCH,
    Position.OFF: _SWITCH,
    Position.OPEN: _MOVING,
    Position.CLOSED: _MOVING,
    Position.BETWEEN: _MOVING,
    Position.MOVING: _MOVING,
}
"""What may stand like this."""


def kinds_of(rows: Iterable[Row]) -> frozenset[Capability]:
    """Return what a device may be; `rows` are its last values."""
    said = {row.quantity: row.value for row in rows}
    if Quantity.LEVEL in said:
        return frozenset({Capability.COVER})
    if Quantity.POSITION not in said:
        return _SAYS_NO_POSITION
    return KINDS[_POSITIONS.get(said[Quantity.POSITION], Position.UNKNOWN)]


def told_from_afar(kinds: frozenset[Capability]) -> frozenset[Verb]:
    """Return what such a device may be told: by any of its kinds, and opening an entrance by none.

    So a gate is not told to open, nor what may be one.
    """
    may: set[Verb] = set()
    opens: set[Verb] = set()
    for kind in kinds:
        may |= FROM_AFAR[kind]
        opens |= VERBS_OF[kind] - FROM_AFAR[kind]
    return frozenset(may - opens)
