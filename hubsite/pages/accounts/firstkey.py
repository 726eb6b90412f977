"""The page where an operator makes a first key, by the ticket that he was handed."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from hubcore.errors import ProofError
from hubsite.accounts.models import KEY_NAME_LENGTH
from hubsite.keys.challenge import Purpose
from hubsite.keys.proof import asked_to_make, made_key
from hubsite.pages.accounts import asking
from hubsite.pages.accounts.mine import NO_KEY, name_of_key
from hubsite.pages.accounts.signing import said, typed_by
from hubsite.signin.first import first_key
from hubsite.signin.judging import SignInOutcome

_WRONG = (
    "The name, the password or the ticket is wrong, or the ticket was used or is too old. Ask who "
    "runs this server for a new one."
)


@login_not_required
@sensitive_post_parameters("password", "ticket", "key")
@require_http_methods(["GET", "HEAD", "POST"])
def first(request: HttpRequest) -> HttpResponse:
    """Show the form, or judge it."""
    if request.method != "POST":
        return _form(request, "", 200)
    try:
        outcome = _judged(request)
    except ProofError:
        return _form(request, NO_KEY, 400)
    except ValueError as error:
        return _form(request, str(error), 409)
    if outcome is SignInOutcome.WRONG:
        return _form(request, _WRONG, 403)
    if outcome is not None:
        status, sentence = said(outcome)
        return _form(request, sentence, status)
    messages.success(request, "Your key was made. Sign in by it now.")
    return redirect("sign-in")


@login_not_required
@require_safe
def key_to_make_first(request: HttpRequest) -> HttpResponse:
    """Say what a browser is to make a key of: the page puts in the name that was typed."""
    del request
    return asking.asked(
        Purpose.FIRST, lambda place, one: asked_to_make(place, one.value, one.handle, "")
    )


def _judged(request: HttpRequest) -> SignInOutcome | None:
    typed = typed_by(request, Purpose.FIRST)
    if typed.place is None or typed.challenge is None:
        raise ProofError("it was not asked for, or too long ago")
    name = name_of_key(request)
    made = made_key(typed.place, typed.challenge.value, typed.answer)
    gate = settings.HUBSITE_RUNNING.gate
    ticket = request.POST.get("ticket", "").strip()
    return first_key(typed, gate, ticket, name, typed.challenge, made)


def _form(request: HttpRequest, sentence: str, status: int) -> HttpResponse:
    shown = {
        "sentence": sentence,
        "name": request.POST.get("name", ""),
        "name_length": KEY_NAME_LENGTH,
        "has_keys": asking.place() is not None,
    }
    return render(request, "accounts/first_key.html", shown, status=status)
