"""Making accounts, and giving them another second factor: at the machine of the server.

Laws:
1. Each is an act.
2. An account has a second factor from its first moment: a code, or a ticket by which its owner
   makes a key. A ticket counts once and for TICKET_HOURS, and nobody signs in by it.
3. A new second factor ends all others: the codes, the keys, a ticket, and what was bound to a
   provider (`hubsite.oidc.binding`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from hubsite.accounts import factor
from hubsite.accounts.models import NAME, Account, Binding
from hubsite.acts import log
from hubsite.acts.kinds import ActKind

_PASSWORD_BYTES = 15
"""20 letters and digits."""


_TICKET_BYTES = 15
TICKET_HOURS = 24


@dataclass(frozen=True, slots=True)
class Handed:
    """What an operator is handed, once: a password, and one of both second factors.

    `address` is what an authenticator app takes. `ticket` is typed where a first key is made.
    """

    password: str
    address: str = ""
    ticket: str = ""


def make_account(name: str, site: str, key: bytes, has_keys: bool = False) -> Handed:
    """Make an account. Raise ValueError for a name that is none, or is in use.

    `key` seals the secret of codes; `has_keys`: it gets a ticket for a key instead.
    """
    try:
        NAME(name)
    except ValidationError as error:
        raise ValueError(f"{name!r}: {error.messages[0]}") from error
    with transaction.atomic():
        if Account.objects.filter(name=name).exists():
            raise ValueError(f"there is an operator {name} already")
        account = Account(name=name, is_operator=True)
        handed = _hand(account, site, key, has_keys)
        account.save()
        log.write("", ActKind.ACCOUNT_MADE, about=name)
    return handed


def operators() -> list[str]:
    """Return who may sign in, by name."""
    found = Account.objects.filter(is_operator=True, is_active=True).order_by("name")
    return list(found.values_list("name", flat=True))


def renew_account(name: str, site: str, key: bytes, has_keys: bool = False) -> Handed:
    """Give an account a new password and second factor, and end its sessions. Raise ValueError."""
    with transaction.atomic():
        account = _account(name)
        _end_others(account)
        account.is_active = True
        handed = _hand(account, site, key, has_keys)  # a session is bound to the password
        account.save()
        log.write("", ActKind.FACTOR_REPLACED, about=name)
    return handed


def _hand(account: Account, site: str, key: bytes, has_keys: bool) -> Handed:
    """Give an account a password and one second factor, and take all others (law 3)."""
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    account.set_password(password)
    account.factor_step = 0
    if has_keys:
        ticket = secrets.token_urlsafe(_TICKET_BYTES)
        account.factor = b""
        account.ticket = digest_of_ticket(ticket)
        account.ticket_ends = timezone.now() + timedelta(hours=TICKET_HOURS)
        return Handed(password, ticket=ticket)
    secret = factor.new_secret()
    account.factor = factor.seal(secret, account.name, key)
    account.ticket = ""
    account.ticket_ends = None
    return Handed(password, factor.address_of(secret, site, account.name))


def digest_of_ticket(ticket: str) -> str:
    """Return what the database has of a ticket."""
    return sha256(ticket.encode("utf-8", "replace")).hexdigest()


def end_account(name: str) -> None:
    """Let nobody sign in by this account any more, and end its sessions. Raise ValueError."""
    with transaction.atomic():
        account = _account(name)
        _end_others(account)
        account.is_active = False
        account.ticket = ""
        account.set_unusable_password()
        account.save()
        log.write("", ActKind.ACCOUNT_ENDED, about=name)


def _end_others(account: Account) -> None:
    """End each way into an account beside its password and code."""
    account.keys.all().delete()
    Binding.objects.filter(account=account).delete()


def _account(name: str) -> Account:
    operators = Account.objects.filter(is_operator=True)
    account = operators.select_for_update().filter(name=name).first()
    if account is None:
        raise ValueError(f"there is no operator {name}")
    return account
