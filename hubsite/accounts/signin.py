"""Signing in: a name, a password and a code, judged together.

Laws:
1. Without a second factor nobody signs in.
2. Whatever of the three is wrong, the answer is the same and takes the same time.
3. A wrong try is told to the account's owner at the next sign-in, and kept as an act with it.
4. A try that the gate does not let is not judged: no password is hashed.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from enum import Enum

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from hubsite.accounts import factor
from hubsite.accounts.gate import Gate
from hubsite.accounts.models import ADDRESS_LENGTH, NAME_LENGTH, Account
from hubsite.acts import log
from hubsite.acts.kinds import ActKind

PASSWORD_LENGTH_MAX = 1024
CODE_LENGTH_MAX = 16
_LOG = logging.getLogger("hubsite.signin")


class SignInOutcome(Enum):
    """What became of a try that did not sign in."""

    WRONG = "wrong"
    SLOWED = "slowed"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed, and where; `browser` is one that is known, or None."""

    name: str
    password: str
    code: str
    address: str
    browser: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who has signed in, and what was tried before."""

    account: Account
    wrong_tries: int
    wrong_from: str


def sign_in(typed: Typed, gate: Gate, key: bytes) -> SignedIn | SignInOutcome:
    """Judge a try; `key` unseals second factors. Raise ConfigError when it does not."""
    if not gate.lets(typed.address, typed.browser):
        return SignInOutcome.SLOWED
    with gate.hashing() as has_place:
        if not has_place:
            return SignInOutcome.BUSY
        account = Account.objects.filter(
            name=typed.name[:NAME_LENGTH], is_active=True, is_operator=True
        ).first()
        has_password = _has_password(account, typed.password)
    if account is None:
        _LOG.warning("wrong name from=%s", typed.address)
        return SignInOutcome.WRONG
    if not has_password or not _use_code(account, typed.code, key):
        _count_wrong(account, typed.address)
        return SignInOutcome.WRONG
    return _signed_in(account, typed.address)


def _has_password(account: Account | None, password: str) -> bool:
    """Tell whether the password is right; without an account it takes as long (law 2)."""
    shortened = password[:PASSWORD_LENGTH_MAX]
    if account is None:
        make_password(shortened)
        return False
    return bool(account.check_password(shortened))


def _use_code(account: Account, code: str, key: bytes) -> bool:
    """Tell whether the code is right, and let it count no more."""
    if not account.factor:
        return False
    secret = factor.unseal(bytes(account.factor), account.name, key)
    step = factor.step_of(secret, code[:CODE_LENGTH_MAX], time.time(), account.factor_step)
    if step is None:
        return False
    unused = Account.objects.filter(pk=account.pk, factor_step__lt=step)
    return unused.update(factor_step=step) == 1


def _count_wrong(account: Account, address: str) -> None:
    _LOG.warning("wrong password or code account=%s from=%s", account.name, address)
    Account.objects.filter(pk=account.pk).update(
        wrong_tries=F("wrong_tries") + 1,
        wrong_at=timezone.now(),
        wrong_from=address[:ADDRESS_LENGTH],
    )


def _signed_in(account: Account, address: str) -> SignedIn:
    """Begin with no wrong tries again, and keep how many there were (law 3)."""
    with transaction.atomic():
        now = Account.objects.select_for_update().get(pk=account.pk)
        found = SignedIn(now, now.wrong_tries, now.wrong_from)
        Account.objects.filter(pk=now.pk).update(wrong_tries=0, wrong_from="")
        log.write(now.name, ActKind.SIGNED_IN, address=address, wrong_tries=found.wrong_tries)
    return found
