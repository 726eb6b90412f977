"""Reads what each person has of the grants, by himself or by his groups, and what guests have.

Law: of who has left nothing is granted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db.models import Q, QuerySet

from hubsite.compiled import CompiledIn
from hubsite.register.models import Credential, CredentialKind, Grant, GuestLink, Person
from hubsite.rules.cards import Carded
from hubsite.rules.issuing import Granting, for_browsers

_WEB = str(CredentialKind.WEB)
AT_ONCE = 16
"""The grants of so many persons are asked for by one query."""
_POINT = ("points__number", "points__no_browsers")
"""What is read of each access point of a grant."""


def grantings_of(person: Person, kind: str) -> tuple[Granting, ...]:
    """Return what a person's credential of this kind has of the grants; none of who left.

    Those of the person's groups are among them.
    """
    return of_kind(kind, granted_to([person])[person.pk])


def grantings_of_all(credentials: Iterable[Credential]) -> dict[str, tuple[Granting, ...]]:
    """Return the same for credentials with their persons, in as many queries as for one."""
    there = list(credentials)
    granted = granted_to(one.person for one in there)
    return {one.pk: of_kind(one.kind, granted[one.person_id]) for one in there}


def granted_to(people: Iterable[Person]) -> dict[str, list[Granting]]:
    """Return what each person has of the grants, for credentials of any kind."""
    by_key = {person.pk: person for person in people}
    living = [person for person in by_key.values() if person.ended_at is None]
    found: dict[str, list[Granting]] = {key: [] for key in by_key}
    for guest, granting in _guests(_GUESTS_OF(one.pk for one in living if one.is_guest)):
        found[guest].append(granting)
    others = [one.pk for one in living if not one.is_guest]
    for begin in range(0, len(others), AT_ONCE):
        _add_granted(found, others[begin : begin + AT_ONCE])
    return found


def carded_of(credential: Credential) -> Carded:
    """Return one that hubs know by a digest, with the grants of its holder as they are."""
    grantings = grantings_of(credential.person, credential.kind)
    digest = bytes.fromhex(credential.digest or "")
    return Carded(digest, credential.pk, grantings, seconds_of(credential.ends))


def granted_by_person(now: int) -> dict[str, list[Granting]]:
    """Return the grants of each person who has some, those of the groups among them."""
    to_person: dict[str, list[Granting]] = defaultdict(list)
    to_group: dict[int, list[Granting]] = defaultdict(list)
    for person, group, granting in _grantings(_grants(Q())):
        if person is not None:
            to_person[person].append(granting)
        else:
            to_group[group].append(granting)
    not_over = Q(ends__gt=datetime.fromtimestamp(now, UTC))
    for person, granting in _guests(_guest_links(not_over)):
        to_person[person].append(granting)
    members = Person.groups.through.objects.filter(group_id__in=list(to_group))
    for person, group in members.values_list("person_id", "group_id"):
        to_person[person].extend(to_group[group])
    return to_person


def of_kind(kind: str, grantings: Iterable[Granting]) -> tuple[Granting, ...]:
    """Return what a credential of this kind has of a person's grants."""
    return for_browsers(grantings) if kind == _WEB else tuple(grantings)


def _add_granted(found: dict[str, list[Granting]], people: list[str]) -> None:
    """Add what is granted to these people, no more than AT_ONCE of them, and to their groups."""
    members: dict[int, list[str]] = defaultdict(list)
    for key, group in _MEMBERS_OF(people):
        members[group].append(key)
    for person, group, granting in _grantings(_GRANTS_OF(people)):
        for key in members[group] if person is None else [person]:
            found[key].append(granting)


def _grants(wanted: Q) -> QuerySet[Any]:
    """Return grants that were not revoked, a row for each of their access points."""
    rows = Grant.objects.filter(wanted, revoked_at=None).order_by("pk", "points__number")
    columns = ("pk", "person_id", "group_id", "schedule_id", "begins", "ends", *_POINT)
    return rows.values_list(*columns)


def _grants_of(people: tuple[str, ...]) -> QuerySet[Any]:
    return _grants(Q(person_id__in=people) | Q(group__in=_members_of(people).values("group_id")))


def _members_of(people: tuple[str, ...]) -> QuerySet[Any]:
    return Person.groups.through.objects.filter(person_id__in=people)


def _guest_links(wanted: Q) -> QuerySet[Any]:
    """Return guests' links that were not revoked, a row for each of their access points."""
    rows = GuestLink.objects.filter(wanted, revoked_at=None).order_by("pk", "points__number")
    columns = ("pk", "person_id", "schedule_id", "begins", "ends", "uses", *_POINT)
    return rows.values_list(*columns)


_GRANTS_OF = CompiledIn(_grants_of, str, AT_ONCE)
_MEMBERS_OF = CompiledIn(
    lambda people: _members_of(people).values_list("person_id", "group_id"), str, AT_ONCE
)
_GUESTS_OF = CompiledIn(lambda people: _guest_links(Q(person_id__in=people)), str, AT_ONCE)


def _grantings(rows: Iterable[Any]) -> Iterable[tuple[str | None, int, Granting]]:
    """Yield grants, each with its person or its group."""
    for _, same in groupby(rows, key=itemgetter(0)):
        lines = list(same)
        _, person, group, schedule, begins, ends, *_ = lines[0]
        granting = Granting(
            **_points_in(lines),
            schedule=schedule,
            begins=int(begins.timestamp()),
            ends=seconds_of(ends),
        )
        yield person, group, granting


def _guests(rows: Iterable[Any]) -> Iterable[tuple[str, Granting]]:
    """Yield what guests' links grant, each with its guest."""
    for _, same in groupby(rows, key=itemgetter(0)):
        lines = list(same)
        _, person, schedule, begins, ends, uses, *_ = lines[0]
        granting = Granting(
            **_points_in(lines),
            schedule=schedule,
            begins=int(begins.timestamp()),
            ends=int(ends.timestamp()),
            uses=uses,
        )
        yield person, granting


def _points_in(lines: list[Any]) -> dict[str, Any]:
    """Return the access points of a grant, whose lines end with _POINT."""
    points = [(number, kept) for *_, number, kept in lines if number is not None]
    return {
        "points": tuple(number for number, _ in points),
        "no_browsers": frozenset(number for number, kept in points if kept),
    }


def seconds_of(moment: datetime | None) -> int | None:
    """Return a moment in Unix seconds, None for none."""
    return None if moment is None else int(moment.timestamp())
