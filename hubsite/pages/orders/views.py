"""The page of orders: what stands, what may be ordered, a confirmation, and the answers of hubs.

Laws:
1. Nothing is ordered for doors without a second step, which says in words what will happen, and to
   how many doors. Nor does a device move without one.
2. Where no way to the hubs is up, that is said at once. What shuts is kept and given later; what
   opens is not ordered, and no device is told anything. The end of an order needs the way of that
   order, one of them where it has gone by both, and none where no hub has it.
3. What opens is ordered by who has just shown that it is he (`hubsite.pages.accounts.again`). What
   shuts never waits for that.
4. Who has ordered waits for answers for WAIT_SECONDS at the longest.
5. While an order of the last minutes is under way its page and the list show themselves again: by
   a script, and by a link without one. Who has the part as it is gets a few bytes.
"""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import conditional_page, require_POST, require_safe

from hubcore.policy.policy import Operator
from hubsite.config import operator_of
from hubsite.orders.asking import NOT_BESIDE, NotOrderedError, place, place_beside, place_end
from hubsite.orders.models import Order
from hubsite.orders.moved import wait_until
from hubsite.orders.standing import besides, may_go_beside, standing, under_way
from hubsite.orders.words import DOOR_KINDS, OrderKind, OrderState, Wish, may
from hubsite.pages.accounts import again
from hubsite.pages.orders import confirming
from hubsite.pages.orders.before import NO_WAY, both_ways, later, why_not
from hubsite.pages.orders.confirming import CONFIRM_SECONDS, Asked
from hubsite.pages.orders.forms import OrderForm, Places, choices_of, offered, parts_of, places
from hubsite.pages.orders.shown import moment, shown, what

WAIT_SECONDS = 1.5
NEWEST = 20
STANDING = 100
MINUTES = CONFIRM_SECONDS // 60
TOO_OLD = f"Nothing was ordered. A confirmation counts for {MINUTES} minutes, for who asked."
NOT_YOURS = "Nothing was ordered: you may not order this at this place."


@require_safe
def orders(request: HttpRequest) -> HttpResponse:
    """Show what stands, and what may be ordered."""
    return _page(request)


@require_POST
def ask(request: HttpRequest, kind: str) -> HttpResponse:
    """Show what an order would do, with the button that gives it."""
    there = _places()
    if kind not in DOOR_KINDS:
        raise Http404
    of_kind = OrderKind(kind)
    form = OrderForm(of_kind, choices_of(of_kind, _operator(), there), request.POST)
    if not form.is_valid():
        return _page(request, NOT_YOURS, 403)
    now = int(time.time())
    until = now + form.seconds if form.seconds else None
    point = form.point
    parts = () if point is None else parts_of(of_kind, _operator(), there, point)
    wish = Wish(of_kind, on=True, point=point, until=until)
    asked = Asked(confirming.new_key(), request.user.name, wish, more=parts[1:])
    return confirm(request, asked, there)


@require_POST
def ask_end(request: HttpRequest, key: str) -> HttpResponse:
    """Show what the end of an order would do, with the button that gives it."""
    order = get_object_or_404(Order, pk=key, on=True)
    there = places()
    kind = OrderKind(order.kind)
    if order.wish.is_done_once:
        raise Http404
    if not may(_operator(), kind, order.point, there.numbers):
        return _page(request, NOT_YOURS, 403)
    wish = Wish(kind, on=False, point=order.point, until=None)
    seen = order.ending_id or ""
    asked = Asked(confirming.new_key(), request.user.name, wish, of=order.key, seen=seen)
    return confirm(request, asked, there)


@require_POST
def ask_beside(request: HttpRequest, key: str) -> HttpResponse:
    """Show what it does to give an order by the bridge, too, with the button that gives it."""
    order = get_object_or_404(Order, pk=key, on=True)
    if not may_go_beside(order, int(time.time())) or not _has_bridge():
        return _page(request, f"Nothing was ordered: {NOT_BESIDE}", 409)
    there = places()
    if not may(_operator(), OrderKind(order.kind), order.point, there.numbers):
        return _page(request, NOT_YOURS, 403)
    asked = Asked(confirming.new_key(), request.user.name, order.wish, of=order.key)
    return confirm(request, asked, there)


@sensitive_post_parameters("code", "key")
@require_POST
def give(request: HttpRequest) -> HttpResponse:
    """Order what was confirmed."""
    asked = confirming.read(request.POST.get("asked", ""), request.user.name)
    if asked is None:
        return _page(request, TOO_OLD, 409)
    if Order.objects.filter(pk=asked.key).exists():
        return redirect("order", asked.key)
    why = why_not(asked, int(time.time()))
    if why:
        return _page(request, why, 503)
    refused = again.refusal(request) if asked.wish.opens else None
    if refused is not None:
        return confirm(request, asked, _places(), refused)
    try:
        return carried_out(asked)
    except NotOrderedError as error:
        return _page(request, f"Nothing was ordered: {error}", 409)


def carried_out(asked: Asked) -> HttpResponse:
    """Order it, wait a moment for answers, and lead to its page. Raise NotOrderedError."""
    order = _placed(asked)
    wait_until(lambda: _has_settled(order.key), WAIT_SECONDS)
    return redirect("orders") if asked.more else redirect("order", order.key)


@require_safe
def order_page(request: HttpRequest, key: str) -> HttpResponse:
    """Show one order, and what each hub has answered."""
    known = _known(key)
    part = render_to_string("orders/order_part.html", known)
    return render(request, "orders/order.html", {**known, "part": part, "away": _away()})


@require_safe
@conditional_page
def order_part(request: HttpRequest, key: str) -> HttpResponse:
    """Give what changes on the page of an order; nothing where it is as it was (law 5)."""
    del request
    return HttpResponse(render_to_string("orders/order_part.html", _known(key)))


@require_safe
@conditional_page
def orders_part(request: HttpRequest) -> HttpResponse:
    """Give what stands, for the page of orders; nothing where it is as it was (law 5)."""
    del request
    return HttpResponse(render_to_string("orders/orders_part.html", _listed(_places())))


def _known(key: str) -> dict[str, Any]:
    """Return what is shown of one order, as it is now."""
    order = get_object_or_404(Order.objects.select_related("ending", "of"), pk=key)
    there = places()
    now = int(time.time())
    known: dict[str, Any] = {"order": shown(order, there, now)}
    for name, other in (("end", order.ending), ("of", order.of)):
        known[name] = None if other is None else shown(other, there, now)
    known["besides"] = [shown(other, there, now) for other in besides(order)]
    known["may_go_beside"] = _has_bridge() and may_go_beside(order, now)
    together = [order.pk, order.ending_id, *besides(order).values_list("pk", flat=True)]
    known["under_way"] = under_way(now).filter(pk__in=[one for one in together if one]).exists()
    return known


def _listed(there: Places) -> dict[str, Any]:
    """Return what stands, as it is now."""
    now = int(time.time())
    stand = standing(now).select_related("ending").prefetch_related("given")[:STANDING]
    return {
        "standing": [shown(order, there, now) for order in stand],
        "under_way": under_way(now).exists(),
    }


def _placed(asked: Asked) -> Order:
    """Keep the order. Raise NotOrderedError."""
    now = int(time.time())
    pace = settings.HUBSITE_RUNNING.orders.pace
    if asked.is_beside:
        return place_beside(asked.key, asked.by, asked.of, _operator(), pace, now)
    if asked.of:
        return place_end(asked.key, asked.by, asked.of, asked.seen, _operator(), pace, now)
    return place(asked.key, asked.by, asked.wish, _operator(), pace, now, asked.more)


def _has_settled(key: str) -> bool:
    """Tell whether there is nothing to wait for: each hub has answered, or it was not given."""
    order = Order.objects.get(pk=key)
    if order.state == OrderState.GIVEN:
        return not order.given.filter(answer="").exists()
    return order.state not in (OrderState.WAITING, OrderState.GIVING) or bool(order.why)


def confirm(
    request: HttpRequest, asked: Asked, there: Places, refused: again.Refused | None = None
) -> HttpResponse:
    """Show what an order would do, with the button that gives it; `refused`: why it did not."""
    wish = asked.wish
    known = _where(asked, there) | {
        "asked": confirming.write(asked),
        "words": what(wish, there),
        "effect": wish.effect,
        "until": None if wish.until is None else moment(wish.until),
        "opens": wish.opens,
        "why_not": why_not(asked, int(time.time())),
        "away": _away(),
        "minutes": MINUTES,
        "later": later(asked),
        "again": again.to_show(request) if wish.opens else None,
        "refused": refused,
    }
    known |= both_ways(asked, int(time.time()))
    status = 200 if refused is None else refused.status
    return render(request, "orders/order_confirm.html", known, status=status)


def _where(asked: Asked, there: Places) -> dict[str, Any]:
    """Return at which doors and hubs it is, and at which other hubs of the door it is not."""
    wish = asked.wish
    if wish.told is not None:
        return {"told": wish.told}
    if wish.point is None:
        return {"is_all": True, "doors": there.doors}
    homes = {there.home(point) for point in (wish.point, *asked.more)} - {""}
    of_door = () if wish.kind is OrderKind.RELEASE else there.of_door(wish.point)
    others = {there.at[point] for point in of_door if point in there.at} - homes
    return {"at_hubs": sorted(homes), "not_at": sorted(others)}


def _places() -> Places:
    desk = settings.HUBSITE_RUNNING.orders
    return places(None if desk is None else desk.hubs)


def _page(request: HttpRequest, sentence: str = "", status: int = 200) -> HttpResponse:
    there = _places()
    operator = _operator()
    listed = _listed(there)
    now = int(time.time())
    newest = Order.objects.select_related("ending").prefetch_related("given")[:NEWEST]
    has_way = settings.HUBSITE_RUNNING.orders is not None
    known = {
        "sentence": sentence,
        "away": _away(),
        "under_way": listed["under_way"],
        "part": render_to_string("orders/orders_part.html", listed),
        "newest": [shown(order, there, now) for order in newest],
        "forms": _forms(operator, there) if has_way else [],
        "not_reached": there.doors_not_reached,
    }
    return render(request, "orders/orders.html", known, status=status)


def _forms(operator: Operator, there: Places) -> list[OrderForm]:
    kinds = offered(operator, there)
    return [OrderForm(kind, choices_of(kind, operator, there)) for kind in kinds]


def _has_bridge() -> bool:
    return settings.HUBSITE.config.bridge is not None


def _away() -> str:
    desk = settings.HUBSITE_RUNNING.orders
    return NO_WAY if desk is None else str(desk.why_away())


def _operator() -> Operator:
    """Return what each operator may order."""
    return operator_of(settings.HUBSITE.config.operators)
