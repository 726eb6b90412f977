"""The pages of signing in and out."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from hubsite.accounts.gate import CODE_MINUTES, CODES, WAIT_SECONDS
from hubsite.accounts.signin import SignedIn, SignInOutcome, Typed, read_wrong_tries, sign_in
from hubsite.acts import log
from hubsite.acts.kinds import ActKind

KNOWN_COOKIE = "__Host-known"
KNOWN_SECONDS = 180 * 86_400
_KNOWN = signing.TimestampSigner
_SALT = "hubsite.known-browser"
_TOKEN_BYTES = 12
_BACKEND = "hubsite.accounts.backend.Sessions"

_SAID = {
    SignInOutcome.WRONG: (
        403,
        "The name, the password or the code is wrong. A code counts once, and for half a minute: "
        "wait for the next one. If it stays wrong, look whether the clock of your phone is right. "
        f"After {CODES.burst} wrong codes one counts each {CODE_MINUTES} minutes.",
    ),
    SignInOutcome.SLOWED: (
        429,
        f"There were too many tries from where you are. Wait {WAIT_SECONDS} seconds, then try "
        "again. Your account is not locked.",
    ),
    SignInOutcome.BUSY: (
        503,
        "Too many people sign in at this moment. Try again in a few seconds.",
    ),
}
"""The status and the sentence of each refusal."""


@login_not_required
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_page(request: HttpRequest) -> HttpResponse:
    """Show the form, or judge it."""
    if request.method != "POST":
        return _form(request, "", 200)
    typed = _typed(request)
    site = settings.HUBSITE
    outcome = sign_in(typed, settings.HUBSITE_RUNNING.gate, site.secret)
    if isinstance(outcome, SignInOutcome):
        status, sentence = _SAID[outcome]
        return _form(request, sentence, status)
    return _let_in(request, outcome)


def _typed(request: HttpRequest) -> Typed:
    name = request.POST.get("name", "").strip()
    return Typed(
        name=name,
        password=request.POST.get("password", ""),
        code=request.POST.get("code", ""),
        address=request.META.get("REMOTE_ADDR", ""),
        browser=_known_browser(request, name),
    )


def _form(request: HttpRequest, sentence: str, status: int) -> HttpResponse:
    shown = {
        "sentence": sentence,
        "name": request.POST.get("name", ""),
        "next": request.POST.get("next", request.GET.get("next", "")),
    }
    response = render(request, "signin.html", shown, status=status)
    if status == 429:
        response.headers["Retry-After"] = str(WAIT_SECONDS)
    return response


def _let_in(request: HttpRequest, who: SignedIn) -> HttpResponse:
    login(request, who.account, backend=_BACKEND)
    messages.info(request, _before(who))
    wanted = request.POST.get("next", "")
    is_here = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=True)
    response = redirect(wanted if is_here else settings.LOGIN_REDIRECT_URL)
    _keep_browser(request, response, who.account.name)
    return response


def _before(who: SignedIn) -> str:
    if who.before_at is None:
        return "This is the first sign-in by your name."
    at = timezone.localtime(who.before_at)
    where = who.before_from or "an address that was not kept"
    return (
        f"The sign-in before this one was on {at:%Y-%m-%d %H:%M %Z}, from {where}. If that was not "
        "you, tell who runs this server now."
    )


@require_POST
def wrong_tries_read(request: HttpRequest) -> HttpResponse:
    """Tell no more of the wrong tries that were shown."""
    text = request.POST.get("seen", "")
    seen = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
    read_wrong_tries(request.user, seen, request.META.get("REMOTE_ADDR", ""))
    return redirect(settings.LOGIN_REDIRECT_URL)


def _known_browser(request: HttpRequest, name: str) -> str | None:
    """Return a browser that has signed in by this name before; None for any other."""
    value = request.COOKIES.get(KNOWN_COOKIE, "")
    try:
        browser = _KNOWN(salt=_SALT).unsign(value, max_age=KNOWN_SECONDS)
    except signing.BadSignature:
        return None
    return browser if browser.partition("/")[0] == name else None


def _keep_browser(request: HttpRequest, response: HttpResponse, name: str) -> None:
    browser = _known_browser(request, name)
    if browser is None:
        browser = f"{name}/{secrets.token_urlsafe(_TOKEN_BYTES)}"
    response.set_cookie(
        KNOWN_COOKIE,
        _KNOWN(salt=_SALT).sign(browser),
        max_age=KNOWN_SECONDS,
        secure=True,
        httponly=True,
        samesite="Strict",
    )


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    with transaction.atomic():
        log.write(request.user.name, ActKind.SIGNED_OUT)
    logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)
