"""Making accounts, and giving them another second factor: at the machine of the server.

Law: each is an act.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction

from hubsite.accounts import factor
from hubsite.accounts.models import NAME, Account
from hubsite.acts import log
from hubsite.acts.kinds import ActKind

_PASSWORD_BYTES = 15
"""20 letters and digits."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What an operator is handed, once: a password (empty: as before), and a second factor."""

    password: str
    address: str


def make_account(name: str, site: str, key: bytes) -> Handed:
    """Make an account. Raise ValueError for a name that is none, or is in use."""
    try:
        NAME(name)
    except ValidationError as error:
        raise ValueError(f"{name!r}: {error.messages[0]}") from error
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    secret = factor.new_secret()
    with transaction.atomic():
        if Account.objects.filter(name=name).exists():
            raise ValueError(f"there is an operator {name} already")
        account = Account(name=name, is_operator=True, factor=factor.seal(secret, name, key))
        account.set_password(password)
        account.save()
        log.write("", ActKind.ACCOUNT_MADE, about=name)
    return Handed(password, factor.address_of(secret, site, name))


def renew_account(name: str, site: str, key: bytes) -> Handed:
    """Give an account a new password and second factor, and end its sessions. Raise ValueError."""
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    secret = factor.new_secret()
    with transaction.atomic():
        account = _account(name)
        account.factor = factor.seal(secret, name, key)
        account.factor_step = 0
        account.is_active = True
        account.set_password(password)  # a session is bound to it
        account.save()
        log.write("", ActKind.FACTOR_REPLACED, about=name)
    return Handed(password, factor.address_of(secret, site, name))


def end_account(name: str) -> None:
    """Let nobody sign in by this account any more, and end its sessions. Raise ValueError."""
    with transaction.atomic():
        account = _account(name)
        account.is_active = False
        account.set_unusable_password()
        account.save()
        log.write("", ActKind.ACCOUNT_ENDED, about=name)


def _account(name: str) -> Account:
    operators = Account.objects.filter(is_operator=True)
    account = operators.select_for_update().filter(name=name).first()
    if account is None:
        raise ValueError(f"there is no operator {name}")
    return account
