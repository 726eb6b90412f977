"""Anti-passback: where a credential was seen last, and whether it may go where it asks to go.

Laws:
1. A credential whose place is not known may go anywhere: a hub that has just started, or has
   forgotten, keeps nobody out.
2. HARD keeps out who is not in the area that the access point leads from.
3. SOFT lets in and says so.
4. TIMED keeps out who entered the same area less than `seconds` ago. A reset, and going out by
   another access point, end it.
5. Nobody's place changes before the door was really used, or the grant given where nothing can
   tell.
6. At most PLACES_MAX places are remembered; the oldest gives way.

Source: ONVIF Credential Service Specification (antipassback violated, reset); BACnet
AccessEvent passback-detected.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum

PLACES_MAX = 20_000
TIMED_SECONDS_MAX = 86_400


class PassbackKind(IntEnum):
    """How strict an access point is. The numbers stand in policies."""

    HARD = 1
    SOFT = 2
    TIMED = 3


@dataclass(frozen=True, slots=True)
class PassbackRule:
    """What an access point asks: it leads from one area into another.

    Areas are numbers of the policy; 0 is outside. `seconds` is TIMED's alone.
    """

    kind: PassbackKind
    from_area: int
    to_area: int
    seconds: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError for a rule that leads nowhere or has no sensible time."""
        if self.from_area == self.to_area:
            raise ValueError(f"an access point leads from area {self.from_area} into itself")
        timed = self.kind is PassbackKind.TIMED
        if timed != (1 <= self.seconds <= TIMED_SECONDS_MAX):
            raise ValueError(f"{self.seconds} s of a {self.kind.name.lower()} passback")


@dataclass(frozen=True, slots=True)
class Place:
    """The area a credential went into, and the Unix second when it did."""

    area: int
    since: float


class Violation(IntEnum):
    """What a passback rule says of a claim."""

    NONE = 0
    NOTED = 1
    """Let in, and written down as passed back."""
    DENIED = 2


def judge(rule: PassbackRule, place: Place | None, at: float) -> Violation:
    """Judge a claim at Unix time `at` by where its credential was seen last."""
    if place is None:
        return Violation.NONE
    if rule.kind is PassbackKind.TIMED:
        again = place.area == rule.to_area and 0 <= at - place.since < rule.seconds
        return Violation.DENIED if again else Violation.NONE
    if place.area == rule.from_area:
        return Violation.NONE
    return Violation.DENIED if rule.kind is PassbackKind.HARD else Violation.NOTED


class Places:
    """Where credentials were seen last."""

    def __init__(self, places_max: int = PLACES_MAX) -> None:
        self._places_max = places_max
        self._places: OrderedDict[str, Place] = OrderedDict()

    def of(self, credential: str) -> Place | None:
        """Return where a credential was seen last."""
        return self._places.get(credential)

    def went(self, credential: str, area: int, at: float) -> None:
        """A credential went into an area at Unix time `at`."""
        self._places.pop(credential, None)
        self._places[credential] = Place(area, at)
        if len(self._places) > self._places_max:
            self._places.popitem(last=False)

    def reset(self, credential: str | None = None) -> None:
        """Forget where a credential is, or where all are."""
        if credential is None:
            self._places.clear()
        else:
            self._places.pop(credential, None)

    def __len__(self) -> int:
        return len(self._places)
