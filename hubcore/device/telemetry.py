"""Telemetry: what devices say, on its way to the backend; below every record.

Laws:
1. It is in memory alone, one place for each device and quantity. The latest value wins.
2. There are `places_max` places. What finds none is counted and dropped.
3. A value goes up when it differs from the one that went, or when that is REFRESH_SECONDS old.
   So a device that says the same a thousand times a second costs one place and one message.
4. Who waits longest goes first.
5. A device that was asked how it stands goes up again with all that is known of it, changed or not:
   who asked waits for it.
6. A value is a whole number: a position by its number, anything else in thousandths of its unit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from hubcore.device.state import DeviceState, Position, Quantity, Reading

PLACES_MAX = 2048
REFRESH_SECONDS = 600.0
VALUE_MAX = 10**15
"""A reading beyond it, on either side of 0, is no reading: it is dropped and counted."""

POSITION_NUMBERS: Mapping[Position, int] = {
    Position.UNKNOWN: 0,
    Position.LOCKED: 1,
    Position.UNLOCKED: 2,
    Position.ON: 3,
    Position.OFF: 4,
    Position.OPEN: 5,
    Position.CLOSED: 6,
    Position.BETWEEN: 7,
    Position.MOVING: 8,
}
"""The numbers of positions in telemetry: they are never changed."""


@dataclass(frozen=True, slots=True)
class Datum:
    """One value (law 6) of one device, and when it was said, in monotonic seconds."""

    device: str
    quantity: Quantity
    value: int
    at: float


Place = tuple[str, Quantity]


@dataclass(frozen=True, slots=True)
class _Went:
    """A value that went up, and when."""

    value: int
    at: float


class TelemetryTable:
    """What waits to go up, and what went last."""

    def __init__(
        self, places_max: int = PLACES_MAX, refresh_seconds: float = REFRESH_SECONDS
    ) -> None:
        self._places_max = places_max
        self._refresh_seconds = refresh_seconds
        self._latest: dict[Place, Datum] = {}
        self._waiting: OrderedDict[Place, None] = OrderedDict()
        self._went: dict[Place, _Went] = {}
        self.dropped = 0
        """Values that found no place, or are no numbers."""

    def stands(self, device: str, state: DeviceState, now: float) -> None:
        """A device said how it stands."""
        number = POSITION_NUMBERS[state.position]
        self._note(Datum(device, Quantity.POSITION, number, state.at), now)
        if state.level is not None:
            self._note(Datum(device, Quantity.LEVEL, 1000 * state.level, state.at), now)

    def read(self, reading: Reading, now: float) -> None:
        """A device gave a value at monotonic second `now`."""
        if not -VALUE_MAX < 1000 * reading.value < VALUE_MAX:  # false for NaN, too
            self.dropped += 1
            return
        value = round(1000 * reading.value)
        self._note(Datum(reading.device, reading.quantity, value, now), now)

    def batch(self, limit: int) -> tuple[Datum, ...]:
        """Return at most `limit` values that wait, the longest waiting first; they stay."""
        places = list(self._waiting)[:limit]
        return tuple(self._latest[place] for place in places)

    def sent(self, batch: tuple[Datum, ...], now: float) -> None:
        """These went up. One that was replaced meanwhile waits on."""
        for datum in batch:
            place = (datum.device, datum.quantity)
            self._went[place] = _Went(datum.value, now)
            if self._latest[place].value == datum.value:
                self._waiting.pop(place, None)

    def all_again(self) -> None:
        """Somebody new listens: all that is known goes up again."""
        self._went.clear()
        self._waiting.update(dict.fromkeys(self._latest))

    def asked(self, device: str) -> None:
        """A device was asked, and has answered: all that is known of it goes up again."""
        for place in self._latest:
            if place[0] == device:
                self._went.pop(place, None)
                self._waiting[place] = None

    def __len__(self) -> int:
        """How many values wait."""
        return len(self._waiting)

    def _note(self, datum: Datum, now: float) -> None:
        place = (datum.device, datum.quantity)
        if place not in self._latest and len(self._latest) >= self._places_max:
            self.dropped += 1
            return
        self._latest[place] = datum
        went = self._went.get(place)
        is_same = went is not None and went.value == datum.value
        if went is not None and is_same and now - went.at < self._refresh_seconds:
            self._waiting.pop(place, None)
        else:
            self._waiting[place] = None
