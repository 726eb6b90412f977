"""What is said before an order is given: why it cannot be, and what comes of it later."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from hubsite.orders.models import Order
from hubsite.orders.standing import ended_with, is_unheard
from hubsite.orders.words import OrderKind, WayName
from hubsite.pages.orders.confirming import Asked

NO_WAY = (
    "This server has no way to order: its file has neither [engine] orders = true nor [bridge]. "
    "Where `hubsite setup` made this site, --orders shuts says so at the machine."
)
LATER = (
    "It goes by the bridge, which keeps what it was given: a release that the hub is too busy for "
    "is tried again for ten minutes."
)
LATER_STANDS = (
    "It goes by the bridge, which keeps what it was given: it reaches a hub that is away when that "
    "comes back, also hours later, while something stands there."
)
LATER_DEVICE = (
    "It goes by the bridge, which keeps what it was given: a hub that is away now does it when it "
    "comes back within ten minutes."
)


def why_not(asked: Asked, now: int) -> str:
    """Say why this cannot be ordered now, "" where it can.

    Of two orders beside each other one way is enough for an end.
    """
    desk = settings.HUBSITE_RUNNING.orders
    if desk is None:
        return f"Nothing was ordered. {NO_WAY}"
    if not asked.wish.goes_once:
        return ""
    ended = _to_end(asked, now)
    if any(is_unheard(one) for one in ended):
        return ""
    away = {one.way: desk.why_away(one.way) for one in ended} or {"": desk.why_away()}
    if not all(away.values()):
        return ""
    names = " and the ".join(name for name in away if name)
    what_is = (
        f"the {names} has what this ends, and is away" if names else "no way to the hubs is up"
    )
    return f"Nothing was ordered: {what_is}. {' '.join(away.values())}"


def later(asked: Asked) -> str:
    """Say whether it may be done later than now: the bridge gives it by its own rules."""
    desk = settings.HUBSITE_RUNNING.orders
    if desk is None or not asked.wish.goes_once:
        return ""
    ended = Order.objects.filter(pk=asked.of).first() if asked.of else None
    way = desk.next_way if ended is None else ended.way
    if way != WayName.BRIDGE:
        return ""
    if asked.wish.told is not None:
        return LATER_DEVICE
    return LATER if asked.wish.kind is OrderKind.RELEASE else LATER_STANDS


def both_ways(asked: Asked, now: int) -> dict[str, Any]:
    """Return what is said of an order that has gone by both ways, or is to."""
    desk = settings.HUBSITE_RUNNING.orders
    if asked.is_beside:
        return {"is_beside": True, "away": "" if desk is None else desk.why_away(WayName.BRIDGE)}
    ended = _to_end(asked, now)
    if len(ended) < 2 or desk is None:
        return {}
    return {"ends_both": True, "engine_away": desk.why_away(WayName.ENGINE)}


def _to_end(asked: Asked, now: int) -> list[Order]:
    """Return the order that is to be ended, and what ends with it."""
    if not asked.of or asked.wish.on:
        return []
    ended = Order.objects.filter(pk=asked.of).first()
    return [] if ended is None else [ended, *ended_with(ended, now)]
