"""What a door is in, when several orders stand for it: one table of precedence.

Laws:
1. Of all orders that stand, the highest decides: fire, lockdown, no entry, hold open, grant.
2. Which mode a door is in is worked out from its standing orders, never stored. So the end of an
   order gives back what stood before it.
3. An order that opens is refused while a higher one keeps the door shut. Nothing opens later by an
   order that was given before.
4. An order that keeps the door shut is always taken, and stands below a higher one.
5. Only what ends an order of the same kind from the same source ends it.
6. Nothing here is asked on the way out: egress never waits for software.

Words and table: ONVIF Door Control Service Specification, DoorMode. That the release of an order
returns to what stood before is defined here; ONVIF leaves it open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum

from hubcore.access.words import Denial

ORDERS_MAX = 16
"""Orders that stand for one door: each kind from each source once."""


class DoorOrder(IntEnum):
    """An order that stands for a door; the higher number goes before. Numbers stand in records."""

    GRANT = 1
    """A release under way: a claim that was granted, or an order of the backend."""
    HOLD_OPEN = 2
    NO_ENTRY = 3
    LOCKDOWN = 4
    FIRE = 5


class DoorMode(Enum):
    """ONVIF's words for what a door is in."""

    LOCKED = "Locked"
    ACCESSED = "Accessed"
    UNLOCKED = "Unlocked"
    BLOCKED = "Blocked"
    LOCKED_DOWN = "LockedDown"
    LOCKED_OPEN = "LockedOpen"


@dataclass(frozen=True, slots=True)
class ModeRules:
    """What a mode means.

    `released`: the mover holds the door open. `refuses`: why a claim is denied, None when it is
    decided by its grant. `forced_masked` and `too_long_masked`: which alarms are not raised.
    """

    released: bool
    refuses: Denial | None
    forced_masked: bool
    too_long_masked: bool


MODE_OF = {
    DoorOrder.GRANT: DoorMode.ACCESSED,
    DoorOrder.HOLD_OPEN: DoorMode.UNLOCKED,
    DoorOrder.NO_ENTRY: DoorMode.BLOCKED,
    DoorOrder.LOCKDOWN: DoorMode.LOCKED_DOWN,
    DoorOrder.FIRE: DoorMode.LOCKED_OPEN,
}

RULES_OF = {
    DoorMode.LOCKED: ModeRules(
        released=False, refuses=None, forced_masked=False, too_long_masked=False
    ),
    DoorMode.ACCESSED: ModeRules(
        released=True, refuses=None, forced_masked=True, too_long_masked=False
    ),
    DoorMode.UNLOCKED: ModeRules(
        released=True, refuses=None, forced_masked=True, too_long_masked=True
    ),
    DoorMode.BLOCKED: ModeRules(
        released=False, refuses=Denial.NO_ENTRY, forced_masked=False, too_long_masked=False
    ),
    DoorMode.LOCKED_DOWN: ModeRules(
        released=False, refuses=Denial.LOCKDOWN, forced_masked=False, too_long_masked=False
    ),
    DoorMode.LOCKED_OPEN: ModeRules(
        released=True, refuses=None, forced_masked=True, too_long_masked=True
    ),
}


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """An order that stands for a door, and where it came from: `policy`, `backend`, `input`, ..."""

    order: DoorOrder
    source: str


class Refusal(Enum):
    """Why an order is not taken."""

    OVERRULED = "a higher order keeps the door shut"
    TOO_MANY = "as many orders stand for this door as may"


def mode_of(orders: Iterable[DoorOrder]) -> DoorMode:
    """Return the mode of a door for which these orders stand."""
    highest = max(orders, default=None)
    return DoorMode.LOCKED if highest is None else MODE_OF[highest]


def opens(order: DoorOrder) -> bool:
    """Tell whether a door is open to whoever comes while the order decides."""
    return RULES_OF[MODE_OF[order]].released


def _keeps_shut(standing: DoorOrder, new: DoorOrder) -> bool:
    return standing > new and not opens(standing)


def take(
    standing: frozenset[StandingOrder], new: StandingOrder
) -> frozenset[StandingOrder] | Refusal:
    """Return the orders that stand once `new` was given, or why it is refused."""
    if opens(new.order) and any(_keeps_shut(one.order, new.order) for one in standing):
        return Refusal.OVERRULED
    after = standing | {new}
    return after if len(after) <= ORDERS_MAX else Refusal.TOO_MANY


def end(standing: frozenset[StandingOrder], ended: StandingOrder) -> frozenset[StandingOrder]:
    """Return the orders that stand once `ended` was called off."""
    return standing - {ended}
