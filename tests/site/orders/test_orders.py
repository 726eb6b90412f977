"""The page of orders, with a way that the test drives: rights, confirmations, what is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import msgspec
import pytest
from django.conf import settings
from django.core import signing
from django.test import override_settings

from hubcore.errors import LinkError
from hubcore.timing.pace import Rate
from hubsite.acts import log
from hubsite.acts.models import Act
from hubsite.config import Operators
from hubsite.orders import asking, kept
from hubsite.orders.giving.desk import OrderDesk
from hubsite.orders.models import Given, Order
from hubsite.orders.moved import wait_until
from hubsite.orders.words import Answered, OrderKind, OrderState, WayName, Wish
from hubsite.pages.orders import confirming
from hubsite.pages.orders.confirming import Asked
from hubsite.register.models import AccessPoint, Door
from tests.site.browser import Answer, Browser, at_work
from tests.site.fakeway import FakeWay
from tests.site.server import begun

pytestmark = pytest.mark.once

PATIENCE_SECONDS = 20.0
ALL_RIGHTS = Operators(("lock-down", "command", "release", "hold-open"), (1, 2))
SOON = 60
LOOK_SECONDS = 0.05


def doors() -> None:
    for number, name in ((1, "Front door"), (2, "Yard gate")):
        door = Door.objects.create(name=name)
        AccessPoint.objects.create(number=number, name="inward", door=door)


@contextmanager
def desk_of(*ways: FakeWay) -> Iterator[OrderDesk]:
    """A desk that runs, as the page of this process has it."""
    desk = OrderDesk(ways, retry_seconds=0.01, look_seconds=LOOK_SECONDS)
    settings.HUBSITE_RUNNING.orders = desk
    desk.start()
    try:
        if any(way.is_there for way in ways):
            assert wait_for(lambda: not desk.why_away())
        yield desk
    finally:
        desk.stop()
        settings.HUBSITE_RUNNING.orders = None


@contextmanager
def with_rights(operators: Operators) -> Iterator[None]:
    site = begun().site
    config = msgspec.structs.replace(site.config, operators=operators)
    with override_settings(HUBSITE=replace(site, config=config)):
        yield


def wait_for(true: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Wait for what the desk's own thread does: its bell, or its pulse."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if wait_until(true, 0.05):
            return True
    return False


def ask(browser: Browser, kind: str = "lockdown", place: str = "all", **typed: str) -> Answer:
    browser.get("/orders")
    return browser.submit(f"/orders/ask/{kind}", place=place, **typed)


def confirm(browser: Browser) -> Answer:
    return browser.submit("/orders/give")


def the_order() -> Order:
    return Order.objects.get(on=True)


def is_done(order: Order) -> bool:
    rows = order.given.all()
    return bool(rows) and all(row.answer == Answered.TAKEN for row in rows)


def test_a_lockdown_is_confirmed_given_and_answered_and_so_is_its_end() -> None:
    doors()
    way = FakeWay()
    browser = at_work()
    with desk_of(way):
        asked = ask(browser)
        assert "Lock down: all doors?" in asked.text
        assert "2 doors" in asked.text
        assert "The ways out stay free." in asked.text
        assert Order.objects.count() == 0
        done = confirm(browser)
        order = the_order()
        assert done.where == f"/orders/{order.key}"
        assert wait_for(lambda: is_done(order))
        assert "done: as told" in browser.get(done.where).text
        stands = browser.get("/orders")
        assert "Done at 2 of 2 hubs." in stands.text
        (giving,) = way.given
        assert giving.by == "olga"
        assert giving.wish == Wish(OrderKind.LOCKDOWN, on=True, point=None, until=order.until)
        assert [letter.hub for letter in giving.letters] == ["hub-1", "hub-2"]

        assert "gets in again" in browser.submit(f"/orders/{order.key}/end").text
        confirm(browser)
        end = Order.objects.get(on=False)
        assert wait_for(lambda: is_done(end))
        order.refresh_from_db()
        assert order.ended_by == "olga"
        assert "No order of this server stands." in browser.get("/orders").text
    kinds = [act.said["kind"] for act in Act.objects.order_by("number")]
    assert kinds == ["ordered", "order-ended"]
    log.verify()


def test_the_same_form_twice_is_one_order() -> None:
    doors()
    way = FakeWay()
    browser = at_work()
    with desk_of(way):
        ask(browser)
        form = browser.page.form("/orders/give")  # type: ignore[union-attr]
        first = browser.post("/orders/give", dict(form.values))
        second = browser.post("/orders/give", dict(form.values))
        assert first.where == second.where == f"/orders/{the_order().key}"
    assert len(way.given) == 1
    assert Act.objects.count() == 1


def test_a_confirmation_counts_for_its_form_its_asker_and_two_minutes() -> None:
    """confirming, laws 1 and 2"""
    wish = Wish(OrderKind.LOCKDOWN, on=True, point=None, until=int(time.time()) + SOON)
    text = confirming.write(Asked(confirming.new_key(), "olga", wish))
    assert confirming.read(text, "olga").wish == wish  # type: ignore[union-attr]
    assert confirming.read(text, "bert") is None
    assert confirming.read(text[:-2] + "xx", "olga") is None
    key, by, *rest = signing.loads(text, salt="hubsite.orders.confirm")
    elsewhere = signing.dumps([key, by, *rest], salt="another form")
    assert confirming.read(elsewhere, "olga") is None
    signer = signing.TimestampSigner(salt="hubsite.orders.confirm")
    old = signing.TimestampSigner(salt="hubsite.orders.confirm")
    old.timestamp = lambda: signing.b62_encode(  # type: ignore[method-assign]
        int(time.time()) - confirming.CONFIRM_SECONDS - 1
    )
    assert confirming.read(old.sign(signer.unsign(text)), "olga") is None
    doors()
    browser = at_work()
    with desk_of(FakeWay()):
        ask(browser)
        assert "counts for 2 minutes" in browser.submit("/orders/give", asked=old.sign("x")).text
    assert Order.objects.count() == 0


def test_what_is_not_allowed_is_not_offered_and_refused_when_forged() -> None:
    """asking, law 4"""
    doors()
    way = FakeWay()
    browser = at_work()
    with desk_of(way):
        page = browser.get("/orders").page
        offered = [form.action for form in page.forms if "/ask/" in form.action]
        assert offered == ["/orders/ask/lockdown", "/orders/ask/no-entry"]
        for kind, place in (("hold-open", "1"), ("release", "1"), ("lockdown", "3")):
            typed = {"csrfmiddlewaretoken": page.forms[0].values["csrfmiddlewaretoken"]}
            answer = browser.post(f"/orders/ask/{kind}", {**typed, "place": place, "span": "300"})
            assert answer.status == 403
        wish = Wish(OrderKind.RELEASE, on=True, point=1, until=None)
        forged = confirming.write(Asked(confirming.new_key(), "olga", wish))
        ask(browser)
        answer = browser.submit("/orders/give", asked=forged)
        assert answer.status == 409
        assert "not yours to order" in answer.text
        with with_rights(Operators(("lock-down",), (1,))):
            ask(browser, place="1")
            assert browser.post("/orders/ask/lockdown", {**typed, "place": "all"}).status == 403
    assert way.given == []
    assert Order.objects.count() == 0


def test_a_door_is_released_once_and_held_open_where_that_is_allowed() -> None:
    doors()
    way = FakeWay()
    way.answer = Answered.RELEASED
    browser = at_work()
    with with_rights(ALL_RIGHTS), desk_of(way):
        assert "opens once" in ask(browser, "release", "2").text
        done = confirm(browser)
        assert "opened: as told" in done.text
        (giving,) = way.given
        assert [letter.hub for letter in giving.letters] == ["hub-2"]
        way.answer = Answered.TAKEN
        assert "without phone or card" in ask(browser, "hold-open", "1", span="300").text
        confirm(browser)
        held = Order.objects.get(kind=OrderKind.HOLD_OPEN)
        assert wait_for(lambda: is_done(held))
        assert held.until is not None
        assert held.until - held.at <= 300


def test_where_no_way_is_up_that_is_said_what_opens_is_not_ordered_and_what_shuts_is_kept() -> None:
    """views, law 2; kept, laws 2 and 3"""
    doors()
    way = FakeWay()
    way.is_there = False
    browser = at_work()
    with with_rights(ALL_RIGHTS), desk_of(way) as desk:
        assert wait_for(lambda: "nobody listens there" in desk.why_away())
        assert "nobody listens there" in browser.get("/orders").text
        refused = ask(browser, "release", "1")
        assert "Nothing was ordered: no way to the hubs is up." in refused.text
        assert not [form for form in refused.page.forms if form.action == "/orders/give"]
        kept_one = ask(browser)
        assert "this order will be kept" in kept_one.text
        assert "waits for a way to the hubs" in confirm(browser).text
        assert way.given == []
        way.is_there = True
        assert wait_for(lambda: is_done(the_order()))
    assert len(way.given) == 1


def test_without_a_way_the_page_says_so_and_offers_nothing() -> None:
    doors()
    page = at_work().get("/orders")
    assert "neither [engine] orders = true nor [bridge]" in page.text
    assert not [form for form in page.page.forms if "/ask/" in form.action]


def test_a_lockdown_that_no_hub_had_is_ended_without_a_way() -> None:
    doors()
    way = FakeWay()
    way.is_there = False
    browser = at_work()
    with desk_of(way):
        ask(browser)
        confirm(browser)
        order = the_order()
        end = asking.place_end(
            confirming.new_key(), "bert", order.key, "", _all(), asking.Pace(), int(time.time())
        )
        end.refresh_from_db()
        assert end.why == kept.BEFORE_GIVEN
        way.is_there = True
        assert wait_for(lambda: way.is_up)
    order.refresh_from_db()
    assert (order.state, order.ended_by) == (OrderState.FAILED, "bert")
    assert way.given == []


def _all():  # type: ignore[no-untyped-def]
    from hubsite.config import operator_of

    return operator_of(Operators())


def test_of_two_who_end_one_order_the_second_is_told() -> None:
    """asking, law 3"""
    doors()
    way = FakeWay()
    olga = at_work("olga")
    bert = at_work("bert")
    with desk_of(way):
        ask(olga)
        confirm(olga)
        key = the_order().key
        assert wait_for(lambda: is_done(the_order()))
        for browser in (olga, bert):
            browser.get("/orders")
            browser.submit(f"/orders/{key}/end")
        confirm(olga)
        told = confirm(bert)
        assert told.status == 409
        assert "olga has ended this" in told.text
    assert Order.objects.filter(on=False).count() == 1


def test_of_two_lockdowns_of_one_place_the_newer_stands_and_its_end_ends_both() -> None:
    """kept, law 4"""
    doors()
    way = FakeWay()
    olga = at_work("olga")
    with desk_of(way):
        for _ in range(2):
            ask(olga)
            confirm(olga)
        assert wait_for(lambda: len(way.given) == 2)
        assert wait_for(lambda: Order.objects.filter(ended_at=None).count() == 1)
        assert olga.get("/orders").text.count("End this") == 1


def test_an_end_that_did_not_reach_the_hubs_leaves_the_lockdown_standing() -> None:
    """kept, law 2"""
    doors()
    way = FakeWay()
    browser = at_work()
    with desk_of(way):
        ask(browser)
        confirm(browser)
        assert wait_for(lambda: is_done(the_order()))
        way.failure = LinkError("the wire broke")
        browser.get("/orders")
        browser.submit(f"/orders/{the_order().key}/end")
        told = confirm(browser)
        assert "may have been given: look at the doors" in told.text
        assert "the wire broke" in told.text
        way.failure = None
        assert wait_for(lambda: way.is_up)
        order = the_order()
        assert (order.ended_at, order.ending_id) == (None, None)
        assert "End this" in browser.get("/orders").text
        assert all(giving.wish.on for giving in way.given)


def test_hubs_that_have_not_taken_an_end_are_shown_and_it_can_be_ended_again() -> None:
    doors()
    way = FakeWay()
    browser = at_work()
    with desk_of(way):
        ask(browser)
        confirm(browser)
        assert wait_for(lambda: is_done(the_order()))
        way.answer = None
        browser.get("/orders")
        browser.submit(f"/orders/{the_order().key}/end")
        assert "no answer yet" in confirm(browser).text
        page = browser.get(f"/orders/{the_order().key}")
        assert "End it again, where it was not ended" in page.text
        way.answer = Answered.TAKEN
        browser.submit(f"/orders/{the_order().key}/end")
        confirm(browser)
        newest = Order.objects.filter(on=False).exclude(given__answer="").get()
        assert wait_for(lambda: is_done(newest))
        assert "End it again" not in browser.get(f"/orders/{the_order().key}").text


def test_an_operator_orders_at_the_pace_that_hubs_take() -> None:
    """asking, law 5"""
    doors()
    pace = asking.Pace(Rate(burst=2, per_second=1e-6))
    now = int(time.time())
    wish = Wish(OrderKind.LOCKDOWN, on=True, point=1, until=now + SOON)
    for _ in range(2):
        asking.place(confirming.new_key(), "olga", wish, _all(), pace, now)
    with pytest.raises(asking.NotOrderedError, match="too often"):
        asking.place(confirming.new_key(), "olga", wish, _all(), pace, now)
    assert Order.objects.count() == 2
    asking.place(confirming.new_key(), "bert", wish, _all(), pace, now)


def test_a_new_order_goes_by_the_first_way_that_is_up_and_its_end_by_the_same() -> None:
    """desk, laws 1 and 2"""
    doors()
    engine = FakeWay(WayName.ENGINE)
    bridge = FakeWay(WayName.BRIDGE)
    engine.is_there = False
    browser = at_work()
    with desk_of(engine, bridge):
        ask(browser)
        confirm(browser)
        assert wait_for(lambda: len(bridge.given) == 1)
        engine.is_there = True
        assert wait_for(lambda: engine.is_up)
        browser.get("/orders")
        browser.submit(f"/orders/{the_order().key}/end")
        confirm(browser)
        assert wait_for(lambda: len(bridge.given) == 2)
        ask(browser, "no-entry")
        confirm(browser)
        assert wait_for(lambda: len(engine.given) == 1)
    assert [giving.wish.on for giving in bridge.given] == [True, False]


def test_what_was_being_given_when_the_server_ended_is_never_given_again_if_it_opens() -> None:
    """kept, laws 1 and 2"""
    doors()
    now = int(time.time())
    for kind, point in ((OrderKind.RELEASE, 1), (OrderKind.LOCKDOWN, 1)):
        Order.objects.create(
            key=confirming.new_key(),
            by="olga",
            at=now,
            kind=kind,
            on=True,
            point=point,
            until=None if kind is OrderKind.RELEASE else now + SOON,
            lives_until=now + SOON,
            way=WayName.ENGINE,
            state=OrderState.GIVING,
        )
    way = FakeWay()
    with desk_of(way):
        assert wait_for(lambda: bool(way.given))
    assert [giving.wish.kind for giving in way.given] == [OrderKind.LOCKDOWN]
    release = Order.objects.get(kind=OrderKind.RELEASE)
    assert release.state == OrderState.UNCLEAR
    assert "may have been done" in release.why


def test_an_order_is_marked_before_it_goes() -> None:
    """kept, law 1"""
    doors()
    hubs = ("hub-1",)
    wish = Wish(OrderKind.LOCKDOWN, on=True, point=1, until=int(time.time()) + SOON)
    asking.place("ab" * 16, "olga", wish, _all(), asking.Pace(), int(time.time()))
    giving = kept.next_to_give(WayName.ENGINE, True, hubs, int(time.time()))
    assert giving is not None
    assert the_order().state == OrderState.GIVING
    assert Given.objects.get().message == "ab" * 16
    assert kept.next_to_give(WayName.ENGINE, True, hubs, int(time.time())) is None


def test_a_late_or_busy_hub_gets_it_again_with_a_new_id_and_no_hub_that_has_refused() -> None:
    """kept, laws 3 and 5"""
    doors()
    now = int(time.time())
    wish = Wish(OrderKind.LOCKDOWN, on=True, point=None, until=now + 10_000)
    hubs = ("busy", "late", "none", "refused", "taken")
    asking.place("ab" * 16, "olga", wish, _all(), asking.Pace(), now)
    giving = kept.next_to_give(WayName.ENGINE, True, hubs, now)
    assert giving is not None
    kept.was_given(giving.key, "", (), now)
    said = [kept.HubSaid(hub, giving.key, Answered(hub), "") for hub in hubs if hub != "none"]
    kept.record_answers(said)
    kept.record_answers([kept.HubSaid("taken", giving.key, Answered.REFUSED, "later")])
    assert Given.objects.get(hub="taken").answer == Answered.TAKEN
    assert kept.again(WayName.ENGINE, hubs, now + 1) == []
    (again,) = kept.again(WayName.ENGINE, (*hubs, "newcomer"), now + 31)
    assert [letter.hub for letter in again.letters] == ["busy", "late", "newcomer", "none"]
    assert len({letter.message for letter in again.letters} - {bytes.fromhex(giving.key)}) == 3
    kept.record_answers([kept.HubSaid("none", giving.key, Answered.TAKEN, "of an older id")])
    assert Given.objects.get(hub="none").answer == ""


def test_no_hub_makes_a_row() -> None:
    kept.record_answers([kept.HubSaid("hub-9", "ab" * 16, Answered.TAKEN, "")])
    assert Given.objects.count() == 0
