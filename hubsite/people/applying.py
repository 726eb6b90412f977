"""Does what a file of people would change.

Laws:
1. What is done is what was shown: the plan is worked out again in the transaction that does it,
   and each row is the one of that plan. Where one is another by now, nothing is done.
2. All of a file is one transaction, with one act for the file and one for each row that changed.
3. An act has ids and numbers, no name of a person (as `hubsite.register.changes`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.acts.log import NewAct
from hubsite.people.models import ExternalId
from hubsite.people.plan import Asked, KnownPerson, Plan, plan_of
from hubsite.people.table import Line, PeopleFile
from hubsite.register import changes
from hubsite.register.changes import ChangedMeanwhileError
from hubsite.register.models import Group, Person

BATCH = 400


@dataclass(frozen=True, slots=True)
class PeopleImport:
    """A file, and what its operator asks for."""

    file: PeopleFile
    asked: Asked


class OtherPlanError(Exception):
    """The rows have changed since the plan was shown; this is the plan by now."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("the plan has changed")
        self.plan = plan


def plan_now(wanted: PeopleImport) -> Plan:
    """Return what the file would change at this moment."""
    groups = Group.objects.values_list("name", flat=True)
    return plan_of(wanted.file, known_people(), groups, wanted.asked)


def known_people() -> list[KnownPerson]:
    """Return everybody who is there, by a number of queries that does not rise with them.

    Guests are nobody of a file: they come and go by their links.
    """
    groups: dict[str, set[str]] = defaultdict(set)
    members = Person.groups.through.objects.values_list("person_id", "group__name")
    for person, name in members:
        groups[person].add(name)
    people = Person.objects.filter(is_guest=False)
    rows = people.values_list("pk", "external__value", "name", "revision", "ended_at")
    return [
        KnownPerson(
            key=key,
            external=external or "",
            name=name,
            groups=frozenset(groups.get(key, ())),
            revision=revision,
            has_left=ended_at is not None,
        )
        for key, external, name, revision, ended_at in rows
    ]


def apply(by: str, wanted: PeopleImport, digest: str) -> Plan:
    """Do what the plan of this digest says. Raise OtherPlanError (law 1)."""
    try:
        with transaction.atomic():
            plan = plan_now(wanted)
            if plan.digest() != digest:
                raise OtherPlanError(plan)
            if not plan.is_empty:
                _do(by, plan)
    except (ChangedMeanwhileError, IntegrityError) as error:  # in that very moment
        raise OtherPlanError(plan_now(wanted)) from error
    return plan


def _do(by: str, plan: Plan) -> None:
    log.write(
        by,
        ActKind.PEOPLE_IMPORTED,
        made=len(plan.made),
        changed=len(plan.changed),
        ended=len(plan.ended),
        refused=len(plan.refused),
    )
    groups = _make_groups(by, plan)
    acts = _make_people(by, plan.made, groups)
    acts += _change_people(by, plan.changed, groups)
    if acts:
        log.write_all(by, acts)
    for person in plan.ended:
        changes.end_person(by, Person.objects.get(pk=person.key), person.revision)


def _make_groups(by: str, plan: Plan) -> dict[str, int]:
    """Make the groups that are missing; return the keys of all, by their names."""
    for name in plan.groups:
        made = Group.objects.create(name=name, changed_by=by)
        changes.write_act(by, ActKind.GROUP_MADE, made)
    return dict(Group.objects.values_list("name", "pk"))


def _make_people(by: str, lines: tuple[Line, ...], groups: dict[str, int]) -> list[NewAct]:
    people = [Person(name=line.name, changed_by=by) for line in lines]
    Person.objects.bulk_create(people, BATCH)
    pairs = list(zip(people, lines, strict=True))
    ids = [ExternalId(person=person, value=line.external) for person, line in pairs]
    ExternalId.objects.bulk_create(ids, BATCH)
    keys = {person.pk: _keys(line.groups or frozenset(), groups) for person, line in pairs}
    _put_into_groups(keys)
    return [_act(ActKind.PERSON_MADE, key, inside) for key, inside in keys.items()]


def _change_people(
    by: str, changed: tuple[tuple[KnownPerson, Line], ...], groups: dict[str, int]
) -> list[NewAct]:
    """Change rows by batches: a row by itself costs a hundred times as much."""
    keys = {}
    for first in range(0, len(changed), BATCH):
        batch = changed[first : first + BATCH]
        _take_turns(by, [person for person, _ in batch])
        Person.groups.through.objects.filter(
            person_id__in=[person.key for person, _ in batch]
        ).delete()
    for person, line in changed:
        if line.name != person.name:
            Person.objects.filter(pk=person.key).update(name=line.name)
        keys[person.key] = _keys(person.groups if line.groups is None else line.groups, groups)
    _put_into_groups(keys)
    return [_act(ActKind.PERSON_CHANGED, key, inside) for key, inside in keys.items()]


def _take_turns(by: str, people: list[KnownPerson]) -> None:
    """Hold rows as the plan has them (law 1). Raise ChangedMeanwhileError."""
    rows = Person.objects.filter(pk__in=[person.key for person in people], ended_at=None)
    there = dict(rows.select_for_update().values_list("pk", "revision"))
    if there != {person.key: person.revision for person in people}:
        raise ChangedMeanwhileError("", None)
    rows.update(revision=F("revision") + 1, changed_by=by, changed_at=timezone.now())


def _keys(names: frozenset[str], groups: dict[str, int]) -> list[int]:
    return sorted(groups[name] for name in names)


def _put_into_groups(keys: dict[str, list[int]]) -> None:
    member = Person.groups.through
    rows = [
        member(person_id=person, group_id=group)
        for person, inside in keys.items()
        for group in inside
    ]
    member.objects.bulk_create(rows, BATCH)


def _act(kind: ActKind, key: str, inside: list[int]) -> NewAct:
    return NewAct(kind, f"person {key}", {"groups": ",".join(map(str, inside))})
