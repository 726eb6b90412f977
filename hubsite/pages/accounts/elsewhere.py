"""Signing in by the provider of `[oidc]`: out, back, and the last step here.

Laws:
1. Who comes back gets a page, and no session: the last step is a form of this server. A browser
   that comes from elsewhere brings no cookie of a session, and nobody is signed in unseen.
2. An answer counts for the browser that was sent out, for GOING_SECONDS, once.
3. Nothing of the provider's words is shown.
4. A session that began by the provider's word alone is as old as the sign-in there.
"""

from __future__ import annotations

import hmac
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from hubcore.errors import HubError, LinkError, ProofError
from hubsite.accounts.gate import WAIT_SECONDS
from hubsite.accounts.models import Account
from hubsite.oidc.binding import account_of
from hubsite.pages.accounts import asking, carried
from hubsite.pages.accounts.carried import Going
from hubsite.pages.accounts.signing import SIGNED_IN_AT, let_in, said, typed_by
from hubsite.signin.judging import SignInOutcome
from hubsite.signin.proven import Proven, sign_in_proven

CODE_LENGTH_MAX = 4096
_NOT_OURS = (
    "This answer of the provider is not for this browser, was used, or is too old. Begin the "
    "sign-in again."
)
_REFUSED = "The provider has signed nobody in. Begin again, or sign in by name and password."
_LOCAL = "Sign in by name and password meanwhile."


@login_not_required
@require_safe
def out(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider."""
    provider = _provider()
    going = carried.new_going(request.GET.get("next", ""))
    key = settings.HUBSITE.secret
    try:
        address = provider.address_of(
            _back(request), going.state, going.secret("nonce", key), going.secret("pkce", key)
        )
    except LinkError as error:
        return _told(request, f"{error}. {_LOCAL}", 503)
    response = redirect(address)
    carried.keep_going(response, going)
    return response


@login_not_required
@require_safe
def back(request: HttpRequest) -> HttpResponse:
    """Take the provider's answer, and show the last step (law 1)."""
    _provider()
    going = carried.going_of(request)
    state = request.GET.get("state", "")
    if going is None or not hmac.compare_digest(state.encode(), going.state.encode()):
        return _told(request, _NOT_OURS, 403)
    if not settings.HUBSITE_RUNNING.gate.lets(request.META.get("REMOTE_ADDR", ""), None):
        status, sentence = said(SignInOutcome.SLOWED)
        return _told(request, sentence, status)
    try:
        proven = _proven(request, going)
    except HubError as error:
        is_away = isinstance(error, LinkError)
        sentence = f"{error}. {_LOCAL}" if is_away else str(error)
        response = _told(request, sentence, 503 if is_away else 403)
        carried.forget(response, carried.GOING_COOKIE)
        return response
    account = account_of(proven.issuer, proven.subject)
    response = _last_step(request, proven, account, "", 200 if account else 403)
    carried.keep_proven(response, proven, going.wanted)
    return response


@login_not_required
@sensitive_post_parameters("code", "key")
@require_POST
def done(request: HttpRequest) -> HttpResponse:
    """Judge the last step."""
    _provider()
    found = carried.proven_of(request)
    account = None if found is None else account_of(found[0].issuer, found[0].subject)
    if found is None or account is None:
        return _told(request, _NOT_OURS, 403)
    proven, wanted = found
    gate = settings.HUBSITE_RUNNING.gate
    typed = typed_by(request, name=account.name)
    outcome = sign_in_proven(proven, account, typed, gate, settings.HUBSITE.secret)
    if isinstance(outcome, SignInOutcome):
        status, sentence = said(outcome)
        return _last_step(request, proven, account, sentence, status)
    response = let_in(request, outcome, wanted)
    if proven.has_second:  # nothing was typed here: it is as old as the sign-in there (law 4)
        request.session[SIGNED_IN_AT] = min(request.session[SIGNED_IN_AT], proven.signed_in_at)
    carried.forget(response, carried.PROVEN_COOKIE)
    return response


def _proven(request: HttpRequest, going: Going) -> Proven:
    """Return what the answer proves. Raise LinkError, ProofError (law 3)."""
    code = request.GET.get("code", "")
    if not 0 < len(code) <= CODE_LENGTH_MAX:
        raise ProofError(_REFUSED)
    key = settings.HUBSITE.secret
    who = _provider().who(
        code,
        request.GET.get("iss"),
        _back(request),
        going.secret("nonce", key),
        going.secret("pkce", key),
    )
    return Proven(who.issuer, who.subject, who.has_second, going.state, who.signed_in_at)


def _provider() -> Any:
    """Return what this process runs. Raise Http404 without one."""
    provider = settings.HUBSITE_RUNNING.provider
    if provider is None:
        raise Http404
    return provider


def _back(request: HttpRequest) -> str:
    return str(request.build_absolute_uri(reverse("elsewhere-back")))


def _last_step(
    request: HttpRequest, proven: Proven, account: Account | None, sentence: str, status: int
) -> HttpResponse:
    shown = {
        "sentence": sentence,
        "proven": proven,
        "account": account,
        "provider": _provider().section.name,
        "has_keys": asking.place() is not None and not proven.has_second,
    }
    response = render(request, "accounts/elsewhere.html", shown, status=status)
    if status == 429:
        response.headers["Retry-After"] = str(WAIT_SECONDS)
    return response


def _told(request: HttpRequest, sentence: str, status: int) -> HttpResponse:
    response = render(request, "accounts/elsewhere.html", {"sentence": sentence}, status=status)
    response._has_been_logged = True  # by the provider, once: no stranger's click is a line more
    return response
