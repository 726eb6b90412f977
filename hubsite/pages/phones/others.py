"""A phone of others (PKOC) is added to a person: by its key, or as a reader has just met it."""

from __future__ import annotations

import time
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import datetime, localtime
from django.views.decorators.http import require_http_methods

from hubcore.errors import HubError
from hubsite.phones import others
from hubsite.phones.atreaders import AtReader, keys_at_readers
from hubsite.register.models import Credential, Person
from hubsite.register.models.row import NAME_LENGTH

NOBODY_SIGNS = "Nobody signs for this server: its file has neither issuer_key nor [signing]."
_METHODS = require_http_methods(["GET", "HEAD", "POST"])


class OthersForm(forms.Form):
    """A phone of others; `seen` are the keys that readers have just met."""

    label = forms.CharField(max_length=NAME_LENGTH)
    key = forms.CharField(
        label="Public key",
        max_length=others.TEXT_LENGTH,
        required=False,
        widget=forms.Textarea({"rows": 3}),
        help_text=f"As the app shows it: {others.DIGITS} digits that begin with 04; or PEM",
    )
    shown = forms.ChoiceField(
        label="Or the phone that was just shown at a reader",
        required=False,
        widget=forms.RadioSelect,
        help_text="Choose one only if you saw who held it there at that moment.",
    )

    def __init__(self, typed: Any, seen: list[AtReader]) -> None:
        super().__init__(typed)
        if seen:
            listed = [(one.digest.hex(), _words(one)) for one in seen]
            self.fields["shown"].choices = [("", "None of these"), *listed]
        else:
            del self.fields["shown"]

    def clean_key(self) -> Any:
        """Return the key, None for nothing. Raise ValidationError with a sentence."""
        text = self.cleaned_data["key"]
        try:
            return others.read_key(text) if text.strip() else None
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """Raise ValidationError unless it is one of both."""
        typed: dict[str, Any] = super().clean() or {}
        has_key = typed.get("key") is not None
        if not self.errors and has_key == bool(typed.get("shown")):
            self.add_error("key", "Type a key, or choose a phone that was shown: one of both.")
        return typed


def _words(one: AtReader) -> str:
    at = localtime(datetime.fromtimestamp(one.at, localtime().tzinfo))
    return f"{one.where}, at {at:%H:%M:%S}"


@_METHODS
def add(request: HttpRequest, person: str) -> HttpResponse:
    """Add a phone of others to a person."""
    holder = get_object_or_404(Person, pk=person, ended_at=None, is_guest=False)
    is_sent = request.method == "POST"
    form = OthersForm(request.POST if is_sent else None, keys_at_readers(int(time.time())))
    office = settings.HUBSITE_RUNNING.office
    if office is None:
        return _shown(request, holder, form, NOBODY_SIGNS, 409 if is_sent else 200)
    if not is_sent or not form.is_valid():
        return _shown(request, holder, form)
    try:
        made = _added(request.user.name, office, holder, form.cleaned_data)
    except ValueError as error:
        return _shown(request, holder, form, str(error), 409)
    except HubError as error:
        return _shown(request, holder, form, f"Nothing was kept: {error}", 503)
    return redirect("phone", made.pk)


def _added(by: str, office: Any, holder: Person, typed: dict[str, Any]) -> Credential:
    if typed["key"] is not None:
        return others.add_by_key(by, office, holder, typed["label"], typed["key"])
    digest = bytes.fromhex(typed["shown"])
    return others.add_by_digest(by, office, holder, typed["label"], digest)


def _shown(
    request: HttpRequest, holder: Person, form: OthersForm, sentence: str = "", status: int = 200
) -> HttpResponse:
    shown = {"form": form, "person": holder, "sentence": sentence}
    return render(request, "phones/phone_add_others.html", shown, status=status)
