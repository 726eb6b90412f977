"""Whatever happens in whichever order: what opens goes once, and an end stops what shuts."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubcore.device.command import Command, Verb
from hubsite.acts.models import Act
from hubsite.config import Operators, operator_of
from hubsite.orders import asking, kept, letters
from hubsite.orders.asking import NotOrderedError
from hubsite.orders.kept import Giving, HubSaid
from hubsite.orders.models import Given, Order
from hubsite.orders.standing import may_go_beside
from hubsite.orders.tidying import tidy_orders
from hubsite.orders.words import (
    TAKE_SECONDS,
    Answered,
    OrderKind,
    OrderState,
    Told,
    WayName,
    Wish,
)
from hubsite.register.models import AccessPoint, Door

pytestmark = pytest.mark.once

HUBS = ("hub-1", "hub-2")
BEGAN = 1_800_000_000
HOUR = 3600
OPERATOR = operator_of(Operators(("lock-down", "release", "hold-open", "command"), (1,)))
PLACES = ("lockdown", "hold-open", "release", "device", "end")
SHUTTER = Told("hub-1", Command("shutter", Verb.SET_LEVEL, 40))
GIVES = ("give", "give", "lose", "refuse", "cut")
BY_BRIDGE = ("bridge-give", "bridge-lose", "bridge-refuse")
OTHERS = ("answer", "late", "wait", "wait", "beside", "beside", "tidy")
EVENTS = st.lists(st.sampled_from((*PLACES, *GIVES, *BY_BRIDGE, *OTHERS)), min_size=8, max_size=20)


class World:
    """Operators, two ways, two hubs and a clock; `gone` is what hubs may have heard."""

    def __init__(self) -> None:
        self.now = BEGAN
        self.keys = 0
        self.pace = asking.Pace()
        self.gone: list[tuple[str, str, str]] = []
        """The order, the hub, the message."""
        self.taken: set[tuple[str, str]] = set()
        """Which order was done at which hub."""
        self.heard_by: dict[str, WayName] = {}
        self.given: list[Order] = []
        """What has gone for sure, in this order."""
        self.was_there: dict[str, Order] = {}
        """Orders as they were before some of them were removed."""
        self.never_again: set[str] = set()
        """What had gone by both ways when its end was asked for."""

    def step(self, event: str) -> None:
        match event:
            case "lockdown" | "hold-open" | "release" | "device":
                self.place(OrderKind(event))
            case "end":
                self.end()
            case "give" | "lose" | "refuse" | "cut":
                self.give(event, WayName.ENGINE)
            case "bridge-give" | "bridge-lose" | "bridge-refuse":
                self.give(event.removeprefix("bridge-"), WayName.BRIDGE)
            case "answer":
                self.answer(Answered.TAKEN)
            case "late":
                self.answer(Answered.LATE)
            case "wait":
                self.now += TAKE_SECONDS + 1
                for giving in kept.again(WayName.ENGINE, HUBS, self.now):
                    self.again(giving)

            case "beside":
                self.beside()
            case "tidy":
                self.was_there |= {order.key: order for order in Order.objects.all()}
                tidy_orders(1000, self.now, kept=0, young=0)

    def place(self, kind: OrderKind) -> None:
        until = None if kind in (OrderKind.RELEASE, OrderKind.DEVICE) else self.now + HOUR
        wish = Wish(kind, on=True, point=1, until=until)
        if kind is OrderKind.DEVICE:
            wish = Wish(kind, on=True, point=None, until=None, told=SHUTTER)
        asking.place(self.key(), "olga", wish, OPERATOR, self.pace, self.now)

    def beside(self) -> None:
        order = Order.objects.filter(on=True, kind=OrderKind.LOCKDOWN).last()
        if order is not None and may_go_beside(order, self.now):
            key = self.key()
            asking.place_beside(key, "olga", order.key, OPERATOR, self.pace, self.now)

    def end(self) -> None:
        order = Order.objects.filter(on=True, until__isnull=False).first()
        if order is None:
            return
        seen = order.ending_id or ""
        try:
            key = self.key()
            asking.place_end(key, "bert", order.key, seen, OPERATOR, self.pace, self.now)
            ends = Order.objects.filter(on=False, at=self.now).exclude(of=None)
            halves = Order.objects.filter(pk__in=ends.values("of"), besides__isnull=False)
            self.never_again |= set(halves.values_list("pk", flat=True))
        except NotOrderedError:
            assert not Order.objects.filter(pk=key).exists()

    def give(self, how: str, way: WayName) -> None:
        giving = kept.next_to_give(way, True, HUBS, self.now)
        if giving is None:
            return
        if how != "refuse":
            self.hear(giving, way)
        if how == "give":
            reference = giving.key if way is WayName.BRIDGE else ""
            kept.was_given(giving.key, reference, HUBS, self.now)
            self.given.append(Order.objects.get(pk=giving.key))
        elif how == "cut":
            kept.begin()
        else:
            new = giving.is_new
            kept.was_not_given(giving.key, "as told", is_lost=how == "lose", is_new=new)

    def again(self, giving: Giving) -> None:
        """What goes again takes the place of nothing newer."""
        again = Order.objects.get(pk=giving.key)
        place = [order.key for order in self.given if order.kind == again.kind]
        by_engine = [key for key in place if self.heard_by[key] is WayName.ENGINE]
        assert max(by_engine) == giving.key, "of two orders about a place the newer one counts"
        self.hear(giving, WayName.ENGINE)

    def hear(self, giving: Giving, way: WayName) -> None:
        """A hub may have heard it: judge whether it should have."""
        order = Order.objects.get(pk=giving.key)
        assert order.key not in self.never_again, "the end of both stops the engine's half"
        assert order.ending is None, "an end that was asked for stops what is given again"
        assert self.heard_by.setdefault(order.key, way) is way, "an order has one way"
        if order.wish.goes_once:
            assert self.now < order.at + kept.GIVE_SECONDS, "what opens is given in time"
        if order.wish.told is not None:
            assert giving.hub == "hub-1"
            assert {letter.hub for letter in giving.letters} <= {"hub-1"}
        for letter in giving.letters:
            assert (giving.key, letter.hub) not in self.taken, "what was done is not given again"
            assert self.now < letter.expires_at <= self.now + TAKE_SECONDS
            self.gone.append((giving.key, letter.hub, letter.message.hex()))

    def answer(self, answer: Answered) -> None:
        if not self.gone:
            return
        key, hub, message = self.gone[-1]
        kept.record_answers([HubSaid(hub, message, answer, "")])
        if Given.objects.get(order=key, hub=hub).answer == Answered.TAKEN:
            self.taken.add((key, hub))

    def key(self) -> str:
        self.keys += 1
        return f"{self.keys:032x}"


def _nothing() -> None:
    Given.objects.all().delete()
    Order.objects.update(ending=None, of=None)
    Order.objects.all().delete()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(EVENTS)
def test_what_opens_goes_once_and_an_end_stops_what_shuts(events: list[str]) -> None:
    """kept, laws 1 to 5; asking, law 1"""
    _nothing()
    acts = Act.objects.count()
    if not AccessPoint.objects.exists():
        letters.keep_points({1: "hub-1"})
        AccessPoint.objects.create(number=1, name="in", door=Door.objects.create(name="Front"))
    world = World()
    for event in ("lockdown", *events):
        world.step(event)
    there = {order.key: order for order in Order.objects.all()}
    orders = world.was_there | there
    for key, times in Counter(key for key, _, _ in world.gone).items():
        if orders[key].wish.goes_once:
            assert times == 1, "what opens, or moves a device, goes once"
    assert Act.objects.count() - acts == len(orders)
    for order in there.values():
        lost = (OrderState.FAILED, OrderState.UNCLEAR)
        assert order.ending is None or order.ending.state not in lost, "a lost end ends nothing"
        if order.why == kept.BEFORE_GIVEN:
            unheard = order.key if order.on else order.of_id
            assert unheard not in world.heard_by, "no hub had it"
