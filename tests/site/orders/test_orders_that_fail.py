"""Orders that get lost, come late or meet no hub: what is given then, and by which way."""

from __future__ import annotations

import time

import pytest

from hubcore.errors import StoreError
from hubsite.config import Operators, operator_of
from hubsite.orders import asking, kept, letters
from hubsite.orders.giving.ways import Receipt
from hubsite.orders.kept import ASKED_AT_ONCE, Giving, HubSaid
from hubsite.orders.models import Given, Order
from hubsite.orders.words import TAKE_SECONDS, Answered, OrderKind, OrderState, WayName, Wish
from hubsite.pages.orders.confirming import new_key
from hubsite.register.models import AccessPoint, Door, HubPolicy
from tests.site.browser import at_work
from tests.site.fakeway import FakeWay
from tests.site.orders.test_orders import desk_of, doors, wait_for

pytestmark = pytest.mark.once

HUBS = ("hub-1", "hub-2")
BEGAN = 1_800_000_000
HOUR = 3600
ENGINE = WayName.ENGINE
BRIDGE = WayName.BRIDGE
RIGHTS = operator_of(Operators(("lock-down", "release", "hold-open"), tuple(range(1, 99))))


def ordered(
    kind: OrderKind = OrderKind.LOCKDOWN, point: int | None = None, now: int = BEGAN
) -> Order:
    until = None if kind is OrderKind.RELEASE else now + HOUR
    wish = Wish(kind, on=True, point=point, until=until)
    return asking.place(new_key(), "olga", wish, RIGHTS, asking.Pace(), now)


def ended(order: Order, now: int = BEGAN) -> Order:
    return asking.place_end(new_key(), "bert", order.key, "", RIGHTS, asking.Pace(), now)


def taken(way: WayName, now: int = BEGAN, hubs: tuple[str, ...] = HUBS) -> Giving:
    giving = kept.next_to_give(way, True, hubs, now)
    assert giving is not None
    return giving


def given(way: WayName, now: int = BEGAN) -> Giving:
    giving = taken(way, now)
    kept.was_given(giving.key, giving.key if way is BRIDGE else "", HUBS, now)
    return giving


def lost(way: WayName) -> None:
    giving = taken(way)
    kept.was_not_given(giving.key, "no answer", is_lost=True, is_new=giving.is_new)


def not_given(way: WayName) -> None:
    giving = taken(way)
    kept.was_not_given(giving.key, "nobody there", is_lost=False, is_new=giving.is_new)


def answered(giving: Giving, hub: str, answer: Answered) -> None:
    for letter in giving.letters:
        if letter.hub == hub:
            kept.record_answers([HubSaid(hub, letter.message.hex(), answer, "")])


def test_a_lockdown_that_no_hub_can_have_goes_by_the_other_way() -> None:
    """kept, law 4"""
    doors()
    order = ordered()
    not_given(ENGINE)
    assert given(BRIDGE).key == order.key
    assert set(order.given.values_list("message", flat=True)) == {order.key}


def test_a_lockdown_that_a_hub_may_have_stays_with_its_way() -> None:
    """kept, law 4"""
    doors()
    ordered()
    lost(ENGINE)
    not_given(ENGINE)
    assert kept.next_to_give(BRIDGE, True, HUBS, BEGAN) is None
    assert [letter.hub for letter in taken(ENGINE).letters] == list(HUBS)


def test_the_engine_gone_amid_a_lockdown_it_is_given_by_the_bridge() -> None:
    """desk, laws 1 and 2; docs/site.md, orders 4"""
    doors()
    engine = FakeWay(ENGINE)
    bridge = FakeWay(BRIDGE)
    with desk_of(engine, bridge):
        assert wait_for(lambda: engine.is_up and bridge.is_up)
        engine.is_there = False
        ordered(now=int(time.time()))
        assert wait_for(lambda: bool(bridge.given))
    assert engine.given == []


@pytest.mark.parametrize("kind", [OrderKind.RELEASE, OrderKind.HOLD_OPEN])
def test_what_opens_and_waited_for_too_long_is_not_given(kind: OrderKind) -> None:
    """kept, law 2"""
    doors()
    letters.keep_points({1: "hub-1"})
    order = ordered(kind, 1)
    assert kept.next_to_give(ENGINE, True, HUBS, BEGAN + kept.GIVE_SECONDS) is None
    order.refresh_from_db()
    assert (order.state, order.why) == (OrderState.FAILED, kept.NO_WAY)


def test_an_end_that_waited_for_too_long_is_not_given_and_its_lockdown_stands() -> None:
    """kept, law 2"""
    doors()
    order = ordered()
    given(ENGINE)
    end = ended(order)
    assert kept.next_to_give(ENGINE, True, HUBS, BEGAN + kept.GIVE_SECONDS) is None
    end.refresh_from_db()
    order.refresh_from_db()
    assert (end.state, order.ending) == (OrderState.FAILED, None)


def test_the_end_of_a_lockdown_that_the_bridge_may_have_goes_to_the_bridge() -> None:
    """kept, law 4"""
    doors()
    order = ordered()
    lost(BRIDGE)
    assert not order.given.exists()
    end = ended(order)
    assert given(BRIDGE).key == end.key


def test_a_lockdown_that_was_ended_while_no_hub_got_it_is_never_given() -> None:
    """kept, law 4"""
    doors()
    order = ordered()
    giving = taken(ENGINE)
    end = ended(order)
    kept.was_not_given(giving.key, "nobody there", is_lost=False, is_new=giving.is_new)
    for way in (ENGINE, BRIDGE):
        assert kept.next_to_give(way, True, HUBS, BEGAN + TAKE_SECONDS) is None
    order.refresh_from_db()
    end.refresh_from_db()
    assert (order.state, order.ended_by) == (OrderState.FAILED, "bert")
    assert (end.state, end.why) == (OrderState.GIVEN, kept.BEFORE_GIVEN)


def test_a_row_that_could_not_be_written_leaves_no_order_that_is_being_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """kept, laws 1 and 3"""
    doors()
    write = kept.was_given
    failures = ["disk full"]

    def fails_once(*args: object) -> None:
        if failures:
            raise StoreError(failures.pop())
        write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(kept, "was_given", fails_once)
    way = FakeWay()
    with desk_of(way):
        order = ordered(now=int(time.time()))
        assert wait_for(lambda: _state(order) == OrderState.GIVEN)
    assert len(way.given) == 2
    assert way.given[0].letters == way.given[1].letters


class OddWay(FakeWay):
    """Fails with what is no failure of a way, for one kind of order."""

    async def give(self, giving: Giving) -> Receipt:
        if giving.wish.kind is OrderKind.LOCKDOWN:
            raise ValueError("odd")
        return await super().give(giving)


def test_an_order_that_fails_in_an_odd_way_holds_up_no_other() -> None:
    """desk, law 4"""
    doors()
    way = OddWay()
    with desk_of(way) as desk:
        odd = ordered(now=int(time.time()) - 1)
        other = ordered(OrderKind.NO_ENTRY, now=int(time.time()))
        assert wait_for(lambda: _state(other) == OrderState.GIVEN)
        assert wait_for(lambda: "odd" in desk.problem)
        assert _state(odd) in (OrderState.WAITING, OrderState.GIVING)


def test_an_end_is_not_ordered_while_the_way_of_its_order_is_away_and_is_where_no_hub_has_it() -> (
    None
):
    """views, law 2"""
    doors()
    now = int(time.time())
    order = ordered(now=now)
    giving = taken(BRIDGE, now)
    kept.was_given(giving.key, giving.key, HUBS, now)
    browser = at_work()
    bridge = FakeWay(BRIDGE)
    bridge.is_there = False
    with desk_of(FakeWay(ENGINE), bridge):
        browser.get("/orders")
        told = browser.submit(f"/orders/{order.key}/end")
        assert "the bridge has what this ends, and is away" in told.text
        assert not [form for form in told.page.forms if form.action == "/orders/give"]
    assert not Order.objects.filter(on=False).exists()


def test_a_lockdown_that_waits_for_a_way_is_ended_on_the_page() -> None:
    """views, law 2"""
    doors()
    order = ordered(now=int(time.time()))
    browser = at_work()
    way = FakeWay()
    way.is_there = False
    with desk_of(way):
        browser.get("/orders")
        browser.submit(f"/orders/{order.key}/end")
        browser.submit("/orders/give")
    assert _state(order) == OrderState.FAILED


def _state(order: Order) -> str:
    return str(Order.objects.get(pk=order.pk).state)


def test_an_order_whose_place_was_taken_while_it_waited_is_not_given_after_the_newer_one() -> None:
    """kept, law 5"""
    doors()
    first = ordered()
    lost(ENGINE)
    newer = ordered(now=BEGAN + 1)
    ended(first, BEGAN + 2)
    assert given(ENGINE).key == newer.key
    lost(ENGINE)
    first.refresh_from_db()
    assert first.ending is None
    assert kept.next_to_give(ENGINE, True, HUBS, BEGAN + 2) is None


def test_an_older_end_that_a_hub_was_too_busy_for_ends_no_newer_order() -> None:
    """kept, law 5"""
    doors()
    letters.keep_points({1: "hub-1"})
    first = ordered(OrderKind.HOLD_OPEN, 1)
    given(ENGINE)
    ended(first)
    answered(given(ENGINE), "hub-1", Answered.BUSY)
    ordered(OrderKind.HOLD_OPEN, 1, BEGAN + 1)
    answered(given(ENGINE, BEGAN + 1), "hub-1", Answered.TAKEN)
    assert kept.again(ENGINE, HUBS, BEGAN + 2 * TAKE_SECONDS) == []


def test_what_was_not_given_for_the_longest_goes_again_first_however_many_are_newer() -> None:
    """kept, law 3"""
    door = Door.objects.create(name="Long corridor")
    numbers = range(1, ASKED_AT_ONCE + 2)
    for number in numbers:
        AccessPoint.objects.create(number=number, name=str(number), door=door)
    letters.keep_points(dict.fromkeys(numbers, "hub-1"))
    for number in numbers:
        ordered(point=number, now=BEGAN + number)
        given(ENGINE, BEGAN + number)
    late = BEGAN + 10 * TAKE_SECONDS
    first = kept.again(ENGINE, HUBS, late)
    assert [giving.wish.point for giving in first] == list(numbers)[:ASKED_AT_ONCE]
    assert [giving.wish.point for giving in kept.again(ENGINE, HUBS, late)] == [numbers[-1]]


def test_each_order_by_the_bridge_is_asked_about_in_its_turn() -> None:
    """kept, `to_ask`"""
    doors()
    asked: set[str] = set()
    keys = {new_key() for _ in range(3 * ASKED_AT_ONCE)}
    rows = [_by_bridge(key) for key in keys]
    Order.objects.bulk_create(rows)
    Given.objects.bulk_create(
        Given(order=row, hub="hub-1", message=row.key, expires_at=BEGAN) for row in rows
    )
    for now in range(BEGAN, BEGAN + 12):
        found = kept.to_ask(BRIDGE, now)
        assert len(found) == ASKED_AT_ONCE
        asked |= set(found)
    assert asked == keys


def _by_bridge(key: str) -> Order:
    made = Order(key=key, by="olga", at=BEGAN, kind=OrderKind.LOCKDOWN, on=True, reference=key)
    made.until = made.lives_until = BEGAN + HOUR
    made.way = BRIDGE
    made.state = OrderState.GIVEN
    return made


def test_a_lockdown_waits_for_the_first_hub_and_the_bridge_keeps_it_for_hubs_to_come() -> None:
    """kept, law 3; bybridge, law 2"""
    doors()
    first = ordered()
    failing = ordered(OrderKind.RELEASE, 1)
    second = ordered(OrderKind.NO_ENTRY, now=BEGAN + 1)
    assert kept.next_to_give(ENGINE, True, (), BEGAN + 1) is None
    states = {order.key: order.state for order in Order.objects.all()}
    assert states == {
        first.key: OrderState.WAITING,
        failing.key: OrderState.FAILED,
        second.key: OrderState.WAITING,
    }
    assert Order.objects.get(pk=first.key).why == kept.NO_HUB_YET
    assert taken(BRIDGE, BEGAN + 1, ()).key == first.key
    assert taken(ENGINE, BEGAN + 1).key == second.key


def test_new_orders_go_by_the_way_that_has_hubs() -> None:
    """desk, law 1"""
    doors()
    engine = FakeWay(ENGINE)
    bridge = FakeWay(BRIDGE)
    engine.there = frozenset()
    engine.points = {}
    with desk_of(engine, bridge):
        assert wait_for(lambda: engine.is_up and bridge.is_up)
        ordered(now=int(time.time()))
        assert wait_for(lambda: bool(bridge.given))


def test_an_order_goes_to_no_other_hub_than_the_certificate_names() -> None:
    """letters, law 1"""
    letters.keep_points({1: "hub-1"})
    assert letters.hub_of(1, ("hub-2",)) == ""
    assert letters.hub_of(1, HUBS) == "hub-1"
    assert letters.hub_of(2, ("hub-2",)) == "hub-2"


def test_by_the_bridge_the_newest_answer_counts_until_it_is_done_or_refused() -> None:
    """kept, law 6"""
    doors()
    order = ordered()
    given(BRIDGE)
    for answer in (Answered.BUSY, Answered.FAILED, Answered.TAKEN):
        assert kept.to_ask(BRIDGE, BEGAN) == [order.key]
        kept.record_answers([HubSaid(hub, order.key, answer, "") for hub in HUBS])
        assert set(order.given.values_list("answer", flat=True)) == {answer}
    assert kept.to_ask(BRIDGE, BEGAN) == []
    kept.record_answers([HubSaid("hub-1", order.key, Answered.FAILED, "")])
    assert Given.objects.get(hub="hub-1").answer == Answered.TAKEN


def test_by_the_engine_the_first_answer_to_a_message_counts() -> None:
    """kept, law 6"""
    doors()
    ordered()
    giving = given(ENGINE)
    answered(giving, "hub-1", Answered.BUSY)
    answered(giving, "hub-1", Answered.TAKEN)
    assert Given.objects.get(hub="hub-1").answer == Answered.BUSY


def test_the_same_confirmation_twice_at_once_is_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """asking, law 2: the second has looked before the first was there"""
    doors()
    first = ordered()
    looked = asking._there
    answers = [None]
    monkeypatch.setattr(asking, "_there", lambda key: answers.pop() if answers else looked(key))
    wish = Wish(OrderKind.LOCKDOWN, on=True, point=None, until=BEGAN + HOUR)
    again = asking.place(first.key, "olga", wish, RIGHTS, asking.Pace(), BEGAN)
    assert again == first
    assert answers == []


def test_an_order_is_given_while_it_is_looked_which_hubs_there_are() -> None:
    """desk, law 3"""
    doors()
    way = FakeWay()
    way.look_hangs_after = 1
    with desk_of(way):
        assert wait_for(lambda: way.looks == 2)
        order = ordered(now=int(time.time()))
        assert wait_for(lambda: _state(order) == OrderState.GIVEN)


def test_after_a_lost_connection_orders_go_to_the_hubs_of_before() -> None:
    """desk, law 3"""
    doors()
    way = FakeWay()
    with desk_of(way):
        assert wait_for(lambda: way.looks > 1)
        way.is_there = False
        assert wait_for(lambda: not way.is_up)
        way.look_hangs_after = 1
        order = ordered(now=int(time.time()))
        way.is_there = True
        assert wait_for(lambda: _state(order) == OrderState.GIVEN)
    assert [letter.hub for letter in way.given[0].letters] == list(HUBS)


def test_after_a_start_orders_go_to_the_hubs_of_before_while_it_is_looked() -> None:
    """desk, law 3"""
    doors()
    letters.keep_points({1: "hub-1", 2: "hub-2"})
    HubPolicy.objects.bulk_create(HubPolicy(hub=hub) for hub in HUBS)
    way = FakeWay()
    way.look_hangs_after = -1
    with desk_of(way) as desk:
        order = ordered(now=int(time.time()))
        assert wait_for(lambda: _state(order) == OrderState.GIVEN)
        assert desk.hubs == set(HUBS)
    assert [letter.hub for letter in way.given[0].letters] == list(HUBS)


@pytest.mark.parametrize("known", [(), ("hub-1", "hub-9")])
def test_where_not_each_hub_is_known_it_is_looked_first(known: tuple[str, ...]) -> None:
    """desk, law 3: nobody knows which doors hub-9 has"""
    doors()
    letters.keep_points({1: "hub-1"})
    HubPolicy.objects.bulk_create(HubPolicy(hub=hub) for hub in known)
    way = FakeWay()
    way.look_hangs_after = -1
    with desk_of(way) as desk:
        assert wait_for(lambda: way.looks == 1)
        assert desk.hubs is None
        assert way.given == []


def test_a_look_that_fails_is_said_and_tried_again() -> None:
    """desk, law 4"""
    doors()
    way = FakeWay()
    with desk_of(way) as desk:
        way.is_there = False
        assert wait_for(lambda: "nobody listens there" in desk.why_away())
        way.is_there = True
        assert wait_for(lambda: not desk.why_away())
