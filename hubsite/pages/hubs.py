"""The pages of hubs: which policy is the newest, which hub has it, and how each hub is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hubsite.acts.models import HEAD, ChainHead
from hubsite.fleet import words
from hubsite.fleet.models import HubState
from hubsite.pages.evidence.names import moment
from hubsite.pages.fleet.behind import waiting
from hubsite.pages.now.bridged import view
from hubsite.records.showing.reading import engine_read
from hubsite.register.models import HubPolicy, SignedPolicy


@dataclass(frozen=True, slots=True)
class ShownHub:
    """A hub, what it says of the newest policy, and how it is, None until that was read."""

    name: str
    version: int
    standing: str
    said_at: datetime | None
    health: words.Shown | None


@require_safe
def hubs(request: HttpRequest) -> HttpResponse:
    """Show the newest policy, and each hub."""
    newest = SignedPolicy.objects.defer("document").order_by("-version").first()
    head = ChainHead.objects.filter(pk=HEAD).first()
    version = newest.version if newest else 0
    states = {state.hub: state for state in HubState.objects.all()}
    shown = {
        "newest": newest,
        "is_whole": newest is not None and head is not None and newest.act >= head.number,
        "is_behind": waiting() is not None,
        "hubs": [_shown(hub, version, states.get(hub.hub)) for hub in HubPolicy.objects.all()],
        "problem": problem(),
        "problems": _problems(),
        "engine": engine_read(),
        "bridge": view(),
        "by_bridge": _by_bridge(),
    }
    return render(request, "fleet/hubs.html", shown)


def _by_bridge() -> list[tuple[str, bool, datetime | None]]:
    """Return each hub that the bridge knows: whether it hears it, and when it did last."""
    bridge = view()
    if bridge is None:
        return []
    found = bridge.hubs.values()
    return [
        (one.hub, one.connected, moment(int(one.heard_at)) if one.heard_at else None)
        for one in found
    ]


@require_safe
def hub(request: HttpRequest, name: str) -> HttpResponse:
    """Show one hub."""
    found = HubPolicy.objects.filter(pk=name).first()
    if found is None:
        raise Http404
    newest = SignedPolicy.objects.defer("document").order_by("-version").first()
    state = HubState.objects.filter(pk=name).first()
    shown = {
        "hub": _shown(found, newest.version if newest else 0, state),
        "problems": _problems(),
    }
    return render(request, "fleet/hub.html", shown)


def problem() -> str:
    """Return why changes do not reach the hubs now, "" where they do."""
    publisher = settings.HUBSITE_RUNNING.publisher
    if publisher is None:
        return "No engine of hubs is in this server's configuration: changes reach no hub."
    return str(publisher.problem)


def _problems() -> list[str]:
    """Return what is wrong with what reads hubs' health."""
    parts = settings.HUBSITE_RUNNING.parts
    return [part.problem for part in parts if part.name == words.PART and part.problem]


def _shown(hub: HubPolicy, newest: int, state: HubState | None) -> ShownHub:
    standing = "has it" if newest and hub.version >= newest else "not yet"
    if hub.refused:
        standing = f"refused: {hub.refused}"
    engine = settings.HUBSITE.config.engine
    has_authority = engine is not None and bool(engine.tls_authority)
    health = None if state is None else words.shown(state, time.time(), has_authority)
    return ShownHub(hub.hub, hub.version, standing, hub.said_at, health)
