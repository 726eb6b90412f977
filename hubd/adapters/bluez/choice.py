"""Which of BlueZ's adapters serves the hub, and what to say when none can.

Law: an adapter that can serve no table or advertise nothing is none; the index in its path means
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubd.adapters.bluez.bus import ADAPTER, ADVERTISING_MANAGER, GATT_MANAGER

Objects = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Path to interface to property to plain value."""


def choose(objects: Objects, wanted: str) -> str | None:
    """Return the path of the adapter with the address `wanted`, for "default" the first powered
    one, else the first.
    """
    able = _able(objects)
    if wanted == "default":
        return next(
            (path for path in able if objects[path][ADAPTER].get("Powered")),
            able[0] if able else None,
        )
    return next((path for path in able if objects[path][ADAPTER].get("Address") == wanted), None)


def lacking(objects: Objects, wanted: str) -> str:
    """Say which adapter there is not, and which there are."""
    there = (
        ", ".join(str(objects[path][ADAPTER].get("Address")) for path in _able(objects)) or "none"
    )
    return f"radio: BlueZ has no adapter {wanted} that can advertise and serve; it has: {there}"


def _able(objects: Objects) -> list[str]:
    return [
        path
        for path in sorted(objects)
        if {ADAPTER, GATT_MANAGER, ADVERTISING_MANAGER} <= objects[path].keys()
    ]
