"""A card, or a phone of others (PKOC), is added to a person: as typed, or as just met at a reader.

Law: both kinds have one page; what differs stands in KINDS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.timezone import datetime, localtime
from django.views.decorators.http import require_http_methods

from hubcore.access.claim import Strength
from hubcore.errors import HubError
from hubsite.pages.register.fields import moment_field
from hubsite.phones.atreaders import keys, numbers
from hubsite.phones.atreaders.adding import Holding, Typed, add_met, add_typed, may_hold
from hubsite.phones.atreaders.met import AtReader, met_at_readers
from hubsite.register.models import Credential, CredentialKind, Person
from hubsite.register.models.row import NAME_LENGTH

NOBODY_SIGNS = "Nobody signs for this server: its file has neither issuer_key nor [signing]."
TEXT_LENGTH = 1024
_METHODS = require_http_methods(["GET", "HEAD", "POST"])


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between cards and phones of others on their page.

    `kind` is a `CredentialKind`.
    """

    kind: Any
    strength: Strength
    label: str
    help_text: str
    read: Callable[[str], Typed]


KINDS: Mapping[Any, Kind] = {
    CredentialKind.PKOC: Kind(
        CredentialKind.PKOC,
        Strength.PKOC,
        "Public key",
        f"As the app shows it: {keys.DIGITS} digits that begin with 04; or PEM",
        keys.read_typed,
    ),
    CredentialKind.CARD: Kind(
        CredentialKind.CARD,
        Strength.CARD,
        "Number of the card",
        f"One of both: {numbers.FORMS}. Of other bits than four a digit: their number behind it, "
        "as 1BADC0FFC0/34",
        numbers.read_number,
    ),
}


OF_OTHERS = {"kind": CredentialKind.PKOC}
CARD = {"kind": CredentialKind.CARD}
"""What an address says more of its page."""


class HeldForm(forms.Form):
    """One of a kind; `met` are those that readers have just met."""

    label = forms.CharField(max_length=NAME_LENGTH)
    typed = forms.CharField(
        max_length=TEXT_LENGTH, required=False, widget=forms.Textarea({"rows": 3})
    )
    shown = forms.ChoiceField(
        label="Or what was just held to a reader",
        required=False,
        widget=forms.RadioSelect,
        help_text="Choose one only if you saw who held it there at that moment.",
    )
    ends = moment_field(
        required=False, help_text="Empty: it lasts as long as the grants of its holder"
    )

    def __init__(self, typed: Any, kind: Kind, met: list[AtReader]) -> None:
        super().__init__(typed)
        self._kind = kind
        self.fields["typed"].label = kind.label
        self.fields["typed"].help_text = kind.help_text
        if met:
            listed = [(one.digest.hex(), _words(one)) for one in met]
            self.fields["shown"].choices = [("", "None of these"), *listed]
        else:
            del self.fields["shown"]

    def clean_typed(self) -> Typed | None:
        """Return what was typed, None for nothing. Raise ValidationError with a sentence."""
        text = self.cleaned_data["typed"]
        try:
            return self._kind.read(text) if text.strip() else None
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def clean_ends(self) -> Any:
        """Raise ValidationError for an end that is over."""
        ends = self.cleaned_data["ends"]
        if ends is not None and ends <= timezone.now():
            raise forms.ValidationError("This end is over.")
        return ends

    def clean(self) -> dict[str, Any]:
        """Raise ValidationError unless it is one of both."""
        typed: dict[str, Any] = super().clean() or {}
        is_typed = typed.get("typed") is not None
        if not self.errors and is_typed == bool(typed.get("shown")):
            self.add_error("typed", "Type it, or choose what was held to a reader: one of both.")
        return typed


def _words(one: AtReader) -> str:
    at = localtime(datetime.fromtimestamp(one.at, localtime().tzinfo))
    return f"{one.where}, at {at:%H:%M:%S}"


@_METHODS
def add(request: HttpRequest, person: str, kind: Any) -> HttpResponse:
    """Add one of a kind to a person."""
    holder = get_object_or_404(Person.objects.select_related("guest_link"), pk=person)
    if not may_hold(holder):
        raise Http404
    its = KINDS[kind]
    is_sent = request.method == "POST"
    met = met_at_readers(int(time.time()), its.strength)
    form = HeldForm(request.POST if is_sent else None, its, met)
    office = settings.HUBSITE_RUNNING.office
    if office is None:
        return _shown(request, holder, form, its, NOBODY_SIGNS, 409 if is_sent else 200)
    if not is_sent or not form.is_valid():
        return _shown(request, holder, form, its)
    try:
        made = _added(request.user.name, office, its, holder, form.cleaned_data)
    except ValueError as error:
        return _shown(request, holder, form, its, str(error), 409)
    except HubError as error:
        return _shown(request, holder, form, its, f"Nothing was kept: {error}", 503)
    return redirect("phone", made.pk)


def _added(by: str, office: Any, its: Kind, holder: Person, typed: dict[str, Any]) -> Credential:
    holding = Holding(holder, its.kind, typed["label"], typed["ends"])
    if typed["typed"] is not None:
        return add_typed(by, office, holding, typed["typed"])
    return add_met(by, office, holding, bytes.fromhex(typed["shown"]))


def _shown(
    request: HttpRequest,
    holder: Person,
    form: HeldForm,
    its: Kind,
    sentence: str = "",
    status: int = 200,
) -> HttpResponse:
    shown = {"form": form, "person": holder, "kind": its.kind, "sentence": sentence}
    return render(request, "phones/held_add.html", shown, status=status)
