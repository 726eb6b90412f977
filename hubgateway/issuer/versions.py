"""Which hubs run what: the page of `hubissuer updates`, from what hubs have said of themselves.

Laws:
1. It tells what each hub said last. A hub says it by itself; nobody has proven it.
2. What cannot be read is told as such, and hides no other hub.
3. The hubs that somebody must look at come first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.updates import (
    UpdateFault,
    UpdateHold,
    UpdatePhase,
    UpdateSlot,
    UpdateState,
)
from hubcore.errors import FrameError
from hubgateway.engine.buckets import Kept

SOON_SECONDS = 2 * 86_400.0
"""So long before a hub's lists end somebody is told: a timestamp lasts 7 days."""
_PHASES: Mapping[UpdatePhase, str] = {
    UpdatePhase.NONE: "takes no updates",
    UpdatePhase.RESTING: "idle",
    UpdatePhase.WRITING: "fetches",
    UpdatePhase.WRITTEN: "tests",
    UpdatePhase.WAITING: "staged",
    UpdatePhase.SWITCHING: "changes hands to",
    UpdatePhase.TRIAL: "on trial",
    UpdatePhase.RETURNING: "comes back from",
    UpdatePhase.UNKNOWN: "cannot be read",
}
_WITH_OTHER = frozenset(
    {
        UpdatePhase.WRITING,
        UpdatePhase.WRITTEN,
        UpdatePhase.WAITING,
        UpdatePhase.SWITCHING,
        UpdatePhase.TRIAL,
        UpdatePhase.RETURNING,
    }
)
_FAULTS: Mapping[UpdateFault, str] = {
    UpdateFault.NONE: "",
    UpdateFault.EXPIRED: "its lists have ended, or its clock is not believed",
    UpdateFault.LINK: "no carrier is there",
    UpdateFault.STORE: "its disk, or the state of its slots",
    UpdateFault.TRUST: "a carrier brings what nobody signed",
    UpdateFault.OTHER: "what it shows of its updates cannot be read",
    UpdateFault.STOPPED: "its program of updates has stopped",
}
_HOLDS: Mapping[UpdateHold, str] = {
    UpdateHold.NOBODY: "",
    UpdateHold.PERSON: "held by a person there",
    UpdateHold.PLAN: "held by the plan",
}


@dataclass(frozen=True, slots=True)
class HubVersion:
    """One hub; `state` is None where what it said cannot be read."""

    hub: str
    state: UpdateState | None
    said_at: float
    """Since when it says this, in Unix seconds: what it said again changes nothing."""

    def troubles(self, now: float) -> list[str]:
        """Return what somebody should look at, in words."""
        state = self.state
        if state is None:
            return ["what it said cannot be read"]
        found = [_FAULTS[state.fault], _HOLDS[state.hold]]
        if state.is_withdrawn:
            found.append("its version is withdrawn")
        if state.lists_end and state.lists_end - now < SOON_SECONDS:
            found.append(f"its lists end {_moment(state.lists_end)}")
        found += [f"came back from {digest.hex()[:16]}…" for digest in state.quarantine]
        return [one for one in found if one]

    def runs(self) -> str:
        """Return the version that runs, and its slot."""
        if self.state is None:
            return "not known"
        slot = "" if self.state.slot is UpdateSlot.NONE else f" in {self.state.slot.name}"
        return f"{self.state.version}{slot}"

    def update(self) -> str:
        """Return how far an update is."""
        if self.state is None:
            return "not known"
        said = _PHASES[self.state.phase]
        is_other = self.state.phase in _WITH_OTHER and self.state.other
        return f"{said} {self.state.other}" if is_other else said


def read_versions(found: Mapping[str, Kept]) -> list[HubVersion]:
    """Read what the bucket holds, by hub."""
    return [HubVersion(hub, _read(said.value), said.at) for hub, said in sorted(found.items())]


def lines(hubs: list[HubVersion], now: float) -> Iterator[str]:
    """Yield the page: each hub, those with a trouble first; then how many run what."""
    if not hubs:
        yield "no hub has said yet which version it runs"
        return
    width = max(len(one.hub) for one in hubs)
    for one in sorted(hubs, key=lambda one: not one.troubles(now)):
        troubles = "; ".join(one.troubles(now))
        said = f"{one.hub:<{width}}  {one.runs()}, {one.update()}"
        yield f"{said}: {troubles}" if troubles else said
    counted = Counter(one.state.version for one in hubs if one.state is not None)
    for version, count in sorted(counted.items()):
        yield f"version {version}: {count} of {len(hubs)} hubs"


def documents(hubs: list[HubVersion], now: float) -> list[dict[str, Any]]:
    """Return the same for programs."""
    return [_document(one, now) for one in hubs]


def _document(one: HubVersion, now: float) -> dict[str, Any]:
    state = one.state
    if state is None:
        return {"hub": one.hub, "troubles": one.troubles(now)}
    return {
        "hub": one.hub,
        "version": state.version,
        "slot": None if state.slot is UpdateSlot.NONE else state.slot.name,
        "phase": state.phase.name.lower(),
        "digest": state.digest.hex() or None,
        "other": state.other or None,
        "hold": state.hold.name.lower(),
        "withdrawn": bool(state.is_withdrawn),
        "fault": state.fault.name.lower(),
        "lists_end": state.lists_end or None,
        "quarantine": [digest.hex() for digest in state.quarantine],
        "unchanged_seconds": max(0, int(now - one.said_at)),
        "troubles": one.troubles(now),
    }


def _read(said: bytes) -> UpdateState | None:
    try:
        message = codec.decode_from_hub(said)
    except FrameError:
        return None
    return message if isinstance(message, UpdateState) else None


def _moment(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return "at no moment that a calendar has"
