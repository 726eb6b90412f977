"""Users and groups of a directory, made and changed in the register.

Laws:
1. Each change is an act by the token's name, in its transaction. Who came into a group and who left
   it is one act for each ACT_PEOPLE of them: there is no act for each person.
2. A directory never grants, and touches no group that operators made. What a group may is decided
   by operators alone.
3. `active: false`, and a removal, end a person: each phone is revoked. Whom an operator has ended
   no directory brings back; whom a directory has ended it may, without any phone.
4. A group that is removed is emptied. Operators keep it with its grants, which are nobody's then.
5. Of two changes of one group at once, the second is made to what the first one left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from hubsite.accounts.models import Account
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.acts.log import NewAct
from hubsite.register import changes
from hubsite.register.models import Group, Person
from hubsite.scim.models import ScimGroup, ScimUser
from hubsite.scim.reading import MEMBERS_MAX, Members, Said, ScimError
from hubsite.scim.tokens import PACE

ACT_PEOPLE = 100
"""So many ids have room in one act."""
MayWrite = Callable[[str, int], bool]
"""Tells whether somebody may write so many acts above one (`ScimPace.lets_write`)."""


def make_user(by: str, said: Said) -> ScimUser:
    """Make a person. Raise ScimError."""
    if said.user_name is None:
        raise ScimError(400, "invalidValue", "userName is needed.")
    try:
        with transaction.atomic():
            person = Person.objects.create(name=said.display_name or said.user_name, changed_by=by)
            user = ScimUser.objects.create(
                person=person,
                user_name=said.user_name,
                folded=said.user_name.casefold(),
                external_id=said.external_id or "",
            )
            changes.write_act(by, ActKind.PERSON_MADE, person, **changes.facts_of(person))
            if said.active is False:
                _set_active(by, user, active=False)
    except IntegrityError as error:
        raise _taken("userName") from error
    return user


def change_user(by: str, key: str, said: Said) -> ScimUser:
    """Change a person (law 3). Raise ScimError."""
    try:
        with transaction.atomic():
            user = user_of(key)
            _rename(by, user, said)
            if said.active is not None:
                _set_active(by, user, said.active)
    except IntegrityError as error:
        raise _taken("userName") from error
    return user_of(key)


def remove_user(by: str, key: str) -> None:
    """End a person, and know him no more. Raise ScimError."""
    with transaction.atomic():
        user = user_of(key)
        _set_active(by, user, active=False)
        user.delete()


def user_of(key: str) -> ScimUser:
    """Return a user. Raise ScimError."""
    rows = ScimUser.objects.select_related("person")
    found = rows.filter(pk=key).first() if key.isprintable() else None
    if found is None:
        raise ScimError(404, "", "There is no such user.")
    return found


def _rename(by: str, user: ScimUser, said: Said) -> None:
    name = said.display_name or user.person.name
    user_name = said.user_name or user.user_name
    external_id = user.external_id if said.external_id is None else said.external_id
    if (name, user_name, external_id) == (user.person.name, user.user_name, user.external_id):
        return
    ScimUser.objects.filter(pk=user.pk).update(
        user_name=user_name, folded=user_name.casefold(), external_id=external_id
    )
    Person.objects.filter(pk=user.pk).update(name=name)
    _change_rows(by, [user.pk])
    person = Person.objects.get(pk=user.pk)
    changes.write_act(by, ActKind.PERSON_CHANGED, person, **changes.facts_of(person))


def _change_rows(by: str, keys: Iterable[str]) -> None:
    """Let who has seen these people before be told that they have changed."""
    rows = Person.objects.filter(pk__in=list(keys))
    rows.update(revision=F("revision") + 1, changed_by=by, changed_at=timezone.now())


def _set_active(by: str, user: ScimUser, active: bool) -> None:
    """Keep law 3."""
    person = Person.objects.select_for_update().get(pk=user.pk)
    if not active and person.ended_at is None:
        changes.end_person(by, person, person.revision)
        ScimUser.objects.filter(pk=user.pk).update(ended_here=True)
    if not active or person.ended_at is None:
        return
    if not user.ended_here:
        raise ScimError(400, "mutability", "An operator has ended this person.")
    changes.take_turn(person, person.revision, by)
    Person.objects.filter(pk=person.pk).update(ended_at=None)
    ScimUser.objects.filter(pk=user.pk).update(ended_here=False)
    Account.objects.filter(name=person.pk, is_operator=False).update(is_active=True)
    changes.write_act(by, ActKind.PERSON_RETURNED, person)


def make_group(by: str, said: Said, may_write: MayWrite = PACE.lets_write) -> ScimGroup:
    """Make a group. Raise ScimError."""
    if said.display_name is None:
        raise ScimError(400, "invalidValue", "displayName is needed.")
    try:
        with transaction.atomic():
            group = Group.objects.create(name=said.display_name, changed_by=by)
            made = ScimGroup.objects.create(group=group, external_id=said.external_id or "")
            changes.write_act(by, ActKind.GROUP_MADE, group)
            _set_members(by, group, said.members, may_write)
    except IntegrityError as error:
        raise _taken("displayName") from error
    return made


def change_group(by: str, key: str, said: Said, may_write: MayWrite = PACE.lets_write) -> ScimGroup:
    """Change a group. Raise ScimError."""
    try:
        with transaction.atomic():
            found = _held(key)
            group = found.group
            if said.external_id is not None:
                ScimGroup.objects.filter(pk=found.pk).update(external_id=said.external_id)
            if said.display_name not in (None, group.name):
                changes.take_turn(group, group.revision, by)
                Group.objects.filter(pk=group.pk).update(name=said.display_name)
                changes.write_act(by, ActKind.GROUP_CHANGED, group)
            _set_members(by, group, said.members, may_write)
    except IntegrityError as error:
        raise _taken("displayName") from error
    return group_of(key)


def remove_group(by: str, key: str, may_write: MayWrite = PACE.lets_write) -> None:
    """Empty a group, and know it no more (law 4). Raise ScimError."""
    with transaction.atomic():
        found = _held(key)
        _set_members(by, found.group, (Members(replaced=frozenset()),), may_write)
        changes.write_act(by, ActKind.GROUP_CHANGED, found.group)
        found.delete()


def group_of(key: str) -> ScimGroup:
    """Return a group. Raise ScimError."""
    is_number = key.isascii() and key.isdigit() and len(key) < 19
    rows = ScimGroup.objects.select_related("group")
    found = rows.filter(pk=int(key)).first() if is_number else None
    if found is None:
        raise ScimError(404, "", "There is no such group.")
    return found


def _held(key: str) -> ScimGroup:
    """Return a group that nobody else changes in this transaction (law 5). Raise ScimError."""
    found = group_of(key)
    held = Group.objects.select_for_update().filter(pk=found.pk).first()
    if held is None or not ScimGroup.objects.filter(pk=found.pk).exists():
        raise ScimError(404, "", "There is no such group.")
    found.group = held
    return found


def members_of(group: Group) -> frozenset[str]:
    """Return the members that directories know."""
    return frozenset(group.people.filter(scim__isnull=False).values_list("pk", flat=True))


def _set_members(by: str, group: Group, steps: Iterable[Members], may_write: MayWrite) -> None:
    """Do the steps, and change the groups of who is in another one than before (laws 1 and 2)."""
    before = members_of(group)
    after = before
    for step in steps:
        after = after if step.replaced is None else step.replaced
        after = (after | step.added) - step.removed
    if len(after) > MEMBERS_MAX:
        raise ScimError(400, "tooMany", f"A group has at most {MEMBERS_MAX} members.")
    new = after - before
    known = set(ScimUser.objects.filter(pk__in=new).values_list("pk", flat=True))
    if known != new:
        raise ScimError(400, "invalidValue", "members: one is no user of a directory here.")
    if after == before:
        return
    acts = _acts_of(group, new, before - after)
    if not may_write(by, len(acts) - 1):
        raise ScimError(429, "", "Slower, please: that is too many members for now.")
    group.people.add(*new)
    group.people.remove(*(before - after))
    _change_rows(by, after ^ before)
    log.write_all(by, acts)


def _acts_of(group: Group, came: Iterable[str], left: Iterable[str]) -> list[NewAct]:
    """Return the acts of who came and who left, by their ids (law 1)."""
    steps = [*(("came", key) for key in sorted(came)), *(("left", key) for key in sorted(left))]
    acts = []
    for first in range(0, len(steps), ACT_PEOPLE):
        facts: dict[str, str] = {}
        for way, key in steps[first : first + ACT_PEOPLE]:
            facts[way] = f"{facts[way]},{key}" if way in facts else key
        acts.append(NewAct(ActKind.GROUP_CHANGED, f"group {group.pk}", facts))
    return acts


def _taken(name: str) -> ScimError:
    return ScimError(409, "uniqueness", f"{name} is taken already.")
