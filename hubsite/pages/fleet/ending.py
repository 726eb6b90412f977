"""A hub is renewed, or ended: from its page, and an end in two steps."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods

from hubcore.issuing.hubasks import HubAct, HubAsk
from hubsite.fleet import asking
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
    if request.method == "POST":
        if signer is None or do not in ("renew", "end"):
            raise Http404
        act = HubAct.RENEW if do == "renew" else HubAct.END
        if do == "renew" or form.is_valid():
            outcome = asking.ask(HubAsk(act, request.user.name, found.hub), signer)
    shown = {"hub": found.hub, "form": form, "outcome": outcome, "is_here": signer is not None}
    return render(request, "hub_keys.html", shown, status=status_of(outcome))
