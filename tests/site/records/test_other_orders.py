"""Orders that stand where no door of the page of live doors is: by records, and by the bridge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from hubcore.access.precedence import DoorOrder
from hubcore.evidence.carried_orders import CarriedOrder, write_orders
from hubcore.evidence.facts import Fact, RecordKind
from hubsite.bridge.answer import SaidDoor, SaidHub, SaidOrder
from hubsite.fleet.models import HubState
from hubsite.pages.now.bridged import BridgeView
from hubsite.pages.now.doorrows import Sight
from hubsite.pages.now.orders import ORDERS_SHOWN, OtherOrder, OtherOrders, other_orders
from hubsite.records import kept
from hubsite.records.models import HubDoor
from hubsite.records.showing.looks import (
    DoorNow,
    PlacedOrder,
    StandingOrder,
    doors_now,
    orders_without_doors,
)
from hubsite.register.models import AccessPoint, Door
from tests.site.browser import at_work
from tests.site.chains import NOW, at_door, message, told
from tests.site.fakebridge import door_now, fake_bridge
from tests.site.records.test_by_the_bridge import wait_for, watched

pytestmark = pytest.mark.once

HERE = Sight({"hub-1": HubState(hub="hub-1", is_here=True)})
BY_BRIDGE = "the bridge of hub-1"


def _record_orders(hub: str, *orders: CarriedOrder) -> None:
    """The hub has recorded orders, and nothing of a door."""
    carried = {"kind": RecordKind.ORDER, Fact.ORDERS: write_orders([*orders])}
    kept.take([message(1, told(carried), hub=hub)], NOW)


def _at_work_with(hub: str, points: str) -> str:
    HubState.objects.create(hub=hub, access_points=points, is_here=True)
    return at_work().get("/now/doors").text


def test_what_records_say_of_places_without_a_door_is_a_list_of_its_own() -> None:
    """orders, law 1; looks, laws 2, 4 and 5"""
    door = Door.objects.create(name="Front")
    AccessPoint.objects.create(number=1, name="in", door=door)
    far = NOW + 9_000
    _record_orders(
        "hub-1",
        CarriedOrder(0, DoorOrder.LOCKDOWN, None, "olga"),
        CarriedOrder(1, DoorOrder.NO_ENTRY, far, "at-a-door"),
        CarriedOrder(2, DoorOrder.NO_ENTRY, far, "otto"),
        CarriedOrder(2, DoorOrder.HOLD_OPEN, NOW - 1, "over"),
        CarriedOrder(3, DoorOrder.NO_ENTRY, far, "of-another-hub"),
    )
    served = {"hub-1": frozenset({1, 2})}
    found = orders_without_doors(NOW, served)
    assert [(one.where, one.order.words, one.order.by) for one in found] == [
        ("all doors", "lockdown", "olga"),
        ("access point 2", "no entry", "otto"),
    ]
    (one,) = doors_now(NOW, served)
    assert [order.by for order in one.orders] == ["at-a-door"]
    page = _at_work_with("hub-1", "1, 2")
    assert "Other orders that stand" in page
    assert "lockdown at all doors by olga, says hub-1" in page
    assert "no entry at access point 2 by otto, says hub-1 until" in page
    assert "of-another-hub" not in page


def test_with_a_door_there_an_order_for_all_stands_at_that_door_alone() -> None:
    """orders, law 1"""
    _record_orders("hub-1", CarriedOrder(0, DoorOrder.LOCKDOWN, None, "olga"))
    HubDoor.objects.create(hub="hub-1", door="front", state="closed")
    page = _at_work_with("hub-1", "1")
    assert "lockdown by olga, says hub-1" in page
    assert "Other orders that stand" not in page


def test_what_the_bridge_alone_says_is_there_too(tmp_path: Path) -> None:
    """orders, laws 1 and 2"""
    kept.take([message(1, told(at_door("closed")))], NOW)
    standing = {"order": "lockdown", "given_by": "site", "until": None}
    browser = at_work()
    with fake_bridge(tmp_path) as bridge, watched(bridge):
        bridge.hubs = {"hub-1": True, "hub-2": True, "hub-3": False}
        bridge.doors = [door_now("closed", hub="hub-2")]
        bridge.standing = [
            {**standing, "hub": "hub-1", "where": "all doors"},
            {**standing, "hub": "hub-2", "where": "all doors"},
            {**standing, "hub": "hub-3", "where": "access point 7"},
        ]
        assert wait_for(lambda: "Other orders" in browser.get("/now/doors").text)
        page = browser.get("/now/doors").text
    settings.HUBSITE_RUNNING.parts = ()
    assert "lockdown at all doors by site, says the bridge of hub-1" in page
    assert "lockdown by site, says the bridge of hub-2" in page
    assert "at all doors by site, says the bridge of hub-2" not in page
    assert (
        "Not known, the bridge does not hear its hub; said last: "
        "lockdown at access point 7 by site, says the bridge of hub-3"
    ) in page


def _bridge(*where: str, doors: tuple[str, ...] = ()) -> BridgeView:
    hub = SaidHub(hub="hub-1", connected=True, heard_at=1.0)
    return BridgeView(
        is_heard=True,
        hubs={"hub-1": hub},
        doors={
            ("hub-1", door): SaidDoor(hub="hub-1", door=door, what="closed", at=1.0, alarms=())
            for door in doors
        },
        orders=tuple(SaidOrder("hub-1", "no_entry", one, "site", None) for one in where),
    )


def _no_entry(hub: str = "hub-1") -> StandingOrder:
    return StandingOrder(hub, "no entry", "site", None)


@pytest.mark.parametrize("place", ["all doors", "door front", "access point 4"])
def test_while_both_ways_say_the_same_the_bridge_adds_nothing(place: str) -> None:
    """orders, law 2"""
    recorded = [PlacedOrder("hub-1", place, _no_entry())]
    by_records = OtherOrder("hub-1", "no entry", place, "site", None, "")
    by_bridge = replace(by_records, said_by=BY_BRIDGE)
    both = replace(HERE, bridge=_bridge(place))
    assert other_orders([], recorded, both) == OtherOrders((by_records,))
    assert other_orders([], [], both) == OtherOrders((by_bridge,))
    away = "the hubs' engine is not read"
    told_twice = other_orders([], recorded, replace(both, engine_away=away))
    assert told_twice == OtherOrders((replace(by_records, unsure=away), by_bridge))


def test_an_order_at_the_page_s_doors_is_in_no_list() -> None:
    """orders, laws 1 and 2"""
    point = DoorNow(None, (), (_no_entry(),), (), {"hub-1": (4,)})
    by_point = replace(HERE, bridge=_bridge("access point 4", "access point 5"))
    (other,) = other_orders([point], [], by_point).orders
    assert other.where == "access point 5"
    named = replace(HERE, bridge=_bridge("door front", "all doors", "door yard", doors=("front",)))
    (other,) = other_orders([], [], named).orders
    assert other.where == "door yard"


def test_the_list_has_an_end() -> None:
    """orders, law 3"""
    many = replace(
        HERE, bridge=_bridge(*(f"access point {one}" for one in range(ORDERS_SHOWN + 3)))
    )
    shown = other_orders([], [], many)
    assert (len(shown.orders), shown.more) == (ORDERS_SHOWN, 3)
