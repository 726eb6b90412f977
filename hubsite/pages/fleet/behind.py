"""The page of a policy that is newer than what this server has signed: what it revokes.

Laws:
1. It is done by who has just shown that it is he, for the policy that was shown, once.
2. At most LISTED of a kind are listed; the rest is a number.
"""

from __future__ import annotations

import time
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from hubsite.hubs.behind import Behind, difference, go_on, is_behind, known_version
from hubsite.pages.accounts import again
from hubsite.register.changes import ChangedMeanwhileError, read_seen

LISTED = 100
TAKE = "take"
LEAVE = "leave"
OTHER = "Nothing was done: it is another policy by now, or somebody has gone on. Look again."
CHANGED = "Nothing was done: somebody has changed one of these at this moment. Look again."


class GoOnForm(forms.Form):
    """How this server goes on, said by who has looked. Only what was read can be taken over."""

    do = forms.ChoiceField(label="How to go on", widget=forms.RadioSelect)
    sure = forms.BooleanField(label="I have looked at what stands above")

    def __init__(self, can_take: bool, *given: Any) -> None:
        super().__init__(*given)
        ways = [(LEAVE, "Take nothing over: who was revoked since comes in again")]
        if can_take:
            ways.insert(0, (TAKE, "Take these revocations over"))
        self.fields["do"].choices = ways


@require_http_methods(["GET", "HEAD", "POST"])
def behind(request: HttpRequest) -> HttpResponse:
    """Show what the engine's policy revokes, and let an operator go on."""
    found = waiting()
    if request.method != "POST":
        return _shown(request, found)
    if found is None or read_seen(request.POST.get("version", "")) != found.engine:
        return _shown(request, found, status=409, sentence=OTHER)
    form = GoOnForm(found.policy is not None, request.POST)
    if not form.is_valid():
        return _shown(request, found, form)
    refused = again.refusal(request)
    if refused is not None:
        return _shown(request, found, form, refused.status, refused.sentence)
    takes_over = form.cleaned_data["do"] == TAKE
    try:
        go_on(request.user.name, found, takes_over, int(time.time()))
    except ValueError as error:
        return _shown(request, waiting(), status=409, sentence=str(error))
    except ChangedMeanwhileError:
        return _shown(request, found, status=409, sentence=CHANGED)
    messages.success(request, f"The next policy is signed above {found.engine}.")
    return redirect("hubs")


def waiting() -> Behind | None:
    """Return what waits for an operator, None for nothing."""
    publisher = settings.HUBSITE_RUNNING.publisher
    found: Behind | None = None if publisher is None else publisher.behind
    if found is None or not is_behind(known_version(), found.engine):
        return None
    return found


def _shown(
    request: HttpRequest,
    found: Behind | None,
    form: GoOnForm | None = None,
    status: int = 200,
    sentence: str = "",
) -> HttpResponse:
    policy = None if found is None else found.policy
    shown = {
        "behind": found,
        "difference": None if policy is None else difference(policy, int(time.time())),
        "listed": LISTED,
        "form": GoOnForm(policy is not None) if form is None else form,
        "sentence": sentence,
        "again": again.to_show(request),
    }
    return render(request, "fleet/hubs_behind.html", shown, status=status)
