"""Which orders stand, and which ended ones may stand yet at a hub."""

from __future__ import annotations

from django.db.models import QuerySet

from hubsite.orders.models import Order
from hubsite.orders.words import DONE, OrderKind, OrderState

_NOT_OVER = (OrderState.WAITING, OrderState.GIVING, OrderState.GIVEN, OrderState.UNCLEAR)


def standing(now: int) -> QuerySet[Order]:
    """Return the orders that stand, or will as soon as hubs have them."""
    live = Order.objects.filter(on=True, until__gt=now, ended_at=None, state__in=_NOT_OVER)
    return live.exclude(kind=OrderKind.RELEASE)


def stands_at_some_hub(order: Order, now: int) -> bool:
    """Tell whether an order that was ended may stand yet: a hub has not taken its end."""
    end = order.ending
    if end is None or order.ended_at is None or order.until is None or order.until <= now:
        return False
    return end.given.exclude(answer__in=DONE).exists()


def may_be_ended(order: Order, now: int) -> bool:
    """Tell whether its end can be ordered now."""
    if not order.on or order.until is None or order.until <= now:
        return False
    if order.ended_at is not None:
        return stands_at_some_hub(order, now)
    return order.state in _NOT_OVER and order.ending is None
