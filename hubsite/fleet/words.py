"""How a hub is, in words: what stands, what is wrong, and what mends it.

Laws:
1. What needs somebody comes with what to do.
2. What a hub says of itself is told as that: nobody has proven it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone

from hubcore.backend.uplink.words import Cause
from hubgateway.engine.buckets import Kept
from hubgateway.issuer.versions import HubVersion, read_versions
from hubsite.fleet.models import HubPromise, HubState
from hubsite.fleet.promises import PromiseState
from hubsite.fleet.said.troubles import ShownHealth, health

PART = "Hubs' health"
"""What reads it, by its name among the parts of this server."""
SOON_SECONDS = 30 * 86_400
"""So long before a certificate's end somebody is told."""
STOPS: Mapping[Cause, str] = {
    Cause.TWO_HUBS: "Two machines speak with this hub's keys: one is a copy. Find it, and give the "
    "hub a new machine: hubissuer token {hub} --replace.",
    Cause.FORK: "Its records do not follow those that were kept. Compare both before you believe "
    "either (docs/backend.md, Stopped hubs).",
    Cause.GAP: "A record is missing that it does not send. Look at its disk, then decide "
    "(docs/backend.md, Stopped hubs).",
    Cause.TAIL_CUT: "It has fewer records than were kept: its newest were deleted, or its disk is "
    "an older copy. Find out which, then decide (docs/backend.md, Stopped hubs).",
}
_LETS_GO_ON = "Once that is decided: nats kv del hub_stops {hub}."


@dataclass(frozen=True, slots=True)
class Shown:
    """A hub as pages show it; `troubles` are sentences (law 1)."""

    name: str
    connected: str
    version: str
    update: str
    certificate: str
    tls: str
    access_points: str
    troubles: tuple[str, ...]
    own: ShownHealth
    """What the hub finds wrong with itself."""

    @property
    def needs(self) -> tuple[str, ...]:
        """All that needs somebody; what the hub finds itself is one of them, the last."""
        return (*self.troubles, self.own.short) if self.own.short else self.troubles


def shown(state: HubState, now: float, has_authority: bool) -> Shown:
    """Return how a hub is at this moment, in Unix seconds."""
    version = _version(state)
    troubles = [
        _stopped(state),
        _away(state),
        _paper(state, "certificate", state.certificate_ends, state.certificate_wrong, now),
        _paper(state, "certificate for TLS", state.tls_ends, state.tls_wrong, now),
        *(_update(state.hub, one) for one in (version.troubles(now) if version else [])),
    ]
    return Shown(
        name=state.hub,
        connected=_connected(state),
        version=version.runs() if version else "not said yet",
        update=version.update() if version else "not said yet",
        certificate=_until(state.certificate_ends, state.certificate_wrong),
        tls=_until(state.tls_ends, state.tls_wrong)
        if has_authority
        else "not judged: tls_authority is not in this server's file",
        access_points=state.access_points or "not known",
        troubles=tuple(one for one in troubles if one),
        own=health(bytes(state.wrong), state.wrong_at, state.is_here),
    )


def _version(state: HubState) -> HubVersion | None:
    """Return what it said of its version (law 2), None for nothing."""
    said = bytes(state.updates)
    if not said:
        return None
    at = state.updates_at.timestamp() if state.updates_at else 0.0
    return read_versions({state.hub: Kept(said, at)})[0]


def _connected(state: HubState) -> str:
    if state.is_here is None:
        return "nobody knows"
    if state.is_here:
        return "connected" + (f" since {_said(state.began)}" if state.began else "")
    return f"away since {_said(state.away_since)}"


def unsure(state: HubState | None) -> str:
    """Return why what a hub has recorded may be no more, "" for a hub that is connected."""
    if state is None or state.is_here is None:
        return "nobody knows whether its hub is connected"
    return "" if state.is_here else f"its hub is {_connected(state)}"


def _stopped(state: HubState) -> str:
    cause, _, detail = state.stop.partition(" ")
    if cause not in Cause.__members__:
        return ""
    what = STOPS[Cause[cause]].format(hub=state.hub)
    return (
        f"It is stopped, {cause}: {detail}. It gets no order, and none of its records is taken. "
        f"{what} {_LETS_GO_ON.format(hub=state.hub)}"
    )


def _away(state: HubState) -> str:
    if state.is_here is not False:
        return ""
    return (
        "It is away: its doors go on by the policy that it has, and a revocation does not reach "
        "it. Look at its power and its network, and there at: hubctl status."
    )


def _paper(state: HubState, what: str, ends: int | None, wrong: str, now: float) -> str:
    mend = f"Where the issuer's key is: hubissuer renew {state.hub}."
    if wrong:
        return f"Its {what} at the engine counts for nothing: {wrong}. {mend}"
    if ends is None or ends - now >= SOON_SECONDS:
        return ""
    if ends <= now:
        return f"Its {what} has ended: it gets no order, and none of its records is taken. {mend}"
    return f"Its {what} ends on {_day(ends)}. {mend}"


def _update(hub: str, trouble: str) -> str:
    return f"Updates: {trouble}. At {hub}: hubctl update."


def _until(ends: int | None, wrong: str) -> str:
    if wrong:
        return "counts for nothing"
    return "none is known" if ends is None else f"until {_day(ends)}"


def _day(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return "no day that a calendar has"


def _said(moment: datetime | None) -> str:
    return (
        f"{timezone.localtime(moment):%Y-%m-%d %H:%M}" if moment else "a moment that nobody knows"
    )


@dataclass(frozen=True, slots=True)
class ShownPromise:
    """A promise as pages show it; `waits` says whether somebody is to say yes or no."""

    hub: str
    state: str
    doors: str
    time_zone: str
    fingerprint: str
    replaces: bool
    waits: bool
    may_refuse: bool


def promised(row: HubPromise, now: float, taken: Mapping[str, str]) -> ShownPromise:
    """Return how far a promise is at this moment, in Unix seconds."""
    state = PromiseState(row.state)
    if state is PromiseState.ASKED and taken.get(row.hub) == row.fingerprint:
        state = PromiseState.ENROLLED
    words = _PROMISES[state]
    if state is PromiseState.WAITS:
        hours = (row.ends - now) / 3600
        words = f"{words}, {hours:.0f} hours more" if hours > 0 else _OVER
    return ShownPromise(
        hub=row.hub,
        state=words,
        doors=row.doors,
        time_zone=row.time_zone,
        fingerprint=row.fingerprint,
        replaces=row.replaces,
        waits=state is PromiseState.ASKED,
        may_refuse=state in (PromiseState.ASKED, PromiseState.WAITS),
    )


_OVER = "nobody came with its token, which is over: make another one"
_PROMISES: Mapping[PromiseState, str] = {
    PromiseState.WAITS: "its token waits for a machine",
    PromiseState.ASKED: "a machine has asked and waits for your yes",
    PromiseState.ENROLLED: "enrolled",
    PromiseState.REFUSED: "refused: who comes with its token gets nothing",
    PromiseState.UNREADABLE: "what the engine has of it cannot be read: make another token, or "
    "look at who may write hub_enrolments",
}
