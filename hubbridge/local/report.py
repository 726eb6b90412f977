"""What a bridge knows of its site, as documents for people.

Laws:
1. What a hub says of itself is shown as that. `connected` alone is what the bridge sees.
2. A hub that the site has ended is no hub of the site any more, whatever is held of it.
3. No document is longer than the socket takes: lists have ceilings, and say what they leave out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from heapq import nlargest
from typing import Any, Protocol

from hubbridge.hubs.state import Alarm, HubState
from hubbridge.local.words import said
from hubbridge.rules.doubts import DoubtEnded
from hubbridge.rules.kept import Kept
from hubbridge.rules.papers import Paper
from hubbridge.siteorders import GivesOrders
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge.ends import Ends
from hubcore.bridge.site.order import SiteOrder
from hubcore.bridge.witness import SeenChain
from hubcore.device.state import UNIT_OF, Quantity
from hubcore.device.telemetry import POSITION_NUMBERS
from hubcore.evidence.records import Head
from hubcore.ports.clock import Clock
from hubcore.version import __version__

ALARMS_SHOWN = 50
DOORS_SHOWN = 1500
READINGS_SHOWN = 2000
UNANSWERED_SHOWN = 32
"""Of each order in a list of all."""
THOUSANDTHS = 1000
_POSITIONS = {number: position.value for position, number in POSITION_NUMBERS.items()}
_POSITION_QUANTITIES = frozenset({Quantity.POSITION})

Document = dict[str, Any]


class States(Protocol):
    """What is known of the hubs at this moment."""

    def all(self) -> dict[str, HubState]:
        """Return it by the names of the hubs."""


class Records(Protocol):
    """What is held of the hubs' records."""

    @property
    def hubs(self) -> Mapping[str, Kept]:
        """Return it by the names of the hubs."""

    def covered(self, hub: str) -> int:
        """Return the newest record of a hub that needs no head of it (any more)."""

    @property
    def used(self) -> Mapping[str, int]:
        """Return the bytes of each hub."""

    @property
    def is_tight(self) -> bool:
        """Tell whether the disk has no room for records."""

    @property
    def ends(self) -> Ends:
        """Return whom the site has ended."""

    def seen(self, hub: str) -> SeenChain | None:
        """Return what was seen of a hub, with its doubt."""


@dataclass(frozen=True, slots=True)
class Site:
    """Whose bridge it is."""

    site: str
    bridge: str
    budget_bytes: int
    started_at: float


class Backend(Protocol):
    """The way to the backend."""

    @property
    def phase(self) -> str:
        """Return how far the talk is."""

    @property
    def why(self) -> str:
        """Return why it is not further."""

    @property
    def gateway(self) -> str:
        """Return the name of the gateway that is connected, "" for none."""

    def age_seconds(self) -> int | None:
        """Return how long ago the backend was heard; None: not since the start."""


class Policy(Protocol):
    """The policy at the bridge, for its hubs."""

    @property
    def version(self) -> int:
        """Return the version that is whole here, 0 for none."""

    @property
    def coming(self) -> int:
        """Return the version that is on its way and not whole yet, 0 for none."""


class OwnCertificate(Protocol):
    """The bridge's own certificate."""

    @property
    def expires(self) -> int:
        """Return its end, Unix seconds."""

    @property
    def phase(self) -> str:
        """Return how far the next one is."""


class SiteReport:
    """Makes the documents."""

    def __init__(
        self,
        site: Site,
        states: States,
        records: Records,
        orders: GivesOrders,
        clock: Clock,
        backend: Backend | None = None,
        own: OwnCertificate | None = None,
        policy: Policy | None = None,
    ) -> None:
        """`backend` None: this bridge has no way there. `policy` None: it is not asked for."""
        self._site = site
        self._states = states
        self._records = records
        self._orders = orders
        self._clock = clock
        self._backend = backend
        self._own = own
        self._policy = policy

    def hubs(self) -> list[str]:
        """Return the names of all hubs of the site that the bridge knows (law 2)."""
        known = {*self._states.all(), *self._records.hubs}
        return sorted(known - self._records.ends.names)

    def status(self) -> Document:
        """Return how the site is: the bridge, each hub in a few words, the newest alarms."""
        states = self._states.all()
        return {
            "site": self._site.site,
            "bridge": self._site.bridge,
            "version": __version__,
            "since": self._site.started_at,
            "at": self._clock.wall(),
            "clock": self._clock.state().value,
            "disk_full": self._records.is_tight,
            "backend": self._way(),
            "certificate_ends": None if self._own is None else self._own.expires,
            "certificate_next": None if self._own is None else str(self._own.phase),
            "policy_version": None if self._policy is None else self._policy.version or None,
            "policy_coming": None if self._policy is None else self._policy.coming or None,
            "used_bytes": sum(self._records.used.values()),
            "budget_bytes": self._site.budget_bytes,
            "orders_by": self._orders.why_not() or "this bridge",
            "orders_here": not self._orders.why_not(),
            "hubs": [self._hub(name, states.get(name)) for name in self.hubs()],
            "orders": len(self._orders.shown()),
            "orders_unkept": self._orders.unkept,
            "alarms": _newest_alarms(states),
        }

    def _way(self) -> Document | None:
        if self._backend is None:
            return None
        return {
            "phase": str(self._backend.phase),
            "why": self._backend.why,
            "gateway": self._backend.gateway,
            "heard_seconds": self._backend.age_seconds(),
        }

    def hub(self, name: str) -> Document:
        """Return all that is known of one hub, which the bridge knows."""
        state = self._states.all().get(name)
        kept = self._records.hubs.get(name)
        document = self._hub(name, state)
        gaps = () if kept is None else kept.gaps()
        document["doubted"] = self._doubted(name)
        document["gaps"] = [[gap.first, gap.last] for gap in gaps]
        document["used_bytes"] = self._records.used.get(name, 0)
        alarms = () if state is None else state.alarms.values()
        document["alarms"] = [_alarm(name, one) for one in sorted(alarms, key=_by_number)][::-1]
        document["doors"] = self._doors_of(name, state)
        document["standing"] = self._standing_of(name, state)
        document["readings"] = self._readings_of(name, state)
        return document

    def doubts(self) -> list[Document]:
        """Return the hubs that are doubted, each with what it told and what was seen."""
        found = ((name, self._doubted(name)) for name in self.hubs())
        return [{"hub": name, **one} for name, one in found if one is not None]

    def _doubted(self, name: str) -> Document | None:
        seen = self._records.seen(name)
        if seen is None or seen.doubt is None:
            return None
        return {
            "cause": seen.doubt.cause.name.lower(),
            "told": head_text(seen.doubt.told),
            "seen": head_text(seen.head),
        }

    def doors(self) -> Document:
        """Return what the hubs' records tell of their doors."""
        states = self._states.all().items()
        doors = [one for name, state in states for one in self._doors_of(name, state)]
        standing = [one for name, state in states for one in self._standing_of(name, state)]
        return {
            "since": self._site.started_at,
            **_capped("doors", doors, DOORS_SHOWN),
            **_capped("standing", standing, DOORS_SHOWN),
        }

    def readings(self) -> Document:
        """Return what the devices of the hubs have said last."""
        states = self._states.all().items()
        found = [one for name, state in states for one in self._readings_of(name, state)]
        return _capped("readings", found, READINGS_SHOWN)

    def orders(self) -> Document:
        """Return what the site has ordered and has not ended."""
        connected = self.connected()
        return {"orders": [self._order(one.order, connected) for one in self._orders.shown()]}

    def connected(self) -> Collection[str]:
        """Return the hubs that talk with the bridge now."""
        return {name for name, state in self._states.all().items() if state.connected}

    def answers(self, paper: Paper) -> Document:
        """Return what each hub has answered to one order."""
        connected = self.connected()
        meant = self._meant(paper.order, paper.answers)
        hubs = [
            {
                "hub": hub,
                "connected": hub in connected,
                "answer": _answer(paper.answers.get(hub)),
                "detail": paper.details.get(hub, ""),
            }
            for hub in meant
        ]
        waiting = [hub for hub in meant if hub not in paper.answers and hub in connected]
        return {
            **_what(paper.order),
            "hubs": hubs,
            "answered": len(paper.answers),
            "complete": not waiting,
            "kept": self._orders.is_kept(paper.order.id),
            "ends_nothing": self._orders.ends_nothing(paper.order.id),
        }

    def is_complete(self, paper: Paper) -> bool:
        """Tell whether each hub that is there has answered."""
        return all(hub in paper.answers for hub in self.connected() if _is_for(paper.order, hub))

    def _meant(self, order: SiteOrder, answers: Iterable[str]) -> list[str]:
        known = {*self.hubs(), *answers} - self._records.ends.names
        return [hub for hub in sorted(known) if _is_for(order, hub)]

    def _order(self, order: SiteOrder, connected: Collection[str]) -> Document:
        paper = self._orders.find(order.id)
        answers = {} if paper is None else paper.answers
        taken = [hub for hub, outcome in answers.items() if outcome is OrderOutcome.TAKEN]
        missing = [hub for hub in self._meant(order, answers) if hub not in taken]
        return {
            **_what(order),
            "taken": len(taken),
            "missing": len(missing),
            "missing_connected": len([hub for hub in missing if hub in connected]),
            "missing_hubs": missing[:UNANSWERED_SHOWN],
        }

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

    def _doors_of(self, name: str, state: HubState | None) -> list[Document]:
        doors = {} if state is None else state.doors.doors
        return [
            {
                "hub": name,
                "door": door,
                "what": seen.what,
                "at": seen.at_ms / THOUSANDTHS,
                "alarms": sorted(seen.alarms),
            }
            for door, seen in sorted(doors.items())
        ]

    def _standing_of(self, name: str, state: HubState | None) -> list[Document]:
        standing = {} if state is None else state.doors.standing(self._clock.wall())
        return [
            {
                "hub": name,
                "order": place.order,
                "where": place.where,
                "given_by": place.given_by,
                "since": seen.at_ms / THOUSANDTHS,
                "until": seen.until,
            }
            for place, seen in standing.items()
        ]

    def _readings_of(self, name: str, state: HubState | None) -> list[Document]:
        now = self._clock.monotonic()
        measured = () if state is None else state.measured.values()
        return [
            {
                "hub": name,
                "device": one.value.device,
                "quantity": one.value.quantity.name.lower(),
                **_value(one.value.quantity, one.value.value),
                "age_seconds": round(one.age_seconds(now), 1),
            }
            for one in measured
        ]


def head_text(head: Head) -> str:
    """Return a head as people name it: the record, and the chain's hash with it."""
    return f"{head.number}:{head.hash.hex()}"


def ended_doubt(act: DoubtEnded) -> Document:
    """Return how a doubt was ended."""
    return {
        "hub": act.hub,
        "at": act.at_ms / THOUSANDTHS,
        "by": act.by,
        "uid": act.uid,
        "cause": act.cause.name.lower(),
        "told": head_text(act.told),
        "seen": head_text(act.seen),
        "accepted": head_text(act.accepted),
        "set_aside": act.aside,
    }


def phase_of(state: HubState) -> str:
    """Return where the talk with a hub stands."""
    if not state.connected:
        return "away"
    return "speaking" if state.doubt is None else "doubted"


def _is_for(order: SiteOrder, hub: str) -> bool:
    return order.hub in (None, hub)


def _what(order: SiteOrder) -> Document:
    return {
        "order": order.id.hex(),
        "what": said(order.what),
        "hub": order.hub,
        "by": order.by,
        "given_at": order.issued_ms / THOUSANDTHS,
        "until": order.until,
    }


def _answer(outcome: OrderOutcome | None) -> str | None:
    return None if outcome is None else outcome.name.lower()


def _value(quantity: Quantity, value: int) -> Document:
    if quantity in _POSITION_QUANTITIES:
        return {"value": _POSITIONS.get(value, "unknown"), "unit": ""}
    return {"value": value / THOUSANDTHS, "unit": UNIT_OF[quantity]}


def _standing_words(state: HubState, now: float) -> list[str]:
    """Return which orders keep doors in a mode, each once."""
    return sorted({place.order for place in state.doors.standing(now)})


def _newest_alarms(states: Mapping[str, HubState]) -> list[Document]:
    every = ((name, one) for name, state in states.items() for one in state.alarms.values())
    newest = nlargest(ALARMS_SHOWN, every, key=lambda found: found[1].at_ms)
    return [_alarm(name, one) for name, one in newest]


def _alarm(name: str, alarm: Alarm) -> Document:
    return {
        "hub": name,
        "what": alarm.what,
        "at": alarm.at_ms / THOUSANDTHS,
        "record": alarm.number,
        "ahead": alarm.ahead,
    }


def _by_number(alarm: Alarm) -> int:
    return alarm.number


def _capped(name: str, rows: list[Document], most: int) -> Document:
    return {name: rows[:most], f"{name}_left_out": max(0, len(rows) - most)}
