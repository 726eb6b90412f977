"""Removes rows of orders that are over. The acts that tell of them stay.

Laws:
1. What waits, is being given, stands, may stand yet at a hub, or goes again stays. So does its end.
2. Of all others the newest OVER_KEPT stay, none for longer than DAYS.
3. What is younger than YOUNG_SECONDS stays: the same confirmation again finds its order.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from hubsite.orders.models import Order
from hubsite.orders.standing import standing
from hubsite.orders.words import OrderState

OVER_KEPT = 1000
DAYS = 90
DAY_SECONDS = 86_400
YOUNG_SECONDS = 600
"""Longer than a confirmation counts (`hubsite.pages.orders.confirming`)."""
_WAITS = (OrderState.WAITING, OrderState.GIVING)


def tidy_orders(most: int, now: int, kept: int = OVER_KEPT, young: int = YOUNG_SECONDS) -> None:
    """Remove orders that are over, at most so many; `kept` of them stay (laws 1 to 3)."""
    with transaction.atomic():
        over = Order.objects.exclude(_live(now)).filter(at__lte=now - young)
        keys = over.order_by("-at", "key").values_list("pk", flat=True)
        old = over.filter(at__lt=now - DAYS * DAY_SECONDS).values_list("pk", flat=True)
        found = [*keys[kept : kept + most], *old[:most]][:most]
        Order.objects.filter(pk__in=found).delete()


def _live(now: int) -> Q:
    """What stays whatever its age (law 1)."""
    live = Q(state__in=_WAITS) | Q(pk__in=standing(now).values("pk"))
    live |= Q(state=OrderState.GIVEN, ended_at=None, lives_until__gt=now)
    return live | Q(of__in=Order.objects.filter(live).values("pk"))
