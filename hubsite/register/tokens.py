"""Ends the tokens of phones: what they fetch grants by."""

from __future__ import annotations

from uuid import UUID

from oauth2_provider.models import clear_expired, get_grant_model, get_refresh_token_model

from hubsite.accounts.models import Account, Session
from hubsite.register.models import Credential, Person


def end_tokens(family: UUID | None) -> None:
    """End each token of a family, also those that wait to be used. None: there is none."""
    get_refresh_token_model().revoke_family(family)


def end_joining(person: Person) -> None:
    """End what a person's phones without a key have: sessions, codes, and tokens."""
    for account in Account.objects.filter(name=person.pk, is_operator=False):
        Session.objects.filter(account=account.pk).delete()
        get_grant_model().objects.filter(user=account).delete()
        living = get_refresh_token_model().objects.filter(user=account, revoked=None)
        with_key = Credential.objects.exclude(family=None).values("family")
        for family in set(
            living.exclude(token_family__in=with_key).values_list("token_family", flat=True)
        ):
            end_tokens(family)


def remove_expired() -> None:
    """Remove the framework's codes and tokens that are over, a batch at a time."""
    clear_expired()
