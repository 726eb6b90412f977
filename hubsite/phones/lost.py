"""A refresh token that is used again because the answer to it was lost on its way.

How it works: new access tokens know the refresh token that brought them. That knowledge goes with
the first use of what was brought. So it is there exactly while the answer may have been lost.

Laws:
1. While nothing that a refresh token brought was used, it may be used again. What it brought before
   is over then.
2. Once something of it was used, the old token used again ends the family: two have it.
3. A family has at most one refresh token that was not used yet.
4. An answer may be missed for as long as a refresh token lasts.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from oauth2_provider.models import (
    get_access_token_model,
    get_refresh_token_model,
    refresh_token_expire_timedelta,
)

from hubsite.phones.joining import digest_of


class AnswerUsedError(Exception):
    """What a refresh token brought was used, so it cannot be used again."""


def with_lost_answer(refresh_token: str) -> Any:
    """Return the row of a used refresh token whose answer may be lost; None for any other."""
    rows = get_refresh_token_model().objects.filter(token_checksum=digest_of(refresh_token))
    used = rows.exclude(revoked=None).order_by("-revoked").first()
    return None if used is None or _unused(used) is None else used


def drop_lost_answer(used: Any) -> None:
    """End what a used refresh token brought, in a transaction that is open (law 1).

    Raise AnswerUsedError where something of it was used meanwhile.
    """
    held = get_refresh_token_model().objects.select_for_update().get(pk=used.pk)
    if held.revoked is None:
        return
    brought = _unused(held)
    if brought is None:
        raise AnswerUsedError
    brought.revoke()


def arrived(access_token: Any) -> bool:
    """Note that an access token is used: its answer came. False where it is over by now (law 2)."""
    if access_token.source_refresh_token_id is None:
        return True
    rows = get_access_token_model().objects.filter(pk=access_token.pk)
    return rows.update(source_refresh_token=None) == 1


def _unused(used: Any) -> Any:
    """Return the refresh token that a used one brought, None where something of it was used."""
    rows = get_access_token_model().objects.filter(
        source_refresh_token=used,
        refresh_token__revoked=None,
        expires__gt=timezone.now() - refresh_token_expire_timedelta(),
    )
    access = rows.select_related("refresh_token").first()
    return None if access is None else access.refresh_token
