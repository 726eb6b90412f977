"""The pages of signing in and out."""

from __future__ import annotations

import secrets
import time

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
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hubsite.accounts.gate import CODE_MINUTES, CODES, WAIT_SECONDS
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.keys.challenge import Purpose
from hubsite.keys.proof import asked_to_sign
from hubsite.pages.accounts import asking
from hubsite.signin.judging import SignedIn, SignInOutcome, Typed, read_wrong_tries, sign_in

KNOWN_COOKIE = "__Host-known"
KNOWN_SECONDS = 180 * 86_400
_KNOWN = signing.TimestampSigner
_SALT = "hubsite.known-browser"
_TOKEN_BYTES = 12
SIGNED_IN_AT = "signed_in_at"
"""Under which a session has when its sign-in was, in Unix seconds."""
_BACKEND = "hubsite.accounts.backend.Sessions"

_SAID = {
    SignInOutcome.WRONG: (
        403,
        "The name, the password or the second factor is wrong. A code counts once, and for half a "
        "minute: wait for the next one. A key is asked for anew each time, and signs within three "
        "minutes. After "
        f"{CODES.burst} wrong ones a second factor counts each {CODE_MINUTES} minutes.",
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


def said(outcome: SignInOutcome) -> tuple[int, str]:
    """Return the status and the sentence of a refusal, with this server's clock where it counts."""
    status, sentence = _SAID[outcome]
    if outcome is SignInOutcome.WRONG:
        sentence = f"{sentence} {clock_here()}"
    return status, sentence


def clock_here() -> str:
    """Return what the clock of this server says, for who wonders why a right code is none."""
    return (
        f"The clock of this server says {timezone.localtime():%Y-%m-%d %H:%M:%S %Z}. If it is more "
        "than half a minute wrong, no code counts: tell who runs this server. Is it right, look at "
        "the clock of your phone."
    )


@login_not_required
@sensitive_post_parameters("password", "code", "key")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_page(request: HttpRequest) -> HttpResponse:
    """Show the form, or judge it."""
    if request.method != "POST":
        return _form(request, "", 200)
    typed = typed_by(request)
    site = settings.HUBSITE
    outcome = sign_in(typed, settings.HUBSITE_RUNNING.gate, site.secret)
    if isinstance(outcome, SignInOutcome):
        status, sentence = said(outcome)
        return _form(request, sentence, status)
    return let_in(request, outcome, request.POST.get("next", ""))


def typed_by(
    request: HttpRequest,
    purpose: Purpose = Purpose.SIGN_IN,
    name: str | None = None,
    about: str = "",
) -> Typed:
    """Return what somebody typed into the form of a sign-in, or of a first key.

    `name` is the account that is known already, None for what was typed; `about` is whom a key's
    signature was asked for.
    """
    if name is None:
        name = request.POST.get("name", "").strip()
    return Typed(
        name=name,
        password=request.POST.get("password", ""),
        code=request.POST.get("code", ""),
        address=request.META.get("REMOTE_ADDR", ""),
        browser=_known_browser(request, name),
        answer=request.POST.get("key", ""),
        challenge=asking.challenge_of(request, purpose, about),
        place=asking.place(),
    )


@login_not_required
@require_safe
def key_to_sign(request: HttpRequest) -> HttpResponse:
    """Say what a key is to sign at a sign-in: the same for each name."""
    del request
    return asking.asked(Purpose.SIGN_IN, lambda place, one: asked_to_sign(place, one.value))


def _form(request: HttpRequest, sentence: str, status: int) -> HttpResponse:
    shown = {
        "sentence": sentence,
        "name": request.POST.get("name", ""),
        "next": request.POST.get("next", request.GET.get("next", "")),
        "has_keys": asking.place() is not None,
        "provider": _provider_name(),
    }
    response = render(request, "accounts/signin.html", shown, status=status)
    if status == 429:
        response.headers["Retry-After"] = str(WAIT_SECONDS)
    return response


def _provider_name() -> str:
    """Return what the provider of `[oidc]` is called, "" without one."""
    provider = settings.HUBSITE_RUNNING.provider
    return "" if provider is None else provider.section.name


def let_in(request: HttpRequest, who: SignedIn, wanted: str) -> HttpResponse:
    """Begin a session, and go to the page that was `wanted`, if it is one of this server."""
    login(request, who.account, backend=_BACKEND)
    request.session[SIGNED_IN_AT] = int(time.time())
    messages.info(request, _before(who))
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
