"""What a file of people would change: worked out from the file and from who is there.

Laws:
1. A person is known by the id that others have for him; one who has none, by the id here.
2. The same file again changes nothing.
3. Who is missing is ended only where this is asked for, and only who has an id of others. A line
   that was refused keeps its person. One whose id could not be read keeps everybody.
4. Who has left does not come back by a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from hashlib import sha256

from hubsite.people.table import Line, PeopleFile, RefusedLine

ENDS_MAX = 200
NEW_GROUPS_MAX = 200


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person who is there; `external` is "" for one who has no id of others."""

    key: str
    external: str
    name: str
    groups: frozenset[str]
    revision: int
    has_left: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator asks for beside the lines."""

    ends_missing: bool = False
    makes_groups: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change; `groups` are those that would be made, `kept` why nobody is ended."""

    made: tuple[Line, ...]
    changed: tuple[tuple[KnownPerson, Line], ...]
    ended: tuple[KnownPerson, ...]
    refused: tuple[RefusedLine, ...]
    groups: tuple[str, ...]
    same: int
    kept: str = ""

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing would change."""
        return not (self.made or self.changed or self.ended)

    def digest(self) -> str:
        """Return what two plans have in common that change the same, of the same rows."""
        made = [_said(line) for line in self.made]
        changed = [(person.key, person.revision, _said(line)) for person, line in self.changed]
        ended = [(person.key, person.revision) for person in self.ended]
        return sha256(repr((made, changed, ended, self.groups)).encode()).hexdigest()


def _said(line: Line) -> tuple[object, ...]:
    groups = None if line.groups is None else sorted(line.groups)
    return (*astuple(line)[:-1], groups)


def plan_of(
    file: PeopleFile, known: Iterable[KnownPerson], groups: Iterable[str], asked: Asked
) -> Plan:
    """Return what a file would change among the people and the groups that are there."""
    people = tuple(known)
    by_id = _by_id(people)
    there = frozenset(groups)
    made: list[Line] = []
    changed: list[tuple[KnownPerson, Line]] = []
    refused = list(file.refused)
    wanted: set[str] = set()
    same = 0
    for line in file.lines:
        new_groups = (line.groups or frozenset()) - there
        person = by_id.get(line.external)
        why = _refusal(person, new_groups, asked)
        if not why and len(wanted | new_groups) > NEW_GROUPS_MAX:
            why = f"a file makes at most {NEW_GROUPS_MAX} groups"
        if why:
            refused.append(RefusedLine(line.number, why, line.external))
            continue
        wanted |= new_groups
        if person is None:
            made.append(line)
        elif _differs(person, line):
            changed.append((person, line))
        else:
            same += 1
    ended, kept = _missing(file, people, asked, refused)
    return Plan(
        made=tuple(made),
        changed=tuple(changed),
        ended=ended,
        refused=tuple(sorted(refused, key=lambda one: one.number)),
        groups=tuple(sorted(wanted)),
        same=same,
        kept=kept,
    )


def _by_id(people: Iterable[KnownPerson]) -> Mapping[str, KnownPerson]:
    """Return the people by the id that a file has for them (law 1)."""
    found = {person.key: person for person in people if not person.external}
    found.update((person.external, person) for person in people if person.external)
    return found


def _refusal(person: KnownPerson | None, new_groups: frozenset[str], asked: Asked) -> str:
    if person is not None and person.has_left:
        return "this person has left; somebody who comes back gets another id"
    if new_groups and not asked.makes_groups:
        return f"there is no group {min(new_groups)}"
    return ""


def _differs(person: KnownPerson, line: Line) -> bool:
    return person.name != line.name or line.groups not in (None, person.groups)


def _missing(
    file: PeopleFile, people: Iterable[KnownPerson], asked: Asked, refused: Iterable[RefusedLine]
) -> tuple[tuple[KnownPerson, ...], str]:
    """Return who would be ended, and why nobody is (law 3)."""
    if not asked.ends_missing:
        return (), ""
    if not file.lines:
        return (), "Nobody is ended: the file has no line that counts."
    unread = [one.number for one in refused if not one.external]
    if unread:
        return (), f"Nobody is ended: who line {unread[0]} is about cannot be read."
    named = {line.external for line in file.lines} | {one.external for one in refused}
    ended = tuple(
        person
        for person in people
        if person.external and not person.has_left and person.external not in named
    )
    if len(ended) > ENDS_MAX:
        return (), f"Nobody is ended: {len(ended)} are missing, and a file ends {ENDS_MAX} at most."
    return ended, ""
