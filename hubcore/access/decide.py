"""The decision: facts, a claim and a moment in, Granted or Denied out.

Laws:
1. It never raises and looks nothing up.
2. What is not granted is denied.
3. The checks run in one order, so that one situation has one reason.
4. Orders of the site (lockdown, no entry) stand above every grant (`access.precedence`).
5. Nothing here moves anything. Of a claim's proof only its factors are known here.
6. A query moves nothing, so that nothing but the right to ask, its schedule and its time is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo

from hubcore.access.claim import Claim, Strength
from hubcore.access.factors import Demand, Factor, demanded, strictest
from hubcore.access.grant import Access, ScheduleRef
from hubcore.access.passback import Violation
from hubcore.access.words import Action, Denial
from hubcore.calendar.schedule import Rule, Schedule, WallTime

AHEAD_SECONDS = 8 * 86_400
STEP_SECONDS = 900
"""Of the search for the next hours."""
MINUTE_SECONDS = 60
LEEWAY_SECONDS = 60
"""How far a grant's validity is stretched at both ends."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the hub knows about this claim, looked up beforehand.

    `served`: the access point is one of this hub's. `fresh`: it demands the full path. `refused`
    is why the door's mode lets nobody in, None when it does not say so. `schedules` holds those
    schedules of the policy that the grant and the demands name, as far as they exist. `demands`
    are the access point's. `second_waits`: another person waits there for a second one.
    `passed_back` is what its passback rule says. `without_time`: a grant without a schedule is
    believed while the clock is not. `offline_too_long`: the backend has been away for longer than
    this door allows. `grant_seconds_max` is the hub's own ceiling on a grant's life. `used`: how
    many uses of the grant other operations have spent here. `guest_ended`: the site itself has
    signed the grant, and it does not stand (any more).
    """

    served: bool
    fresh: bool
    refused: Denial | None
    revoked: bool
    disabled: bool
    time_trusted: bool
    without_time: bool
    offline_too_long: bool
    schedules: Mapping[int, Schedule]
    demands: tuple[Demand, ...]
    second_waits: bool
    passed_back: Violation
    zone: tzinfo
    grant_seconds_max: int
    used: int
    guest_ended: bool = False


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
    for check in _CHECKS:
        why = check(facts, claim, at)
        if why is not None:
            return Denied(why)
    return Granted()


def hours_begin(facts: Facts, claim: Claim, at: float) -> float | None:
    """Return when the claim's schedule holds next, from Unix time `at` on, to the minute.

    None: not within AHEAD_SECONDS, or nothing is known of this door. Hours of less than
    STEP_SECONDS may be passed over.
    """
    if claim.entry is None:
        return None
    rules = claim.entry.rules
    if _in_schedule(rules, facts, at):
        return at
    start = at - at % STEP_SECONDS
    for step in range(AHEAD_SECONDS // STEP_SECONDS + 1):
        found = start + step * STEP_SECONDS
        if found > at and _in_schedule(rules, facts, found):
            return _first_minute(rules, facts, max(at, found - STEP_SECONDS), found)
    return None


def _first_minute(
    rules: tuple[ScheduleRef, ...], facts: Facts, after: float, holds: float
) -> float:
    """Return the first minute of hours that hold at `holds`, and did not at `after`."""
    while holds - MINUTE_SECONDS > after and _in_schedule(rules, facts, holds - MINUTE_SECONDS):
        holds -= MINUTE_SECONDS
    return holds


Check = Callable[[Facts, Claim, float], Denial | None]
"""Tells why a claim is denied, None when this check has nothing against it."""


def _is_anybody(facts: Facts, claim: Claim, _at: float) -> Denial | None:
    if facts.revoked:
        return Denial.CREDENTIAL_REVOKED
    if facts.disabled:
        return Denial.CREDENTIAL_DISABLED
    return None


def _may(facts: Facts, claim: Claim, _at: float) -> Denial | None:
    if facts.guest_ended:
        return Denial.NO_GRANT
    if not facts.served or claim.entry is None or not _has_right(claim.entry, claim.action):
        return Denial.NO_GRANT
    if facts.fresh and claim.strength is Strength.SHORT:
        return Denial.FULL_PROOF_NEEDED
    return None


def _in_time(facts: Facts, claim: Claim, at: float) -> Denial | None:
    if not facts.time_trusted:
        return _without_time(facts, claim, at)
    if at < claim.not_before - LEEWAY_SECONDS:
        return Denial.CREDENTIAL_NOT_ACTIVE
    if at > claim.expires + LEEWAY_SECONDS:
        return Denial.CREDENTIAL_EXPIRED
    grant_seconds = claim.expires - claim.not_before
    if grant_seconds > facts.grant_seconds_max:
        return Denial.GRANT_TOO_LONG
    return None


def _without_time(facts: Facts, claim: Claim, at: float) -> Denial | None:
    """Judge a claim while the clock is not believed: `at` is then the latest time that is known."""
    if claim.action is Action.QUERY:
        return None
    if not facts.without_time or claim.of_site or claim.entry is None or claim.entry.rules:
        return Denial.TIME_UNTRUSTED
    if at > claim.expires:
        return Denial.CREDENTIAL_EXPIRED
    grant_seconds = claim.expires - claim.not_before
    if grant_seconds > facts.grant_seconds_max:
        return Denial.GRANT_TOO_LONG
    return None


def _site_lets(facts: Facts, claim: Claim, _at: float) -> Denial | None:
    if claim.action is Action.QUERY:
        return None
    if facts.refused is not None:
        return facts.refused
    return Denial.OFFLINE_TOO_LONG if facts.offline_too_long else None


def _in_hours(facts: Facts, claim: Claim, at: float) -> Denial | None:
    if claim.entry is None or not facts.time_trusted:
        return None
    return None if _in_schedule(claim.entry.rules, facts, at) else Denial.OUT_OF_SCHEDULE


def _has_uses(facts: Facts, claim: Claim, _at: float) -> Denial | None:
    """Ask whether a use is left; a query spends none."""
    if claim.action is Action.QUERY or claim.uses is None:
        return None
    return Denial.USES_SPENT if facts.used >= claim.uses else None


def _is_enough(facts: Facts, claim: Claim, at: float) -> Denial | None:
    """Ask for the factors that the door demands now, then for the way of this person."""
    if claim.action is Action.QUERY:
        return None
    demand = _demand_now(facts, at)
    if not demand.met_by(claim.factors):
        is_full_enough = demand.met_by(claim.factors | Factor.INTENT)
        is_short = claim.strength is Strength.SHORT
        return Denial.FULL_PROOF_NEEDED if is_short and is_full_enough else Denial.FACTOR_NEEDED
    if facts.passed_back is Violation.DENIED:
        return Denial.ANTI_PASSBACK
    if demand.persons > 1 and not facts.second_waits:
        return Denial.SECOND_PERSON_NEEDED
    return None


_CHECKS: tuple[Check, ...] = (
    _is_anybody,
    _may,
    _in_time,
    _site_lets,
    _in_hours,
    _has_uses,
    _is_enough,
)
"""In their order."""


def _demand_now(facts: Facts, at: float) -> Demand:
    """Return what the door demands. While the clock is not believed each demand may count.

    Then the strictest of them is asked: the one with the most factors and persons.
    """
    if facts.time_trusted:
        now = WallTime.at(at, facts.zone)
        return demanded(facts.demands, lambda number: _schedule_holds(number, facts, now))
    return strictest(facts.demands)


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
    now = WallTime.at(at, facts.zone)
    for rule in rules:
        if isinstance(rule, Rule):
            holds = rule.holds(now.day, now.minute)
        else:
            holds = _schedule_holds(rule, facts, now)
        if holds:
            return True
    return False


def _schedule_holds(number: int, facts: Facts, now: WallTime) -> bool:
    schedule = facts.schedules.get(number)
    return schedule is not None and schedule.holds_on(now)
