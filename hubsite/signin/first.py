"""A first key, by a ticket from the machine of the server: name, password, ticket and key together.

Laws:
1. A ticket counts once, until its end, and with the password of its account. Whatever of the three
   is wrong, the answer is that of a wrong sign-in, at the paces of a sign-in.
2. It signs nobody in: its owner signs in by the new key.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from hubsite.accounts.gate import Gate
from hubsite.accounts.making import digest_of_ticket
from hubsite.accounts.models import Account
from hubsite.keys.challenge import Challenge
from hubsite.keys.keeping import add_key
from hubsite.keys.proof import MadeKey
from hubsite.signin.judging import SignInOutcome, Typed, judge

TICKET_LENGTH_MAX = 64


def first_key(
    typed: Typed, gate: Gate, ticket: str, name: str, challenge: Challenge, made: MadeKey
) -> SignInOutcome | None:
    """Give an account its first key; None when it has it now. Raise ValueError with a sentence.

    `name` is what the key is called.
    """
    digest = digest_of_ticket(ticket[:TICKET_LENGTH_MAX])
    found = judge(typed, gate, lambda account: _has_ticket(account, digest))
    if isinstance(found, SignInOutcome):
        return found
    with transaction.atomic():
        if not _use_ticket(found, digest):
            return SignInOutcome.WRONG
        add_key(found, name, challenge, made)
    return None


def _has_ticket(account: Account, digest: str) -> bool:
    return bool(_counting(account, digest).exists())


def _use_ticket(account: Account, digest: str) -> bool:
    return bool(_counting(account, digest).update(ticket="", ticket_ends=None) == 1)


def _counting(account: Account, digest: str):  # type: ignore[no-untyped-def]  # a query
    return Account.objects.filter(pk=account.pk, ticket=digest, ticket_ends__gt=timezone.now())
