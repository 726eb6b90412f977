"""Tokens of phones: what is refused before the OAuth library looks at it.

Laws:
1. The one client is public. Who says a secret of it is wrong, and costs no hash of a password.
2. Refused tries of an address are slowed. A try that was right costs nothing, so any number of
   phones behind one address renew at once.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider import views

_TOO_OFTEN = 429


_FOR_EVERYBODY = method_decorator([csrf_exempt, login_not_required], name="dispatch")


class _Guarded:
    def dispatch(self, request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        """Answer, unless law 1 or 2 is against it."""
        if "HTTP_AUTHORIZATION" in request.META or "client_secret" in request.POST:
            return JsonResponse({"error": "invalid_client"}, status=401)
        gate = settings.HUBSITE_RUNNING.gate
        address = request.META.get("REMOTE_ADDR", "")
        if not gate.lets_token(address):
            return JsonResponse({"error": "slow_down"}, status=_TOO_OFTEN)
        answer: HttpResponse = super().dispatch(request, *args, **named)  # type: ignore[misc]
        if answer.status_code == 200:
            gate.token_was_right(address)
        return answer


@_FOR_EVERYBODY
class Token(_Guarded, views.TokenView):
    """New tokens for a code, or for a refresh token."""


@_FOR_EVERYBODY
class RevokeToken(_Guarded, views.RevokeTokenView):
    """The end of a token. RFC 7009 answers 200 for one that is unknown, too."""
