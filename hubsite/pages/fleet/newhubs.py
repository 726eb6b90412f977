"""New hubs: a token is made, who has asked is seen, compared, and taken in or refused.

Laws:
1. A machine is taken in by its fingerprint, which the operator types as the machine shows it. What
   he typed is what the signer compares, whatever this page believes.
2. A token stands on one answer and nowhere else.
3. A token is made, and a machine taken in, by who has just shown that it is he. To refuse one asks
   for no more.
4. Without a signer that does it, the page names the commands.
5. A machine that was taken in is not offered again while the engine's word of it is on its way.
"""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_safe

from hubcore.issuing.hubasks import HubAct, HubAsk
from hubsite.config.places import NEW_HUBS_PORT, enroll_line
from hubsite.fleet import asking, words
from hubsite.fleet.asking import Outcome
from hubsite.fleet.models import HubAsked, HubPromise
from hubsite.hubs.signer import Decider
from hubsite.pages.accounts import again
from hubsite.pages.accounts.again import Refused
from hubsite.pages.fleet.forms import FingerprintForm, TokenForm
from hubsite.register.models import AccessPoint

ASKS_SHOWN = 20
REFUSED_STATUS = 409
UNKNOWN_STATUS = 503
_METHODS = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
def new_hubs(request: HttpRequest) -> HttpResponse:
    """Show what was promised, who has asked, and what was asked of the signer."""
    now = time.time()
    taken = asking.taken_in()
    shown = {
        "promises": [words.promised(one, now, taken) for one in HubPromise.objects.all()],
        "asks": HubAsked.objects.all()[:ASKS_SHOWN],
        "is_here": decider() is not None,
    }
    return render(request, "fleet/newhubs.html", shown)


@_METHODS
def token(request: HttpRequest) -> HttpResponse:
    """Have a token made, and show it once (law 2)."""
    zone = settings.HUBSITE.config.time_zone
    form = TokenForm(request.POST or None, initial={"time_zone": zone})
    signer = decider()
    refused = again.refusal(request) if form.is_valid() else None
    if not form.is_valid() or signer is None or refused is not None:
        return _token_form(request, form, refused)
    wanted = HubAsk(
        act=HubAct.TOKEN,
        by=request.user.name,
        hub=form.cleaned_data["hub"],
        doors=form.doors(),
        time_zone=form.cleaned_data["time_zone"],
        replaces=form.cleaned_data["replaces"],
    )
    outcome = asking.ask(wanted, signer)
    shown = {"form": form, "is_here": True, "hub": wanted.hub, "outcome": outcome}
    shown |= _at_the_machine(wanted)
    return render(request, "fleet/newhub_token.html", shown, status=status_of(outcome))


def _at_the_machine(wanted: HubAsk) -> dict[str, Any]:
    """Return the line that is typed there, with what the configuration knows of it."""
    config = settings.HUBSITE.config
    is_here = config.engine is not None and config.engine.is_here()
    host, _, port = config.new_hubs.partition(":")
    line = enroll_line(
        host=host or (config.hosts[0] if is_here else "HOST"),
        port=int(port or NEW_HUBS_PORT),
        points=wanted.points,
    )
    return {
        "line": line,
        "port": NEW_HUBS_PORT,
        "is_said": bool(host),
        "is_gateway_here": is_here or bool(host),
    }


def _token_form(request: HttpRequest, form: TokenForm, refused: Refused | None) -> HttpResponse:
    shown = {
        "form": form,
        "is_here": decider() is not None,
        "has_points": AccessPoint.objects.exists(),
        "refused": refused,
        "again": again.to_show(request),
    }
    status = 200 if refused is None else refused.status
    return render(request, "fleet/newhub_token.html", shown, status=status)


@_METHODS
def new_hub(request: HttpRequest, name: str) -> HttpResponse:
    """Show one promise; take its machine in, or refuse it (law 1)."""
    found = get_object_or_404(HubPromise, pk=name)
    form = FingerprintForm(request.POST if request.POST.get("do") == "approve" else None)
    outcome = None
    refused = again.refusal(request) if form.is_valid() else None
    if request.method == "POST" and refused is None:
        outcome = _decided(request, name, form)
        found = HubPromise.objects.filter(pk=name).first() or found
    shown = {
        "promise": words.promised(found, time.time(), asking.taken_in()),
        "form": form,
        "outcome": outcome,
        "is_here": decider() is not None,
        "refused": refused,
        "again": again.to_show(request),
    }
    status = status_of(outcome) if refused is None else refused.status
    return render(request, "fleet/newhub.html", shown, status=status)


def _decided(request: HttpRequest, name: str, form: FingerprintForm) -> Outcome | None:
    """Ask what the button says; None for a form that asks nothing."""
    signer = decider()
    do = request.POST.get("do", "")
    by = request.user.name
    if signer is None or do not in ("approve", "refuse"):
        raise Http404
    if do == "refuse":
        return asking.ask(HubAsk(HubAct.REFUSE, by, name), signer)
    if not form.is_valid():
        return None
    typed = form.cleaned_data["fingerprint"]
    return asking.ask(HubAsk(HubAct.APPROVE, by, name, fingerprint=typed), signer)


def decider() -> Decider | None:
    """Return the signer that does something about hubs, None where there is none (law 4)."""
    office = settings.HUBSITE_RUNNING.office
    signer = None if office is None else office.signer
    return signer if isinstance(signer, Decider) else None


def status_of(outcome: Outcome | None) -> int:
    """Return the status of the page that tells an outcome."""
    if outcome is None or outcome.is_done:
        return 200
    return UNKNOWN_STATUS if outcome.is_done is None else REFUSED_STATUS
