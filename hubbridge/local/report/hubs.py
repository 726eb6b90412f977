"""The hubs of a site, as documents."""

from __future__ import annotations

from collections.abc import Collection

from hubbridge.hubs.state import HubState
from hubbridge.local.report.doubts import doubted
from hubbridge.local.report.sources import Document, Records, States
from hubbridge.local.report.things import alarms_of, doors_of, readings_of, standing_of
from hubbridge.rules.kept import Kept
from hubcore.ports.clock import Clock


class HubsReport:
    """Tells of hubs."""

    def __init__(self, states: States, records: Records, clock: Clock) -> None:
        self._states = states
        self._records = records
        self._clock = clock

    def names(self, more: Collection[str] = ()) -> list[str]:
        """Return the names of all hubs of the site: those known, and these (`report`, law 2)."""
        known = {*self._states.all(), *self._records.hubs, *more}
        return sorted(known - self._records.ends.names)

    def connected(self) -> Collection[str]:
        """Return the hubs that talk with the bridge now."""
        return {name for name, state in self._states.all().items() if state.connected}

    def all(self) -> list[Document]:
        """Return each hub of the site in a few words."""
        states = self._states.all()
        return [self._hub(name, states.get(name)) for name in self.names()]

    def hub(self, name: str) -> Document:
        """Return all that is known of one hub, which the bridge knows."""
        state = self._states.all().get(name)
        kept = self._records.hubs.get(name)
        document = self._hub(name, state)
        gaps = () if kept is None else kept.gaps()
        document["doubted"] = doubted(self._records.seen(name))
        document["gaps"] = [[gap.first, gap.last] for gap in gaps]
        document["used_bytes"] = self._records.used.get(name, 0)
        document["alarms"] = alarms_of(name, state)
        document["doors"] = doors_of(name, state)
        document["standing"] = standing_of(name, state, self._clock.wall())
        document["readings"] = readings_of(name, state, self._clock.monotonic())
        return document

    def doubts(self) -> list[Document]:
        """Return the hubs that are doubted, each with what it told and what was seen."""
        found = ((name, doubted(self._records.seen(name))) for name in self.names())
        return [{"hub": name, **one} for name, one in found if one is not None]

    def _hub(self, name: str, state: HubState | None) -> Document:
        kept = self._records.hubs.get(name)
        seen = HubState() if state is None else state
        now = self._clock.wall()
        gaps = () if kept is None else kept.gaps()
        ends = seen.certificate_ends
        chain = self._records.seen(name)
        doubt = seen.doubt if chain is None else chain.doubt
        return {
            "hub": name,
            "phase": phase_of(seen),
            "since": seen.since,
            "heard_at": seen.heard_at,
            "version": seen.software or None,
            "policy_version": seen.policy_version or None,
            "clock_ahead_seconds": seen.clock_offset_seconds,
            "certificate_ends": ends,
            "certificate_ended": ends is not None and ends < now,
            "newest_record": max(seen.told_newest, seen.newest.number) or None,
            "held_record": None if kept is None else kept.newest.number,
            "waiting_records": 0 if kept is None else kept.waiting,
            "unsigned_records": self._unsigned(name, kept),
            "missing_records": sum(gap.last - gap.first + 1 for gap in gaps),
            "doubt": None if doubt is None else doubt.cause.name.lower(),
            "full_told": seen.full_told,
            "unread": seen.unread,
            "alarms_standing": sum(len(door.alarms) for door in seen.doors.doors.values()),
            "doors_under": _standing_words(seen, now),
        }

    def _unsigned(self, name: str, kept: Kept | None) -> int:
        """Return how many of a hub's newest records wait here for its own signature."""
        return 0 if kept is None else max(0, kept.newest.number - self._records.covered(name))


def phase_of(state: HubState) -> str:
    """Return where the talk with a hub stands."""
    if not state.connected:
        return "away"
    return "speaking" if state.doubt is None else "doubted"


def _standing_words(state: HubState, now: float) -> list[str]:
    """Return which orders keep doors in a mode, each once."""
    return sorted({place.order for place in state.doors.standing(now)})
