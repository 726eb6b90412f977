"""Which orders stand, and which ended ones may stand yet at a hub.

Laws:
1. An order that was ended, or whose place another one has taken, may stand at each hub that has it
   or may have it, until that hub has done a later order about the same place.
2. A hub that has refused an order does not have it.
3. By the bridge an order may be at hubs that were not there when it was given: each hub that is
   given a later one about the place counts as one that may have it.
4. What shuts and is by the engine may go by the bridge, too, while some hub has not said that it
   has it. The two are given apart, and their ends are asked for together.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from hubsite.orders.letters import add_hubs
from hubsite.orders.models import Given, Order
from hubsite.orders.words import OPEN, Answered, OrderKind, OrderState, WayName

WATCH_SECONDS = 300
"""For so long a page watches what becomes of an order."""
_NOT_OVER = (OrderState.WAITING, OrderState.GIVING, OrderState.GIVEN, OrderState.UNCLEAR)


def standing(now: int) -> QuerySet[Order]:
    """Return what stands, will as soon as hubs have it, or may stand yet at some hub."""
    at_hub = _may_have(Given.objects.filter(order=OuterRef("pk")))
    is_left = Q(ended_at=None) | Q(Exists(at_hub))
    live = Order.objects.filter(is_left, on=True, until__gt=now, state__in=_NOT_OVER)
    return live.exclude(kind=OrderKind.RELEASE)


def hubs_left(order: Order, now: int) -> tuple[str, ...]:
    """Return the hubs at which an order that was ended or replaced may stand yet (law 1)."""
    if not order.on or order.ended_at is None or order.until is None or order.until <= now:
        return ()
    if order.state not in _NOT_OVER:
        return ()
    return tuple(_may_have(order.given).order_by("hub").values_list("hub", flat=True))


def may_be_ended(order: Order, now: int) -> bool:
    """Tell whether its end can be ordered now.

    Where a newer order stands at the place the end of that one is asked for, as it ends both.
    """
    if not order.on or order.until is None or order.until <= now:
        return False
    if order.ended_at is None:
        return order.state in _NOT_OVER and order.ending is None
    if not hubs_left(order, now):
        return False
    live = _of_place(order).filter(on=True, ended_at=None, until__gt=now, state__in=_NOT_OVER)
    return not live.exists()


def under_way(now: int) -> QuerySet[Order]:
    """Return what was ordered just now, and waits, is being given, or was not done by some hub."""
    young = Order.objects.filter(at__gt=now - WATCH_SECONDS)
    is_open = Exists(Given.objects.filter(order=OuterRef("pk"), answer__in=OPEN))
    waits = Q(state__in=(OrderState.WAITING, OrderState.GIVING))
    return young.filter(waits | Q(is_open, state=OrderState.GIVEN))


def is_unheard(order: Order) -> bool:
    """Tell whether no hub can have heard of an order that waits, by the way that it would go."""
    if order.state != OrderState.WAITING:
        return False
    return not order.way or (order.beside_id is not None and order.turn is None)


def besides(order: Order) -> QuerySet[Order]:
    """Return the orders that an order goes beside, or that go beside it (law 4)."""
    return Order.objects.filter(Q(beside=order.pk) | Q(pk=order.beside_id))


def ended_with(order: Order, now: int) -> list[Order]:
    """Return what ends with an order, beside it (law 4)."""
    return [one for one in besides(order) if may_be_ended(one, now)]


def may_go_beside(order: Order, now: int) -> bool:
    """Tell whether an order may go by the bridge, too (law 4)."""
    is_asked_of = order.on and order.way == WayName.ENGINE and not order.wish.opens
    if not is_asked_of or order.until is None or order.until <= now:
        return False
    if order.ended_at is not None or order.ending_id is not None:
        return False
    if order.state == OrderState.GIVEN:
        is_open = order.given.filter(answer__in=OPEN).exists()
    else:
        is_open = order.state == OrderState.WAITING
    return is_open and not standing(now).filter(beside=order).exists()


def take_turn(order: Order) -> None:
    """Number an order that is given for the first time: later ones have higher numbers."""
    last = Order.objects.aggregate(last=Max("turn"))["last"]
    rows = Order.objects.filter(pk=order.pk, turn=None)
    rows.update(turn=0 if last is None else last + 1)


def take_places(order: Order, hubs: Collection[str], now: int) -> None:
    """Let an order, or an end, take the place of those that it goes before.

    `hubs` are those that it was given to.
    """
    older = _of_place(order).filter(ended_at=None, at__lte=order.at)
    if order.way == WayName.BRIDGE:
        for one in older.filter(on=True, until__gt=now).exclude(turn=None):
            add_hubs(one, one.reference or one.key, hubs, now)  # law 3
    older.update(ended_at=now, ended_by=order.by)


def was_done(order: Order, hub: str) -> None:
    """A hub has done an order: what it had before about the place is over there (law 1)."""
    older = _of_place(order).filter(turn__lt=order.turn or 0)
    Given.objects.filter(order__in=older, hub=hub).update(is_over=True)


def _of_place(order: Order) -> QuerySet[Order]:
    """Return the other orders about the place that an order is about."""
    place = Order.objects.filter(kind=order.kind, point=order.point, way=order.way)
    return place.exclude(pk=order.pk)


def _may_have(rows: QuerySet[Given]) -> QuerySet[Given]:
    return rows.filter(is_over=False).exclude(answer=Answered.REFUSED)
