"""How a row is changed: by who has seen it as it is, and never without an act.

Laws:
1. Of two who change one row, the second is told. Nothing of the second is kept.
2. A change and its act are one transaction.
3. An act has ids and numbers, no name of a person.
4. A revocation ends what the person's phones without a key have, too: no page shows those.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

from hubcore.evidence.records import Value
from hubsite.accounts.models import Account
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.register.models import AccessPoint, Credential, Grant, GuestLink, Person
from hubsite.register.tokens import end_joining, end_tokens

REVISION_DIGITS = 18
"""So long a number fits into every database."""


class ChangedMeanwhileError(Exception):
    """Somebody else has changed the row: who and when. "" and None: it is gone."""

    def __init__(self, by: str, at: datetime | None) -> None:
        super().__init__(by, at)
        self.by = by
        self.at = at


def read_seen(text: str) -> int:
    """Return the revision that a form says; 0, which no row has, for what is no number."""
    is_number = text.isascii() and text.isdigit() and len(text) <= REVISION_DIGITS
    return int(text) if is_number else 0


def take_turn(row: models.Model, seen: int, by: str) -> None:
    """Hold a row that was shown at this revision, in a transaction that is open (law 1).

    Raise ChangedMeanwhileError.
    """
    rows = type(row).objects.filter(pk=row.pk)
    now = timezone.now()
    if rows.filter(revision=seen).update(revision=seen + 1, changed_by=by, changed_at=now) != 1:
        other = rows.first()
        if other is None:
            raise ChangedMeanwhileError("", None)
        raise ChangedMeanwhileError(other.changed_by, other.changed_at)
    row.revision = seen + 1
    row.changed_by = by


def write_act(by: str, kind: ActKind, row: models.Model, **facts: Value) -> None:
    """Write the act of a change (law 3)."""
    log.write(by, kind, about=f"{row._meta.model_name} {row.pk}", **facts)


def end_person(by: str, person: Person, seen: int) -> None:
    """Somebody has left: each of the credentials is revoked. Raise ChangedMeanwhileError."""
    with transaction.atomic():
        take_turn(person, seen, by)
        write_act(by, ActKind.PERSON_ENDED, person)
        _end(by, person)


def end_guest_link(by: str, link: GuestLink, seen: int) -> None:
    """End a guest's link, and each phone that came by it. Raise ChangedMeanwhileError."""
    with transaction.atomic():
        take_turn(link, seen, by)
        GuestLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=timezone.now())
        write_act(by, ActKind.GUEST_LINK_ENDED, link, person=link.person_id)
        _end(by, link.person)


def _end(by: str, person: Person) -> None:
    Person.objects.filter(pk=person.pk).update(ended_at=timezone.now())
    for credential in person.credentials.filter(revoked_at=None):
        _revoke(by, credential)
    end_joining(person)
    person.invitations.all().delete()
    Account.objects.filter(name=person.pk, is_operator=False).update(is_active=False)


def revoke_credential(by: str, credential: Credential, seen: int) -> None:
    """Let a credential open nothing any more, for ever. Raise ChangedMeanwhileError."""
    with transaction.atomic():
        take_turn(credential, seen, by)
        _revoke(by, credential)


def give_way(old: Credential, made: Credential) -> bool:
    """Let a credential end for another one of its person, in a transaction that is open.

    False where it was revoked or out of use meanwhile.
    """
    rows = Credential.objects.filter(pk=old.pk, revoked_at=None, is_disabled=False)
    now = timezone.now()
    if rows.update(revision=F("revision") + 1, revoked_at=now, changed_by="", changed_at=now) != 1:
        return False
    end_tokens(old.family)
    facts = {"person": made.person_id, "credential_kind": made.kind, "key": bytes(made.key)}
    write_act("", ActKind.CAME_BACK, made, replaces=old.pk, **facts)
    return True


def disable_credential(by: str, credential: Credential, seen: int) -> None:
    """Take a credential out of use for a while. Raise ChangedMeanwhileError."""
    _set_disabled(by, credential, seen, disabled=True)


def enable_credential(by: str, credential: Credential, seen: int) -> None:
    """Take a credential back into use. Raise ChangedMeanwhileError."""
    _set_disabled(by, credential, seen, disabled=False)


def revoke_grant(by: str, grant: Grant, seen: int) -> None:
    """Let a grant count no more. Raise ChangedMeanwhileError."""
    with transaction.atomic():
        take_turn(grant, seen, by)
        Grant.objects.filter(pk=grant.pk, revoked_at=None).update(revoked_at=timezone.now())
        write_act(by, ActKind.GRANT_REVOKED, grant)


def _set_disabled(by: str, credential: Credential, seen: int, disabled: bool) -> None:
    with transaction.atomic():
        take_turn(credential, seen, by)
        Credential.objects.filter(pk=credential.pk).update(is_disabled=disabled)
        kind = ActKind.CREDENTIAL_DISABLED if disabled else ActKind.CREDENTIAL_ENABLED
        write_act(by, kind, credential, person=credential.person_id)


def _revoke(by: str, credential: Credential) -> None:
    rows = Credential.objects.filter(pk=credential.pk, revoked_at=None)
    rows.update(revoked_at=timezone.now())
    end_tokens(credential.family)
    end_joining(credential.person)
    write_act(by, ActKind.CREDENTIAL_REVOKED, credential, person=credential.person_id)


def facts_of(row: models.Model) -> dict[str, Any]:
    """Return what an act says of a row, beside its id."""
    if isinstance(row, Person):
        return {"groups": _listed(row.groups.order_by("pk").values_list("pk", flat=True))}
    if isinstance(row, Grant):
        return {"group": row.group_id, **_granted(row)}
    if isinstance(row, AccessPoint):
        return {
            "number": row.number,
            "hold_open": row.hold_open_id,
            "first_person_in": int(row.first_person_in),
            "two_persons": int(row.two_persons),
            "two_persons_in": row.two_persons_in_id,
            "no_browsers": int(row.no_browsers),
        }
    if isinstance(row, GuestLink):
        return {"uses": row.uses, "phones": row.phones, **_granted(row)}
    return {}


def _granted(row: Grant | GuestLink) -> dict[str, Any]:
    return {
        "person": row.person_id,
        "points": _listed(row.points.values_list("number", flat=True)),
        "schedule": row.schedule_id,
        "begins": _seconds(row.begins),
        "ends": _seconds(row.ends),
    }


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
