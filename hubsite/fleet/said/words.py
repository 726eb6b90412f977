"""How a device is, in words: of the last values that it has said.

Laws:
1. A device that does not say how it stands is told as that, never as what it was before.
2. A battery that is nearly empty comes with what to do.
3. A number that this version does not know is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from hubcore.device.state import UNIT_OF, Position, Quantity
from hubcore.device.telemetry import POSITION_NUMBERS
from hubsite.fleet.said.values import Row

LOW_PER_CENT = 20
_THOUSANDTHS = 1000
_POSITIONS = {number: position for position, number in POSITION_NUMBERS.items()}
_YES = frozenset(
    {
        Quantity.CONTACT,
        Quantity.MOTION,
        Quantity.SMOKE,
        Quantity.WATER,
        Quantity.CARBON_MONOXIDE,
    }
)
"""These are 1 for yes and 0 for no."""
NAMES: Mapping[Quantity, str] = {
    Quantity.BATTERY: "battery",
    Quantity.TEMPERATURE: "temperature",
    Quantity.HUMIDITY: "humidity",
    Quantity.ILLUMINANCE: "light",
    Quantity.POWER: "power",
    Quantity.ENERGY: "energy",
    Quantity.CONTACT: "open",
    Quantity.MOTION: "motion",
    Quantity.SMOKE: "smoke",
    Quantity.WATER: "water",
    Quantity.CARBON_MONOXIDE: "carbon monoxide",
    Quantity.POSITION: "position",
    Quantity.LEVEL: "level",
}
_SYMBOLS = {"degC": "°C"}


@dataclass(frozen=True, slots=True)
class ShownDevice:
    """A device as pages show it; `said_at` is when it said anything last."""

    hub: str
    device: str
    stands: str
    level: str
    battery: str
    readings: tuple[str, ...]
    trouble: str
    said_at: datetime


def devices(rows: Iterable[Row]) -> Iterator[ShownDevice]:
    """Yield each device; `rows` are in the order of their table."""
    for (hub, device), values in groupby(rows, key=lambda row: (row.hub, row.device)):
        yield _shown(hub, device, list(values))


def _shown(hub: str, device: str, rows: list[Row]) -> ShownDevice:
    known = {Quantity(row.quantity): row for row in rows if row.quantity in set(Quantity)}
    battery = known.get(Quantity.BATTERY)
    apart = (Quantity.POSITION, Quantity.LEVEL, Quantity.BATTERY)
    return ShownDevice(
        hub=hub,
        device=device,
        stands=_stands(known.get(Quantity.POSITION)),
        level=_text(Quantity.LEVEL, known.get(Quantity.LEVEL)),
        battery=_text(Quantity.BATTERY, battery),
        readings=tuple(
            f"{NAMES[quantity]} {_text(quantity, row)}"
            for quantity, row in known.items()
            if quantity not in apart
        ),
        trouble=_trouble(known.get(Quantity.POSITION), battery),
        said_at=datetime.fromtimestamp(max(row.at for row in rows), UTC),
    )


def _position(row: Row) -> Position:
    return _POSITIONS.get(row.value, Position.UNKNOWN)


def _stands(row: Row | None) -> str:
    if row is None:
        return ""
    position = _position(row)
    return "it does not say" if position is Position.UNKNOWN else position.value


def _text(quantity: Quantity, row: Row | None) -> str:
    if row is None:
        return ""
    if quantity in _YES:
        return "yes" if row.value else "no"
    unit = UNIT_OF[quantity]
    return f"{row.value / _THOUSANDTHS:g} {_SYMBOLS.get(unit, unit)}"


def _trouble(position: Row | None, battery: Row | None) -> str:
    found = []
    if position is not None and _position(position) is Position.UNKNOWN:
        since = datetime.fromtimestamp(position.at, UTC)
        found.append(
            f"It has not said how it stands since {since:%Y-%m-%d %H:%M} UTC: look at it, at its "
            "power and at hubctl devices."
        )
    if battery is not None and battery.value <= LOW_PER_CENT * _THOUSANDTHS:
        found.append("Its battery is nearly empty: change it.")
    return " ".join(found)
