"""The page of hubs that web phones must never believe again: stolen, or gone.

Laws:
1. What was ended stays so: there is no way back, and the page says so before.
2. At most HUBS_MAX are kept, so that each phone can take all of them.
"""

from __future__ import annotations

import re

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.register.models import EndedHub

HUBS_MAX = 256
_KID = re.compile(r"[0-9a-f]{16}")
_NAME = r"^[a-z0-9][a-z0-9_-]*$"


class EndedForm(forms.ModelForm):
    """A hub, by the id of its key."""

    hub = forms.RegexField(_NAME, max_length=32, help_text="Its name, as in its configuration")
    kid = forms.CharField(
        max_length=32, label="Id of its key", help_text='16 digits: "key" in `hubctl status --json`'
    )
    sure = forms.BooleanField(label="It never comes back under this key")

    class Meta:
        """Its fields."""

        model = EndedHub
        fields = ("hub", "kid")

    def clean_kid(self) -> str:
        """Raise ValidationError for what is no id of a key, and for one too many."""
        kid = "".join(self.cleaned_data["kid"].lower().split())
        if not _KID.fullmatch(kid):
            raise forms.ValidationError("The id of a hub's key has 16 digits of 0-9 and a-f.")
        if EndedHub.objects.count() >= HUBS_MAX:
            raise forms.ValidationError(f"{HUBS_MAX} hubs are ended, and phones take no more.")
        return kid


@require_http_methods(["GET", "HEAD", "POST"])
def ended(request: HttpRequest) -> HttpResponse:
    """List the hubs that were ended; end one more."""
    form = EndedForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        shown = {"form": form, "hubs": EndedHub.objects.all()}
        return render(request, "phones/ended_hubs.html", shown)
    by = request.user.name
    with transaction.atomic():
        form.instance.ended_by = by
        made = form.save()
        about = f"hub {made.hub}"
        log.write(by, ActKind.HUB_ENDED_FOR_PHONES, about=about, key=bytes.fromhex(made.kid))
    return redirect("ended-hubs")
