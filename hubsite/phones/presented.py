"""Access tokens that phones show, as the framework wants their rows: by one query, compiled once.

Law: a column that is not read here is read by the framework when it is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from oauth2_provider.models import (
    get_access_token_model,
    get_application_model,
    get_refresh_token_model,
)

from hubsite.accounts.models import Account
from hubsite.compiled import CompiledIn, take_row
from hubsite.phones.joining import digest_of

_OWN = (
    "id",
    "user_id",
    "source_refresh_token_id",
    "application_id",
    "expires",
    "scope",
    "resource",
)
_REFRESH = ("id", "access_token_id", "token_family", "revoked")
_USER = ("id", "name", "is_active", "is_operator")
_APPLICATION = ("id", "client_id")
_COLUMNS = (
    "token_checksum",
    *_OWN,
    *(f"refresh_token__{one}" for one in _REFRESH),
    *(f"user__{one}" for one in _USER),
    *(f"application__{one}" for one in _APPLICATION),
)


AT_ONCE = 16
"""So many tokens are asked for by one query."""


def _rows(checksums: tuple[str, ...]) -> QuerySet[Any]:
    rows = get_access_token_model().objects.filter(token_checksum__in=checksums)
    return rows.values_list(*_COLUMNS)


_FOUND = CompiledIn(_rows, str, AT_ONCE)


def presented(token: str) -> Any:
    """Return the row of an access token with those that it points to; None for no such token."""
    return presented_all([token]).get(token)


def presented_all(tokens: Iterable[str]) -> dict[str, Any]:
    """Return the rows of those tokens that there are, as `presented` does."""
    token_of = {digest_of(token): token for token in tokens}
    return {token_of[checksum]: _row(left) for checksum, *left in _FOUND(token_of)}


def _row(left: list[Any]) -> Any:
    access = take_row(get_access_token_model(), _OWN, left)
    refresh = take_row(get_refresh_token_model(), _REFRESH, left)
    if refresh is not None:
        access.refresh_token = refresh
    access.user = take_row(Account, _USER, left)
    access.application = take_row(get_application_model(), _APPLICATION, left)
    return access
