"""What devices of the hubs said last, as the reference backend keeps it.

Law: it is in memory alone, with a ceiling a hub; what a hub says beyond it is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

from hubcore.backend.uplink.from_hub import Measured
from hubcore.device.state import UNIT_OF, Quantity
from hubcore.device.telemetry import POSITION_NUMBERS

VALUES_A_HUB = 4096
_POSITIONS = {number: position.value for position, number in POSITION_NUMBERS.items()}


class TelemetryBoard:
    """The latest value of each device and quantity, by hub."""

    def __init__(self) -> None:
        self._latest: dict[str, dict[tuple[str, Quantity], Measured]] = {}
        self.messages = 0

    def take(self, hub: str, values: Sequence[Measured]) -> None:
        """Take one message of a hub."""
        self.messages += 1
        of_hub = self._latest.setdefault(hub, {})
        for value in values:
            place = (value.device, value.quantity)
            if place in of_hub or len(of_hub) < VALUES_A_HUB:
                of_hub[place] = value

    def shown(self, hub: str) -> dict[str, dict[str, str]]:
        """Return what the devices of a hub said, for people: by device, then by quantity."""
        found: dict[str, dict[str, str]] = {}
        for value in self._latest.get(hub, {}).values():
            found.setdefault(value.device, {})[value.quantity.name.lower()] = _text(value)
        return found


def _text(value: Measured) -> str:
    if value.quantity is Quantity.POSITION:
        return _POSITIONS.get(value.value, str(value.value))
    return f"{value.value / 1000:g} {UNIT_OF[value.quantity]}"
