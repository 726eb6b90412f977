"""Asks who has signed in to show again that it is he, on the page of what he is about to do.

Laws:
1. What outlives a session, or opens what was shut, is done by who has signed in within
   FRESH_SECONDS. A browser that was left open, or a session that was stolen, does none of it.
2. The page itself asks, by a code or a key (`again.html` within its form). What was typed into the
   form is kept, and done at once when the second factor is right.
3. Where nothing was typed nothing is judged, so nothing counts as a wrong try.
4. A session that is fresh again has a new cookie: who stole the old one has nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from hubsite.accounts.models import Account
from hubsite.keys.challenge import Purpose
from hubsite.keys.proof import asked_to_sign
from hubsite.pages.accounts import asking
from hubsite.pages.accounts.signing import SIGNED_IN_AT, clock_here, said, typed_by
from hubsite.signin.again import show_again
from hubsite.signin.judging import SignInOutcome

FRESH_SECONDS = 600
NOT_SHOWN = "Nothing was done yet: show first that it is you, at the end of the form."
WRONG = (
    "Nothing was done: the second factor is wrong. A code counts once, and for half a minute: wait "
    "for the next one. A key is asked for anew each time."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What `accounts/again.html` shows: by which second factors somebody can show that it is he.

    `minutes`: for how long that counts.
    """

    has_code: bool
    has_keys: bool
    minutes: int = FRESH_SECONDS // 60


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing is done: the status of the answer, and a sentence."""

    status: int
    sentence: str


def is_fresh(request: HttpRequest) -> bool:
    """Tell whether the session's sign-in was not long ago (law 1)."""
    ago = time.time() - request.session.get(SIGNED_IN_AT, 0)
    return 0 <= ago <= FRESH_SECONDS


def to_show(request: HttpRequest) -> Asked | None:
    """Return what the form of a page asks for as well (`again` in its context), None for nothing.

    A page renders it after `refusal`, which may have made the session fresh.
    """
    if is_fresh(request):
        return None
    mine: Account = request.user
    has_keys = asking.place() is not None and mine.keys_in_use().exists()
    return Asked(has_code=bool(mine.factor), has_keys=has_keys)


def refusal(request: HttpRequest) -> Refused | None:
    """Judge the second factor in a form that was sent; None where its sender may go on.

    A session that was stale is fresh from here on. Call it for a form without faults, before
    anything is done.
    """
    if is_fresh(request):
        return None
    typed = typed_by(request, Purpose.AGAIN, request.user.name, str(request.user.pk))
    if not typed.code.strip() and not typed.answer:
        return Refused(403, NOT_SHOWN)
    gate = settings.HUBSITE_RUNNING.gate
    outcome = show_again(request.user, typed, gate, settings.HUBSITE.secret)
    if outcome is None:
        request.session.cycle_key()
        request.session[SIGNED_IN_AT] = int(time.time())
        return None
    status, sentence = said(outcome)
    return Refused(
        status, f"{WRONG} {clock_here()}" if outcome is SignInOutcome.WRONG else sentence
    )


@require_safe
def key_to_show(request: HttpRequest) -> HttpResponse:
    """Say what a key is to sign, of who has signed in."""
    return asking.asked(
        Purpose.AGAIN,
        lambda place, one: asked_to_sign(place, one.value),
        str(request.user.pk),
    )
