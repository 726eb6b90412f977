"""What phones ask by their tokens: JSON in, JSON out.

Laws:
1. Each call needs an access token of the scope `phone`; a session of a browser counts for nothing.
2. A call that is refused says why, in words for the phone's owner.
3. A body has at most BODY_BYTES.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated
from uuid import UUID

import msgspec
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from msgspec import Meta
from oauth2_provider.oauth2_backends import get_oauthlib_core

from hubcore.errors import PeerError
from hubsite.crowd.answering import REFUSALS, Said, grant_said, had_by, refusal, refusal_for
from hubsite.phones.client import SCOPE
from hubsite.phones.devices import family_of, take_key
from hubsite.phones.publickey import read_public_key

BODY_BYTES = 4096


class KeySaid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A phone's public key (COSE_Key in CBOR, base64url), and what its owner calls it."""

    key: Annotated[str, Meta(min_length=8, max_length=2048)]
    label: Annotated[str, Meta(min_length=1, max_length=120)] = "A phone in a browser"


def refused(status: int, sentence: str) -> JsonResponse:
    """Answer a call that is not done (law 2)."""
    return _shown(refusal(status, sentence))


def _shown(said: Said) -> JsonResponse:
    status, words = said
    return JsonResponse(words, status=status)


Call = Callable[[HttpRequest, str, UUID], HttpResponse]


def of_phones(call: Call) -> Callable[[HttpRequest], HttpResponse]:
    """Let a call through for who has a token (law 1)."""

    @csrf_exempt
    @login_not_required
    @require_POST
    def checked(request: HttpRequest) -> HttpResponse:
        is_valid, asked = get_oauthlib_core().verify_request(request, scopes=[SCOPE])
        family = family_of(asked.access_token) if is_valid else None
        if family is None:
            return refused(401, "This phone is not connected any more. Connect it by a new link.")
        if len(request.body) > BODY_BYTES:
            return refused(413, f"A request has at most {BODY_BYTES} bytes.")
        try:
            return call(request, asked.user.name, family)
        except REFUSALS as error:
            return _shown(refusal_for(error))

    return checked


@of_phones
def key(request: HttpRequest, name: str, family: UUID) -> JsonResponse:
    """Take the phone's public key; answer with the credential's id."""
    try:
        said = msgspec.json.decode(request.body, type=KeySaid)
        data = read_public_key(said.key)
    except (msgspec.DecodeError, UnicodeDecodeError, PeerError):
        return refused(400, "This is no public key of a phone (COSE_Key, P-256, base64url).")
    made = take_key(name, family, data, said.label)
    return JsonResponse({"credential": made.pk})


@of_phones
def grant(_request: HttpRequest, _name: str, family: UUID) -> JsonResponse:
    """Answer with what the phone takes (`grant_said`), or why it gets nothing."""
    return _shown(grant_said(had_by([family])[family], int(time.time())))
