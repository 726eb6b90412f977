"""Tokens of phones: what is refused before the OAuth library looks at it.

Laws:
1. The one client is public. Who says a secret of it is wrong, and costs no hash of a password.
2. Refused tries of an address are slowed. A try that was right costs nothing, so any number of
   phones behind one address renew at once. Tries with a token that is there are slowed by that
   token alone (`hubsite.accounts.gate`, law 6).
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider import views
from oauth2_provider.models import get_access_token_model, get_refresh_token_model

from hubsite.phones.joining import digest_of
from hubsite.register.models import Invitation

_TOO_OFTEN = 429


_FOR_EVERYBODY = method_decorator([csrf_exempt, login_not_required], name="dispatch")


class _Guarded:
    def dispatch(self, request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        """Answer, unless law 1 or 2 is against it."""
        if "HTTP_AUTHORIZATION" in request.META or "client_secret" in request.POST:
            return JsonResponse({"error": "invalid_client"}, status=401)
        gate = settings.HUBSITE_RUNNING.gate
        address = request.META.get("REMOTE_ADDR", "")
        known = _known(request)
        if not gate.lets_token(address, known):
            return JsonResponse({"error": "slow_down"}, status=_TOO_OFTEN)
        answer: HttpResponse = super().dispatch(request, *args, **named)  # type: ignore[misc]
        if answer.status_code == 200:
            gate.token_was_right(address, known)
        return answer


def _known(request: HttpRequest) -> str:
    """Return the digest of the code or token that a call brings, "" for one that is not here."""
    said = (request.POST.get(name, "") for name in ("refresh_token", "code", "token"))
    digest = digest_of(next(filter(None, said), ""))
    is_here = (
        get_refresh_token_model().objects.filter(token_checksum=digest).exists()
        or get_access_token_model().objects.filter(token_checksum=digest).exists()
        or Invitation.objects.filter(code=digest).exists()
    )
    return digest if is_here else ""


@_FOR_EVERYBODY
class Token(_Guarded, views.TokenView):
    """New tokens for a code, or for a refresh token."""


@_FOR_EVERYBODY
class RevokeToken(_Guarded, views.RevokeTokenView):
    """The end of a token. RFC 7009 answers 200 for one that is unknown, too."""
