"""What devices say of themselves, by way of their hub: the last values, until they are kept.

How it works: hubs say Telemetry as they like. Here the newest value of each place (hub, device and
quantity) waits until its turn to be written comes. What comes meanwhile takes its place.

Laws:
1. Only hubs that are enrolled are heard. What is no Telemetry is counted, and changes nothing.
2. A hub has at most PLACES_A_HUB places, all together PLACES_MAX. What is beyond is left out, and
   counted.
3. At most ROWS_A_TURN rows are written in a turn, the longest waiting first. So no hub sets the
   pace of the disk.
4. A value that is the same as the one kept is written again only after SAME_SECONDS.
5. A place that has said nothing for long makes room (`drop`), and what is left out is counted anew.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import Telemetry
from hubcore.errors import FrameError
from hubgateway.rules import names

PLACES_A_HUB = 512
PLACES_MAX = 20_000
ROWS_A_TURN = 500
SAME_SECONDS = 300.0
MESSAGE_BYTES_MAX = 4096


class Place(NamedTuple):
    """Where a value belongs; `quantity` is its number."""

    hub: str
    device: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Value:
    """A value in the unit of telemetry, and when it was said, in Unix seconds."""

    value: int
    at: float


class Row(NamedTuple):
    """A place and its value, as pages read it."""

    hub: str
    device: str
    quantity: int
    value: int
    at: float


class Devices:
    """What waits to be kept, and what was kept last."""

    def __init__(
        self,
        places_a_hub: int = PLACES_A_HUB,
        places_max: int = PLACES_MAX,
        rows_a_turn: int = ROWS_A_TURN,
    ) -> None:
        self._places_a_hub = places_a_hub
        self._places_max = places_max
        self._rows_a_turn = rows_a_turn
        self._waiting: OrderedDict[Place, Value] = OrderedDict()
        self._kept: dict[Place, Value] = {}
        self._places: Counter[str] = Counter()
        self._all = 0
        self.left_out = 0
        self.junk = 0

    def begin(self, kept: Iterable[tuple[Place, Value]]) -> None:
        """These are kept already."""
        self._kept = dict(kept)
        self._waiting.clear()
        self._places = Counter(place.hub for place in self._kept)
        self._all = len(self._kept)

    def drop(self, before: float) -> None:
        """Forget the places that have said nothing since then, in Unix seconds (law 5)."""
        for place, value in list(self._kept.items()):
            if value.at < before and place not in self._waiting:
                del self._kept[place]
                self._places[place.hub] -= 1
                self._all -= 1
        self.left_out = 0

    def hear(self, subject: str, data: bytes, hubs: frozenset[str], wall: float) -> None:
        """Hear of a message; `wall` is Unix time."""
        hub = subject.removeprefix(f"{names.TELEMETRY}.")
        said = _read(data) if hub in hubs else None
        if said is None:
            self.junk += 1
            return
        for device, quantity, value, age_seconds in said.values:
            place = Place(hub, device, int(quantity))
            self._note(place, Value(value, max(0.0, wall - age_seconds)))

    def _note(self, place: Place, value: Value) -> None:
        before = self._kept.get(place)
        is_same = before is not None and before.value == value.value
        if before is not None and is_same and value.at - before.at < SAME_SECONDS:
            self._waiting.pop(place, None)
            return
        if before is None and place not in self._waiting:
            if not self._has_room(place.hub):
                self.left_out += 1
                return
            self._places[place.hub] += 1
            self._all += 1
        self._waiting[place] = value

    def _of_others(self, hubs: frozenset[str]) -> list[Place]:
        """Return the places of hubs that are not enrolled any more."""
        gone = {hub for hub, count in self._places.items() if count} - hubs
        return [place for place in {**self._kept, **self._waiting} if place.hub in gone]

    def _has_room(self, hub: str) -> bool:
        return self._places[hub] < self._places_a_hub and self._all < self._places_max

    def take(self, hubs: frozenset[str]) -> dict[Place, Value]:
        """Return what is to be kept in this turn (law 3): it counts as kept from now on."""
        for place in self._of_others(hubs):
            self._kept.pop(place, None)
            self._waiting.pop(place, None)
            self._places[place.hub] -= 1
            self._all -= 1
        found: dict[Place, Value] = {}
        while self._waiting and len(found) < self._rows_a_turn:
            place, value = self._waiting.popitem(last=False)
            found[place] = self._kept[place] = value
        return found


def _read(data: bytes) -> Telemetry | None:
    if len(data) > MESSAGE_BYTES_MAX:
        return None
    try:
        message = codec.decode_from_hub(data)
    except FrameError:
        return None
    return message if isinstance(message, Telemetry) else None
