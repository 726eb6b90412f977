"""Phones of people: added, given a grant, taken out of use for a while, revoked.

Law: what ends a credential is offered on one page, beside what hubs say of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from hubcore.errors import HubError
from hubsite.acts.kinds import ActKind
from hubsite.pages.phones.forms import PhoneForm
from hubsite.pages.phones.held import NOBODY_SIGNS
from hubsite.passkeys.models import Passkey, Return
from hubsite.phones.atreaders.keys import digits_of
from hubsite.phones.enrolment import enrolment
from hubsite.register import changes
from hubsite.register.changes import ChangedMeanwhileError
from hubsite.register.granted import carded_of
from hubsite.register.models import AccessPoint, Credential, Person
from hubsite.rules.cards import row_of

_METHODS = require_http_methods(["GET", "HEAD", "POST"])
_ENDS: dict[str, Callable[[str, Credential, int], None]] = {
    "disable": changes.disable_credential,
    "enable": changes.enable_credential,
    "revoke": changes.revoke_credential,
}
GRANT = "grant"


@_METHODS
def add(request: HttpRequest, person: str) -> HttpResponse:
    """Add a phone to a person."""
    holder = get_object_or_404(Person, pk=person, ended_at=None, is_guest=False)
    form = PhoneForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "phones/phone_add.html", {"form": form, "person": holder})
    by = request.user.name
    with transaction.atomic():
        form.instance.person = holder
        form.instance.changed_by = by
        made = form.save()
        facts = {"person": holder.pk, "credential_kind": made.kind, "key": bytes(made.key)}
        changes.write_act(by, ActKind.CREDENTIAL_MADE, made, **facts)
    return redirect("phone", made.pk)


@_METHODS
def phone(request: HttpRequest, key: str) -> HttpResponse:
    """Show a phone, and do what a button says."""
    found = get_object_or_404(Credential.objects.select_related("person"), pk=key)
    if request.method != "POST":
        return _shown(request, found)
    do = request.POST.get("do", "")
    if do == GRANT:
        return _grant(request, found)
    if do not in _ENDS:
        raise Http404
    try:
        _ENDS[do](request.user.name, found, changes.read_seen(request.POST.get("seen", "")))
    except ChangedMeanwhileError as error:
        sentence = f"{error.by or 'Somebody'} changed this while you had it open. Look again."
        found.refresh_from_db()
        return _shown(request, found, sentence, 409)
    return redirect("phone", found.pk)


def _grant(request: HttpRequest, found: Credential) -> HttpResponse:
    office = settings.HUBSITE_RUNNING.office
    if office is None:
        return _shown(request, found, NOBODY_SIGNS, 409)
    try:
        made = office.grant(request.user.name, found, int(time.time()))
    except ValueError as error:
        return _shown(request, found, str(error), 409)
    except HubError as error:
        return _shown(request, found, f"Nobody signs now: {error}", 503)
    text = enrolment(office, settings.HUBSITE.config.aeads, made)
    return _shown(request, found, grant=text)


def _shown(
    request: HttpRequest, found: Credential, sentence: str = "", status: int = 200, grant: str = ""
) -> HttpResponse:
    shown = {
        "phone": found,
        "sentence": sentence,
        "grant": grant,
        "person": found.person,
        "passkey": Passkey.objects.filter(phone=found).first(),
        "comes_back": settings.HUBSITE.config.phones.come_back,
        "became": Return.objects.filter(phone=found).exclude(made=None).first(),
        "came_from": Return.objects.filter(made=found).first(),
    }
    if found.digest is not None:
        shown |= _of_held(found)
    return render(request, "phones/phone.html", shown, status=status)


def _of_held(found: Credential) -> dict[str, Any]:
    """Return what the page of a card or a phone of others says of its key, end and doors."""
    sentence = ""
    numbers = []
    now = int(time.time())
    carded = carded_of(found)
    try:
        row = row_of(carded, now)
        numbers = [] if row is None else [entry.access_point for entry in row.access]
    except ValueError as error:
        sentence = f"{str(error).capitalize()}."
    doors = AccessPoint.objects.filter(number__in=numbers).select_related("door")
    return {
        "key": digits_of(found),
        "is_over": carded.is_over(now),
        "doors": [f"{point.door}, {point.name}" for point in doors],
        "sentence_of_row": sentence,
    }
