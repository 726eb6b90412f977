"""Families of tokens: one for each link, and none for long without a key.

Laws:
1. The code of a link is exchanged for one family, which stands on the link's row. A code of no
   link is exchanged for nothing. One that comes again ends the family that it brought: somebody
   else has it (RFC 6749, 4.1.2).
2. A family without a key, or whose credential was revoked, gets no newer tokens: it is ended. So
   it lasts as long as one access token.
3. A refresh token whose answer may be lost counts again; used twice otherwise, it ends its family
   (`hubsite.phones.lost`).
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from oauth2_provider.models import get_refresh_token_model
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.oauth2 import InvalidGrantError

from hubsite.phones.joining import digest_of
from hubsite.phones.lost import AnswerUsedError, drop_lost_answer, with_lost_answer
from hubsite.phones.presented import presented
from hubsite.register.models import Credential, Invitation
from hubsite.register.tokens import end_tokens


class Families(OAuth2Validator):
    """The framework's own, and the laws of this module."""

    def validate_code(
        self, client_id: str, code: str, client: Any, request: Any, *args: Any, **more: Any
    ) -> bool:
        """Tell whether a code may be exchanged (law 1)."""
        link = Invitation.objects.filter(code=digest_of(code)).first()
        if link is None:
            return False
        if link.family is not None:
            end_tokens(link.family)
            return False
        is_good: bool = super().validate_code(client_id, code, client, request, *args, **more)
        return is_good

    def validate_refresh_token(
        self, refresh_token: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Tell whether newer tokens may be given (laws 2 and 3)."""
        again = with_lost_answer(refresh_token)
        if again is not None and again.application == client:
            request.user = again.user
            request.refresh_token = refresh_token
            request.refresh_token_instance = again
        elif not super().validate_refresh_token(refresh_token, client, request, *args, **kwargs):
            return False
        family = request.refresh_token_instance.token_family
        if Credential.objects.filter(family=family, revoked_at=None).exists():
            return True
        end_tokens(family)
        return False

    def _load_access_token(self, token: str) -> Any:
        """Return the row of an access token with its refresh token, by one query; None for none."""
        return presented(token)

    def save_bearer_token(
        self, token: dict[str, Any], request: Any, *args: Any, **more: Any
    ) -> None:
        """Keep tokens; end the family where two use it at the same moment (law 3)."""
        try:
            super().save_bearer_token(token, request, *args, **more)
        except AnswerUsedError as error:
            end_tokens(request.refresh_token_instance.token_family)
            raise InvalidGrantError(request=request) from error

    def _save_bearer_token(
        self, token: dict[str, Any], request: Any, *args: Any, **more: Any
    ) -> None:
        """Keep tokens, and those of a code as the one family of its link (law 1)."""
        if request.grant_type == "refresh_token":
            drop_lost_answer(request.refresh_token_instance)
        super()._save_bearer_token(token, request, *args, **more)
        if request.grant_type != "authorization_code":
            return
        made = get_refresh_token_model().objects.get(access_token__token_checksum=_sum(token))
        links = Invitation.objects.filter(code=digest_of(request.code), family=None)
        if links.update(family=made.token_family) != 1:
            raise PermissionDenied


def _sum(token: dict[str, Any]) -> str:
    return digest_of(token["access_token"])
