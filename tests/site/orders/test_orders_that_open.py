"""Orders that open: who has just shown that it is he gives them, and the page says how late."""

from __future__ import annotations

import pytest

from hubsite.orders.models import Order
from hubsite.orders.words import OrderKind, WayName
from hubsite.pages.accounts.again import FRESH_SECONDS, NOT_SHOWN
from tests.site.browser import Browser, Operator, at_work, signed_in_ago
from tests.site.fakeway import FakeWay
from tests.site.orders.test_orders import (
    ALL_RIGHTS,
    ask,
    confirm,
    desk_of,
    doors,
    is_done,
    the_order,
    wait_for,
    with_rights,
)

pytestmark = pytest.mark.once

OPENS = ((OrderKind.RELEASE, "1"), (OrderKind.HOLD_OPEN, "1"))


def stale(name: str = "olga") -> Browser:
    browser = at_work(name)
    signed_in_ago(browser, FRESH_SECONDS + 1)
    return browser


@pytest.mark.parametrize(("kind", "place"), OPENS)
def test_what_opens_asks_an_old_session_for_its_second_factor(kind: OrderKind, place: str) -> None:
    """views, law 3"""
    doors()
    who = Operator.made()
    browser = stale()
    way = FakeWay()
    with with_rights(ALL_RIGHTS), desk_of(way):
        assert "Show that it is you" in ask(browser, kind, place).text
        refused = confirm(browser)
        assert (refused.status, NOT_SHOWN in refused.text) == (403, True)
        assert browser.submit("/orders/give", code="000000").status == 403
        assert not Order.objects.exists()
        assert browser.submit("/orders/give", code=who.code()).status == 200
        assert wait_for(lambda: len(way.given) == 1)
        assert "Show that it is you" not in ask(browser, kind, place).text
    assert Order.objects.get().kind == kind


def test_the_end_of_a_lockdown_asks_too_and_a_lockdown_never_does() -> None:
    """views, law 3"""
    doors()
    who = Operator.made()
    browser = stale()
    with desk_of(FakeWay()):
        assert "Show that it is you" not in ask(browser).text
        assert confirm(browser).status == 200
        assert wait_for(lambda: is_done(the_order()))
        browser.get("/orders")
        assert "Show that it is you" in browser.submit(f"/orders/{the_order().key}/end").text
        assert confirm(browser).status == 403
        assert not Order.objects.filter(on=False).exists()
        assert browser.submit("/orders/give", code=who.code()).status == 200
    assert Order.objects.filter(on=False).count() == 1


def test_a_hold_open_is_ended_without_a_second_factor() -> None:
    """views, law 3"""
    doors()
    browser = at_work()
    with with_rights(ALL_RIGHTS), desk_of(FakeWay()):
        ask(browser, "hold-open", "1", span="300")
        confirm(browser)
        assert wait_for(lambda: is_done(the_order()))
        signed_in_ago(browser, FRESH_SECONDS + 1)
        browser.get("/orders")
        assert "Show that it is you" not in browser.submit(f"/orders/{the_order().key}/end").text
        assert confirm(browser).status == 200
    assert Order.objects.filter(on=False).count() == 1


def test_by_the_bridge_the_second_step_says_that_it_may_open_later() -> None:
    """docs/site.md, orders 5"""
    doors()
    browser = at_work()
    with with_rights(ALL_RIGHTS), desk_of(FakeWay(WayName.BRIDGE)):
        assert "tried again for ten minutes" in ask(browser, "release", "1").text
        assert "also hours later" in ask(browser, "hold-open", "1").text
        assert "goes by the bridge" not in ask(browser).text
        confirm(browser)
        assert wait_for(lambda: is_done(the_order()))
        browser.get("/orders")
        assert "also hours later" in browser.submit(f"/orders/{the_order().key}/end").text


def test_by_the_engine_the_second_step_says_nothing_of_later() -> None:
    doors()
    browser = at_work()
    with with_rights(ALL_RIGHTS), desk_of(FakeWay(WayName.ENGINE)):
        assert "goes by the bridge" not in ask(browser, "release", "1").text
