"""What the daemon can judge by what it sees of itself: one look a topic.

Law: a look judges what it is given, and asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from hubcore.backend.uplink.words import Cause
from hubcore.bridge.talk import WayPhase
from hubcore.checks import (
    CHECK_OF_HALT,
    CheckId,
    Problem,
    Topic,
    bridge_problem,
    certificate_problem,
    problem,
    tls_problem,
)
from hubcore.codec.tls import TlsCertificate
from hubcore.ports.bridge import IMPOSTORS, LineFault
from hubd.backend.state import UplinkState
from hubd.bridge.state import SPOKEN_WITH, WayState

BACKEND_DOWN_SECONDS = 60.0
"""For so long the backend may be away."""
BRIDGE_DOWN_SECONDS = 120.0
"""For so long there may be no bridge: each of four is tried for 5 s, with 30 s between rounds."""
EVIDENCE_SECONDS = 150.0
"""For so long the backend may acknowledge nothing while records wait."""
OFFLINE_SHARE = 0.5
"""From this share of a door's offline_hours_max on, somebody should bring the backend back."""
MINUTE_SECONDS = 60
HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Seen:
    """What the daemon sees: times in Unix seconds, files as the installer knows them."""

    now: float
    epoch_is_ready: bool
    certificate_begins: int
    certificate_expires: int
    certificate_file: str
    backend_key_file: str
    tls: TlsCertificate | None
    """None for a hub without a TLS identity."""
    tls_file: str
    uplink: UplinkState | None
    """None for a hub without a backend."""
    way: WayState | None = None
    """None for a hub without a bridge."""
    offline_seconds: float = 0.0
    """For how long the backend has been away."""
    offline_budgets: Mapping[str, float] = field(default_factory=dict)
    """The doors with an offline_hours_max, by id, in seconds."""


def _certificate(seen: Seen) -> Problem | None:
    return certificate_problem(
        begins=seen.certificate_begins,
        expires=seen.certificate_expires,
        now=seen.now,
        file=seen.certificate_file,
    )


def _tls(seen: Seen) -> Problem | None:
    tls = seen.tls
    return (
        None if tls is None else tls_problem(tls.not_before, tls.expires, seen.now, seen.tls_file)
    )


def _epoch(seen: Seen) -> Problem | None:
    return None if seen.epoch_is_ready else problem(CheckId.EPOCH_NONE)


def _backend(seen: Seen) -> Problem | None:
    """The backend has been away for a while."""
    uplink = seen.uplink
    if uplink is None or uplink.connected:
        return None
    if seen.now - uplink.since <= BACKEND_DOWN_SECONDS:
        return None
    return problem(CheckId.BACKEND_AWAY, why=uplink.why, file=seen.backend_key_file)


def _evidence(seen: Seen) -> Problem | None:
    """No record goes up, though the backend is there and has not said Halt."""
    uplink = seen.uplink
    if uplink is None or not uplink.connected or uplink.halt:
        return None
    waited = uplink.unacknowledged_seconds
    if waited is None or waited <= EVIDENCE_SECONDS:
        return None
    why = uplink.why or "it takes them and says nothing"
    return problem(CheckId.EVIDENCE_STUCK, waiting=uplink.waiting, waited=waited, why=why)


def _uplink_key(seen: Seen) -> Problem | None:
    """The hub cannot change its own key, or uses another one than it ought to."""
    uplink = seen.uplink
    if uplink is None or not uplink.key_trouble:
        return None
    return problem(CheckId.UPLINK_KEY, why=uplink.key_trouble, key=uplink.key)


def _policy(seen: Seen) -> Problem | None:
    """A policy that the backend offered is not in force."""
    uplink = seen.uplink
    if uplink is None or not uplink.policy_refused:
        return None
    return problem(CheckId.POLICY_REFUSED, why=uplink.policy_refused.rstrip("."))


def _bridge(seen: Seen) -> Problem | None:
    """No bridge has been reached for a while, or what answers at its address is none any more."""
    way = seen.way
    if way is None:
        return None
    for bridge, fault in way.faults.items():
        if fault in IMPOSTORS:
            return problem(CheckId.BRIDGE_OTHER, bridge=bridge, why=_why_of(bridge, way))
    for bridge, fault in way.faults.items():
        if fault is LineFault.ENDED:
            return problem(CheckId.BRIDGE_REVOKED, bridge=bridge)
    away_seconds = seen.now - way.since
    if way.phase in SPOKEN_WITH or away_seconds <= BRIDGE_DOWN_SECONDS:
        return None
    minutes = away_seconds / MINUTE_SECONDS
    for bridge, fault in way.faults.items():
        if fault is LineFault.NOT_LET_IN:
            why = _why_of(bridge, way)
            return problem(CheckId.BRIDGE_REFUSES, bridge=bridge, minutes=minutes, why=why)
    why = "; ".join(way.failures) or way.why
    return problem(CheckId.BRIDGE_AWAY, minutes=minutes, why=why.rstrip("."))


def _why_of(bridge: str, way: WayState) -> str:
    """Return what was said of the failure of one bridge."""
    begins = f"{bridge}: "
    found = (one.removeprefix(begins) for one in way.failures if one.startswith(begins))
    return next(found, way.why).rstrip(".")


def _bridge_certificate(seen: Seen) -> Problem | None:
    """The certificate of the bridge has ended, or soon will."""
    way = seen.way
    if way is None or not way.certificate_ends:
        return None
    return bridge_problem(way.certificate_ends, seen.now, way.bridge)


def _bridge_full(seen: Seen) -> Problem | None:
    """The bridge takes no records, for want of room."""
    way = seen.way
    if way is None or not way.is_full:
        return None
    return problem(CheckId.BRIDGE_FULL, bridge=way.bridge, waiting=way.waiting)


def _bridge_witness(seen: Seen) -> Problem | None:
    """Bridge and hub know different records."""
    way = seen.way
    if way is None or way.phase is not WayPhase.DOUBTED:
        return None
    return problem(CheckId.BRIDGE_DOUBTS, bridge=way.bridge, why=way.why.rstrip("."))


def _mandates(seen: Seen) -> Problem | None:
    """Who may speak for the site is not on the disk."""
    way = seen.way
    if way is None or not way.trouble:
        return None
    return problem(CheckId.MANDATES_UNKEPT, why=way.trouble.rstrip("."))


def _offline(seen: Seen) -> Problem | None:
    """A door lets nobody in any more, or soon will not, for the backend is away."""
    away = seen.offline_seconds
    over = _doors_beyond(seen, 1.0)
    if over:
        return problem(CheckId.OFFLINE_OVER, hours=away / HOUR_SECONDS, doors=", ".join(over))
    soon = _doors_beyond(seen, OFFLINE_SHARE)
    if not soon:
        return None
    first = min(seen.offline_budgets[door] for door in soon)
    return problem(
        CheckId.OFFLINE_LONG,
        hours=away / HOUR_SECONDS,
        budget=first / HOUR_SECONDS,
        doors=", ".join(soon),
    )


def _doors_beyond(seen: Seen, share: float) -> list[str]:
    """Return the doors of whose budget so much is used."""
    budgets = seen.offline_budgets.items()
    return [door for door, budget in budgets if seen.offline_seconds > share * budget]


def _halt(cause: Cause, seen: Seen) -> Problem | None:
    """The backend takes no records of this hub."""
    uplink = seen.uplink
    if uplink is None or uplink.halt != cause.name.lower():
        return None
    return problem(CHECK_OF_HALT[cause], held=_held(cause, uplink))


def _held(cause: Cause, uplink: UplinkState) -> str:
    """Say what the backend knows this hub by."""
    if cause is Cause.TWO_HUBS:
        return f"This one's boot id begins with {uplink.boot[:8]}."
    known = uplink.known
    if known is None or known.startswith("0:"):
        return "It holds none."
    return f"The newest that it holds is {known}."


LOOKS: Mapping[Topic, Callable[[Seen], Problem | None]] = {
    Topic.BACKEND: _backend,
    Topic.BRIDGE: _bridge,
    Topic.BRIDGE_CERTIFICATE: _bridge_certificate,
    Topic.BRIDGE_FULL: _bridge_full,
    Topic.BRIDGE_WITNESS: _bridge_witness,
    Topic.CERTIFICATE: _certificate,
    Topic.EPOCH: _epoch,
    Topic.EVIDENCE: _evidence,
    Topic.FORK: partial(_halt, Cause.FORK),
    Topic.GAP: partial(_halt, Cause.GAP),
    Topic.MANDATES: _mandates,
    Topic.OFFLINE: _offline,
    Topic.POLICY: _policy,
    Topic.TAIL_CUT: partial(_halt, Cause.TAIL_CUT),
    Topic.TLS: _tls,
    Topic.TWO_HUBS: partial(_halt, Cause.TWO_HUBS),
    Topic.UPLINK_KEY: _uplink_key,
}
"""The topics that are judged each time. The others stand and end when somebody says so."""
