"""The page of live doors: it shows itself again by a script, and by a link without one.

Laws:
1. The part that changes has an ETag: who has it already is answered in a few bytes, and keeps
   nobody waiting.
2. What a hub that is away said last is told as that: what its doors are in now is not known.
3. By which ways it is seen is said, and of each since when not.
4. Which door of a hub is which one of the register is said by an operator. That is an act.
"""

from __future__ import annotations

import time
from hashlib import sha256

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_http_methods, require_safe

from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.fleet.models import HubState
from hubsite.pages.evidence.names import moment, shown
from hubsite.pages.now.bridged import view
from hubsite.pages.now.doorrows import Sight, bridged_only, row_of, text_of
from hubsite.pages.now.orders import other_orders
from hubsite.records.models import Chain, HubDoor
from hubsite.records.showing.alarms import count_unseen
from hubsite.records.showing.looks import doors_now, orders_without_doors
from hubsite.records.showing.reading import engine_read
from hubsite.register.models import Door

_DIGITS = 18


@require_safe
def doors(request: HttpRequest) -> HttpResponse:
    """Show all doors."""
    told = {
        "part": _part(),
        "hub_doors": HubDoor.objects.select_related("site_door"),
    }
    return render(request, "now/doors_now.html", told)


@require_safe
def part(request: HttpRequest) -> HttpResponse:
    """Give the part that changes (law 1)."""
    text = _part()
    tag = f'"{sha256(text.encode()).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        response: HttpResponse = HttpResponseNotModified()
    else:
        response = HttpResponse(text)
    response.headers["ETag"] = tag
    return response


def _part() -> str:
    states = HubState.objects.in_bulk()
    served = {hub: state.points for hub, state in states.items()}
    now = int(time.time())
    found = doors_now(now, served)
    named = {one.row.pk: one for one in shown([row for one in found for row in one.last])}
    bridge = view()
    engine = engine_read()
    engine_away = "the hubs' engine is not read" if engine and not engine.is_now else ""
    sight = Sight(states, engine_away, bridge)
    rows = [row_of(one, named, sight) for one in found]
    if bridge is not None:
        rows += bridged_only(bridge, {(seen.hub, seen.door) for one in found for seen in one.seen})
    told = {
        "engine": engine,
        "engine_at": moment(int(engine.at)) if engine and engine.at else None,
        "bridge": bridge,
        "bridge_at": moment(int(bridge.at)) if bridge and bridge.at else None,
        "unseen": count_unseen(),
        "doors": [text_of(row) for row in rows],
        "others": other_orders(found, orders_without_doors(now, served), sight),
        "hubs": [
            (chain.hub, moment(chain.heard_at), bool(served.get(chain.hub)))
            for chain in Chain.objects.all()
        ],
    }
    return render_to_string("now/doors_part.html", told)


@require_http_methods(["GET", "HEAD", "POST"])
def name(request: HttpRequest, key: int) -> HttpResponse:
    """Ask which door of the register a hub's door is, or keep it (law 4)."""
    asked = get_object_or_404(HubDoor, pk=key)
    if request.method != "POST":
        return render(request, "now/hub_door.html", {"row": asked, "doors": Door.objects.all()})
    text = request.POST.get("door", "")
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    door = get_object_or_404(Door, pk=int(text)) if is_number else None
    with transaction.atomic():
        HubDoor.objects.filter(pk=key).update(site_door=door)
        log.write(
            request.user.name,
            ActKind.HUB_DOOR_NAMED,
            about=f"hub {asked.hub}",
            at_hub=asked.door,
            door=None if door is None else door.pk,
        )
    return redirect("doors-now")
