"""The page of hubs: which policy is the newest, and which hub has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hubsite.acts.models import HEAD, ChainHead
from hubsite.register.models import HubPolicy, SignedPolicy


@dataclass(frozen=True, slots=True)
class ShownHub:
    """A hub and what it says of the newest policy."""

    name: str
    version: int
    standing: str
    said_at: datetime | None


@require_safe
def hubs(request: HttpRequest) -> HttpResponse:
    """Show the newest policy, and each hub."""
    newest = SignedPolicy.objects.defer("document").order_by("-version").first()
    head = ChainHead.objects.filter(pk=HEAD).first()
    version = newest.version if newest else 0
    shown = {
        "newest": newest,
        "is_whole": newest is not None and head is not None and newest.act >= head.number,
        "hubs": [_shown(hub, version) for hub in HubPolicy.objects.all()],
        "problem": problem(),
    }
    return render(request, "hubs.html", shown)


def problem() -> str:
    """Return why changes do not reach the hubs now, "" where they do."""
    publisher = settings.HUBSITE_RUNNING.publisher
    if publisher is None:
        return "No engine of hubs is in this server's configuration: changes reach no hub."
    return str(publisher.problem)


def _shown(hub: HubPolicy, newest: int) -> ShownHub:
    standing = "has it" if newest and hub.version >= newest else "not yet"
    if hub.refused:
        standing = f"refused: {hub.refused}"
    return ShownHub(hub.hub, hub.version, standing, hub.said_at)
