"""From the rows of a site to what its issuer signs: policies for hubs, grants for phones.

Laws:
1. The same rows give the same policy and the same access, in whatever order they are read.
2. A grant that was issued and says more than its holder may by now is in the policy's list of
   revoked grants until it is over. One that says less is left: the phone fetches a larger one.
3. Nothing is issued beyond the end of the first of the grants that stand behind it.
4. A revoked credential stays in the list for ever. No clock decides that it may go.
5. A phone in a browser has no access point that is kept from browsers, and each entry of its grant
   has the mark IN_BROWSER. So law 2 holds for a point that is kept from them later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from hubcore.access.cards import Card
from hubcore.access.factors import ANY_FACTOR, Demand
from hubcore.access.grant import ACCESS_ENTRIES, IN_BROWSER, RULES_AN_ENTRY, Access, ScheduleRef
from hubcore.calendar.schedule import ALWAYS, Schedule, SpecialDays
from hubcore.policy.policy import (
    NO_RULES,
    HoldOpen,
    Operator,
    OperatorRight,
    PointRules,
    Policy,
)
from hubsite.rules.week import Day, Week, rules_of

DAY = 86_400
CLOCKS_APART_SECONDS = DAY
"""A grant counts as over only so long after its end: the clock of a hub may be behind."""
BEGAN_SECONDS_AGO = 60
PHONE_SECONDS = 30 * DAY
WEB_SECONDS = 10 * DAY
"""A key in a browser is worth less than one in a phone's hardware: its grants are short."""
OPEN_AND_QUERY = 0b1001
"""The actions of a phone: open a door, ask for its state."""
OPENS_NOTHING = Operator(OperatorRight.LOCK_DOWN | OperatorRight.COMMAND)
"""What an operator may order where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Granting:
    """One grant of the site. Times in Unix seconds; `schedule` None: at all hours.

    `uses`: how often each hub lets a phone in by it, None for without end. `no_browsers`: those of
    the points that are kept from phones in a browser.
    """

    points: tuple[int, ...]
    schedule: int | None
    begins: int
    ends: int | None = None
    uses: int | None = None
    no_browsers: frozenset[int] = frozenset()
    rights: int = OPEN_AND_QUERY

    def counts(self, now: int) -> bool:
        """Tell whether it is in force."""
        return self.begins <= now and (self.ends is None or now < self.ends)


@dataclass(frozen=True, slots=True)
class Hours:
    """A schedule: its week, and the hours of special days; the first that has a date counts."""

    week: Week
    special: tuple[tuple[frozenset[int], Day], ...] = ()


@dataclass(frozen=True, slots=True)
class IssuedGrant:
    """A grant that a phone has: its id, for whom, what it says, until when."""

    grant_id: bytes
    credential: str
    access: tuple[Access, ...]
    expires: int


@dataclass(frozen=True, slots=True)
class SiteRows:
    """What the site has decided. `entitled`: what each credential may by now.

    `revoked_grants` were revoked by a policy that this database had not signed. `cards` are cards
    and phones that others make, by digest (`hubsite.rules.cards`).
    """

    site: str
    schedules: Mapping[int, Hours]
    revoked: frozenset[str]
    disabled: frozenset[str]
    issued: tuple[IssuedGrant, ...]
    entitled: Mapping[str, tuple[Access, ...]]
    operators: frozenset[str]
    points: Mapping[int, PointRules] = field(default_factory=dict)
    revoked_grants: frozenset[bytes] = frozenset()
    cards: Mapping[bytes, Card] = field(default_factory=dict)


def policy_of(rows: SiteRows, version: int, now: int, operator: Operator = OPENS_NOTHING) -> Policy:
    """Return the site's policy (laws 1, 2 and 4); `operator` is what each account may order."""
    return Policy(
        site=rows.site,
        version=version,
        issued_at=now,
        revoked_credentials=rows.revoked,
        revoked_grants=frozenset(_said_too_much(rows, now)) | rows.revoked_grants,
        schedules={number: schedule_of(hours) for number, hours in sorted(rows.schedules.items())},
        disabled=rows.disabled - rows.revoked,
        cards=rows.cards,
        points={number: rules for number, rules in rows.points.items() if rules != NO_RULES},
        operators=dict.fromkeys(sorted(rows.operators), operator),
    )


def rules_of_point(
    hold_open: int | None, first_person_in: bool, two_persons: bool, two_persons_in: int | None
) -> PointRules:
    """Return the rules of an access point; hours are numbers of schedules, None for always."""
    held = None if hold_open is None else HoldOpen(hold_open, first_person_in)
    demand = Demand(ANY_FACTOR.alternatives, persons=2, schedule=two_persons_in)
    return PointRules(hold_open=held, demands=(demand,) if two_persons else ())


def schedule_of(hours: Hours) -> Schedule:
    """Return a schedule as hubs have it."""
    special = tuple(SpecialDays(days, spans) for days, spans in hours.special if days)
    return Schedule(rules_of(hours.week), special)


def _said_too_much(rows: SiteRows, now: int) -> Iterable[bytes]:
    for one in rows.issued:
        is_over = one.expires + CLOCKS_APART_SECONDS <= now
        if is_over or one.credential in rows.revoked:
            continue
        if not covers(rows.entitled.get(one.credential, ()), one.access):
            yield one.grant_id


def covers(may: Iterable[Access], said: Iterable[Access]) -> bool:
    """Tell whether everything that a grant says may be done by now."""
    allowed = {entry.access_point: entry for entry in may}
    return all(_covers(allowed.get(entry.access_point), entry) for entry in said)


def _covers(may: Access | None, said: Access) -> bool:
    if may is None or said.rights & ~may.rights:
        return False
    return may.rules == ALWAYS or set(said.rules) <= set(may.rules)


def for_browsers(grants: Iterable[Granting]) -> tuple[Granting, ...]:
    """Return what a phone in a browser has of grants (law 5)."""
    found = []
    for grant in grants:
        points = tuple(point for point in grant.points if point not in grant.no_browsers)
        if points:
            found.append(replace(grant, points=points, rights=grant.rights | IN_BROWSER))
    return tuple(found)


def access_of(grants: Iterable[Granting], now: int, most: int = ~0) -> tuple[Access, ...]:
    """Return what somebody with these grants may do now, by access point (law 1).

    `most` are the rights that count at all. Raise ValueError for more than a phone's grant holds.
    """
    found: dict[int, set[int | None]] = {}
    rights: dict[int, int] = {}
    for grant in grants:
        if grant.counts(now):
            for point in grant.points:
                found.setdefault(point, set()).add(grant.schedule)
                rights[point] = rights.get(point, 0) | grant.rights
    if len(found) > ACCESS_ENTRIES:
        raise ValueError(
            f"{len(found)} access points are granted, and a phone holds {ACCESS_ENTRIES}"
        )
    return tuple(
        Access(point, rights[point] & most, _rules(point, found[point])) for point in sorted(found)
    )


def _rules(point: int, schedules: set[int | None]) -> tuple[ScheduleRef, ...]:
    if None in schedules:
        return ALWAYS
    numbers = sorted(number for number in schedules if number is not None)
    if len(numbers) > RULES_AN_ENTRY:
        raise ValueError(
            f"access point {point} is granted in {len(numbers)} schedules, and a phone holds "
            f"{RULES_AN_ENTRY}"
        )
    return tuple(numbers)


def uses_of(grants: Iterable[Granting], now: int) -> int | None:
    """Return how often a grant lets in that is issued now; None for without end."""
    numbers = [grant.uses for grant in grants if grant.counts(now) and grant.uses is not None]
    return min(numbers, default=None)


def expires_at(grants: Iterable[Granting], now: int, most_seconds: int) -> int:
    """Return when a grant ends that is issued now (law 3), in Unix seconds."""
    ends = [grant.ends for grant in grants if grant.counts(now) and grant.ends is not None]
    return min([now + most_seconds, *ends])
