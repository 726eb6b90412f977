"""What a hub is configured to do at its doors; the same until the next start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo


@dataclass(frozen=True, slots=True)
class Point:
    """An access point of this hub: its door, and how a release there is done.

    `fresh`: it demands the full path. `cap_seconds`: no release drives the strike for longer.
    `watched`: the door has a position switch. `without_time`: a grant without a schedule is
    believed while the clock is not. `offline_seconds_max`: how long the backend may be away; None:
    for ever.
    """

    number: int
    door: str
    fresh: bool
    strike_seconds: float
    cap_seconds: float = 10.0
    watched: bool = False
    without_time: bool = False
    offline_seconds_max: float | None = None

    def release_seconds(self, ordered: float | None) -> float:
        """Return for how long a release drives the strike; None leaves it to this point."""
        seconds = self.strike_seconds
        if ordered is not None:
            seconds = float(ordered)
        return min(seconds, self.cap_seconds)


@dataclass(frozen=True, slots=True)
class SiteRules:
    """What holds for all doors of the hub; `points` by number."""

    points: Mapping[int, Point]
    zone: tzinfo
    grant_seconds_max: int
