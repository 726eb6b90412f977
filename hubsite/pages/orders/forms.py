"""What may be ordered here, and the form of each kind.

Laws:
1. What [operators] does not allow is not offered, and no form takes it.
2. Nor is a door of which no hub is known that is reached now. The page names those doors.
3. An order for a door is for each hub that has an access point of it: one access point at each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django import forms

from hubcore.policy.policy import Operator
from hubsite.orders.letters import at_hubs, hub_of
from hubsite.orders.words import DOOR_KINDS, RULES, OrderKind, Wish, may
from hubsite.register.models import AccessPoint, HubPolicy

MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR
ALL_DOORS = "all"
_SPANS = (
    (5 * MINUTE, "5 minutes"),
    (30 * MINUTE, "30 minutes"),
    (HOUR, "1 hour"),
    (4 * HOUR, "4 hours"),
    (12 * HOUR, "12 hours"),
    (DAY, "1 day"),
    (7 * DAY, "7 days"),
)
Choices = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Places:
    """The access points of this site, as they are offered, in the order of their doors.

    `hubs` are those that this server knows, `at` is the hub of each point, where it is known, and
    `reached` are those that an order reaches now, None while nobody knows.
    """

    points: Sequence[AccessPoint]
    hubs: frozenset[str] = frozenset()
    at: Mapping[int, str] = field(default_factory=dict)
    reached: frozenset[str] | None = None

    @property
    def numbers(self) -> frozenset[int]:
        """Return the numbers of all."""
        return frozenset(point.number for point in self.points)

    @property
    def doors(self) -> int:
        """Return how many doors there are."""
        return len({point.door_id for point in self.points})

    def hubs_of(self, wish: Wish) -> frozenset[str]:
        """Return the hubs that a wish concerns, as far as they are known."""
        if wish.told is not None:
            return frozenset({wish.told.hub})
        if wish.point is None:
            return self.hubs
        hub = self.at.get(wish.point, "")
        return frozenset({hub} if hub else ())

    def home(self, number: int) -> str:
        """Return the hub of an access point, "" where none is known, or it is not reached."""
        if self.reached is None:
            return self.at.get(number, "")
        return hub_of(number, self.reached, self.at)

    def is_reached(self, number: int) -> bool:
        """Tell whether an order for this access point has somewhere to go (law 2)."""
        return self.reached is None or bool(self.home(number))

    def of_door(self, number: int) -> tuple[int, ...]:
        """Return the access points of the door that an access point is of."""
        doors = {point.door_id for point in self.points if point.number == number}
        return tuple(point.number for point in self.points if point.door_id in doors)

    @property
    def doors_not_reached(self) -> list[str]:
        """Return the names of the doors that are not offered, as no hub of theirs is reached."""
        reached = {point.door_id for point in self.points if self.is_reached(point.number)}
        names = {str(point.door.name) for point in self.points if point.door_id not in reached}
        return sorted(names)

    def name(self, number: int | None) -> str:
        """Return what people call a place; None: all doors."""
        if number is None:
            return "all doors"
        for point in self.points:
            if point.number == number:
                return f"{point.door.name}, {point.name}"
        return f"access point {number}"

    def door_name(self, number: int | None) -> str:
        """Return the door of a place, and the hub where the door is at more than one."""
        for point in self.points:
            if point.number == number:
                hubs = {self.at[one] for one in self.of_door(point.number) if one in self.at}
                hub = self.at.get(point.number, "")
                return f"{point.door.name} at {hub}" if hub and len(hubs) > 1 else point.door.name
        return self.name(number)


def places(reached: frozenset[str] | None = None) -> Places:
    """Read the access points; `reached` are the hubs that an order reaches now."""
    rows = AccessPoint.objects.select_related("door").order_by("door__name", "number")
    at = at_hubs()
    hubs = frozenset(HubPolicy.objects.values_list("hub", flat=True)) | set(at.values())
    return Places(list(rows), hubs, at, reached)


class OrderForm(forms.Form):
    """Where, and for how long."""

    place = forms.ChoiceField(label="Where")
    span = forms.TypedChoiceField(label="For how long", coerce=int)

    def __init__(self, kind: OrderKind, choices: Choices, data: object = None) -> None:
        super().__init__(data, auto_id=f"{kind}-%s")
        self.kind = kind
        self.words = RULES[kind].words
        self.fields["place"].choices = choices
        longest = RULES[kind].seconds_max
        spans = [(str(seconds), words) for seconds, words in _SPANS if seconds <= longest]
        self.fields["span"].choices = spans
        self.fields["span"].initial = spans[-1][0] if spans and kind is OrderKind.LOCKDOWN else None
        if not spans:
            del self.fields["span"]

    @property
    def point(self) -> int | None:
        """The access point that was chosen, None for all doors."""
        chosen = self.cleaned_data["place"]
        return None if chosen == ALL_DOORS else int(chosen)

    @property
    def seconds(self) -> int:
        """For how long it is to stand; 0 for a release."""
        return int(self.cleaned_data.get("span", 0))


def offered(operator: Operator, there: Places) -> list[OrderKind]:
    """Return the kinds that may be ordered for doors somewhere."""
    return [kind for kind in DOOR_KINDS if choices_of(kind, operator, there)]


def choices_of(kind: OrderKind, operator: Operator, there: Places) -> Choices:
    """Return the places where this kind may be ordered."""
    numbers = there.numbers
    found: Choices = []
    if may(operator, kind, None, numbers):
        found.append((ALL_DOORS, "All doors"))
    doors: set[int] = set()
    for point in there.points:
        is_known = point.door_id in doors and kind is not OrderKind.RELEASE
        if is_known or not may(operator, kind, point.number, numbers):
            continue
        if not there.is_reached(point.number):
            continue
        doors.add(point.door_id)
        whole = there.name(point.number) if kind is OrderKind.RELEASE else point.door.name
        found.append((str(point.number), str(whole)))
    return found


def parts_of(kind: OrderKind, operator: Operator, there: Places, number: int) -> tuple[int, ...]:
    """Return the access points by which an order for a door goes: one at each hub (law 3).

    A release is for this access point alone; so is what goes to a hub that nobody knows yet.
    """
    home = there.home(number)
    if kind is OrderKind.RELEASE or not home:
        return (number,)
    found = {home: number}
    for other in there.of_door(number):
        if there.home(other) and may(operator, kind, other, there.numbers):
            found.setdefault(there.home(other), other)
    return tuple(found.values())
