"""Reads the rows of a site for the rules that make policies and grants of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from django.db.models import Q, QuerySet

from hubcore.access.grant import Access, read_scope
from hubcore.access.revocations import NAMES_MAX
from hubcore.calendar.recurrence import day_of
from hubcore.policy.policy import PointRules, Policy
from hubsite.accounts.models import Account
from hubsite.register.granted import granted_by_person, of_kind, seconds_of
from hubsite.register.models import (
    AccessPoint,
    Calendar,
    Credential,
    RevokedElsewhere,
    Schedule,
    SignedGrant,
)
from hubsite.rules import week
from hubsite.rules.cards import Carded, cards_of
from hubsite.rules.issuing import (
    CLOCKS_APART_SECONDS,
    PHONE_SECONDS,
    Granting,
    Hours,
    IssuedGrant,
    SiteRows,
    access_of,
    rules_of_point,
)


def rows_of(site: str, now: int) -> SiteRows:
    """Return what the site has decided, as it is at `now` (Unix seconds)."""
    issued = tuple(_issued(now))
    named = {one.credential for one in issued}
    live = Credential.objects.filter(revoked_at=None)
    granted = granted_by_person(now)
    return replace(
        rows_without_grants(site),
        issued=issued,
        entitled=_entitled(live, named, granted, now),
        cards=cards_of(_carded(live, granted), now),
        revoked_grants=frozenset(map(bytes.fromhex, _grants_elsewhere(now))),
    )


def rows_without_grants(site: str) -> SiteRows:
    """Return the same without what is made of grants: so it does not rise with people."""
    live = Credential.objects.filter(revoked_at=None)
    return SiteRows(
        site=site,
        schedules=_schedules(),
        revoked=frozenset(_ids(Credential.objects.exclude(revoked_at=None))) | _elsewhere(),
        disabled=frozenset(_ids(live.filter(is_disabled=True))),
        issued=(),
        entitled={},
        operators=_operators(),
        points=_points(),
    )


def _elsewhere() -> frozenset[str]:
    return frozenset(_ids(RevokedElsewhere.objects.filter(is_grant=False)))


def _grants_elsewhere(now: int) -> list[str]:
    return list(_ids(RevokedElsewhere.objects.filter(is_grant=True, until__gt=now)))


def _points() -> dict[int, PointRules]:
    columns = ("number", "hold_open", "first_person_in", "two_persons", "two_persons_in")
    rows = AccessPoint.objects.order_by("number").values_list(*columns)
    return {number: rules_of_point(*said) for number, *said in rows}


def _operators() -> frozenset[str]:
    rows = Account.objects.filter(is_active=True, is_operator=True)
    return frozenset(rows.values_list("name", flat=True))


def _entitled(
    credentials: QuerySet[Any],
    named: set[str],
    granted: Mapping[str, Sequence[Granting]],
    now: int,
) -> dict[str, tuple[Access, ...]]:
    """Return what each of the named may, in a number of queries that does not rise with them.

    The names are no part of a query: the framework takes longer for 10,000 of them than for all
    rows.
    """
    rows = credentials.filter(person__ended_at=None).values_list("pk", "person_id", "kind")
    found: dict[tuple[str, frozenset[Granting]], tuple[Access, ...]] = {}
    entitled = {}
    for credential, person, kind in rows:
        if credential not in named:
            continue
        has = (kind, frozenset(granted.get(person, ())))
        if has not in found:
            found[has] = _access(of_kind(*has), now)
        entitled[credential] = found[has]
    return entitled


def _carded(
    credentials: QuerySet[Any], granted: Mapping[str, Sequence[Granting]]
) -> Iterable[Carded]:
    """Yield the credentials that hubs know by a digest, each with the grants of its holder."""
    rows = credentials.filter(person__ended_at=None).exclude(digest=None)
    for digest, credential, person, ends in rows.values_list("digest", "pk", "person_id", "ends"):
        grantings = tuple(granted.get(person, ()))
        yield Carded(bytes.fromhex(digest), credential, grantings, seconds_of(ends))


def _access(grantings: tuple[Granting, ...], now: int) -> tuple[Access, ...]:
    """Return what the grants allow, each by itself where they are too many for one phone."""
    try:
        return access_of(grantings, now)
    except ValueError:
        return tuple(entry for one in grantings for entry in access_of((one,), now))


def _schedules() -> dict[int, Hours]:
    days = {
        one.pk: frozenset(day_of(date.fromisoformat(day)) for day, _ in one.days)
        for one in Calendar.objects.all()
    }
    return {one.pk: _hours(one, days) for one in Schedule.objects.all()}


def _hours(schedule: Schedule, days: dict[int, frozenset[int]]) -> Hours:
    special = tuple(
        (days[key], week.day_from(spans)) for key, spans in schedule.special if key in days
    )
    return Hours(week.week_from(schedule.week), special)


def newest_revoked(policy: Policy, now: int, room: int = NAMES_MAX) -> list[str | bytes]:
    """Return credentials, then ids of grants, that a policy revokes and a hub would let in else.

    The newest first, as many as there is room for. Phones that gave way to another one of their
    person come after all else: who comes back again and again pushes nothing off. What hubs know by
    a digest has no grant that ends: it is named for as long as a phone's grant lasts.
    """
    living = SignedGrant.objects.filter(expires__gt=now - CLOCKS_APART_SECONDS)
    revoked = Credential.objects.exclude(revoked_at=None).order_by("-revoked_at", "pk")
    since = datetime.fromtimestamp(now - PHONE_SECONDS - CLOCKS_APART_SECONDS, UTC)
    known = Q(pk__in=living.values("credential")) | Q(digest__isnull=False, revoked_at__gt=since)
    gave_way = Q(returns__made__isnull=False)
    newest = _ids(revoked.filter(known).exclude(gave_way)[:room])
    found: list[str | bytes] = [pk for pk in newest if pk in policy.revoked_credentials]
    elsewhere = RevokedElsewhere.objects.filter(is_grant=False, until__gt=now).order_by("pk")
    found += [pk for pk in _ids(elsewhere) if pk in policy.revoked_credentials]
    if policy.revoked_grants and len(found) < room:
        ids = living.order_by("-issued_at", "pk").values_list("grant_id", flat=True)
        grants = map(bytes.fromhex, [*ids, *_grants_elsewhere(now)])
        found += [grant_id for grant_id in grants if grant_id in policy.revoked_grants]
    if len(found) < room:
        last = _ids(revoked.filter(known).filter(gave_way)[:room])
        found += [pk for pk in last if pk in policy.revoked_credentials]
    return found[:room]


def _issued(now: int) -> Iterable[IssuedGrant]:
    read = lru_cache(None)(read_scope)  # most phones may the same
    rows = SignedGrant.objects.filter(expires__gt=now - CLOCKS_APART_SECONDS)
    for row in rows.order_by("pk").values_list("grant_id", "credential_id", "scope", "expires"):
        grant_id, credential, scope, expires = row
        yield IssuedGrant(bytes.fromhex(grant_id), credential, read(bytes(scope)), expires)


def _ids(credentials: QuerySet[Any]) -> Iterable[str]:
    return credentials.values_list("pk", flat=True)
