"""Pages of orders show themselves again while something is under way, and work without a script."""

from __future__ import annotations

import time

import pytest

from hubsite.orders import kept
from hubsite.orders.models import Order
from hubsite.orders.standing import WATCH_SECONDS, under_way
from hubsite.orders.words import OrderKind
from tests.site.browser import Browser, at_work
from tests.site.orders.test_orders import doors
from tests.site.orders.test_orders_that_fail import ENGINE, HUBS, answered, given, ordered
from tests.site.page import Page
from tests.site.server import HOST

pytestmark = pytest.mark.once

SCRIPT = "live.js"


def part(browser: Browser, path: str, tag: str = ""):  # type: ignore[no-untyped-def]
    headers = {"If-None-Match": tag}
    return browser.client.get(path, secure=True, SERVER_NAME=HOST, headers=headers)


def test_the_part_is_what_the_page_has_and_is_given_again_only_when_it_changed() -> None:
    """views, law 5"""
    doors()
    now = int(time.time())
    order = ordered(now=now)
    giving = given(ENGINE, now)
    browser = at_work()
    for page, path in (
        ("/orders", "/orders/part"),
        (f"/orders/{order.key}", f"/orders/{order.key}/part"),
    ):
        shown = browser.get(page)
        assert SCRIPT in shown.page.source
        assert f'data-live="{path}"' in shown.page.source
        first = part(browser, path)
        assert first.content.decode() in shown.page.source
        again = part(browser, path, first.headers["ETag"])
        assert (again.status_code, again.content) == (304, b"")
    answered(giving, "hub-1", kept.Answered.TAKEN)
    changed = part(browser, path, first.headers["ETag"])
    assert changed.status_code == 200
    assert "done" in changed.content.decode()
    assert part(browser, "/orders/nobody/part").status_code == 404


def test_it_ends_once_each_hub_has_done_it_and_after_a_while() -> None:
    """views, law 5; standing, `under_way`"""
    doors()
    now = int(time.time())
    order = ordered(now=now)
    assert under_way(now).get() == order
    giving = given(ENGINE, now)
    assert under_way(now).exists()
    assert not under_way(now + WATCH_SECONDS).exists()
    for hub in HUBS:
        answered(giving, hub, kept.Answered.TAKEN)
    browser = at_work()
    for page in ("/orders", f"/orders/{order.key}"):
        shown = browser.get(page)
        assert SCRIPT not in shown.page.source
        assert "data-live-over" in shown.page.source


def test_the_page_of_an_order_goes_on_while_its_end_is_under_way() -> None:
    """views, law 5"""
    doors()
    now = int(time.time())
    order = ordered(now=now)
    giving = given(ENGINE, now)
    for hub in HUBS:
        answered(giving, hub, kept.Answered.TAKEN)
    Order.objects.filter(pk=order.pk).update(at=now - WATCH_SECONDS)
    browser = at_work()
    browser.get("/orders")
    asked = browser.submit(f"/orders/{order.key}/end")
    assert "gets in again" in asked.text, "the button is one of a form that stands elsewhere"
    end = Order(key="ab" * 16, by="bert", at=now, kind=OrderKind.LOCKDOWN, on=False, of=order)
    end.lives_until = now + 30
    end.way = ENGINE
    end.save()
    Order.objects.filter(pk=order.pk).update(ending=end)
    assert SCRIPT in browser.get(f"/orders/{order.key}").page.source


def test_a_button_of_no_form_is_noticed() -> None:
    """tests.site.page"""
    frame = "<html lang='en'><main><h1>x</h1>{}</main></html>"
    form = "<form id='a' method='post'><input type='hidden' name='t' value='1'></form>"
    button = "<button form='a' formaction='/x'>X</button>"
    good = Page(frame.format(form + button))
    assert good.wrong == []
    assert good.form("/x").values == {"t": "1"}
    assert Page(frame.format(button)).wrong == ["a button of no form: /x"]
