"""How a guest's phone joins: a link from an operator, for so many phones, until its end.

Laws:
1. The link is known to who has it. The database has its hash.
2. It connects no more phones than it says, and none after its end or its revocation.
3. Each phone that it connects is one invitation that was used: one code, one family of tokens
   (`hubsite.phones.joining`).
4. Its end ends each phone that came by it.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from hubsite.accounts.models import Account
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.phones.joining import HOURS, TOKEN_LENGTH_MAX, account_of, digest_of
from hubsite.register import changes
from hubsite.register.models import GuestLink, Invitation, Person

_TOKEN_BYTES = 24


def make_link(by: str, link: GuestLink, guest: str, points: list[int]) -> str:
    """Keep a link that a form has filled, for a new guest of this name; return its token."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    with transaction.atomic():
        link.person = Person.objects.create(name=guest, is_guest=True, changed_by=by)
        link.digest = digest_of(token)
        link.changed_by = by
        link.save()
        link.points.set(points)
        changes.write_act(by, ActKind.GUEST_LINK_MADE, link, **changes.facts_of(link))
    return token


def welcomed(token: str) -> GuestLink | None:
    """Return the link of a token, None for one that connects no phone (any more)."""
    return _counting(token).select_related("person").first()


def join_guest(token: str) -> tuple[Account, str] | None:
    """Use a link for one phone; return its guest's account, and the digest of its invitation.

    None where the link does not count.
    """
    now = timezone.now()
    with transaction.atomic():
        link = welcomed(token)
        if link is None or _counting(token).update(joined=F("joined") + 1) != 1:
            return None
        account = account_of(link.person)
        if account is None:
            return None
        digest = digest_of(secrets.token_urlsafe(_TOKEN_BYTES))
        ends = now + timedelta(hours=HOURS)
        Invitation.objects.create(digest=digest, person=link.person, ends=ends, used_at=now)
        log.write("", ActKind.JOINED, about=f"person {link.person_id}")
    return account, digest


def _counting(token: str):  # type: ignore[no-untyped-def]  # a query of the framework
    rows = GuestLink.objects.filter(digest=digest_of(token[:TOKEN_LENGTH_MAX]), revoked_at=None)
    return rows.filter(ends__gt=timezone.now(), joined__lt=F("phones"))
