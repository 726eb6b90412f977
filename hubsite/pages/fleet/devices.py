"""The page of devices: what each has said last, those first that need somebody."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hubcore.errors import LinkError
from hubsite.fleet.said import words
from hubsite.pages.orders.readings import ROWS_MAX, said_last


@require_safe
def devices(request: HttpRequest) -> HttpResponse:
    """Show the devices of all hubs, or of one; at most ROWS_MAX values are read."""
    hub = request.GET.get("hub", "")
    hub = hub if hub.isprintable() else ""
    try:
        said = said_last(hub)
    except LinkError as error:
        return render(request, "fleet/devices.html", {"problem": str(error)}, status=503)
    found = sorted(words.devices(said.rows[:ROWS_MAX]), key=lambda one: not one.trouble)
    shown = {
        "devices": found,
        "hub": hub,
        "hubs": said.hubs,
        "is_cut": len(said.rows) > ROWS_MAX,
    }
    return render(request, "fleet/devices.html", shown)
