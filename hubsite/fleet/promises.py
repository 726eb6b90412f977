"""What was promised to new hubs, as the engine has it, in a form that pages may show.

Laws:
1. Of a token nothing is kept here: no digest, and no key of a machine.
2. The fingerprint is made here of the keys that asked, as the machine and `hubissuer` make it.
3. What cannot be read is told as that, and hides no other promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hubcore.backend.enrolment.promise import PROMISE_BYTES_MAX, Promise
from hubgateway.engine.buckets import Kept
from hubgateway.rules import promises


class PromiseState(StrEnum):
    """How far a promise is. The words stand in rows."""

    WAITS = "waits"
    """Its token waits for a machine, until `ends`."""
    ASKED = "asked"
    """A machine has asked, and waits for somebody's yes."""
    ENROLLED = "enrolled"
    REFUSED = "refused"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Promised:
    """What is kept of a promise (`models.HubPromise`); `ends` in Unix seconds."""

    state: str
    doors: str = ""
    time_zone: str = ""
    ends: int = 0
    fingerprint: str = ""
    replaces: bool = False


def promised(hub: str, kept: Kept) -> Promised:
    """Return what was promised to a hub (law 3)."""
    promise = None
    if len(kept.value) <= PROMISE_BYTES_MAX:
        promise = promises.read(hub, kept.value)
    if promise is None:
        return Promised(PromiseState.UNREADABLE)
    names = promise.names_by_point
    return Promised(
        state=_state(promise),
        doors=", ".join(f"{point} {names[point]}" for point in promise.points),
        time_zone=promise.time_zone,
        ends=min(max(int(promise.ends), 0), 1 << 53),
        fingerprint=promise.fingerprint,
        replaces=promise.replaces,
    )


def _state(promise: Promise) -> PromiseState:
    if promise.refused:
        return PromiseState.REFUSED
    if promise.certificate:
        return PromiseState.ENROLLED
    return PromiseState.ASKED if promise.identity else PromiseState.WAITS
