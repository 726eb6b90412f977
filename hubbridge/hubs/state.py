"""What a bridge knows of its hubs at this moment, for people.

Laws:
1. What a hub says of itself is shown as that. It changes nothing.
2. Of each hub there is one state, with ceilings: at most MEASURED_MAX values and ALARMS_MAX alarms,
   the newest. There are as many states as the site has hubs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hubcore.backend.uplink.from_hub import Measured, Notice, Telemetry
from hubcore.bridge.from_hub import HubHello
from hubcore.bridge.witness import Doubt
from hubcore.evidence.records import Head

MEASURED_MAX = 64
ALARMS_MAX = 16


@dataclass(slots=True)
class HubState:
    """One hub; moments are Unix seconds by the bridge's clock, None for never."""

    connected: bool = False
    since: float | None = None
    heard_at: float | None = None
    software: str = ""
    policy_version: int = 0
    clock_offset_seconds: float | None = None
    """How far its clock is ahead of the bridge's, as its last Hello told."""
    certificate_ends: int | None = None
    newest: Head = field(default_factory=Head)
    """Its newest record that was seen here."""
    told_newest: int = 0
    """The number of its newest record, as its last Hello told."""
    doubt: Doubt | None = None
    measured: dict[tuple[str, int], Measured] = field(default_factory=dict)
    alarms: deque[Notice] = field(default_factory=lambda: deque(maxlen=ALARMS_MAX))
    contested: int = 0
    unread: int = 0
    full_told: int = 0

    def greeted(self, hello: HubHello, wall: float) -> None:
        """Its Hello has come."""
        self.software = hello.software
        self.policy_version = hello.policy_version
        self.clock_offset_seconds = hello.time_ms / 1000 - wall
        self.told_newest = hello.last_record

    def measures(self, message: Telemetry) -> None:
        """Its devices have said something; the oldest values leave room."""
        for one in message.values:
            key = (one.device, int(one.quantity))
            self.measured.pop(key, None)
            self.measured[key] = one
        while len(self.measured) > MEASURED_MAX:
            del self.measured[next(iter(self.measured))]


class HubStates:
    """The states of all hubs of the site."""

    def __init__(self, hubs_max: int) -> None:
        self._hubs_max = hubs_max
        self._states: dict[str, HubState] = {}

    def of(self, hub: str) -> HubState:
        """Return a hub's state; one that is away leaves its place to a new one."""
        found = self._states.get(hub)
        if found is None:
            self._make_room()
            found = self._states[hub] = HubState()
        return found

    def all(self) -> dict[str, HubState]:
        """Return them by the names of the hubs."""
        return dict(sorted(self._states.items()))

    def _make_room(self) -> None:
        if len(self._states) < self._hubs_max:
            return
        away = [name for name, state in self._states.items() if not state.connected]
        if away:
            del self._states[min(away, key=lambda name: self._states[name].heard_at or 0.0)]
