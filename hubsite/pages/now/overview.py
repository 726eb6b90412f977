"""The first page after signing in: what needs somebody now, or that all is well."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from hubsite.bridge import alarms as told_by_bridge
from hubsite.fleet import words
from hubsite.fleet.models import HubPromise, HubState
from hubsite.fleet.promises import PromiseState
from hubsite.pages.now.beginning import first_steps
from hubsite.pages.now.bridged import away_now, view
from hubsite.records.models import Chain, HubDoor
from hubsite.records.showing import alarms, countersigned
from hubsite.records.showing.reading import engine_read
from hubsite.register.models import HubPolicy

_LISTED = 20
_PAGES: Mapping[str, str] = {
    words.PART: "hubs",
    "Webhooks": "webhooks",
    "Orders": "orders",
    "Bridge": "doors-now",
    "Certificate": "",
    "Tidying": "",
}
"""The page of a part of this server; that of any other is "records". "": no page mends it."""


@dataclass(frozen=True, slots=True)
class Need:
    """What needs somebody: a sentence, and the page where to act, "" where none helps."""

    sentence: str
    address: str


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Show what needs somebody."""
    return render(request, "now/home.html", {"needs": needs(), "steps": first_steps()})


def needs() -> list[Need]:
    """Return what needs somebody now, the most urgent first. What is added is a line here."""
    found = [*_alarms(), *_doors(), *_by_bridge(), *_hubs(), *_asked()]
    return [*found, *_chains(), *_policies(), *_parts()]


def _alarms() -> list[Need]:
    address = reverse("alarms")
    count = len(alarms.unseen())
    found = []
    if count:
        many = f"{count} or more" if count == alarms.SHOWN else str(count)
        found.append(Need(f"Alarms that nobody has seen: {many}.", address))
    told = len(told_by_bridge.unseen())
    if told:
        found.append(Need(f"Alarms that the bridge alone has told: {told}.", address))
    waiting = len(alarms.waiting())
    if waiting:
        found.append(Need(f"Alarms whose record has not come: {waiting}.", address))
    return found


def _doors() -> list[Need]:
    rows = HubDoor.objects.exclude(alarms="").select_related("site_door")[:_LISTED]
    return [
        Need(f"An alarm stands at the door {row.site_door or row}.", reverse("doors-now"))
        for row in rows
    ]


def _by_bridge() -> list[Need]:
    """Return what the bridge alone can say while the engine is not read."""
    engine = engine_read()
    bridge = view()
    if bridge is None or not bridge.is_heard or (engine is not None and engine.is_now):
        return []
    alarming = [one for one in bridge.doors.values() if one.alarms][:_LISTED]
    found = [
        Need(f"The bridge says that an alarm stands at {one.hub} {one.door}.", reverse("doors-now"))
        for one in alarming
    ]
    away = away_now()[:_LISTED]
    return [
        *found,
        *(Need(f"The bridge does not hear hub {one.hub}.", reverse("hubs")) for one in away),
    ]


def _hubs() -> list[Need]:
    """Return what is wrong with hubs, by the words of their own pages."""
    engine = settings.HUBSITE.config.engine
    has_authority = engine is not None and bool(engine.tls_authority)
    now = time.time()
    found: list[Need] = []
    for state in HubState.objects.iterator():
        troubles = words.shown(state, now, has_authority).needs
        if troubles and len(found) >= _LISTED:
            return [*found, Need("More hubs need somebody.", reverse("hubs"))]
        address = reverse("hub", args=[state.hub])
        found += [Need(f"Hub {state.hub}: {one}", address) for one in troubles]
    return found


def _asked() -> list[Need]:
    rows = HubPromise.objects.filter(state=PromiseState.ASKED)[:_LISTED]
    return [
        Need(
            f"A machine asks to be hub {row.hub}, and waits for your yes or no.",
            reverse("new-hub", args=[row.hub]),
        )
        for row in rows
    ]


def _chains() -> list[Need]:
    rows = Chain.objects.filter(refused__gt=0)[:_LISTED]
    address = reverse("records")
    found = [
        Need(f"Records of hub {row.hub} do not follow: {row.trouble}", address) for row in rows
    ]
    for one in countersigned.others()[:_LISTED]:
        sentence = (
            f"The bridge {one.bridge} has seen another record {one.number} of hub {one.hub} than "
            "is here. Compare the hub's own log."
        )
        found.append(Need(sentence, address))
    for one, chain in countersigned.ahead(int(time.time()))[:_LISTED]:
        sentence = (
            f"The bridge {one.bridge} has seen record {one.number} of hub {one.hub}. Here "
            f"{chain.head_number} is the newest, and nothing more has come. Look whether somebody "
            "keeps its records back."
        )
        found.append(Need(sentence, address))
    return found


def _policies() -> list[Need]:
    rows = HubPolicy.objects.exclude(refused="")[:_LISTED]
    return [
        Need(f"Hub {row.hub} has refused a policy: {row.refused}", reverse("hubs")) for row in rows
    ]


def _parts() -> list[Need]:
    """Return what is wrong with what runs beside the pages."""
    running = settings.HUBSITE_RUNNING
    found = []
    if running.publisher is not None and running.publisher.problem:
        found.append(Need(str(running.publisher.problem), reverse("hubs")))
    for part in running.parts:
        if part.problem:
            page = _PAGES.get(part.name, "records")
            found.append(Need(part.problem, reverse(page) if page else ""))
    if running.provider is not None and running.provider.problem:
        found.append(Need(str(running.provider.problem), reverse("account")))
    return found
