"""Which hubs are stopped, and which of their boots somebody has decided against.

Laws:
1. A decision is on the disk before anybody hears of it, and outlasts this process.
2. Only a decision ends a stop.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcore.backend.uplink.words import Cause
from hubsim.durable import write_durably

REFUSED_BOOTS_MAX = 64
"""Boot ids that are remembered for each hub; then the oldest is forgotten."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why nothing is taken from a hub and no order is given to it.

    `boots` are the boot ids that speak as the hub, in hexadecimal digits.
    """

    cause: Cause
    detail: str
    boots: tuple[str, ...] = ()


class Decisions:
    """The stopped hubs and the refused boots, in a file. Raise OSError when it cannot be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stops: dict[str, Stop] = {}
        self._refused: dict[str, list[str]] = {}
        if path.exists():
            self._read(json.loads(path.read_text("utf-8")))

    def _read(self, held: dict[str, Any]) -> None:
        for hub, stop in held.get("stops", {}).items():
            self._stops[hub] = Stop(
                cause=Cause[stop["cause"]],
                detail=stop["detail"],
                boots=tuple(stop["boots"]),
            )
        self._refused = held.get("refused", {})

    def stop(self, hub: str) -> Stop | None:
        """Return why a hub is stopped, None when it is not."""
        return self._stops.get(hub)

    def stops(self) -> dict[str, Stop]:
        """Return all hubs that are stopped."""
        return dict(self._stops)

    def is_refused(self, hub: str, boot: bytes) -> bool:
        """Tell whether somebody decided against this boot of a machine."""
        return boot.hex() in self._refused.get(hub, ())

    def set(self, hub: str, stop: Stop) -> None:
        """Stop a hub; durable on return."""
        self._stops[hub] = stop
        self._write()

    def end(self, hub: str, refused: tuple[str, ...] = ()) -> None:
        """Let a hub go on, and refuse these boots from now on; durable on return."""
        self._stops.pop(hub, None)
        if refused:
            boots = [*self._refused.get(hub, []), *refused]
            self._refused[hub] = boots[-REFUSED_BOOTS_MAX:]
        self._write()

    def _write(self) -> None:
        stops = {}
        for hub, stop in self._stops.items():
            stops[hub] = {
                "cause": stop.cause.name,
                "detail": stop.detail,
                "boots": stop.boots,
            }
        text = json.dumps({"stops": stops, "refused": self._refused})
        write_durably(self._path, text)
