"""The pages of this moment: doors, alarms, and the overview, as operators use them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hubcore.access.precedence import DoorOrder
from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import Notice
from hubcore.codec import cbor
from hubcore.evidence.carried_orders import CarriedOrder, write_orders
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import Head
from hubsite.acts.models import Act
from hubsite.config import Engine, Records
from hubsite.fleet.models import POINTS_LENGTH, HubPromise, HubState
from hubsite.pages.now import doorrows
from hubsite.records import kept
from hubsite.records.follower import Follower
from hubsite.records.models import Chain, HubDoor, Record
from hubsite.records.showing import alarms, looks
from hubsite.register.models import AccessPoint, Door
from tests.site.browser import at_work
from tests.site.chains import NOW, access, at_door, message, told
from tests.site.records.test_record_pages import DAY, kinds_of_acts, site_of_one_door

pytestmark = pytest.mark.once


def test_alarms_are_seen_once_and_that_is_an_act() -> None:
    """alarms, law 1"""
    kept.take([message(1, told(at_door("forced"), access(), at_door("tamper")))], NOW)
    olga = at_work("olga")
    otto = at_work("otto")
    olga.get("/now/alarms")
    page = otto.get("/now/alarms")
    assert "door 'front': forced" in page.text
    assert "Seen by you: 2." in olga.submit().text
    assert "Seen by you: 0." in otto.submit().text
    assert "Nobody has seen these There is none." in olga.get("/now/alarms").text
    assert set(Record.objects.filter(is_alarm=True).values_list("seen_by", flat=True)) == {"olga"}
    assert [(act.said["kind"], act.said["by"], act.said["about"]) for act in Act.objects.all()][
        -2:
    ] == [
        ("alarm-seen", "olga", "record hub-1 1"),
        ("alarm-seen", "olga", "record hub-1 3"),
    ]
    otto.get("/now/alarms")
    (plain,) = Record.objects.filter(is_alarm=False)
    assert alarms.see("otto", [plain.pk]) == 0


def test_an_alarm_ahead_of_its_record_is_said_to_be_not_proven() -> None:
    follower = Follower(Engine(("nats://127.0.0.1:9",)), Records(), lambda: None)
    settings.HUBSITE_RUNNING.parts = (follower,)
    (alarm,) = told(at_door("forced"))
    follower.ahead.hear("hub-1", codec.encode(Notice(alarm.number, alarm.body, alarm.hash)))
    browser = at_work()
    assert "Not proven yet" in browser.get("/now/alarms").text
    assert "whose record has not come: 1" in browser.get("/").text
    kept.take([message(1, [alarm])], NOW)
    assert "Not proven yet" not in browser.get("/now/alarms").text
    assert "Alarms that nobody has seen: 1." in browser.get("/").text


def test_doors_show_what_they_are_in_and_which_orders_stand() -> None:
    """looks, laws 1 to 3"""
    door, _ = site_of_one_door()
    by_site = {
        "kind": RecordKind.ORDER,
        Fact.DOOR: "front",
        Fact.ORDER: "hold_open",
        Fact.ON: True,
        Fact.GIVEN_BY: "site",
    }
    carried = write_orders(
        [
            CarriedOrder(0, DoorOrder.LOCKDOWN, None, "olga"),
            CarriedOrder(2, DoorOrder.NO_ENTRY, NOW + 50, "otto"),
        ]
    )
    records = told(
        access(point=2),
        by_site,
        {**by_site, Fact.ORDER: "no_entry", Fact.UNTIL: NOW - 9},
        {"kind": RecordKind.ORDER, Fact.ORDERS: carried},
        at_door("forced"),
    )
    kept.take([message(1, records)], NOW)
    HubDoor.objects.update(site_door=door)
    served = {"hub-1": frozenset({1, 2})}
    (one,) = looks.doors_now(NOW, served)
    (seen,) = one.seen
    assert (seen.state, seen.alarms) == ("forced open", ("forced",))
    assert [(order.words, order.by) for order in seen.orders] == [
        ("held open", "site"),
        ("lockdown", "olga"),
    ]
    assert [(order.words, order.by) for order in one.orders] == [("no entry", "otto")]
    assert [row.number for row in one.last] == [1]
    assert looks.doors_now(NOW + 60, served)[0].orders == ()
    Chain.objects.update(orders=cbor.encode("x"))
    assert "taken for a lockdown" in at_work().get("/now/doors").text
    assert set(looks.WORDS) >= set(looks.ALARM_WORDS)


def test_a_hub_says_nothing_of_doors_that_its_certificate_does_not_name() -> None:
    """looks, law 4"""
    site_of_one_door()
    HubState.objects.create(hub="hub-1", access_points="1", is_here=True)
    HubState.objects.create(hub="hub-2", access_points="2, 3", is_here=True)
    claimed = write_orders([CarriedOrder(2, DoorOrder.LOCKDOWN, None, "eve")])
    own = write_orders([CarriedOrder(2, DoorOrder.NO_ENTRY, None, "otto")])
    false = told(access(point=2), {"kind": RecordKind.ORDER, Fact.ORDERS: claimed})
    true = told(access(point=2), {"kind": RecordKind.ORDER, Fact.ORDERS: own}, at=NOW - 90)
    kept.take([message(1, true, "hub-2"), message(2, false, "hub-1")], NOW)
    text = at_work().get("/now/doors").text
    assert "no entry by otto, says hub-2" in text
    assert "lockdown" not in text
    served = {state.hub: state.points for state in HubState.objects.all()}
    (one,) = looks.doors_now(NOW, served)
    assert [(row.hub, row.number) for row in one.last] == [("hub-2", 1)]
    HubState.objects.filter(hub="hub-2").update(access_points="")
    text = at_work().get("/now/doors").text
    assert "no entry" not in text
    assert "No certificate is known that names its access points" in text


def test_points_of_a_list_that_was_cut_are_whole_numbers() -> None:
    state = HubState(hub="a", access_points=", ".join(map(str, range(1, 999)))[:POINTS_LENGTH])
    assert state.points == frozenset(range(1, max(state.points) + 1))
    assert f"{max(state.points)}, " in state.access_points
    assert HubState(hub="b").points == frozenset()


def test_a_door_whose_hub_is_away_is_not_known() -> None:
    """pages.now.doors, law 2"""
    kept.take([message(1, told(at_door("closed")))], NOW)
    browser = at_work()
    nobody = "not known, nobody knows whether its hub is connected; it said last: closed"
    assert nobody in browser.get("/now/doors").text
    since = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    HubState.objects.create(hub="hub-1", is_here=False, away_since=since)
    text = browser.get("/now/doors").text
    assert re.search(r"not known, its hub is away since 2026-01-02 \d\d:04; it said last: c", text)
    HubState.objects.update(is_here=True)
    assert "not known" not in browser.get("/now/doors").text


def test_the_live_part_is_given_once_and_again_only_when_it_changed() -> None:
    """pages.now.doors, law 1"""
    site_of_one_door()
    kept.take([message(1, told(at_door("access_taken")))], NOW)
    browser = at_work()
    page = browser.get("/now/doors")
    assert "hub-1 front" in page.text
    assert re.search(r'<script type="module" src="/assets/[0-9a-f]+/live.js">', page.page.source)

    def part(tag: str):  # type: ignore[no-untyped-def]
        headers = {"If-None-Match": tag}
        return browser.client.get(
            "/now/doors/part", secure=True, SERVER_NAME="localhost", headers=headers
        )

    first = part("")
    assert first.status_code == 200
    assert first.content.decode() in page.page.source
    again = part(first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    kept.take([message(2, told(at_door("closed"), before=Chain.objects.get().head))], NOW)
    changed = part(first.headers["ETag"])
    assert changed.status_code == 200
    assert "closed since" in changed.content.decode()


def test_live_doors_ask_the_database_as_often_for_many_doors_as_for_few() -> None:
    asked = []
    for count in (2, 20):
        for number in range(10 * count, 11 * count):
            door = Door.objects.create(name=f"Door {number}")
            AccessPoint.objects.create(number=number, name="in", door=door)
            start = Chain.objects.get().head if Chain.objects.exists() else Head()
            kept.take([message(number, told(access(point=number), before=start))], NOW)
        browser = at_work()
        with CaptureQueriesContext(connection) as some:
            browser.get("/now/doors")
        asked.append(len(some))
    assert asked[0] == asked[1]


def test_which_door_it_is_is_said_by_an_operator_and_is_an_act() -> None:
    """pages.now.doors, law 2"""
    door, _ = site_of_one_door()
    kept.take([message(1, told(at_door("closed")))], NOW)
    (row,) = HubDoor.objects.all()
    browser = at_work()
    browser.get(f"/now/doors/{row.pk}")
    browser.submit(door=str(door.pk))
    row.refresh_from_db()
    assert row.site_door == door
    assert kinds_of_acts()[-1] == "hub-door-named"
    assert "hub-1 front : Front" in browser.get("/now/doors").text
    browser.get(f"/now/doors/{row.pk}")
    browser.submit(door="")
    row.refresh_from_db()
    assert row.site_door is None


def test_the_overview_says_that_all_is_well_or_what_needs_somebody() -> None:
    browser = at_work()
    assert "nothing that hubs tell of themselves, needs anybody" in browser.get("/").text
    kept.take([message(1, told(at_door("forced")))], NOW)
    text = browser.get("/").text
    assert "nothing that hubs tell of themselves, needs anybody" not in text
    assert "Alarms that nobody has seen: 1." in text
    assert "An alarm stands at the door hub-1 front." in text
    settings.HUBSITE_RUNNING.parts = (
        Follower(Engine(("nats://127.0.0.1:9",)), Records(), lambda: None),
    )
    assert "the hubs' engine was not reached yet" in browser.get("/").text


DAYS_ON = time.time() + 90 * DAY


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"stop": "FORK they differ"}, "Hub hub-1: It is stopped, FORK"),
        ({"is_here": False}, "Hub hub-1: It is away"),
        ({"certificate_ends": 9}, "Hub hub-1: Its certificate has ended"),
        ({"certificate_wrong": "it is of another"}, "counts for nothing: it is of another"),
        ({"tls_ends": 9}, "Hub hub-1: Its certificate for TLS has ended"),
        ({"tls_wrong": "it is of another"}, "counts for nothing: it is of another"),
        ({"updates": b"?"}, "Hub hub-1: Updates: "),
    ],
)
def test_each_trouble_of_a_hub_stands_on_the_overview(wrong: dict[str, object], word: str) -> None:
    HubState.objects.create(hub="hub-1", is_here=True, certificate_ends=int(DAYS_ON))
    browser = at_work()
    assert "nothing that hubs tell of themselves, needs anybody" in browser.get("/").text
    HubState.objects.update(**wrong)
    answer = browser.get("/")
    assert word in answer.text
    assert "nothing that hubs tell of themselves, needs anybody" not in answer.text
    assert 'href="/hubs/of/hub-1"' in answer.page.source


def test_many_hubs_in_trouble_have_a_ceiling_on_the_overview() -> None:
    HubState.objects.bulk_create(
        HubState(hub=f"hub-{number:03}", is_here=False) for number in range(300)
    )
    text = at_work().get("/").text
    assert text.count("It is away") == 20
    assert "More hubs need somebody." in text


def test_a_machine_that_asks_and_parts_that_are_away_stand_on_the_overview() -> None:
    HubPromise.objects.create(hub="new-1", state="waits")
    browser = at_work()
    assert "nothing that hubs tell of themselves, needs anybody" in browser.get("/").text
    HubPromise.objects.update(state="asked")
    answer = browser.get("/")
    assert "A machine asks to be hub new-1" in answer.text
    assert 'href="/new-hubs/of/new-1"' in answer.page.source
    settings.HUBSITE_RUNNING.parts = (SimpleNamespace(name="Hubs' health", problem="No word."),)
    settings.HUBSITE_RUNNING.provider = SimpleNamespace(problem="It is away.", name="Acme")
    answer = browser.get("/")
    assert '<a href="/hubs">No word.</a>' in answer.page.source
    assert '<a href="/account">It is away.</a>' in answer.page.source


def test_a_door_that_is_as_it_was_is_not_rendered_again() -> None:
    """doorrows, law 1"""
    HubState.objects.create(hub="hub-1", is_here=True)
    kept.take([message(1, told(at_door("closed"), at_door("closed", door="yard")))], NOW)
    doorrows.kept.cache_clear()
    browser = at_work()
    browser.get("/now/doors")
    assert doorrows.kept.cache_info().misses == 2
    browser.get("/now/doors")
    assert doorrows.kept.cache_info().misses == 2
    HubDoor.objects.filter(door="yard").update(state="forced", alarms="forced")
    text = browser.get("/now/doors").text
    assert doorrows.kept.cache_info().misses == 3
    assert "forced open since" in text
    assert "alarm: forced" in text
    assert "closed since" in text


@pytest.mark.parametrize("count", [doorrows.SAID_MAX - 1, doorrows.SAID_MAX])
def test_a_door_that_says_much_is_not_kept(count: int) -> None:
    """doorrows, law 2"""
    orders = [["eve", f"order-{number}", None] for number in range(count)]
    HubDoor.objects.create(hub="hub-1", door="front", state="closed", orders=orders)
    doorrows.kept.cache_clear()
    text = at_work().get("/now/doors").text
    assert text.count("by eve, says hub-1") == count
    is_kept = count + 1 <= doorrows.SAID_MAX
    assert doorrows.kept.cache_info().currsize == int(is_kept)
    assert doorrows.kept.cache_info().maxsize == doorrows.ROWS_KEPT


def test_the_last_record_of_a_door_leads_to_its_page() -> None:
    door, person = site_of_one_door()
    HubState.objects.create(hub="hub-1", access_points="1", is_here=True)
    kept.take([message(1, told(access(), at_door("closed", door="yard")))], NOW)
    asked = HubDoor.objects.get()
    browser = at_work()
    source = browser.get("/now/doors").page.source
    assert f'<a href="/records?door={door.pk}">Front</a>' in source
    assert '<a href="/records/hub-1/1">' in source
    assert "Anna &lt;b&gt;" in source
    assert person.name not in source
    assert f'<a href="/now/doors/{asked.pk}">hub-1 yard</a>' in source
