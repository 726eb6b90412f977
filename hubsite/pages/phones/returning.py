"""What a phone in a browser asks so that it may come back, and what an emptied browser asks then.

Laws:
1. Without `come_back` in the file there is nothing of this.
2. An answer to what was asked is judged once (`hubsite.passkeys.judging`), in the browser that was
   asked. What is wrong with it stands in the journal; the browser hears one and the same sentence.
3. A phone keeps a passkey by its tokens and a signature of its own key.
4. Refused tries of an address are slowed. So is a person whose phones come back, or keep passkeys,
   too often (`hubsite.accounts.gate`, law 7).
5. While the engine may have a newer policy than was signed here, nobody comes back: a restored copy
   does not know who was revoked since (`hubsite.hubs.behind`).
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable
from functools import wraps
from typing import Annotated
from uuid import UUID

import msgspec
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe
from msgspec import Meta

from hubcore.errors import ProofError
from hubsite.keys.challenge import Challenge, Purpose
from hubsite.keys.place import Place
from hubsite.keys.proof import asked_to_make, asked_to_sign, made_key
from hubsite.pages.accounts import asking
from hubsite.pages.phones.api import of_phones, refused
from hubsite.pages.phones.joining import begin_session
from hubsite.passkeys.judging import keep_passkey, proven, signed_passkey
from hubsite.passkeys.models import Passkey
from hubsite.phones.devices import phone_of
from hubsite.phones.joining import begin_return
from hubsite.register.models import Credential

NOT_KNOWN = "This site connects no phone by this passkey. Ask for a new link."
NOT_KEPT = "The site did not keep this passkey. Try again."
NOT_NOW = "The site connects no phone by a passkey at this moment. Try again in a minute."
TOO_OFTEN = "There were too many tries. Try again later, or ask for a new link."
WHY_LENGTH = 120
_LOG = logging.getLogger("hubsite.passkeys")
View = Callable[..., HttpResponse]


class PasskeySaid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a browser made, as it says it, and the phone's signature over it (base64url)."""

    made: msgspec.Raw
    signature: Annotated[str, Meta(min_length=8, max_length=1024)]


def is_offered() -> bool:
    """Tell whether phones come back by their passkeys (law 1)."""
    return bool(settings.HUBSITE.config.phones.come_back)


def _where_offered(view: View) -> View:
    @wraps(view)
    def checked(request: HttpRequest, *args: object) -> HttpResponse:
        if not is_offered():
            return refused(404, "This site connects phones by links alone. Ask for a new link.")
        return view(request, *args)

    return checked


@login_not_required
@require_safe
def offers(_request: HttpRequest) -> JsonResponse:
    """Say what the page may offer to a person."""
    return JsonResponse({"comesBack": is_offered()})


@of_phones
@_where_offered
def passkey_asked(_request: HttpRequest, _name: str, family: UUID) -> HttpResponse:
    """Say what a phone's browser is to make a passkey of."""
    return asking.asked(Purpose.PHONE_KEEPS, _to_make, str(family))


def _to_make(place: Place, one: Challenge) -> dict[str, object]:
    name = f"Doors, {place.site}, {timezone.localtime():%Y-%m-%d}"
    return asked_to_make(place, one.value, one.handle, name)


@of_phones
@_where_offered
def passkey(request: HttpRequest, _name: str, family: UUID) -> HttpResponse:
    """Keep the passkey that a phone's browser has made (laws 3 and 4)."""
    gate = settings.HUBSITE_RUNNING.gate
    address = request.META.get("REMOTE_ADDR", "")
    if not gate.lets_token(address):
        return refused(429, TOO_OFTEN)
    phone = phone_of(family)
    try:
        row, challenge = _signed_for(request, phone, family)
        if not gate.lets_keep(phone.person_id):
            return refused(429, TOO_OFTEN)
        keep_passkey(row, challenge)
    except ProofError as error:
        _say(request, error)
        return refused(403, NOT_KEPT)
    gate.token_was_right(address)
    return JsonResponse({"credential": phone.pk})


@csrf_exempt  # what was asked lies in a cookie that comes from this site's own pages alone
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
@_where_offered
def again(request: HttpRequest) -> HttpResponse:
    """Say what a browser is to sign; judge what it has signed, and begin its session."""
    if request.method != "POST":
        return asking.asked(
            Purpose.PHONE_RETURNS, lambda place, one: asked_to_sign(place, one.value)
        )
    gate = settings.HUBSITE_RUNNING.gate
    address = request.META.get("REMOTE_ADDR", "")
    if not gate.lets_token(address):
        return refused(429, TOO_OFTEN)
    if not _is_level():
        return refused(409, NOT_NOW)
    try:
        found = _proven(request, address)
    except ProofError as error:
        _say(request, error)
        return refused(403, NOT_KNOWN)
    if not gate.lets_return(found.phone.person_id):
        return refused(429, TOO_OFTEN)
    joined = begin_return(found)
    if joined is None:
        return refused(403, NOT_KNOWN)
    gate.token_was_right(address)
    begin_session(request, *joined)
    return JsonResponse({})


def _proven(request: HttpRequest, address: str) -> Passkey:
    place = asking.place()
    challenge = asking.challenge_of(request, Purpose.PHONE_RETURNS)
    if place is None or challenge is None:
        raise ProofError("it was not asked for, or too long ago")
    return proven(place, challenge, _answer(request), address)


def _signed_for(request: HttpRequest, phone: Credential, family: UUID) -> tuple[Passkey, Challenge]:
    place = asking.place()
    challenge = asking.challenge_of(request, Purpose.PHONE_KEEPS, str(family))
    if place is None or challenge is None:
        raise ProofError("it was not asked for, or too long ago")
    answer, signature = _kept_said(request.body)
    made = made_key(place, challenge.value, answer)
    return signed_passkey(phone, challenge, made, signature), challenge


def _kept_said(body: bytes) -> tuple[str, bytes]:
    """Return what a browser made and what its phone has signed. Raise ProofError."""
    try:
        said = msgspec.json.decode(body, type=PasskeySaid)
        padded = said.signature + "=" * (-len(said.signature) % 4)
        signature = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError) as error:
        raise ProofError(f"no passkey with a signature: {error}") from error
    return bytes(said.made).decode("utf-8", "replace"), signature


def _answer(request: HttpRequest) -> str:
    return request.body.decode("utf-8", "replace")


def _is_level() -> bool:
    """Keep law 5; without an engine nobody else signs."""
    publisher = settings.HUBSITE_RUNNING.publisher
    return publisher is None or publisher.is_level


def _say(request: HttpRequest, error: ProofError) -> None:
    address = request.META.get("REMOTE_ADDR", "")
    _LOG.info("passkey refused from=%s why=%s", address, str(error)[:WHY_LENGTH])
