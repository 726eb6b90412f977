"""Rows of orders have a bound: what is over goes, what waits or stands stays, and so do acts."""

from __future__ import annotations

import time

import pytest

from hubsite.acts.models import Act
from hubsite.orders import asking, kept
from hubsite.orders.models import Given, Order
from hubsite.orders.tidying import DAY_SECONDS, DAYS, OVER_KEPT, YOUNG_SECONDS, tidy_orders
from hubsite.orders.words import OrderKind, OrderState
from hubsite.pages.orders.confirming import CONFIRM_SECONDS
from hubsite.tidying import tidy
from tests.site.orders.test_orders import doors
from tests.site.orders.test_orders_that_fail import BEGAN, BRIDGE, ENGINE, ended, given, ordered

pytestmark = pytest.mark.once


def _over(count: int, at: int, first: int = 0) -> None:
    """Make rows of what was given up, one a second, the last one at this moment."""
    rows = [
        Order(
            key=f"{first + number:032x}",
            by="olga",
            at=at - number,
            kind=OrderKind.RELEASE,
            on=True,
            point=1,
            lives_until=at,
            state=OrderState.FAILED,
        )
        for number in range(count)
    ]
    Order.objects.bulk_create(rows)


def test_of_what_is_over_the_newest_stay_and_none_for_long() -> None:
    """tidying, law 2"""
    now = int(time.time())
    _over(OVER_KEPT + 3, now - YOUNG_SECONDS)
    tidy()
    assert Order.objects.count() == OVER_KEPT
    assert not Order.objects.filter(pk__gte=f"{OVER_KEPT:032x}").exists()
    tidy_orders(10_000, now + DAYS * DAY_SECONDS - YOUNG_SECONDS - 10)
    assert Order.objects.count() == 11
    tidy_orders(10_000, now + (DAYS + 1) * DAY_SECONDS)
    assert not Order.objects.exists()


def test_a_turn_removes_so_many_and_what_is_young_stays() -> None:
    """tidying, law 3"""
    assert CONFIRM_SECONDS < YOUNG_SECONDS
    _over(6, BEGAN - YOUNG_SECONDS)
    _over(2, BEGAN - YOUNG_SECONDS + 2, first=100)
    tidy_orders(2, BEGAN, kept=1)
    assert Order.objects.count() == 6
    tidy_orders(100, BEGAN, kept=0)
    assert Order.objects.count() == 2


@pytest.mark.parametrize("way", [ENGINE, BRIDGE])
def test_what_stands_stays_with_its_end_and_both_go_with_their_answers_once_they_are_over(
    way: str,
) -> None:
    """tidying, law 1"""
    doors()
    waits = ordered(OrderKind.NO_ENTRY)
    Order.objects.filter(pk=waits.pk).update(at=BEGAN + 1)
    order = ordered()
    given(way)
    end = ended(order)
    for _ in range(2):
        tidy_orders(100, BEGAN + 9, kept=0, young=0)
        assert Order.objects.count() == 3
        if end.state == OrderState.WAITING:
            assert given(way).key == end.key
            end.refresh_from_db()
    acts = Act.objects.count()
    for hub in ("hub-1", "hub-2"):
        message = Given.objects.get(order=end, hub=hub).message
        kept.record_answers([kept.HubSaid(hub, message, kept.Answered.TAKEN, "")])
    tidy_orders(100, BEGAN + 60, kept=0, young=0)
    assert [one.pk for one in Order.objects.all()] == [waits.pk]
    assert not Given.objects.exists()
    assert Act.objects.count() == acts


def test_an_operator_has_so_many_orders_that_wait_or_stand() -> None:
    """asking, law 7"""
    doors()
    rows = [
        Order(
            key=f"{number:032x}",
            by="olga",
            at=BEGAN,
            kind=OrderKind.LOCKDOWN,
            on=True,
            until=BEGAN + 60,
            lives_until=BEGAN + 60,
        )
        for number in range(asking.LIVE_MAX)
    ]
    Order.objects.bulk_create(rows)
    with pytest.raises(asking.NotOrderedError, match="wait or stand"):
        ordered()
    ended(rows[0])
    ordered(now=BEGAN + 60)
