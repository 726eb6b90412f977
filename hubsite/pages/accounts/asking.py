"""Asks a browser for a key's signature, or for a new key, and finds again what it was asked.

Law: what is to be signed lies in a cookie, signed by this server (`hubsite.keys.challenge`), until
it was used or is too old. The cookie is of this host alone, and no script reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from hubsite.keys import challenge
from hubsite.keys.challenge import Challenge, Purpose
from hubsite.keys.place import Place, place_of

COOKIE = "__Host-challenge"
Ask = Callable[[Place, Challenge], dict[str, Any]]


def place() -> Place | None:
    """Return where keys of this server count, None where there can be none."""
    config = settings.HUBSITE.config
    return place_of(config.hosts, config.listen, config.site)


def asked(purpose: Purpose, ask: Ask, about: str = "") -> HttpResponse:
    """Return what a page's script hands to the browser (404 where there can be no keys)."""
    where = place()
    if where is None:
        return JsonResponse({"sentence": "This server has no name, so it has no keys."}, status=404)
    made = challenge.new_challenge()
    response = JsonResponse({"publicKey": ask(where, made)})
    response.set_cookie(
        COOKIE,
        challenge.write(made, purpose, about),
        max_age=challenge.LIFE_SECONDS,
        secure=True,
        httponly=True,
        samesite="Strict",
    )
    return response


def challenge_of(request: HttpRequest, purpose: Purpose, about: str = "") -> Challenge | None:
    """Return what this browser was asked to sign; None for nothing that counts."""
    return challenge.read(request.COOKIES.get(COOKIE, ""), purpose, about)
