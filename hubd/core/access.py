"""The decision: facts, a proof and a moment in, Granted or Denied out. It never raises and looks nothing up.

Laws: what is not granted is denied; the checks run in one order, so that one situation has one reason; orders of the
site (lockdown, no entry) stand above every grant; nothing here moves anything.

Precedence of what may open a door, highest first: fire and emergency (wired, not asked here), lockdown, no entry,
hold open, grant, default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum

from hubd.core.handshake import Path, Proof
from hubd.core.messages import Action, Reason
from hubd.core.policy import Mode
from hubd.core.schedule import Rule, inside
from hubd.core.tokens import Access, Grant, ScheduleRef

LEEWAY_SECONDS = 60
"""How far a grant's validity is stretched at both ends."""


class Denial(StrEnum):
    """Why not; the field's words, for records and operators."""

    UNKNOWN_CREDENTIAL = "unknown-credential"
    CREDENTIAL_REVOKED = "credential-revoked"
    CREDENTIAL_NOT_ACTIVE = "credential-not-active"
    CREDENTIAL_EXPIRED = "credential-expired"
    GRANT_TOO_LONG = "grant-too-long"
    NO_GRANT = "no-grant"
    OUT_OF_SCHEDULE = "out-of-schedule"
    LOCKDOWN = "lockdown"
    TIME_UNTRUSTED = "time-untrusted"
    FULL_PROOF_NEEDED = "full-proof-needed"
    OP_CONFLICT = "op-conflict"
    TOO_LATE = "too-late"
    DOOR_FAULT = "door-fault"
    BUSY = "busy"


REASONS: Mapping[Denial, Reason] = {
    Denial.UNKNOWN_CREDENTIAL: Reason.NO_RIGHT,
    Denial.CREDENTIAL_REVOKED: Reason.REVOKED,
    Denial.CREDENTIAL_NOT_ACTIVE: Reason.GRANT_TIME,
    Denial.CREDENTIAL_EXPIRED: Reason.GRANT_TIME,
    Denial.GRANT_TOO_LONG: Reason.GRANT_TIME,
    Denial.NO_GRANT: Reason.NO_RIGHT,
    Denial.OUT_OF_SCHEDULE: Reason.SCHEDULE,
    Denial.LOCKDOWN: Reason.LOCKED,
    Denial.TIME_UNTRUSTED: Reason.CLOCK,
    Denial.FULL_PROOF_NEEDED: Reason.NEED_FULL,
    Denial.OP_CONFLICT: Reason.OP_CONFLICT,
    Denial.TOO_LATE: Reason.BUSY,
    Denial.DOOR_FAULT: Reason.FAULT,
    Denial.BUSY: Reason.BUSY,
}
"""What a phone is told, inside the seal."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the hub knows about this presentation, looked up beforehand.

    `served` says that the access point is one of this hub's; `fresh` that it demands the full path; `schedules` holds
    the policy's schedules that the grant names, as far as they exist; `grant_seconds_max` is the hub's own ceiling on a
    grant's life.
    """

    served: bool
    fresh: bool
    mode: Mode
    revoked: bool
    time_trusted: bool
    schedules: Mapping[int, tuple[Rule, ...]]
    zone: tzinfo
    grant_seconds_max: int


@dataclass(frozen=True, slots=True)
class Granted:
    """The action may be done."""


@dataclass(frozen=True, slots=True)
class Denied:
    """It may not."""

    why: Denial


Decision = Granted | Denied


def entry_for(grant: Grant, access_point: int) -> Access | None:
    """Return the grant's entry for the access point."""
    return next((entry for entry in grant.access if entry.access_point == access_point), None)


def decide(facts: Facts, proof: Proof, at: float) -> Decision:
    """Decide on a proof at Unix time `at` (seconds)."""
    grant, opened = proof.opened.grant, proof.opened
    entry = entry_for(grant, opened.access_point)
    if facts.revoked:
        return Denied(Denial.CREDENTIAL_REVOKED)
    if not facts.served or entry is None or not _has_right(entry, opened.action):
        return Denied(Denial.NO_GRANT)
    if facts.fresh and proof.path is not Path.FULL:
        return Denied(Denial.FULL_PROOF_NEEDED)
    if not facts.time_trusted:
        return Granted() if opened.action is Action.QUERY else Denied(Denial.TIME_UNTRUSTED)
    if at < grant.not_before - LEEWAY_SECONDS:
        return Denied(Denial.CREDENTIAL_NOT_ACTIVE)
    if at > grant.expires + LEEWAY_SECONDS:
        return Denied(Denial.CREDENTIAL_EXPIRED)
    if grant.expires - grant.not_before > facts.grant_seconds_max:
        return Denied(Denial.GRANT_TOO_LONG)
    if facts.mode in (Mode.LOCKDOWN, Mode.NO_ENTRY) and opened.action is not Action.QUERY:
        return Denied(Denial.LOCKDOWN)
    if not _in_schedule(entry.rules, facts, at):
        return Denied(Denial.OUT_OF_SCHEDULE)
    return Granted()


def _has_right(entry: Access, action: Action) -> bool:
    """Tell whether the action is in the entry's rights; holding a door open is no action of a phone in this version."""
    return action in (Action.OPEN, Action.QUERY) and bool(entry.rights >> (action - 1) & 1)


def _in_schedule(rules: tuple[ScheduleRef, ...], facts: Facts, at: float) -> bool:
    """Tell whether one rule holds; no rule at all means always, a schedule that the hub lacks means never."""
    if not rules:
        return True
    spans = [span for rule in rules for span in ((rule,) if isinstance(rule, Rule) else facts.schedules.get(rule, ()))]
    return inside(spans, at, facts.zone)
