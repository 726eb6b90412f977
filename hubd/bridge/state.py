"""What the hub shows of its way over a bridge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hubcore.bridge.talk import WayPhase
from hubcore.ports.bridge import LineFault

SPOKEN_WITH = frozenset({WayPhase.SPEAKING, WayPhase.DOUBTED, WayPhase.RENEWING})
"""The phases in which a bridge of the site was reached, and has answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WayState:
    """The way as it is now: `hubctl status` shows these fields under these names."""

    phase: WayPhase
    since: float
    """Since when a bridge is spoken with, or is not, Unix seconds."""
    why: str
    bridge: str
    """The bridge that is spoken with, or was tried last."""
    endpoint: str
    certificate_ends: int
    """Of that bridge, Unix seconds; 0 as long as it has shown none."""
    failures: tuple[str, ...] = ()
    """Why each bridge that failed last did so, in sentences."""
    faults: Mapping[str, LineFault] = field(default_factory=dict)
    """The same by the names of the bridges, as words."""
    waiting: int
    """So many records the bridge does not hold."""
    is_full: bool = False
    """The bridge has said that it has no room, and has held none since."""
    clock_offset_seconds: float | None = None
    """The bridge's time less this hub's."""
    testimony: str = ""
    """The newest head that the bridge has signed, as text; "" for none."""
    trouble: str = ""
    """Why mandates or ended bridges are not known, or not kept; "" when all is well."""
    counters: Mapping[str, int] = field(default_factory=dict)
