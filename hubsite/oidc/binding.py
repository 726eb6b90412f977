"""Who at the provider is which operator: bound by an act, and by nothing else.

Laws:
1. What is bound is the issuer and its own name for somebody. No address and no name binds, and no
   sign-in does.
2. One at the provider is one account, and one account is one at the provider.
3. Each is an act. It names who was bound by a digest: what the provider calls him may say who he
   is. The digest is made with this server's secret: who guesses a name cannot try it.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.crypto import salted_hmac

from hubsite.accounts.models import Account, Binding
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.oidc.tokens import SUBJECT_LENGTH_MAX, is_subject

_DIGITS = 16
_SALT = "hubsite.oidc.binding"


def account_of(issuer: str, subject: str) -> Account | None:
    """Return the account that is bound, None where none is, or where it was ended."""
    bound = Binding.objects.select_related("account").filter(issuer=issuer, subject=subject).first()
    if bound is None or not (bound.account.is_active and bound.account.is_operator):
        return None
    return bound.account


def bind(by: str, name: str, issuer: str, subject: str) -> None:
    """Bind an account, in place of what was bound to it. Raise ValueError with a sentence.

    `by` is the account that does it, "" for somebody at the machine.
    """
    if not is_subject(subject):
        raise ValueError(f"a subject has 1 to {SUBJECT_LENGTH_MAX} characters of ASCII")
    try:
        _bind(by, name, issuer, subject)
    except IntegrityError as error:  # somebody else has bound it at this moment
        raise ValueError(f"{subject} is bound to another account already") from error


def _bind(by: str, name: str, issuer: str, subject: str) -> None:
    with transaction.atomic():
        account = _operator(name)
        other = Binding.objects.filter(issuer=issuer, subject=subject).first()
        if other is not None and other.account_id != account.pk:
            raise ValueError(f"{subject} is bound to another account already")
        Binding.objects.update_or_create(
            account=account, defaults={"issuer": issuer, "subject": subject}
        )
        log.write(by, ActKind.IDENTITY_BOUND, about=name, identity=digest_of(issuer, subject))


def unbind(by: str, name: str) -> None:
    """Bind an account to nobody at the provider any more. Raise ValueError with a sentence."""
    with transaction.atomic():
        account = _operator(name)
        if not Binding.objects.filter(account=account).delete()[0]:
            raise ValueError(f"{name} is bound to nobody")
        log.write(by, ActKind.IDENTITY_UNBOUND, about=name)


def digest_of(issuer: str, subject: str) -> str:
    """Return by what acts know somebody at a provider (law 3)."""
    made = salted_hmac(_SALT, f"{issuer} {subject}", algorithm="sha256")
    return made.hexdigest()[:_DIGITS]


def _operator(name: str) -> Account:
    rows = Account.objects.select_for_update().filter(name=name, is_operator=True, is_active=True)
    account = rows.first()
    if account is None:
        raise ValueError(f"there is no operator {name}")
    return account
