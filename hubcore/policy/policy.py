"""The values of a policy: what the site's operator has decided for its hubs.

Ids of people are opaque. `hubcore.policy.document` signs a policy and reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntFlag

from hubcore.access.cards import Card
from hubcore.access.factors import DEMANDS_MAX, Demand
from hubcore.access.passback import PassbackRule
from hubcore.access.words import Mode
from hubcore.calendar.schedule import Schedule

POINTS_AN_OPERATOR = 256


@dataclass(frozen=True, slots=True)
class HoldOpen:
    """In a schedule the door is held open; with `first_person_in` only once somebody came in."""

    schedule: int
    first_person_in: bool = False


@dataclass(frozen=True, slots=True)
class PointRules:
    """The rules of one access point; `demands` in the order in which they are asked."""

    hold_open: HoldOpen | None = None
    demands: tuple[Demand, ...] = ()
    passback: PassbackRule | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for too many demands."""
        if len(self.demands) > DEMANDS_MAX:
            raise ValueError(f"more than {DEMANDS_MAX} demands at an access point")


NO_RULES = PointRules()


class OperatorRight(IntFlag):
    """What an operator may order from afar. The bits stand in policies: they are never changed."""

    RELEASE = 1
    """Release a door once."""
    HOLD_OPEN = 2
    """Hold a door open, and end it."""
    LOCK_DOWN = 4
    """Lock down a door, let nobody in, and end it."""
    COMMAND = 8
    """Command the devices that open no door."""


ALL_RIGHTS = (
    OperatorRight.RELEASE
    | OperatorRight.HOLD_OPEN
    | OperatorRight.LOCK_DOWN
    | OperatorRight.COMMAND
)
OPENING = OperatorRight.RELEASE | OperatorRight.HOLD_OPEN
"""The rights that open doors."""
RIGHT_WORDS = {right.name.lower().replace("_", "-"): right for right in OperatorRight if right.name}
"""The rights, as configurations write them."""


def rights_of(words: Iterable[str]) -> OperatorRight:
    """Return the rights of these words. Raise ValueError for a word that is none."""
    rights = OperatorRight(0)
    for word in words:
        if word not in RIGHT_WORDS:
            raise ValueError(f"{word!r} is no right: {', '.join(RIGHT_WORDS)}")
        rights |= RIGHT_WORDS[word]
    return rights


@dataclass(frozen=True, slots=True)
class Operator:
    """What one operator may order, and at which access points: none named means at all."""

    rights: OperatorRight
    access_points: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Raise ValueError for a right that there is not."""
        if not 0 <= self.rights <= ALL_RIGHTS:
            raise ValueError(f"an operator's rights {int(self.rights)}")

    def may(self, right: OperatorRight, access_point: int | None = None) -> bool:
        """Tell whether it may be ordered, at an access point where it is of one."""
        if not self.rights & right:
            return False
        if access_point is None or not self.access_points:
            return True
        return access_point in self.access_points


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole; `version` rises with each change, `issued_at` in Unix seconds.

    `disabled` credentials open nothing until a later policy leaves them out; a revoked one never
    opens again. `extended_time` are those whose holders need longer at a door. `cards` by digest,
    `points` by access point, `operators` by their names at the backend. `groups` have device ids.
    """

    site: str
    version: int
    issued_at: int
    revoked_credentials: frozenset[str] = frozenset()
    revoked_grants: frozenset[bytes] = frozenset()
    schedules: Mapping[int, Schedule] = field(default_factory=dict)
    modes: Mapping[int, Mode] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    extended_time: frozenset[str] = frozenset()
    cards: Mapping[bytes, Card] = field(default_factory=dict)
    points: Mapping[int, PointRules] = field(default_factory=dict)
    operators: Mapping[str, Operator] = field(default_factory=dict)
    groups: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
