"""Ends the tokens of a phone: what it fetches grants by."""

from __future__ import annotations

from uuid import UUID

from oauth2_provider.models import get_refresh_token_model


def end_tokens(family: UUID | None) -> None:
    """End each token of a family, also those that wait to be used. None: there is none."""
    get_refresh_token_model().revoke_family(family)
