"""Which of BlueZ's adapters serves the hub, and what to say when none can.

Law: an adapter that can serve no table or advertise nothing is none. The index in its path means
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubcore.ports.radio import Adapter
from hubd.adapters.bluez.mirror import ADAPTER, ADVERTISING_MANAGER, GATT_MANAGER

Objects = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Path to interface to property to plain value."""

GENERATIONS: Mapping[int, str] = {
    6: "4.0",
    7: "4.1",
    8: "4.2",
    9: "5.0",
    10: "5.1",
    11: "5.2",
    12: "5.3",
    13: "5.4",
    14: "6.0",
}
"""Bluetooth's Assigned Numbers, 2.1: the core specification by its number."""

_NEEDED = frozenset({ADAPTER, GATT_MANAGER, ADVERTISING_MANAGER})


def choose(objects: Objects, wanted: str) -> str | None:
    """Return the path of the adapter with the address `wanted`, None when there is none.

    "default" is the first powered one, else the first.
    """
    able = _able(objects)
    if wanted == "default":
        for path in able:
            if objects[path][ADAPTER].get("Powered"):
                return path
        return able[0] if able else None
    for path in able:
        if _address(objects, path) == wanted:
            return path
    return None


def missing_adapter(objects: Objects, wanted: str) -> str:
    """Say which adapter there is not, and which there are."""
    addresses = [_address(objects, path) for path in _able(objects)]
    there = ", ".join(addresses) or "none"
    return f"radio: BlueZ has no adapter {wanted} that can advertise and serve; it has: {there}"


def seen(path: str, properties: Mapping[str, Any]) -> Adapter:
    """Return an adapter as BlueZ shows it. BlueZ before 5.71 shows no generation."""
    address = properties.get("Address")
    powered = properties.get("Powered")
    version = properties.get("Version")
    return Adapter(
        name=path.rpartition("/")[2],
        address=address if isinstance(address, str) else None,
        powered=powered if isinstance(powered, bool) else None,
        generation=GENERATIONS.get(version) if isinstance(version, int) else None,
    )


def _address(objects: Objects, path: str) -> str:
    adapter = objects[path][ADAPTER]
    return str(adapter.get("Address"))


def _able(objects: Objects) -> list[str]:
    """Return the paths of the adapters that can advertise and serve."""
    able: list[str] = []
    for path in sorted(objects):
        interfaces = objects[path].keys()
        if interfaces >= _NEEDED:
            able.append(path)
    return able
