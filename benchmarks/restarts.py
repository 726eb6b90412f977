"""What a restart of hubd is made of, by systemd's own times of its unit. Pure.

Law: the parts are all of a restart: together they are its whole time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

SHOWN = (
    "ActiveExitTimestampMonotonic",
    "InactiveEnterTimestampMonotonic",
    "ActiveEnterTimestampMonotonic",
)
"""Properties of the unit: the stop begins; all of the old has ended; the new is READY."""
MICROS = 1e6


class RestartPart(StrEnum):
    """One part, in their order."""

    ENDS = "the old one ends"
    """With the step that secures the strikes after it."""
    STARTS = "the new one starts"
    """Until it is READY: loaded, keys read, databases checked."""
    LETS_IN = "a phone is let in"
    """The strikes are held, the hub is on air, and a phone has found it and asked."""


def parts(shown: str, whole: float) -> dict[RestartPart, float]:
    """Return the seconds of each part, by what `systemctl show` says after a restart.

    `whole` is in seconds from the order on. Raise KeyError or ValueError for another text.
    """
    found = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    stops, ended, ready = (int(found[name]) / MICROS for name in SHOWN)
    return {
        RestartPart.ENDS: ended - stops,
        RestartPart.STARTS: ready - ended,
        RestartPart.LETS_IN: whole - (ready - stops),
    }


def shares(restarts: Sequence[Mapping[RestartPart, float]]) -> str:
    """Say which share of all restarts each part took."""
    whole = sum(sum(one.values()) for one in restarts)
    sums = {part: sum(one[part] for one in restarts) for part in RestartPart}
    return ", ".join(f"{part} {seconds / whole:.0%}" for part, seconds in sums.items())
