"""The decision: facts, a claim and a moment in, Granted or Denied out.

Laws:
1. It never raises and looks nothing up.
2. What is not granted is denied.
3. The checks run in one order, so that one situation has one reason.
4. Orders of the site (lockdown, no entry) stand above every grant.
5. Nothing here moves anything. Of a claim's proof only the strength is known here.

Precedence of what may open a door, highest first: fire and emergency (wired, not asked here),
lockdown, no entry, hold open, grant, default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo

from hubcore.access.claim import Claim, Strength
from hubcore.access.grant import Access, ScheduleRef
from hubcore.access.words import Action, Denial, Mode
from hubcore.calendar.schedule import Rule, Schedule, inside

LEEWAY_SECONDS = 60
"""How far a grant's validity is stretched at both ends."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the hub knows about this claim, looked up beforehand.

    `served`: the access point is one of this hub's. `fresh`: it demands the full path. `schedules`
    holds those schedules of the policy that the grant names, as far as they exist.
    `grant_seconds_max` is the hub's own ceiling on a grant's life.
    """

    served: bool
    fresh: bool
    mode: Mode
    revoked: bool
    time_trusted: bool
    schedules: Mapping[int, Schedule]
    zone: tzinfo
    grant_seconds_max: int


@dataclass(frozen=True, slots=True)
class Granted:
    """The action may be done."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The action may not be done."""

    why: Denial


Decision = Granted | Denied


def decide(facts: Facts, claim: Claim, at: float) -> Decision:
    """Decide on a claim at Unix time `at` (seconds)."""
    entry = claim.entry
    if facts.revoked:
        return Denied(Denial.CREDENTIAL_REVOKED)
    if not facts.served or entry is None or not _has_right(entry, claim.action):
        return Denied(Denial.NO_GRANT)
    if facts.fresh and claim.strength is not Strength.FULL:
        return Denied(Denial.FULL_PROOF_NEEDED)
    if not facts.time_trusted:
        if claim.action is Action.QUERY:
            return Granted()
        return Denied(Denial.TIME_UNTRUSTED)
    if at < claim.not_before - LEEWAY_SECONDS:
        return Denied(Denial.CREDENTIAL_NOT_ACTIVE)
    if at > claim.expires + LEEWAY_SECONDS:
        return Denied(Denial.CREDENTIAL_EXPIRED)
    grant_seconds = claim.expires - claim.not_before
    if grant_seconds > facts.grant_seconds_max:
        return Denied(Denial.GRANT_TOO_LONG)
    if facts.mode in (Mode.LOCKDOWN, Mode.NO_ENTRY) and claim.action is not Action.QUERY:
        return Denied(Denial.LOCKDOWN)
    if not _in_schedule(entry.rules, facts, at):
        return Denied(Denial.OUT_OF_SCHEDULE)
    return Granted()


def _has_right(entry: Access, action: Action) -> bool:
    """Tell whether the entry's rights hold the action.

    In this version no claim can hold a door open.
    """
    if action not in (Action.OPEN, Action.QUERY):
        return False
    bit = 1 << (action - 1)
    return bool(entry.rights & bit)


def _in_schedule(rules: tuple[ScheduleRef, ...], facts: Facts, at: float) -> bool:
    """Tell whether one rule holds: no rules mean always, a missing schedule means never."""
    if not rules:
        return True
    own = [rule for rule in rules if isinstance(rule, Rule)]
    if own and inside(own, at, facts.zone):
        return True
    numbers = (rule for rule in rules if not isinstance(rule, Rule))
    return any(_schedule_holds(number, facts, at) for number in numbers)


def _schedule_holds(number: int, facts: Facts, at: float) -> bool:
    schedule = facts.schedules.get(number)
    return schedule is not None and schedule.holds(at, facts.zone)
