"""Sums over the records of some days, for `hubctl report`: one record at a time, in little room.

Laws:
1. No id of a person, a phone or a grant is kept: only how often, when and at which door.
2. However many records there are, and whatever they hold, the sums take the same room.
3. What no record proves is `not known`; it never looks like a state that is well.
4. Hours are those of the site's wall clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any, NamedTuple

from hubcore.door.phases import Happening
from hubcore.evidence.facts import Fact, RecordKind

HOURS = 24
KEYS_MAX = 64
"""Of reasons, of doors and of devices; the others count together."""
OTHERS = "others"
SPANS_MAX = 400
"""Of a time line; those before are one span that is not known."""
COUNT_MAX = 1_000_000
"""Of one record that sums others; a larger number is none of hubd's."""
STEP_MS = 100
OPENING_MS_MAX = 60_000
ALLOWED = "allowed"
UNPROVEN = "failed proofs"
SHOWN = (
    Happening.ACCESS_TAKEN,
    Happening.EXIT,
    Happening.ACCESS_NOT_TAKEN,
    Happening.FORCED,
    Happening.HELD_OPEN,
)
"""What a door did that is counted by hour."""


class Known(StrEnum):
    """What is known of a part for a span of time."""

    UP = "up"
    DOWN = "down"
    NOT_KNOWN = "not known"


class Span(NamedTuple):
    """A half-open span of Unix milliseconds."""

    begins: int
    ends: int
    state: Known


class Spread:
    """How long something took, counted in steps, so that a million of them take no more room."""

    def __init__(self) -> None:
        self._counts = [0] * (OPENING_MS_MAX // STEP_MS + 1)
        self.count = 0

    def take(self, took_ms: int) -> None:
        """Count one."""
        self._counts[took_ms // STEP_MS] += 1
        self.count += 1

    def quantile(self, part: float) -> float | None:
        """Return the seconds within which this part of them ended; None when there are none."""
        wanted = part * self.count
        seen = 0
        for step, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return (step + 1) * STEP_MS / 1000
        return None


def _hours() -> list[int]:
    return [0] * HOURS


@dataclass(slots=True)
class Sums:
    """The sums; `doors` names the door of each access point, as the running hubd told it."""

    zone: tzinfo
    doors: Mapping[int, str]
    records: int = 0
    decisions: dict[str, int] = field(default_factory=dict)
    happened: dict[str, list[int]] = field(
        default_factory=lambda: {str(what): _hours() for what in SHOWN}
    )
    by_door: dict[str, int] = field(default_factory=dict)
    opening: list[Spread] = field(default_factory=lambda: [Spread() for _ in range(HOURS)])
    device_faults: dict[str, int] = field(default_factory=dict)
    heard: set[int] = field(default_factory=set)
    """The hours, counted from 1970, in which a record proves that the backend spoke."""
    hub: list[Span] = field(default_factory=list)
    _since: int | None = None
    """When what is known of the hub began."""
    _is_up: bool = True
    _last: int = 0
    _pending: dict[str, int] = field(default_factory=dict)
    """When each door was last released by a yes, by the monotonic clock."""

    def take(self, at_ms: int, said: Mapping[str, Any]) -> None:
        """Count one record."""
        self.records += 1
        at = max(at_ms, self._last)  # a clock that was set back makes no span of negative length
        match said.get("kind"):
            case RecordKind.ACCESS | RecordKind.REMOTE as kind:
                self._decision(said)
                if kind == RecordKind.REMOTE:
                    self._hear(at_ms)
            case RecordKind.REFUSED:
                why = said.get(Fact.WHY)
                self._add(self.decisions, why or UNPROVEN, _count(said))
            case RecordKind.DOOR:
                self._door(at_ms, said)
            case RecordKind.FAULT if Fact.DEVICE in said and said.get(Fact.STANDS) is True:
                self._add(self.device_faults, said[Fact.DEVICE], 1)
            case RecordKind.COMMAND if Fact.ASKER in said:
                self._hear(at_ms)
            case RecordKind.BREAK:
                self._hear(at_ms)
            case RecordKind.POLICY if Fact.UID not in said:
                self._hear(at_ms)
            case RecordKind.STARTED:
                self._started(at)
            case RecordKind.STOPPED:
                self._stopped(at)
        if self._since is None:
            self._since = at
        self._last = at

    def finish(self, until_ms: int, *, is_up_now: bool) -> None:
        """Close the time line; `is_up_now`: the hub answered a moment ago."""
        if self._since is None:
            return
        if not self._is_up:
            self._span(self._since, until_ms, Known.UP if is_up_now else Known.DOWN)
        elif is_up_now:
            self._span(self._since, until_ms, Known.UP)
        else:
            self._span(self._since, self._last, Known.UP)
            self._span(self._last, until_ms, Known.NOT_KNOWN)

    def _decision(self, said: Mapping[str, Any]) -> None:
        if said.get(Fact.ALLOWED) is not True:
            self._add(self.decisions, said.get(Fact.WHY) or "no reason", 1)
            return
        self._add(self.decisions, ALLOWED, 1)
        door = self.doors.get(_whole(said.get(Fact.POINT)))
        if door is not None and isinstance(said.get("mono"), int):
            self._pending[door] = said["mono"]

    def _door(self, at_ms: int, said: Mapping[str, Any]) -> None:
        door = said.get(Fact.DOOR)
        hours = self.happened.get(str(said.get(Fact.WHAT)))
        if hours is None or not isinstance(door, str):
            return
        hour = self._hour(at_ms)
        hours[hour] += _count(said)
        if said[Fact.WHAT] != Happening.ACCESS_TAKEN:
            return
        self._add(self.by_door, door, 1)
        since = self._pending.pop(door, None)
        if since is not None and 0 <= said["mono"] - since < OPENING_MS_MAX:
            self.opening[hour].take(said["mono"] - since)

    def _hour(self, at_ms: int) -> int:
        return datetime.fromtimestamp(at_ms / 1000, self.zone).hour

    def _hear(self, at_ms: int) -> None:
        self.heard.add(at_ms // 3_600_000)

    def _started(self, at: int) -> None:
        self._pending.clear()
        if self._since is not None and self._is_up:
            # it ended without a word: some time after its last record
            self._span(self._since, self._last, Known.UP)
            self._span(self._last, at, Known.NOT_KNOWN)
        elif self._since is not None:
            self._span(self._since, at, Known.DOWN)
        self._since = at
        self._is_up = True

    def _stopped(self, at: int) -> None:
        if self._since is not None and self._is_up:
            self._span(self._since, at, Known.UP)
        self._since = at
        self._is_up = False

    def _span(self, begins: int, ends: int, state: Known) -> None:
        if ends > begins:
            self.hub.append(Span(begins, ends, state))
        if len(self.hub) > SPANS_MAX:
            first, second = self.hub[:2]
            self.hub[:2] = [Span(first.begins, second.ends, Known.NOT_KNOWN)]

    def _add(self, counts: dict[str, int], key: object, count: int) -> None:
        name = str(key)
        if name not in counts and len(counts) >= KEYS_MAX:
            name = OTHERS
        counts[name] = counts.get(name, 0) + count


def _count(said: Mapping[str, Any]) -> int:
    count = said.get(Fact.COUNT)
    if isinstance(count, int) and 0 < count <= COUNT_MAX:
        return int(count)
    return 1


def _whole(value: object) -> int:
    return value if isinstance(value, int) else -1


def uplink_spans(backend: object, begins_ms: int, until_ms: int) -> list[Span]:
    """Return what the running hubd says of its way to the backend: since when it is as it is."""
    match backend:
        case {"connected": bool(connected), "since": int() | float() as since}:
            at = min(max(int(since * 1000), begins_ms), until_ms)
            state = Known.UP if connected else Known.DOWN
            return [Span(begins_ms, at, Known.NOT_KNOWN), Span(at, until_ms, state)]
    return [Span(begins_ms, until_ms, Known.NOT_KNOWN)]
