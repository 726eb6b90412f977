"""Reads the rows of a site for the rules that make policies and grants of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db.models import Q, QuerySet

from hubcore.access.grant import Access, read_scope
from hubcore.calendar.recurrence import day_of
from hubsite.accounts.models import Account
from hubsite.register.models import Calendar, Credential, Grant, Person, Schedule, SignedGrant
from hubsite.rules import week
from hubsite.rules.issuing import (
    CLOCKS_APART_SECONDS,
    Granting,
    Hours,
    IssuedGrant,
    SiteRows,
    access_of,
)


def rows_of(site: str, now: int) -> SiteRows:
    """Return what the site has decided, as it is at `now` (Unix seconds)."""
    issued = tuple(_issued(now))
    named = {one.credential for one in issued}
    live = Credential.objects.filter(revoked_at=None)
    return SiteRows(
        site=site,
        schedules=_schedules(),
        revoked=frozenset(_ids(Credential.objects.exclude(revoked_at=None))),
        disabled=frozenset(_ids(live.filter(is_disabled=True))),
        issued=issued,
        entitled=_entitled(live.filter(pk__in=named), now),
        operators=frozenset(
            Account.objects.filter(is_active=True, is_operator=True).values_list("name", flat=True)
        ),
    )


def _operators() -> frozenset[str]:
    rows = Account.objects.filter(is_active=True, is_operator=True)
    return frozenset(rows.values_list("name", flat=True))


def grantings_of(person: Person) -> tuple[Granting, ...]:
    """Return the grants of a person, those of the groups among them; none of somebody who left."""
    if person.ended_at is not None:
        return ()
    wanted = Q(person=person) | Q(group__in=person.groups.all())
    grants = Grant.objects.filter(wanted, revoked_at=None).prefetch_related("points")
    return tuple(_granting(grant) for grant in grants.order_by("pk").distinct())


def _entitled(credentials: QuerySet[Any], now: int) -> dict[str, tuple[Access, ...]]:
    """Return what each credential may; one that may more than a phone holds may nothing new."""
    by_person: dict[str, list[str]] = defaultdict(list)
    people: dict[str, Person] = {}
    for credential in credentials.select_related("person"):
        by_person[credential.person_id].append(credential.pk)
        people[credential.person_id] = credential.person
    found = {}
    for key, names in by_person.items():
        may = _access(grantings_of(people[key]), now)
        found.update(dict.fromkeys(names, may))
    return found


def _access(grantings: tuple[Granting, ...], now: int) -> tuple[Access, ...]:
    """Return what the grants allow, each by itself where they are too many for one phone."""
    try:
        return access_of(grantings, now)
    except ValueError:
        return tuple(entry for one in grantings for entry in access_of((one,), now))


def _granting(grant: Grant) -> Granting:
    return Granting(
        points=tuple(sorted(point.number for point in grant.points.all())),
        schedule=grant.schedule_id,
        begins=int(grant.begins.timestamp()),
        ends=_seconds(grant.ends),
    )


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


def _issued(now: int) -> Iterable[IssuedGrant]:
    rows = SignedGrant.objects.filter(expires__gt=now - CLOCKS_APART_SECONDS)
    for row in rows.order_by("pk").values_list("grant_id", "credential_id", "scope", "expires"):
        grant_id, credential, scope, expires = row
        yield IssuedGrant(bytes.fromhex(grant_id), credential, read_scope(bytes(scope)), expires)


def _ids(credentials: QuerySet[Any]) -> Iterable[str]:
    return credentials.values_list("pk", flat=True)


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
