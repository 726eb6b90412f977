"""What can be ordered, by which right, for how long, and in which words.

Laws:
1. Nobody orders what [operators] of the configuration does not allow. For all doors the right must
   hold at each access point that this server knows.
2. What stands ends by itself (`LIFE_SECONDS_MAX` of a site's orders, whichever way it goes).
3. What opens is an order that lets somebody in who would not get in without it: a release, a door
   held open, the end of a lockdown and of no entry. All else shuts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from hubcore.access.precedence import DoorOrder
from hubcore.access.precedence import opens as opens_door
from hubcore.bridge.site.order import LIFE_SECONDS_MAX
from hubcore.policy.policy import Operator, OperatorRight

TAKE_SECONDS = 30
"""A hub must take an order within so long: half of what it allows, for clocks that differ."""


class OrderKind(StrEnum):
    """What is ordered."""

    LOCKDOWN = "lockdown"
    NO_ENTRY = "no-entry"
    HOLD_OPEN = "hold-open"
    RELEASE = "release"


class WayName(StrEnum):
    """How an order comes to the hubs."""

    ENGINE = "engine"
    BRIDGE = "bridge"


class OrderState(StrEnum):
    """How far an order is."""

    WAITING = "waiting"
    """It is kept, and no way has it."""
    GIVING = "giving"
    """It is being given: from here on it may have been done."""
    GIVEN = "given"
    FAILED = "failed"
    """It was not given, and will not be."""
    UNCLEAR = "unclear"
    """It may have been given. It will not be given again."""


class Answered(StrEnum):
    """What a hub has answered; RELEASED and TAKEN say that it was done."""

    TAKEN = "taken"
    RELEASED = "released"
    LATE = "late"
    REFUSED = "refused"
    FAILED = "failed"
    BUSY = "busy"


DONE = (Answered.TAKEN, Answered.RELEASED)
AGAIN = (Answered.LATE, Answered.BUSY)
"""Nothing was done, and the same order may be given again."""
OPEN = ("", *AGAIN, Answered.FAILED)
"""What a hub may have answered, "" for nothing, that it has neither done nor refused."""


@dataclass(frozen=True, slots=True)
class KindRules:
    """What holds for a kind; `order` is None for a release, which stands for no time."""

    right: OperatorRight
    order: DoorOrder | None
    words: str
    end_words: str
    effect: str
    end_effect: str

    @property
    def seconds_max(self) -> int:
        """Return for how long it stands at the longest; 0 for a release."""
        return 0 if self.order is None else LIFE_SECONDS_MAX[self.order]


RULES = {
    OrderKind.LOCKDOWN: KindRules(
        right=OperatorRight.LOCK_DOWN,
        order=DoorOrder.LOCKDOWN,
        words="Lock down",
        end_words="End the lockdown",
        effect="Nobody gets in, whatever phone or card he has. The ways out stay free.",
        end_effect="Whoever has the right gets in again.",
    ),
    OrderKind.NO_ENTRY: KindRules(
        right=OperatorRight.LOCK_DOWN,
        order=DoorOrder.NO_ENTRY,
        words="Let nobody new in",
        end_words="Let people in again",
        effect="Nobody new gets in. A lockdown goes before it. The ways out stay free.",
        end_effect="Whoever has the right gets in again.",
    ),
    OrderKind.HOLD_OPEN: KindRules(
        right=OperatorRight.HOLD_OPEN,
        order=DoorOrder.HOLD_OPEN,
        words="Hold open",
        end_words="Hold open no more",
        effect="Everybody gets in, without phone or card.",
        end_effect="The doors lock again, and a phone or card is needed.",
    ),
    OrderKind.RELEASE: KindRules(
        right=OperatorRight.RELEASE,
        order=None,
        words="Open once",
        end_words="",
        effect="The door opens once, for as long as it does for a phone.",
        end_effect="",
    ),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants ordered. `until` in Unix seconds; None for a release and for an end.

    `point` is an access point of the door; None: all doors. `on` is False for the end of an order.
    """

    kind: OrderKind
    on: bool
    point: int | None
    until: int | None

    @property
    def opens(self) -> bool:
        """Tell whether somebody may get in by it who would not without (law 3)."""
        order = RULES[self.kind].order
        return True if order is None else opens_door(order) is self.on


def may(operator: Operator, kind: OrderKind, point: int | None, points: Collection[int]) -> bool:
    """Tell whether it may be ordered (law 1); `points` are all that are known here."""
    right = RULES[kind].right
    if kind is OrderKind.RELEASE and point is None:
        return False
    if point is not None:
        return point in points and operator.may(right, point)
    return operator.may(right) and all(operator.may(right, one) for one in points)
