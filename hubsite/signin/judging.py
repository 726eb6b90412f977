"""Signing in: a name, a password and a second factor, judged together.

Laws:
1. Without a second factor nobody signs in: a code, or a key that has signed. What comes with a key
   is judged by the key alone.
2. Whatever of the three is wrong, the answer is the same. For a name that there is not a password
   is hashed, too. No more is promised about times: for a name that there is, a row is written.
3. A wrong try is told to the account's owner until somebody signed in says that it was read, which
   is an act. Each sign-in is told when and from where the one before it was.
4. A try that the gate does not let is not judged: no password is hashed. Nor is a second factor
   that it does not let: the answer is that of a wrong one, so it says nothing about the password.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
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
from hubsite.keys.challenge import Challenge
from hubsite.keys.keeping import use_key
from hubsite.keys.place import Place

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
    """What somebody typed, and where; `browser` is one that is known, or None.

    `answer` is what a key has signed in place of a code, over `challenge`, for `place`.
    """

    name: str
    password: str
    code: str
    address: str
    browser: str | None = None
    answer: str = ""
    challenge: Challenge | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who has signed in; when and from where the sign-in before was, None and "" for the first."""

    account: Account
    before_at: datetime | None
    before_from: str


def sign_in(typed: Typed, gate: Gate, key: bytes) -> SignedIn | SignInOutcome:
    """Judge a try; `key` unseals second factors. Raise ConfigError when it does not."""
    found = judge(typed, gate, lambda account: has_factor(account, typed, key))
    if isinstance(found, SignInOutcome):
        return found
    return signed_in(found, typed.address)


def judge(
    typed: Typed, gate: Gate, has_second: Callable[[Account], bool]
) -> Account | SignInOutcome:
    """Judge name and password, and then what comes beside them, at its pace (laws 2 and 4)."""
    if not gate.lets(typed.address, typed.browser):
        return SignInOutcome.SLOWED
    with gate.hashing(typed.browser) as has_place:
        if not has_place:
            return SignInOutcome.BUSY
        account = Account.objects.filter(
            name=typed.name[:NAME_LENGTH], is_active=True, is_operator=True
        ).first()
        has_password = _has_password(account, typed.password)
    if account is None:
        _LOG.warning("wrong name from=%s", typed.address)
        return SignInOutcome.WRONG
    if not has_password or not at_pace(account, typed, gate, has_second):
        count_wrong(account, typed.address)
        return SignInOutcome.WRONG
    return account


def _has_password(account: Account | None, password: str) -> bool:
    """Tell whether the password is right; without an account one is hashed all the same (law 2)."""
    shortened = password[:PASSWORD_LENGTH_MAX]
    if account is None:
        make_password(shortened)
        return False
    return bool(account.check_password(shortened))


def at_pace(
    account: Account, typed: Typed, gate: Gate, has_second: Callable[[Account], bool]
) -> bool:
    """Tell whether the second factor may be judged, and is right (law 4)."""
    if not gate.lets_code(account.name, typed.browser):
        return False
    if not has_second(account):
        return False
    gate.was_right(account.name, typed.browser)
    return True


def has_factor(account: Account, typed: Typed, key: bytes) -> bool:
    """Tell whether the code or the key is right, and let it count no more (law 1)."""
    if typed.answer:
        return use_key(account, typed.place, typed.challenge, typed.answer, typed.address)
    return _use_code(account, typed.code, key)


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


def count_wrong(account: Account, address: str) -> None:
    """A wrong try was made for this account (law 3)."""
    _LOG.warning("wrong password or second factor account=%s from=%s", account.name, address)
    Account.objects.filter(pk=account.pk).update(
        wrong_tries=F("wrong_tries") + 1,
        wrong_at=timezone.now(),
        wrong_from=address[:ADDRESS_LENGTH],
    )


def signed_in(account: Account, address: str, by: str = "password") -> SignedIn:
    """Keep when and from where this was, and how many wrong tries there are (law 3).

    `by` says what was judged beside the second factor.
    """
    with transaction.atomic():
        now = Account.objects.select_for_update().get(pk=account.pk)
        found = SignedIn(now, now.last_login, now.last_from)
        Account.objects.filter(pk=now.pk).update(
            last_login=timezone.now(), last_from=address[:ADDRESS_LENGTH]
        )
        log.write(now.name, ActKind.SIGNED_IN, address=address, wrong_tries=now.wrong_tries, way=by)
    return found


def read_wrong_tries(account: Account, seen: int, address: str) -> None:
    """Its owner has read of so many wrong tries; those that came since stay (law 3)."""
    with transaction.atomic():
        rows = Account.objects.filter(pk=account.pk, wrong_tries__gte=seen)
        if seen > 0 and rows.update(wrong_tries=F("wrong_tries") - seen) == 1:
            log.write(account.name, ActKind.WRONG_TRIES_READ, address=address, wrong_tries=seen)
