"""How somebody's phone joins: a link from an operator, for one person, once.

Laws:
1. The link is known to who has it. The database has its hash.
2. It counts once, and not after its end. Seeing it uses it not: a button does.
3. It gives a short session of that person, which can ask for one code and do nothing else. The
   session ends with that code.
4. Who has proven a phone's passkey gets the same, in the place of that phone
   (`hubsite.passkeys.replacing`).
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256

from django.db import transaction
from django.utils import timezone

from hubsite.accounts.models import Account
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.passkeys.judging import may_come_back
from hubsite.passkeys.models import Passkey, Return
from hubsite.register.models import Invitation, Person

HOURS = 24
SESSION_SECONDS = 900
INVITATIONS_A_PERSON = 8
TOKEN_LENGTH_MAX = 64
_TOKEN_BYTES = 24


def invite(by: str, person: Person) -> str:
    """Make a link's token. The oldest links that connected no phone make room. Raise ValueError."""
    if person.ended_at is not None:
        raise ValueError("This person has left.")
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    ends = timezone.now() + timedelta(hours=HOURS)
    with transaction.atomic():
        rows = person.invitations.filter(family=None)
        kept = rows.order_by("-ends").values_list("pk", flat=True)
        rows.exclude(pk__in=list(kept[: INVITATIONS_A_PERSON - 1])).delete()
        Invitation.objects.create(digest=digest_of(token), person=person, ends=ends)
        log.write(by, ActKind.INVITED, about=f"person {person.pk}", ends=int(ends.timestamp()))
    return token


def invited(token: str) -> Person | None:
    """Return whom a link is for, None for one that does not count (any more)."""
    found = _counting(token).select_related("person").first()
    return None if found is None else found.person


def join(token: str) -> Account | None:
    """Use a link; return the account of its person, None where it does not count."""
    now = timezone.now()
    with transaction.atomic():
        person = invited(token)
        if person is None or _counting(token).update(used_at=now) != 1:
            return None
        account = account_of(person)
        if account is None:
            return None
        log.write("", ActKind.JOINED, about=f"person {person.pk}")
    return account


def begin_return(passkey: Passkey) -> tuple[Account, str] | None:
    """Return the account of a phone's person, and the digest of the link in the phone's place.

    None where the phone may not come back (replacing, law 2).
    """
    phone = passkey.phone
    if not may_come_back(phone):
        return None
    now = timezone.now()
    with transaction.atomic():
        account = account_of(phone.person)
        if account is None:
            return None
        digest = digest_of(secrets.token_urlsafe(_TOKEN_BYTES))
        ends = now + timedelta(hours=HOURS)
        link = Invitation.objects.create(digest=digest, person=phone.person, ends=ends, used_at=now)
        Return.objects.create(link=link, phone=phone)
        log.write("", ActKind.PASSKEY_USED, about=f"credential {phone.pk}", person=phone.person_id)
    return account, digest


def account_of(person: Person) -> Account | None:
    """Return the account under which a person's phones have tokens; None where it was ended."""
    account, _ = Account.objects.get_or_create(
        name=person.pk, defaults={"password": "!", "is_operator": False}
    )
    return None if account.is_operator or not account.is_active else account


def keep_code(link: str, code: str) -> bool:
    """Keep the one code of a link (its digest); False for a link that gave one, or is no more."""
    rows = Invitation.objects.filter(digest=link, code="", person__ended_at=None)
    return rows.exclude(used_at=None).update(code=digest_of(code)) == 1


def _counting(token: str):  # type: ignore[no-untyped-def]  # a query of the framework
    rows = Invitation.objects.filter(digest=digest_of(token[:TOKEN_LENGTH_MAX]))
    return rows.filter(used_at=None, ends__gt=timezone.now(), person__ended_at=None)


def digest_of(token: str) -> str:
    """Return what the database has of a token."""
    return sha256(token.encode("utf-8", "replace")).hexdigest()
