"""What a device is told from its page: what is offered, a second step, rights, acts, answers."""

from __future__ import annotations

import time

import pytest

from hubcore.backend.uplink.words import ActOutcome
from hubcore.device.command import VERBS_OF, Capability, Command, Verb
from hubcore.device.remote import FROM_AFAR, OPENS_DOORS
from hubcore.device.state import Position, Quantity
from hubcore.device.telemetry import POSITION_NUMBERS
from hubsite.acts import log
from hubsite.acts.models import Act
from hubsite.config import Operators
from hubsite.fleet.models import DeviceValue
from hubsite.fleet.said.kinds import KINDS, kinds_of, told_from_afar
from hubsite.fleet.said.values import Row
from hubsite.hubs.engine import OrderAnswer
from hubsite.orders.giving.making import keep_orders
from hubsite.orders.models import Given, Order
from hubsite.orders.words import COMMANDS, Answered, OrderKind, OrderState, Told, WayName, Wish
from hubsite.pages.orders import confirming
from hubsite.pages.orders.confirming import Asked
from tests.site.browser import Answer, Browser, at_work
from tests.site.fakeway import FakeWay
from tests.site.orders.test_orders import desk_of, is_done, wait_for, with_rights

pytestmark = pytest.mark.once

NOW = int(time.time())
AT = "/devices/of/hub-1"
WORDS = {verb: one.words for verb, one in COMMANDS.items()}


def says(device: str, position: Position | None = None, level: int | None = None) -> None:
    """A device of hub-1 has said this; one without a position has said its temperature."""
    rows = {Quantity.TEMPERATURE: 21_000}
    if position is not None:
        rows[Quantity.POSITION] = POSITION_NUMBERS[position]
    if level is not None:
        rows[Quantity.LEVEL] = 1000 * level
    for quantity, value in rows.items():
        DeviceValue.objects.create(
            hub="hub-1", device=device, quantity=quantity, value=value, at=NOW
        )


def offered(browser: Browser, device: str) -> list[str]:
    page = browser.get(f"{AT}/{device}").page
    return [str(form.values["verb"]) for form in page.forms if form.action.endswith("/tell")]


def press(browser: Browser, device: str, verb: str, **typed: str) -> Answer:
    """Press a button of a device's page, whether it is there or not."""
    page = browser.get(f"{AT}/{device}").page
    token = str(page.forms[0].values["csrfmiddlewaretoken"])
    data = {"csrfmiddlewaretoken": token, "verb": verb, **typed}
    return browser.post(f"{AT}/{device}/tell", data)


def the_facts(number: int) -> dict[str, object]:
    said = Act.objects.get(number=number).said
    return {key: said[key] for key in ("kind", "by", "hub", "device", "verb", "level")}


def test_a_lamp_is_switched_at_once_and_each_press_is_an_order_and_an_act() -> None:
    says("lamp", Position.OFF)
    way = FakeWay()
    browser = at_work()
    with desk_of(way):
        assert "off" in browser.get("/devices").text
        assert offered(browser, "lamp") == ["on", "off", "read"]
        told = press(browser, "lamp", "on")
        order = Order.objects.get()
        assert told.where == f"/orders/{order.key}"
        assert wait_for(lambda: is_done(order))
        shown = browser.get(told.where).text
        assert "Switch on: lamp of hub-1" in shown
        assert "hub-1 done: as told" in shown
        assert "Switch on: lamp of hub-1 olga" in browser.get(f"{AT}/lamp").text
        assert "Switch on: lamp of hub-1" in browser.get("/orders").text
        press(browser, "lamp", "on")
    assert [giving.hub for giving in way.given] == ["hub-1", "hub-1"]
    assert way.given[0].by == "olga"
    assert way.given[0].wish.told == Told("hub-1", Command("lamp", Verb.ON))
    assert [letter.hub for letter in way.given[0].letters] == ["hub-1"]
    facts = {"kind": "device-told", "by": "olga", "hub": "hub-1", "device": "lamp"}
    assert the_facts(1) == {**facts, "verb": "on", "level": None}
    assert Act.objects.count() == 2
    log.verify()


def test_what_moves_has_a_second_step_and_goes_once_and_a_stop_goes_at_once() -> None:
    """devices, law 2; confirming, laws 1 and 2"""
    says("shutter", Position.BETWEEN, 40)
    way = FakeWay()
    browser = at_work()
    with desk_of(way):
        assert offered(browser, "shutter") == ["open", "close", "stop", "set-level", "read"]
        for verb, typed in (("open", {}), ("close", {}), ("set-level", {"level": "70"})):
            asked = press(browser, "shutter", verb, **typed)
            assert "nobody who stands there is asked" in asked.text
            assert "This is for one device of hub hub-1." in asked.text
        assert Order.objects.count() == 0
        assert "Move to 70 % open: shutter of hub-1?" in asked.text
        form = browser.page.form("/orders/give")  # type: ignore[union-attr]
        first = browser.post("/orders/give", dict(form.values))
        second = browser.post("/orders/give", dict(form.values))
        assert first.where == second.where
        assert len(way.given) == 1
        assert way.given[0].wish.told == Told("hub-1", Command("shutter", Verb.SET_LEVEL, 70))
        press(browser, "shutter", "stop")
        assert [giving.wish.words for giving in way.given] == ["Move to 70 % open", "Stop"]
    assert the_facts(1)["level"] == 70


def test_a_lock_and_a_gate_are_asked_or_shut_and_never_opened() -> None:
    """devices, law 1; words, law 4"""
    says("lock", Position.LOCKED)
    says("gate", Position.CLOSED)
    says("silent", Position.UNKNOWN)
    says("meter")
    way = FakeWay()
    browser = at_work()
    with desk_of(way):
        assert offered(browser, "lock") == ["read"]
        assert offered(browser, "gate") == ["close", "stop", "set-level", "read"]
        assert offered(browser, "silent") == ["on", "off", "close", "stop", "set-level", "read"]
        assert offered(browser, "meter") == ["read"]
        for device in ("lock", "gate", "silent", "meter"):
            for verb in ("open", "unlock", "pulse", "lock", "toString", ""):
                assert press(browser, device, verb).status == 403, (device, verb)
    assert way.given == []
    assert Order.objects.count() == 0
    with pytest.raises(ValueError, match="UNLOCK"):
        Told("hub-1", Command("lock", Verb.UNLOCK))


def test_whatever_devices_say_nothing_that_opens_an_entrance_is_offered() -> None:
    """kinds, law 2; each position, with and without a level"""
    assert set(KINDS) == set(Position)
    assert set().union(*KINDS.values()) == set(Capability) - {Capability.SENSOR, Capability.METER}
    assert not COMMANDS.keys() & OPENS_DOORS
    assert set(COMMANDS) == set().union(*FROM_AFAR.values()) - {Verb.LOCK}
    for number in (*POSITION_NUMBERS.values(), 99, None):
        rows = [] if number is None else [_row(Quantity.POSITION, number)]
        kinds = kinds_of(rows)
        opens = {verb for kind in kinds for verb in VERBS_OF[kind] - FROM_AFAR[kind]}
        assert not told_from_afar(kinds) & opens
        assert told_from_afar(kinds) & {Verb.READ}
        level = [*rows, _row(Quantity.LEVEL, 1)]
        assert kinds_of(level) == {Capability.COVER}, "only a cover says how far it is open"


def _row(quantity: Quantity, value: int) -> Row:
    return Row("hub-1", "it", int(quantity), value, NOW)


def test_who_may_not_command_devices_is_offered_nothing_and_refused() -> None:
    says("lamp", Position.OFF)
    says("shutter", Position.CLOSED, 0)
    way = FakeWay()
    browser = at_work()
    with desk_of(way), with_rights(Operators(("lock-down",))):
        assert offered(browser, "lamp") == []
        assert "may not command devices" in browser.get(f"{AT}/lamp").text
        assert press(browser, "lamp", "on").status == 403
        browser.get(f"{AT}/shutter")
        command = Command("shutter", Verb.CLOSE)
        wish = Wish(OrderKind.DEVICE, True, None, None, Told("hub-1", command))
        forged = confirming.write(Asked(confirming.new_key(), "olga", wish))
        token = str(browser.page.forms[0].values["csrfmiddlewaretoken"])  # type: ignore[union-attr]
        data = {"csrfmiddlewaretoken": token, "asked": forged}
        answer = browser.post("/orders/give", data)
        assert answer.status == 409
        assert "not yours to order" in answer.text
    assert Order.objects.count() == 0
    assert Act.objects.count() == 0


def test_a_level_that_is_none_and_a_device_that_nobody_knows_are_refused() -> None:
    says("shutter", Position.CLOSED, 0)
    browser = at_work()
    with desk_of(FakeWay()):
        for level in ("", "101", "-1", "4.5", "half", "9" * 5000):
            answer = press(browser, "shutter", "set-level", level=level)
            assert answer.status == 400
            assert "in whole per cent of 0 to 100" in answer.text
        assert browser.get(f"{AT}/nobody").status == 404
        assert browser.get("/devices/of/hub-9/shutter").status == 404
    assert Order.objects.count() == 0


def test_where_no_way_is_up_a_device_is_told_nothing_also_later() -> None:
    """views, law 2; kept, law 2"""
    says("lamp", Position.OFF)
    says("shutter", Position.CLOSED, 0)
    way = FakeWay()
    way.is_there = False
    browser = at_work()
    assert "neither [engine] orders = true nor [bridge]" in browser.get(f"{AT}/lamp").text
    with desk_of(way) as desk:
        assert wait_for(lambda: "nobody listens there" in desk.why_away())
        refused = press(browser, "lamp", "on")
        assert refused.status == 503
        assert "Nothing was ordered: no way to the hubs is up." in refused.text
        asked = press(browser, "shutter", "open")
        assert not [form for form in asked.page.forms if form.action == "/orders/give"]
        way.is_there = True
        assert wait_for(lambda: way.is_up)
    assert way.given == []
    assert Order.objects.count() == 0


def test_a_hub_that_is_not_reached_is_said() -> None:
    DeviceValue.objects.create(
        hub="hub-9", device="lamp", quantity=Quantity.POSITION, value=4, at=NOW
    )
    browser = at_work()
    with desk_of(FakeWay()):
        page = browser.get("/devices/of/hub-9/lamp").page
        (on, _, _) = [form for form in page.forms if form.action.endswith("/tell")]
        told = browser.post("/devices/of/hub-9/lamp/tell", dict(on.values))
        order = Order.objects.get()
        assert wait_for(lambda: _state(order) == OrderState.FAILED)
        assert "No hub hub-9 is reached. Nothing was done." in browser.get(told.where).text


def _state(order: Order) -> str:
    return str(Order.objects.get(pk=order.pk).state)


def test_by_the_bridge_the_second_step_says_how_late_it_may_move() -> None:
    says("shutter", Position.CLOSED, 0)
    browser = at_work()
    with desk_of(FakeWay(WayName.BRIDGE)):
        assert "within ten minutes" in press(browser, "shutter", "open").text
    with desk_of(FakeWay()):
        assert "within ten minutes" not in press(browser, "shutter", "open").text


@pytest.mark.parametrize(
    ("outcome", "answer", "words"),
    [
        (ActOutcome.CONFIRMED, Answered.TAKEN, "done"),
        (ActOutcome.FAILED, Answered.FAILED, "failed: lamp: no"),
        (ActOutcome.TIMEOUT, Answered.UNCLEAR, "may have done it: lamp: no"),
        (ActOutcome.UNKNOWN, Answered.UNCLEAR, "may have done it: lamp: no"),
        (ActOutcome.REFUSED, Answered.REFUSED, "refused: lamp: no"),
    ],
)
def test_each_outcome_of_a_device_is_shown_and_only_its_own_proof_is_done(
    outcome: ActOutcome, answer: Answered, words: str
) -> None:
    says("lamp", Position.OFF)
    way = FakeWay()
    way.answer = None
    browser = at_work()
    with desk_of(way):
        told = press(browser, "lamp", "off")
        (row,) = Given.objects.all()
        message = bytes.fromhex(row.message)
        detail = "" if outcome is ActOutcome.CONFIRMED else "lamp: no"
        keep_orders([OrderAnswer("hub-2", message, ActOutcome.CONFIRMED, "")])
        assert Given.objects.get().answer == "", "another hub's answer counts for nothing"
        keep_orders([OrderAnswer("hub-1", message, outcome, detail)])
        assert Given.objects.get().answer == answer
        assert f"hub-1 {words}" in browser.get(told.where).text


def test_each_outcome_has_an_answer() -> None:
    says("lamp", Position.OFF)
    for number, outcome in enumerate(ActOutcome):
        keep_orders([OrderAnswer("hub-1", bytes([number]) * 16, outcome, "")])
    assert Given.objects.count() == 0, "no hub makes a row"
