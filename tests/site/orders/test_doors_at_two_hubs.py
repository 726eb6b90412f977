"""An order for a door at more than one hub, and doors of which no hub is known."""

from __future__ import annotations

import pytest

from hubsite.acts.models import Act
from hubsite.config import Operators
from hubsite.orders.letters import keep_points
from hubsite.orders.models import Order
from hubsite.orders.words import OrderKind, OrderState, WayName
from hubsite.register.models import AccessPoint, Door
from tests.site.browser import at_work
from tests.site.fakeway import FakeWay
from tests.site.orders.test_orders import ask, confirm, desk_of, is_done, wait_for, with_rights

pytestmark = pytest.mark.once

RIGHTS = Operators(("lock-down", "release", "hold-open"), (1, 2, 3))


def front_door() -> FakeWay:
    """A door with two readers at hub-2 and one at hub-1, and the way to it."""
    door = Door.objects.create(name="Front door")
    for number, name in ((1, "inward"), (2, "outward"), (3, "beside")):
        AccessPoint.objects.create(number=number, name=name, door=door)
    way = FakeWay()
    way.points = {1: "hub-1", 2: "hub-2", 3: "hub-2"}
    return way


def test_a_lockdown_of_a_door_goes_to_each_hub_of_it_and_each_is_shown_and_ended_apart() -> None:
    """forms, law 3; asking, laws 2 and 5"""
    way = front_door()
    browser = at_work()
    with desk_of(way) as desk:
        assert wait_for(lambda: desk.hubs is not None)
        assert "at 2 hubs: hub-1, hub-2." in ask(browser, place="1").text
        form = dict(browser.page.form("/orders/give").values)  # type: ignore[union-attr]
        listed = confirm(browser)
        assert listed.where == "/orders"
        assert wait_for(lambda: all(is_done(order) for order in Order.objects.all()))
        browser.post("/orders/give", form)
        given = [(giving.wish.point, giving.letters[0].hub) for giving in way.given]
        assert sorted(given) == [(1, "hub-1"), (2, "hub-2")]
        text = browser.get("/orders").text
        assert "Lock down: Front door at hub-1" in text
        assert "Lock down: Front door at hub-2" in text
        assert text.count("Done at 1 of 1 hubs.") == 2
        assert Act.objects.count() == 2
        order = Order.objects.get(point=1)
        asked = browser.submit(f"/orders/{order.key}/end")
        assert "It does nothing at hub-2" in asked.text
        confirm(browser)
        assert wait_for(lambda: Order.objects.get(pk=order.pk).ended_at is not None)
    assert Order.objects.get(point=2).ended_at is None


def test_of_the_orders_for_a_door_all_are_kept_or_none() -> None:
    """asking, law 5"""
    way = front_door()
    browser = at_work()
    with desk_of(way) as desk:
        assert wait_for(lambda: desk.hubs is not None)
        ask(browser, place="1")
        AccessPoint.objects.filter(number=2).delete()
        assert confirm(browser).status == 409
    assert not Order.objects.exists()


def test_it_goes_where_it_is_allowed_and_says_where_it_does_nothing() -> None:
    """forms, laws 1 and 3"""
    way = front_door()
    browser = at_work()
    with with_rights(Operators(RIGHTS.rights, (1,))), desk_of(way) as desk:
        assert wait_for(lambda: desk.hubs is not None)
        assert "It does nothing at hub-2" in ask(browser, "hold-open", "1").text
        confirm(browser)
        assert wait_for(lambda: is_done(Order.objects.get()))
    assert Order.objects.get().point == 1


def test_a_release_says_at_which_reader() -> None:
    """forms, law 3"""
    way = front_door()
    browser = at_work()
    with with_rights(RIGHTS), desk_of(way) as desk:
        assert wait_for(lambda: desk.hubs is not None)
        asked = ask(browser, "release", "2")
        assert "Open once: Front door, outward?" in asked.text
        assert "It does nothing at" not in asked.text
        confirm(browser)
        assert wait_for(lambda: bool(way.given))
    assert [giving.wish.point for giving in way.given] == [2]


def test_a_door_without_a_hub_is_not_offered_and_the_page_says_why() -> None:
    """forms, law 2"""
    front_door()
    yard = Door.objects.create(name="Yard gate")
    AccessPoint.objects.create(number=4, name="inward", door=yard)
    keep_points({4: "hub-9"})
    way = FakeWay(WayName.BRIDGE)
    way.points = {}
    browser = at_work()
    with desk_of(way) as desk:
        assert wait_for(lambda: desk.hubs is not None)
        page = browser.get("/orders")
        assert "Not offered by themselves: Front door, Yard gate." in page.text
        assert "All doors" in page.text
        refused = browser.submit("/orders/ask/lockdown", place="1")
        assert refused.status == 403
        way.there = way.hubs = frozenset({"hub-1"})
        page = browser.get("/orders")
        assert "Not offered by themselves: Yard gate." in page.text
        assert "is for one door" in ask(browser, place="1").text


def test_while_no_way_is_up_each_door_is_offered_to_be_shut_later() -> None:
    """forms, law 2"""
    way = front_door()
    way.is_there = False
    browser = at_work()
    with desk_of(way):
        assert "Not offered" not in browser.get("/orders").text
        ask(browser, place="1")
        confirm(browser)
    assert Order.objects.get().state == OrderState.WAITING
    assert Order.objects.get().kind == OrderKind.LOCKDOWN
