"""What a bridge knows of its hubs at this moment, for people.

Laws:
1. What a hub says of itself is shown as that. It changes nothing.
2. Of each hub there is one state, with ceilings: at most MEASURED_MAX values and ALARMS_MAX alarms,
   those of the highest numbers. There are as many states as the site has hubs.
3. An alarm is one, whether it comes as a Notice, as its record, or as both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hubbridge.hubs.doors import DoorsSeen, may_tell
from hubcore.backend.uplink.from_hub import Measured, Telemetry
from hubcore.bridge.from_hub import HubHello
from hubcore.bridge.witness import Doubt
from hubcore.evidence.alarms import alarm_of, may_alarm
from hubcore.evidence.records import Head, StoredRecord, facts

MEASURED_MAX = 64
ALARMS_MAX = 16
ALARM_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a hub alarmed of. `ahead`: its record has not come yet, and nothing proves it.

    `hash` is that of the chain with this record, as the hub says it.
    """

    number: int
    at_ms: int
    what: str
    ahead: bool
    hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Heard:
    """A value of a device, and when it came, in monotonic seconds."""

    value: Measured
    at: float

    def age_seconds(self, now: float) -> float:
        """Return how old the value is."""
        return self.value.age_seconds + max(0.0, now - self.at)


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
    measured: dict[tuple[str, int], Heard] = field(default_factory=dict)
    alarms: dict[int, Alarm] = field(default_factory=dict)
    """By the numbers of their records."""
    doors: DoorsSeen = field(default_factory=DoorsSeen)
    told_of: int = 0
    """The newest record by which `doors` are known."""
    contested: int = 0
    unread: int = 0
    full_told: int = 0

    def greeted(self, hello: HubHello, wall: float) -> None:
        """Its Hello has come."""
        self.software = hello.software
        self.policy_version = hello.policy_version
        self.clock_offset_seconds = hello.time_ms / 1000 - wall
        self.told_newest = hello.last_record
        if hello.last_record < self.told_of:
            self.told_of = 0
        kept = self.alarms.items()
        self.alarms = {number: one for number, one in kept if number <= hello.last_record}

    def records(self, held: Sequence[StoredRecord]) -> list[Alarm]:
        """Records of it are held; return new alarms. What comes again is no news of a door.

        Most records tell of neither: all at once are looked at first, then each.
        """
        bodies = b" ".join(one.body for one in held)
        if not may_tell(bodies) and not may_alarm(bodies):
            self.told_of = max(self.told_of, max((one.number for one in held), default=0))
            return []
        alarms = [self._record(one) for one in held]
        return [one for one in alarms if one is not None]

    def _record(self, record: StoredRecord) -> Alarm | None:
        if record.number > self.told_of:
            self.told_of = record.number
            self.doors.take(record.body)
        return self.alarmed(record.number, record.body, record.hash, ahead=False)

    def alarmed(
        self, number: int, body: bytes, chain_hash: bytes = b"", *, ahead: bool
    ) -> Alarm | None:
        """It may have alarmed; return an alarm that is new (law 3)."""
        what = alarm_of(body)[:ALARM_CHARS_MAX]
        if not what:
            return None
        alarm = Alarm(number, facts(body)["at"], what, ahead, chain_hash)
        before = self.alarms.get(number)
        if ahead and before is not None:
            return None
        self.alarms[number] = alarm
        if len(self.alarms) > ALARMS_MAX:
            del self.alarms[min(self.alarms)]
        is_new = before is None or before.what != what
        return alarm if is_new and number in self.alarms else None

    def measures(self, message: Telemetry, now: float) -> None:
        """Its devices have said something; the oldest values leave room. `now` is monotonic."""
        for one in message.values:
            key = (one.device, int(one.quantity))
            self.measured.pop(key, None)
            self.measured[key] = Heard(one, now)
        while len(self.measured) > MEASURED_MAX:
            del self.measured[next(iter(self.measured))]


class HubStates:
    """The states of all hubs of the site."""

    def __init__(self, hubs_max: int) -> None:
        self.hubs_max = hubs_max
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
        if len(self._states) < self.hubs_max:
            return
        away = [name for name, state in self._states.items() if not state.connected]
        if away:
            del self._states[min(away, key=lambda name: self._states[name].heard_at or 0.0)]
