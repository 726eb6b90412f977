"""The page of devices: what each has said last, those first that need somebody."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hubsite.fleet.models import DeviceValue, HubState
from hubsite.fleet.said import words
from hubsite.fleet.said.values import Row

VALUES_SHOWN = 2000


@require_safe
def devices(request: HttpRequest) -> HttpResponse:
    """Show the devices of all hubs, or of one; at most VALUES_SHOWN values are read."""
    hub = request.GET.get("hub", "")
    hub = hub if hub.isprintable() else ""
    rows = DeviceValue.objects.all()
    if hub:
        rows = rows.filter(hub=hub)
    read = [Row(*one) for one in rows.values_list(*Row._fields)[: VALUES_SHOWN + 1]]
    found = sorted(words.devices(read[:VALUES_SHOWN]), key=lambda one: not one.trouble)
    shown = {
        "devices": found,
        "hub": hub,
        "hubs": HubState.objects.values_list("hub", flat=True),
        "is_cut": len(read) > VALUES_SHOWN,
    }
    return render(request, "devices.html", shown)
