"""What can be ordered, by which right, for how long, and in which words.

Laws:
1. Nobody orders what [operators] of the configuration does not allow. For all doors the right must
   hold at each access point that this server knows.
2. What stands ends by itself (`LIFE_SECONDS_MAX` of a site's orders, whichever way it goes).
3. What opens is an order that lets somebody in who would not get in without it: a release, a door
   held open, the end of a lockdown and of no entry. All else shuts.
4. A device is told what `COMMANDS` has, and nothing else. None of it opens an entrance, and a lock
   is only asked how it stands: what a door does is ordered for doors.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hubcore.access.precedence import DoorOrder
from hubcore.access.precedence import opens as opens_door
from hubcore.bridge.site.order import LIFE_SECONDS_MAX
from hubcore.device.command import Command, Verb
from hubcore.policy.policy import Operator, OperatorRight

TAKE_SECONDS = 30
"""A hub must take an order within so long: half of what it allows, for clocks that differ."""
DEVICE_SECONDS = 180
"""So long an answer about a device is asked for: a shutter travels for a minute or two."""


class OrderKind(StrEnum):
    """What is ordered."""

    LOCKDOWN = "lockdown"
    NO_ENTRY = "no-entry"
    HOLD_OPEN = "hold-open"
    RELEASE = "release"
    DEVICE = "device"
    """A device is told something (`Told`)."""


DOOR_KINDS = tuple(kind for kind in OrderKind if kind is not OrderKind.DEVICE)
"""What is ordered for doors."""


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
    UNCLEAR = "unclear"
    """It may have been done."""


DONE = (Answered.TAKEN, Answered.RELEASED)
AGAIN = (Answered.LATE, Answered.BUSY)
"""Nothing was done, and the same order may be given again."""
OPEN = ("", *AGAIN, Answered.FAILED)
"""What a hub may have answered, "" for nothing, that it has neither done nor refused."""


@dataclass(frozen=True, slots=True)
class KindRules:
    """What holds for a kind; `order` is None for what is done once, and stands for no time."""

    right: OperatorRight
    order: DoorOrder | None
    words: str
    end_words: str
    effect: str
    end_effect: str

    @property
    def seconds_max(self) -> int:
        """Return for how long it stands at the longest; 0 for what is done once."""
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
    OrderKind.DEVICE: KindRules(
        right=OperatorRight.COMMAND,
        order=None,
        words="Tell a device",
        end_words="",
        effect="",
        end_effect="",
    ),
}


@dataclass(frozen=True, slots=True)
class CommandWords:
    """What telling a device is called; `moves` if something moves where people may stand."""

    words: str
    moves: bool = False


COMMANDS: Mapping[Verb, CommandWords] = {
    Verb.ON: CommandWords("Switch on"),
    Verb.OFF: CommandWords("Switch off"),
    Verb.OPEN: CommandWords("Open", moves=True),
    Verb.CLOSE: CommandWords("Close", moves=True),
    Verb.STOP: CommandWords("Stop"),
    Verb.SET_LEVEL: CommandWords("Move", moves=True),
    Verb.READ: CommandWords("Ask how it stands"),
}
"""What a device is told from a page, in the order in which it is offered."""
MOVES = (
    "It moves as soon as its hub tells it, and nobody who stands there is asked. "
    "A hub refuses this for what is an entrance."
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a device of a hub is told."""

    hub: str
    command: Command

    def __post_init__(self) -> None:
        """Raise ValueError for what no page tells a device (law 4)."""
        if self.command.verb not in COMMANDS:
            raise ValueError(f"no page tells a device to {self.command.verb.name}")

    @property
    def words(self) -> str:
        """Return it in a few words, such as "Move to 40 % open"."""
        words = COMMANDS[self.command.verb].words
        level = self.command.level
        return words if level is None else f"{words} to {level} % open"

    @property
    def moves(self) -> bool:
        """Tell whether something moves where people may stand."""
        return COMMANDS[self.command.verb].moves


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants ordered. `until` in Unix seconds; None for what is done once, and an end.

    `point` is an access point of the door; None: all doors. `on` is False for the end of an order.
    `told` is for a device, and None for doors.
    """

    kind: OrderKind
    on: bool
    point: int | None
    until: int | None
    told: Told | None = None

    @property
    def opens(self) -> bool:
        """Tell whether somebody may get in by it who would not without (law 3)."""
        if self.kind is OrderKind.DEVICE:
            return False
        order = RULES[self.kind].order
        return True if order is None else opens_door(order) is self.on

    @property
    def goes_once(self) -> bool:
        """Tell whether it is given now or never, and once: what opens, and what moves a device."""
        return self.opens or self.kind is OrderKind.DEVICE

    @property
    def is_done_once(self) -> bool:
        """Tell whether nothing stands by it: a release, and what a device is told."""
        return RULES[self.kind].order is None

    @property
    def words(self) -> str:
        """Return what it is called, without the place."""
        if self.told is not None:
            return self.told.words
        rules = RULES[self.kind]
        return rules.words if self.on else rules.end_words

    @property
    def effect(self) -> str:
        """Return what happens by it, in a sentence, "" where that goes without saying."""
        if self.told is not None:
            return MOVES if self.told.moves else ""
        rules = RULES[self.kind]
        return rules.effect if self.on else rules.end_effect


def may(operator: Operator, kind: OrderKind, point: int | None, points: Collection[int]) -> bool:
    """Tell whether it may be ordered (law 1); `points` are all that are known here."""
    right = RULES[kind].right
    if kind is OrderKind.DEVICE:
        return operator.may(right)
    if kind is OrderKind.RELEASE and point is None:
        return False
    if point is not None:
        return point in points and operator.may(right, point)
    return operator.may(right) and all(operator.may(right, one) for one in points)
