"""A lockdown that the engine lost goes by the bridge, too, and its end goes by both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import msgspec
import pytest
from django.test import override_settings

from hubcore.errors import LinkError
from hubsite.acts.models import Act
from hubsite.config import Bridge
from hubsite.orders import asking, kept
from hubsite.orders.asking import NotOrderedError
from hubsite.orders.kept import HubSaid
from hubsite.orders.models import Order
from hubsite.orders.standing import hubs_left, may_go_beside, standing
from hubsite.orders.words import TAKE_SECONDS, Answered, OrderKind, OrderState
from hubsite.pages.orders.confirming import new_key
from tests.site.browser import Browser, at_work
from tests.site.fakeway import FakeWay
from tests.site.orders.test_orders import ask, confirm, desk_of, doors, is_done, the_order, wait_for
from tests.site.orders.test_orders_that_fail import (
    BEGAN,
    BRIDGE,
    ENGINE,
    HUBS,
    RIGHTS,
    ended,
    given,
    lost,
    not_given,
    ordered,
    taken,
)
from tests.site.server import begun

pytestmark = pytest.mark.once


def beside(order: Order, now: int = BEGAN) -> Order:
    return asking.place_beside(new_key(), "bert", order.key, RIGHTS, asking.Pace(), now)


@contextmanager
def with_bridge() -> Iterator[None]:
    site = begun().site
    config = msgspec.structs.replace(site.config, bridge=Bridge("nobody-listens"))
    with override_settings(HUBSITE=replace(site, config=config)):
        yield


def _lost_by_engine(browser: Browser, engine: FakeWay) -> Order:
    """Lock down by the page; the engine takes it and breaks, and is away from then on."""
    engine.failure = LinkError("the wire broke")
    ask(browser)
    confirm(browser)
    assert wait_for(lambda: "the wire broke" in the_order().why)
    engine.is_there = False
    assert wait_for(lambda: not engine.is_up)
    engine.failure = None
    return the_order()


def test_a_lost_lockdown_goes_by_the_bridge_too_and_one_end_ends_both() -> None:
    """standing, law 4; asking, law 3; views, law 2"""
    doors()
    engine = FakeWay(ENGINE)
    bridge = FakeWay(BRIDGE)
    browser = at_work()
    with with_bridge(), desk_of(engine, bridge):
        assert wait_for(lambda: engine.is_up and bridge.is_up)
        first = _lost_by_engine(browser, engine)
        browser.get(f"/orders/{first.key}")
        asked = browser.submit(f"/orders/{first.key}/beside")
        assert "Lock down: all doors, by the bridge, too?" in asked.text
        assert "Who ends it ends both." in asked.text
        done = confirm(browser)
        second = Order.objects.get(beside=first)
        assert done.where == f"/orders/{second.key}"
        assert "The same order by the engine" in done.text
        assert wait_for(lambda: is_done(second))
        page = browser.get(f"/orders/{first.key}")
        assert "The same order by the bridge" in page.text
        assert not [form for form in page.page.forms if form.action.endswith("/beside")]

        engine.is_there = True
        assert wait_for(lambda: is_done(first))
        asked = browser.submit(f"/orders/{first.key}/end")
        assert "It has gone by the engine and by the bridge: this ends both." in asked.text
        confirm(browser)
        assert wait_for(lambda: not standing(int(time.time())).exists())
        ends = Order.objects.filter(on=False)
        assert {end.way: end.of_id for end in ends} == {ENGINE: first.key, BRIDGE: second.key}
    kinds = [act.said["kind"] for act in Act.objects.order_by("number")]
    assert kinds == ["ordered", "ordered", "order-ended", "order-ended"]
    assert Act.objects.order_by("number")[1].said["beside"] == first.key


def test_while_the_engine_is_away_the_bridge_ends_it_and_the_engine_gives_it_no_more() -> None:
    """kept, law 4"""
    doors()
    engine = FakeWay(ENGINE)
    bridge = FakeWay(BRIDGE)
    browser = at_work()
    with with_bridge(), desk_of(engine, bridge):
        assert wait_for(lambda: engine.is_up and bridge.is_up)
        first = _lost_by_engine(browser, engine)
        browser.get(f"/orders/{first.key}")
        browser.submit(f"/orders/{first.key}/beside")
        confirm(browser)
        second = Order.objects.get(beside=first)
        assert wait_for(lambda: is_done(second))
        browser.get("/orders")
        asked = browser.submit(f"/orders/{second.key}/end")
        assert "it gives its order no more" in asked.text
        confirm(browser)
        assert wait_for(lambda: len(bridge.given) == 2)
        kept.fail_late(int(time.time()) + kept.GIVE_SECONDS)
        page = browser.get("/orders")
        assert "may stand yet at hub-1, hub-2." in page.text
        assert page.text.count("End it again, where it was not ended") == 1
        engine.is_there = True
        assert wait_for(lambda: engine.is_up)
        browser.submit(f"/orders/{first.key}/end")
        confirm(browser)
        assert wait_for(lambda: not standing(int(time.time())).exists())
        assert [giving.wish.on for giving in engine.given] == [False]
        assert [giving.wish.on for giving in bridge.given] == [True, False]


def test_only_what_shuts_and_some_hub_may_not_have_goes_by_the_bridge_too_and_once() -> None:
    """standing, law 4"""
    doors()
    fresh = ordered()
    assert not may_go_beside(fresh, BEGAN), "no way has it: it goes by the bridge by itself"
    lost(ENGINE)
    fresh.refresh_from_db()
    assert not may_go_beside(fresh, fresh.until or 0)
    second = beside(fresh)
    assert (second.way, second.until, second.wish) == (BRIDGE, fresh.until, fresh.wish)
    for one in (fresh, second):
        with pytest.raises(NotOrderedError, match="by the bridge, too"):
            beside(one)
    held = ordered(OrderKind.HOLD_OPEN, 1)
    Order.objects.filter(pk=held.pk).update(way=ENGINE)
    with pytest.raises(NotOrderedError):
        beside(held)


def test_what_each_hub_has_does_not_go_by_the_bridge_too() -> None:
    """standing, law 4"""
    doors()
    order = ordered()
    giving = given(ENGINE)
    order.refresh_from_db()
    assert may_go_beside(order, BEGAN)
    kept.record_answers([HubSaid(hub, giving.key, Answered.TAKEN, "") for hub in HUBS])
    assert not may_go_beside(order, BEGAN)


def test_what_the_bridge_never_had_ends_by_itself() -> None:
    """kept, law 4"""
    doors()
    first = ordered()
    lost(ENGINE)
    second = beside(first)
    not_given(BRIDGE)
    second.refresh_from_db()
    assert (second.way, second.state) == (BRIDGE, OrderState.WAITING)
    ended(second)
    second.refresh_from_db()
    assert second.why == kept.BEFORE_GIVEN
    assert kept.next_to_give(BRIDGE, True, HUBS, BEGAN) is None
    assert taken(ENGINE).wish.on is False, "the engine's half ends by the engine"


def test_of_two_who_end_the_two_halves_the_second_is_told() -> None:
    """asking, law 3"""
    doors()
    first = ordered()
    lost(ENGINE)
    second = beside(first)
    given(BRIDGE)
    ended(first)
    with pytest.raises(NotOrderedError, match="bert has ended this"):
        ended(second)


def test_an_end_that_the_engine_lost_leaves_its_half_at_its_hubs_and_gives_it_no_more() -> None:
    """kept, law 4"""
    doors()
    first = ordered()
    lost(ENGINE)
    beside(first)
    given(BRIDGE)
    ended(first)
    lost(ENGINE)
    assert given(BRIDGE).wish.on is False
    first.refresh_from_db()
    assert hubs_left(first, BEGAN) == HUBS
    assert kept.next_to_give(ENGINE, True, HUBS, BEGAN) is None
    assert kept.again(ENGINE, HUBS, BEGAN + 2 * TAKE_SECONDS) == []
    assert ended(first).way == ENGINE
