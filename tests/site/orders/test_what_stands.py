"""What the list of orders says that stands, held against what stands at hubs."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubsite.config import Operators, operator_of
from hubsite.orders import asking, kept
from hubsite.orders.asking import NotOrderedError
from hubsite.orders.kept import Giving, HubSaid
from hubsite.orders.models import Given, Order, PointAt
from hubsite.orders.standing import hubs_left, may_be_ended, may_go_beside, standing
from hubsite.orders.tidying import tidy_orders
from hubsite.orders.words import TAKE_SECONDS, Answered, OrderKind, WayName, Wish
from hubsite.pages.orders.confirming import new_key
from hubsite.register.models import AccessPoint, Door, HubPolicy
from tests.site.browser import at_work

pytestmark = pytest.mark.once

HUBS = ("hub-1", "hub-2")
BEGAN = 1_800_000_000
HOUR = 3600
RIGHTS = operator_of(Operators(("lock-down",)))
ENGINE = WayName.ENGINE
BRIDGE = WayName.BRIDGE
EVENTS = st.lists(
    st.one_of(
        st.sampled_from(["place", "end", "wait", "beside", "tidy"]),
        st.tuples(st.sampled_from(["give", "lose"]), st.sampled_from([ENGINE, BRIDGE])),
        st.tuples(
            st.sampled_from(["takes", "takes-unheard", "refuses"]),
            st.sampled_from([ENGINE, BRIDGE]),
            st.sampled_from(HUBS),
        ),
    ),
    min_size=8,
    max_size=24,
)


@dataclass(frozen=True)
class OnItsWay:
    order: Order
    message: str
    until: int


class World:
    """Two hubs, two ways, operators and a clock; `stands` is what holds at each hub by each way."""

    def __init__(self) -> None:
        self.now = BEGAN
        self.pace = asking.Pace()
        self.going: dict[tuple[WayName, str], list[OnItsWay]] = {}
        self.stands: dict[tuple[WayName, str], Order] = {}
        self.heard: set[tuple[str, str]] = set()
        """A hub does one id once."""
        self.keys = 0

    def key(self) -> str:
        self.keys += 1
        return f"{self.keys:032x}"

    def step(self, event: str | tuple[str, ...]) -> None:
        match event:
            case "place":
                ordered(self.now, self.pace, key=self.key())
            case "end":
                self.end()
            case "wait":
                self.now += TAKE_SECONDS + 1
                for giving in kept.again(ENGINE, HUBS, self.now):
                    self.send(giving, ENGINE)
            case "beside":
                self.beside()
            case "tidy":
                tidy_orders(1000, self.now, kept=0, young=0)
            case ("give" | "lose", way):
                self.give(event[0], WayName(way))
            case (what, way, hub):
                self.hear(what, WayName(way), hub)

    def end(self) -> None:
        for order in standing(self.now):
            if may_be_ended(order, self.now):
                seen = order.ending_id or ""
                key = self.key()
                asking.place_end(key, "bert", order.key, seen, RIGHTS, self.pace, self.now)
                return

    def beside(self) -> None:
        for order in standing(self.now):
            if may_go_beside(order, self.now):
                key = self.key()
                asking.place_beside(key, "bert", order.key, RIGHTS, self.pace, self.now)
                return

    def give(self, how: str, way: WayName) -> None:
        giving = kept.next_to_give(way, True, HUBS, self.now)
        if giving is None:
            return
        self.send(giving, way)
        if how == "lose":
            kept.was_not_given(giving.key, "lost", is_lost=True, is_new=giving.is_new)
        else:
            kept.was_given(
                giving.key, giving.key if way is BRIDGE else "", self.whom(way), self.now
            )

    @staticmethod
    def whom(way: WayName) -> tuple[str, ...]:
        """By the engine letters say whom it is for."""
        return HUBS if way is BRIDGE else ()

    def send(self, giving: Giving, way: WayName) -> None:
        order = Order.objects.get(pk=giving.key)
        if way is BRIDGE:  # it keeps the newest about a place
            for hub in HUBS:
                self.going[way, hub] = [OnItsWay(order, giving.key, self.now + HOUR)]
        for letter in giving.letters:
            one = OnItsWay(order, letter.message.hex(), letter.expires_at)
            self.going.setdefault((way, letter.hub), []).append(one)

    def hear(self, what: str, way: WayName, hub: str) -> None:
        going = self.going.get((way, hub), [])
        going[:] = [one for one in going if one.until > self.now]
        if not going:
            return
        one = going.pop(0)
        if (hub, one.message) in self.heard:
            return
        self.heard.add((hub, one.message))
        if what != "refuses":
            self.stands[way, hub] = one.order
        if what != "takes-unheard":
            answer = Answered.REFUSED if what == "refuses" else Answered.TAKEN
            kept.record_answers([HubSaid(hub, one.message, answer, "")])

    def judge(self) -> None:
        listed = {order.key: order for order in standing(self.now)}
        for (_, hub), order in self.stands.items():
            if not order.on or (order.until or 0) <= self.now:
                continue
            assert order.key in listed, "what stands at a hub is in the list"
            if listed[order.key].ended_at is not None:
                assert hub in hubs_left(listed[order.key], self.now)


def ordered(now: int, pace: asking.Pace | None = None, seconds: int = HOUR, key: str = "") -> Order:
    wish = Wish(OrderKind.LOCKDOWN, on=True, point=None, until=now + seconds)
    return asking.place(key or new_key(), "olga", wish, RIGHTS, pace or asking.Pace(), now)


def done(order: Order, way: WayName, now: int, *hubs: str) -> None:
    """Give the order that waits, and let these hubs do it."""
    giving = kept.next_to_give(way, True, HUBS, now)
    assert giving is not None
    assert giving.key == order.key
    kept.was_given(giving.key, giving.key if way is BRIDGE else "", World.whom(way), now)
    kept.record_answers([HubSaid(hub, giving.key, Answered.TAKEN, "") for hub in hubs])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(EVENTS)
def test_whatever_stands_at_a_hub_is_in_the_list(events: list[str | tuple[str, ...]]) -> None:
    """standing, laws 1 to 3; over all orders of events"""
    Given.objects.all().delete()
    Order.objects.update(ending=None, of=None)
    Order.objects.all().delete()
    if not AccessPoint.objects.exists():
        AccessPoint.objects.create(number=1, name="in", door=Door.objects.create(name="Front"))
    world = World()
    for event in ("place", *events):
        world.step(event)
        world.judge()


@pytest.mark.parametrize("way", [ENGINE, BRIDGE])
def test_what_all_hubs_have_done_the_end_of_stands_no_more(way: WayName) -> None:
    """standing, law 1"""
    order = ordered(BEGAN)
    done(order, way, BEGAN, *HUBS)
    end = asking.place_end(new_key(), "bert", order.key, "", RIGHTS, asking.Pace(), BEGAN)
    done(end, way, BEGAN, "hub-1")
    (left,) = standing(BEGAN)
    assert hubs_left(left, BEGAN) == ("hub-2",)
    assert may_be_ended(left, BEGAN)
    kept.record_answers([HubSaid("hub-2", end.key, Answered.TAKEN, "")])
    assert not standing(BEGAN).exists()


def test_a_long_lockdown_stands_at_the_hub_that_never_heard_the_short_one_after_it() -> None:
    """standing, law 1"""
    long = ordered(BEGAN)
    done(long, ENGINE, BEGAN, *HUBS)
    short = ordered(BEGAN + 1, seconds=300)
    done(short, ENGINE, BEGAN + 1, "hub-1")
    long.refresh_from_db()
    assert not may_be_ended(long, BEGAN + 2), "the end of the newer one ends both"
    assert may_be_ended(short, BEGAN + 2)
    (left,) = standing(BEGAN + 400)
    assert left == long
    assert hubs_left(left, BEGAN + 400) == ("hub-2",)
    asking.place_end(new_key(), "bert", long.key, "", RIGHTS, asking.Pace(), BEGAN + 400)


def test_the_page_names_hubs_that_may_have_it_yet_and_hubs_that_were_not_told() -> None:
    """docs/site.md, orders 8"""
    now = int(time.time())
    AccessPoint.objects.create(number=1, name="in", door=Door.objects.create(name="Front"))
    HubPolicy.objects.create(hub="hub-3")
    PointAt.objects.create(number=9, hub="hub-4")
    order = ordered(now)
    done(order, BRIDGE, now, *HUBS)
    browser = at_work()
    for page in ("/orders", f"/orders/{order.key}"):
        assert "Not told: hub-3, hub-4." in browser.get(page).text
    end = asking.place_end(new_key(), "bert", order.key, "", RIGHTS, asking.Pace(), now)
    done(end, BRIDGE, now, "hub-1")
    kept.record_answers([HubSaid("hub-2", end.key, Answered.REFUSED, "no")])
    for page in ("/orders", f"/orders/{order.key}"):
        assert "It was ended or replaced, and may stand yet at hub-2." in browser.get(page).text
    assert "No order of this server stands." not in browser.get("/orders").text


def test_who_is_told_that_an_order_is_over_cannot_end_it() -> None:
    """asking, law 3"""
    order = ordered(BEGAN)
    done(order, ENGINE, BEGAN, *HUBS)
    end = asking.place_end(new_key(), "bert", order.key, "", RIGHTS, asking.Pace(), BEGAN)
    done(end, ENGINE, BEGAN, *HUBS)
    with pytest.raises(NotOrderedError, match="bert has ended this already"):
        asking.place_end(new_key(), "olga", order.key, end.key, RIGHTS, asking.Pace(), BEGAN)
