"""The page of one device: what it has said last, and what it may be told.

Laws:
1. What a device may be told goes by what it has said. What may open an entrance is not offered, and
   refused when it is forged. Its hub judges again, by what it knows of the device.
2. What moves has a second step. All else is told at once: to do it twice does no harm.
3. Each press is an order of its own, kept with its act before it is given.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from hubcore.device.command import LEVELS_OF, Command, Verb
from hubcore.errors import LinkError
from hubsite.config import operator_of
from hubsite.fleet.said.kinds import kinds_of, told_from_afar
from hubsite.fleet.said.words import ShownDevice, devices
from hubsite.orders.asking import NotOrderedError
from hubsite.orders.models import Order
from hubsite.orders.words import COMMANDS, OrderKind, Told, Wish, may
from hubsite.pages.orders import confirming, views
from hubsite.pages.orders.before import NO_WAY, why_not
from hubsite.pages.orders.confirming import Asked
from hubsite.pages.orders.forms import places
from hubsite.pages.orders.readings import said_last
from hubsite.pages.orders.shown import shown

NEWEST = 10
NOT_YOURS = "Nothing was ordered: you may not tell devices anything, or not this."
WRONG_LEVEL = "Nothing was ordered: say how far it shall be open, in whole per cent of 0 to 100."


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that a device may be told; `level_max` None where it takes no level."""

    verb: str
    words: str
    moves: bool
    level_max: int | None


@dataclass(frozen=True, slots=True)
class OneDevice:
    """A device as it is shown, and what it may be told."""

    said: ShownDevice
    verbs: frozenset[Verb]

    @property
    def offers(self) -> list[Offer]:
        """Return what is offered to who may command devices."""
        return [_offer(verb) for verb in COMMANDS if verb in self.verbs]


@require_safe
def device(request: HttpRequest, hub: str, device: str) -> HttpResponse:
    """Show one device, and what it may be told."""
    try:
        return _page(request, _found(hub, device))
    except LinkError as error:
        return _nobody_says(request, error)


@require_POST
def tell(request: HttpRequest, hub: str, device: str) -> HttpResponse:
    """Tell a device something, or show what moves first (law 2)."""
    try:
        there = _found(hub, device)
    except LinkError as error:
        return _nobody_says(request, error)
    verb = next((one for one in COMMANDS if _word(one) == request.POST.get("verb")), None)
    if verb is None or verb not in there.verbs or not _may():
        return _page(request, there, NOT_YOURS, 403)
    try:
        command = Command(device, verb, _level(request, verb))
    except ValueError:
        return _page(request, there, WRONG_LEVEL, 400)
    wish = Wish(OrderKind.DEVICE, on=True, point=None, until=None, told=Told(hub, command))
    asked = Asked(confirming.new_key(), request.user.name, wish)
    if COMMANDS[verb].moves:
        return views.confirm(request, asked, places())
    why = why_not(asked, int(time.time()))
    if why:
        return _page(request, there, why, 503)
    try:
        return views.carried_out(asked)
    except NotOrderedError as error:
        return _page(request, there, f"Nothing was ordered: {error}", 409)


def _found(hub: str, device: str) -> OneDevice:
    """Return a device that has said something. Raise Http404, LinkError."""
    rows = said_last(hub, device).rows
    said = next(devices(rows), None)
    if said is None:
        raise Http404
    return OneDevice(said, told_from_afar(kinds_of(rows)) & COMMANDS.keys())


def _nobody_says(request: HttpRequest, error: LinkError) -> HttpResponse:
    """Say that the bridge is away, which alone knows devices here."""
    return render(request, "fleet/devices.html", {"problem": str(error)}, status=503)


def _level(request: HttpRequest, verb: Verb) -> int | None:
    """Return the level that was typed, None for a verb without one. Raise ValueError."""
    return int(request.POST.get("level", "")) if verb in LEVELS_OF else None


def _offer(verb: Verb) -> Offer:
    levels = LEVELS_OF.get(verb)
    words = COMMANDS[verb]
    level_max = None if levels is None else levels[-1]
    return Offer(_word(verb), words.words, words.moves, level_max)


def _word(verb: Verb) -> str:
    return verb.name.lower().replace("_", "-")


def _may() -> bool:
    operator = operator_of(settings.HUBSITE.config.operators)
    return may(operator, OrderKind.DEVICE, None, ())


def _page(
    request: HttpRequest, there: OneDevice, sentence: str = "", status: int = 200
) -> HttpResponse:
    said = there.said
    desk = settings.HUBSITE_RUNNING.orders
    told = Order.objects.filter(hub=said.hub, device=said.device)
    newest = told.select_related("ending").prefetch_related("given")[:NEWEST]
    now = int(time.time())
    doors = places()
    known = {
        "one": said,
        "sentence": sentence,
        "away": NO_WAY if desk is None else desk.why_away(),
        "may": _may(),
        "offers": there.offers if desk is not None and _may() else [],
        "newest": [shown(order, doors, now) for order in newest],
    }
    return render(request, "fleet/device.html", known, status=status)
