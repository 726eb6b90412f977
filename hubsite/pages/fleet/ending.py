"""A hub is renewed, or ended: from its page.

Law: an end has two steps: its id is typed, by who has just shown that it is he. It cannot be
undone.
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods

from hubcore.issuing.hubasks import HubAct, HubAsk
from hubsite.fleet import asking
from hubsite.pages.accounts import again
from hubsite.pages.fleet.forms import NameForm
from hubsite.pages.fleet.newhubs import decider, status_of
from hubsite.register.models import HubPolicy


@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest, name: str) -> HttpResponse:
    """Renew a hub's certificates, or end it once its id was typed again."""
    found = get_object_or_404(HubPolicy, pk=name)
    signer = decider()
    do = request.POST.get("do", "")
    form = NameForm(found.hub, request.POST if do == "end" else None)
    outcome = None
    refused = again.refusal(request) if form.is_valid() else None
    if request.method == "POST":
        if signer is None or do not in ("renew", "end"):
            raise Http404
        act = HubAct.RENEW if do == "renew" else HubAct.END
        if do == "renew" or (form.is_valid() and refused is None):
            outcome = asking.ask(HubAsk(act, request.user.name, found.hub), signer)
    shown = {
        "hub": found.hub,
        "form": form,
        "outcome": outcome,
        "is_here": signer is not None,
        "refused": refused,
        "again": again.to_show(request),
    }
    status = status_of(outcome) if refused is None else refused.status
    return render(request, "fleet/hub_keys.html", shown, status=status)
