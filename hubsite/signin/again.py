"""Somebody who has signed in shows again that it is he: by his second factor alone.

Laws:
1. A code, or a key that has signed: what signs in, at the same pace, and once. The password is not
   asked for: who has stolen a session may have that, too.
2. A wrong one is a wrong try, and is told to the account's owner. A right one is an act.
"""

from __future__ import annotations

from django.db import transaction

from hubsite.accounts.gate import Gate
from hubsite.accounts.models import Account
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.signin.judging import SignInOutcome, Typed, at_pace, count_wrong, has_factor


def show_again(account: Account, typed: Typed, gate: Gate, key: bytes) -> SignInOutcome | None:
    """Judge the second factor of who has signed in; None when it is right.

    `key` unseals second factors.
    """
    if not gate.lets(typed.address, typed.browser):
        return SignInOutcome.SLOWED
    now = Account.objects.filter(pk=account.pk, is_active=True, is_operator=True).first()
    if now is None:
        return SignInOutcome.WRONG
    if not at_pace(now, typed, gate, lambda one: has_factor(one, typed, key)):
        count_wrong(now, typed.address)
        return SignInOutcome.WRONG
    with transaction.atomic():
        log.write(now.name, ActKind.SHOWN_AGAIN, address=typed.address)
    return None
