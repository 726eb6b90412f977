"""Reads what phones have that come at one moment, by their access tokens.

How it works: each request brings its token and waits for its turn. Whose turn it is reads for all
who have come by then, in as many queries as for one (`hubsite.hubs.together`).

Laws:
1. What is read was read after the token came. So what a page has done counts for each phone that
   asks after its commit: a token that was revoked, a right that was taken back.
2. A token counts by the same rows and rules as anywhere else (`hubsite.phones`). For what is not
   plain the answer is None, and the framework judges it, and says why it is refused.
3. What is wrong with the token of one phone is nothing to the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any
from uuid import UUID

from django.db import transaction

from hubsite.crowd.answering import Had, had_by
from hubsite.hubs.together import Together
from hubsite.phones.client import SCOPE
from hubsite.phones.devices import family_of
from hubsite.phones.presented import presented_all


def had_with(token: str) -> Had | None:
    """Return what the phone with this token has, None for a token that is not plain (law 2)."""
    return _TOGETHER.keep(token)


def had_with_all(tokens: Sequence[str]) -> dict[str, Had]:
    """Return what the phones with these tokens have, without those of tokens that are not plain."""
    found = zip(tokens, _read_all(tokens), strict=True)
    return {token: had for token, had in found if had is not None}


def _read_all(tokens: Sequence[str]) -> list[Had | None]:
    families = _families(presented_all(tokens))
    had = had_by(families.values())
    return [had[families[token]] if token in families else None for token in tokens]


def _families(shown: dict[str, Any]) -> dict[str, UUID]:
    """Return the families of the tokens that count."""
    plain = {token: one for token, one in shown.items() if _is_plain(one)}
    # Each answer that has arrived is a row to write; then all of them are one transaction.
    has_writes = any(one.source_refresh_token_id is not None for one in plain.values())
    with transaction.atomic() if has_writes else nullcontext():
        found = {token: family_of(one) for token, one in plain.items()}
    return {token: family for token, family in found.items() if family is not None}


def _is_plain(access: Any) -> bool:
    """Tell whether a token counts for phones, with nothing about it for the framework to judge."""
    return access.is_valid([SCOPE]) and not access.resource and access.application is not None


_TOGETHER: Together[str, Had | None] = Together(_read_all)
