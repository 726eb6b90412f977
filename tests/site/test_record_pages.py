"""The pages of records, doors, alarms, and the overview, as operators use them."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
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
from hubcore.evidence.export import Export
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import Head
from hubctl.commands.audit.exported import verify_export
from hubsite.acts.models import Act
from hubsite.config import Engine, Records
from hubsite.fleet.models import POINTS_LENGTH, DeviceValue, HubPromise, HubState
from hubsite.pages.evidence.names import shown
from hubsite.pages.now import doorrows
from hubsite.records import kept
from hubsite.records.follower import Follower
from hubsite.records.models import Chain, HubDoor, Record
from hubsite.records.showing import alarms, finding, looks, proof
from hubsite.register.models import AccessPoint, Credential, Door, Person
from tests.site.browser import Browser, at_work
from tests.site.chains import NOW, access, at_door, head, made, message, told, visits

pytestmark = pytest.mark.once

DAY = 86_400


def _site() -> tuple[Door, Person]:
    """A door with two access points, and a person with a phone."""
    door = Door.objects.create(name="Front")
    for number in (1, 2):
        AccessPoint.objects.create(number=number, name="in", door=door)
    person = Person.objects.create(name="Anna <b>")
    Credential.objects.create(pk="c1", person=person, key=b"k", label="phone")
    return door, person


def _numbers(browser: Browser, path: str) -> list[int]:
    text = browser.get(path).page.source
    return [int(one) for one in re.findall(r'<a href="/records/hub-\d/(\d+)">hub', text)]


def _acts() -> list[str]:
    return [act.said["kind"] for act in Act.objects.order_by("number")]


def test_records_are_shown_with_names_that_no_record_has() -> None:
    _, person = _site()
    kept.take([message(1, told(access(), access(credential="gone"), at_door("closed")))], NOW)
    answer = at_work().get("/records")
    assert "Anna <b>" in answer.text
    assert f'href="/person/{person.pk}"' in answer.page.source
    assert "Front (1 in)" in answer.text
    assert "gone" in answer.text
    assert all(b"Anna" not in bytes(row.record) for row in Record.objects.all())


def test_each_filter_finds_its_rows_alone_and_pages_go_both_ways() -> None:
    """finding, laws 1 to 3"""
    door, person = _site()
    records = told(
        access(point=1),
        access(point=2, credential="x"),
        access(point=3),
        at_door("closed"),
        {"kind": RecordKind.STOPPED},
    )
    kept.take([message(1, records), message(2, visits(1, at=NOW + DAY * 2), hub="hub-2")], NOW)
    HubDoor.objects.filter(hub="hub-1").update(site_door=door)
    browser = at_work()
    day = datetime.fromtimestamp(NOW, UTC).date().isoformat()
    assert _numbers(browser, "/records") == [1, 5, 4, 3, 2, 1]
    assert _numbers(browser, "/records?hub=hub-1") == [5, 4, 3, 2, 1]
    assert _numbers(browser, "/records?kind=access&hub=hub-1") == [3, 2, 1]
    assert _numbers(browser, f"/records?door={door.pk}&hub=hub-1") == [4, 2, 1]
    assert _numbers(browser, f"/records?person={person.pk}") == [1, 3, 1]
    assert _numbers(browser, f"/records?person={person.pk}&door={door.pk}") == [1, 1]
    assert _numbers(browser, f"/records?until={day}") == [5, 4, 3, 2, 1]
    assert _numbers(browser, f"/records?since={day}&kind=stopped") == [5]
    assert _numbers(browser, "/records?person=nobody") == []
    for wrong in ("door=x", "kind=x", "since=2", "before=x.y", "after=-", "until=0001-01-01"):
        assert len(_numbers(browser, f"/records?{wrong}")) == 6


def test_a_filter_with_signs_that_no_name_has_is_left() -> None:
    _site()
    kept.take([message(1, told(access(), at_door("closed")))], NOW)
    browser = at_work()
    for query in ("hub=%00", "person=a%00b", "hub=%00&person=%00"):
        assert len(_numbers(browser, f"/records?{query}")) == 2
    assert "Anna" in browser.get("/person?search=%00").text
    DeviceValue.objects.create(hub="hub-1", device="shutter", quantity=1, value=1, at=NOW)
    assert "shutter" in browser.get("/devices?hub=%00").text


@pytest.mark.parametrize("same_moment", [False, True])
def test_pages_have_each_row_once_whichever_way_one_goes(same_moment: bool) -> None:
    """finding, laws 1 and 3"""
    count = 130
    for one in range(count):
        moment = NOW if same_moment else NOW + one
        before = Chain.objects.filter(pk="hub-1").first()
        start = before.head if before else Head()
        kept.take([message(one + 1, visits(1, before=start, at=moment))], NOW)
    browser = at_work()
    wanted = list(range(count, 0, -1))
    found = []
    path = "/records"
    while True:
        found += _numbers(browser, path)
        source = browser.page.source if browser.page else ""
        older = re.search(r'rel="next" href="([^"]+)"', source)
        if older is None:
            break
        path = "/records" + older[1].replace("&amp;", "&")
    assert found == wanted
    newer = re.search(r'rel="prev" href="([^"]+)"', source)
    assert newer
    assert _numbers(browser, "/records" + newer[1].replace("&amp;", "&")) == wanted[50:100]


def test_nobody_counts_rows_and_no_page_leaves_some_out() -> None:
    """finding, law 1"""
    door, person = _site()
    kept.take([message(1, visits(3))], NOW)
    browser = at_work()
    with CaptureQueriesContext(
        connection,
    ) as asked:
        for more in ("", f"?door={door.pk}", f"?person={person.pk}", "?kind=access&hub=hub-1"):
            browser.get(f"/records{more}")
    about = [one["sql"] for one in asked if 'FROM "records_record"' in one["sql"]]
    assert about
    assert not [sql for sql in about if "COUNT(" in sql or "OFFSET" in sql]


@pytest.mark.parametrize(
    "wanted",
    [
        finding.Wanted(),
        finding.Wanted(hub="hub-1"),
        finding.Wanted(kind="access"),
        finding.Wanted(since=NOW, until=NOW + 1),
        finding.Wanted(door=1),
        finding.Wanted(person="p"),
    ],
)
def test_each_filter_has_an_index(wanted: finding.Wanted) -> None:
    """models: the database reads no more rows than it shows"""
    door = Door.objects.create(pk=1, name="Front")
    AccessPoint.objects.create(number=1, name="in", door=door)
    person = Person.objects.create(pk="p", name="Anna")
    Credential.objects.create(pk="c1", person=person, key=b"k", label="phone")
    with CaptureQueriesContext(connection) as asked:
        finding.find(wanted, 50, finding.Place(NOW, 9), None)
    (sql,) = [one["sql"] for one in asked if 'FROM "records_record"' in one["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        plan = " ".join(str(row[-1]) for row in cursor.fetchall())
    assert "SEARCH records_record USING INDEX" in plan
    assert "TEMP B-TREE" not in plan


def test_a_record_is_shown_with_its_proof_and_an_edit_shows() -> None:
    _site()
    records = told(access(grant=b"\x01\x02"), access(), access())
    kept.take([message(1, records)], NOW)
    browser = at_work()
    text = browser.get("/records/hub-1/1").text
    assert "grant 0102" in text
    assert records[0].hash.hex() in text
    assert "It follows the beginning of the chain" in text
    assert "Record 2 follows it" in text
    assert "It is the newest here" in browser.get("/records/hub-1/3").text
    Record.objects.filter(number=2).update(record=records[0].body)
    assert "It does not follow what was before it: record 2 was edited" in (
        browser.get("/records/hub-1/2").text
    )
    assert "The next record does not follow it" in browser.get("/records/hub-1/1").text
    assert browser.get("/records/hub-1/9").status == 404
    assert browser.get("/records/hub-1/" + 40 * "9").status == 404


def test_a_chain_is_verified_a_part_at_a_time() -> None:
    """proof, laws 1 and 2"""
    records = visits(10)
    kept.take([message(1, records)], NOW)
    chain = Chain.objects.get()
    first = proof.walk(chain, rows=4)
    assert first == head(records[:4])
    second = proof.walk(chain, first, rows=4)
    assert second == head(records[:8])
    assert proof.walk(chain, second, rows=4) == head(records)
    browser = at_work()
    browser.get("/records")
    whole = browser.submit("/records/verify").text
    assert "up to record 10, the newest here" in whole
    assert str(head(records)) in whole
    Record.objects.filter(number=6).update(record=records[1].body)
    browser.get("/records")
    answer = browser.submit("/records/verify")
    assert answer.status == 409
    assert "record 6 was edited" in answer.text
    browser.get("/records")
    assert "the newest here" in browser.submit("/records/verify", **{"from": str(second)}).text
    browser.get("/records")
    forged = browser.submit("/records/verify", **{"from": f"8:{64 * '0'}"})
    assert "record 8 is not the one that was known" in forged.text
    Record.objects.filter(number__gt=2).delete()
    browser.get("/records")
    assert "record 3 is missing" in browser.submit("/records/verify").text


def test_a_long_chain_is_verified_by_going_on() -> None:
    """proof, law 2"""
    records = made([b"x"] * (proof.WALK_ROWS + 1))
    Record.objects.bulk_create(
        [
            Record(
                hub="hub-1",
                number=one.number,
                at=0,
                dated=0,
                chain_hash=one.hash,
                record=one.body,
            )
            for one in records
        ],
        batch_size=kept.ROWS_AT_ONCE,
    )
    last = head(records)
    Chain.objects.create(hub="hub-1", head_number=last.number, head_hash=last.hash)
    browser = at_work()
    browser.get("/records")
    part = browser.submit("/records/verify").text
    assert f"They hold up to record {proof.WALK_ROWS} of {last.number}" in part
    assert "the newest here" in browser.submit("/records/verify").text


def test_an_export_is_the_file_that_hubctl_verifies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """proof, laws 3 and 4"""
    records = visits(9)
    kept.take([message(1, records)], NOW)
    browser = at_work()
    browser.get("/records")
    form = browser.page.form("/records/export") if browser.page else None
    assert form
    files = []
    for first in ("", "6"):
        response = browser.client.post(
            "/records/export",
            {**form.values, "first": first},
            secure=True,
            SERVER_NAME="localhost",
            headers={"Referer": "https://localhost/"},
        )
        assert response.status_code == 200
        files.append(response.content)
    file = tmp_path / "x.records"
    file.write_bytes(files[0])
    verify_export(file, head(records[:5]), None, as_json=True)
    assert json.loads(capsys.readouterr().out)["records"] == 9
    export = Export(iter([files[0]]))
    assert list(export.records()) == records
    assert (export.before, export.seal) == (Head(), None)
    export = Export(iter([files[1]]))
    assert list(export.records()) == records[5:]
    assert export.before == head(records[:5])
    assert _acts()[-2:] == ["records-exported", "records-exported"]
    assert Act.objects.latest("number").said["last"] == 9
    browser.get("/records")
    assert browser.submit("/records/export", first="10").status == 400
    browser.get("/records")
    assert browser.submit("/records/export", first="x").status == 400


def test_an_export_has_ceilings() -> None:
    """proof, law 4"""
    kept.take([message(1, visits(9))], NOW)
    chain = Chain.objects.get()
    size = len(bytes(Record.objects.get(number=1).record)) + proof.AROUND_BYTES
    assert proof.last_of_export(chain, 1) == 9
    assert proof.last_of_export(chain, 2, most=5) == 6
    assert proof.last_of_export(chain, 1, bytes_most=3 * size) == 3
    assert proof.last_of_export(chain, 2, bytes_most=3 * size) == 4
    with pytest.raises(ValueError, match="Records 1 to 9 of hub-1 are here"):
        proof.last_of_export(chain, 10)


def test_an_export_whose_records_went_meanwhile_is_refused_and_is_no_act() -> None:
    """proof, `whole_export`"""
    kept.take([message(1, visits(9))], NOW)
    chain = Chain.objects.get()
    assert proof.whole_export(chain, 2, 9)
    Record.objects.filter(number__lt=4).delete()
    for first in (1, 2, 4):
        with pytest.raises(ValueError, match="from a later record on"):
            proof.whole_export(chain, first, 9)
    browser = at_work()
    browser.get("/records")
    told = browser.submit("/records/export", first="2")
    assert "Records went while the file was made." in told.text
    assert _acts() == []


def test_what_did_not_follow_is_said_until_somebody_has_looked() -> None:
    kept.take([message(1, visits(2)), message(2, visits(2, at=9))], NOW)
    browser = at_work()
    assert "Messages that do not follow its records: 1." in browser.get("/records").text
    assert "do not follow: record 1" in browser.get("/").text
    browser.get("/records")
    browser.submit("/records/looked-at", button="seen")
    assert "do not follow" not in browser.get("/records").text
    kept.take([message(3, visits(2, at=9))], NOW)
    browser.get("/records")
    assert "are being read again" in browser.submit("/records/looked-at", button="again").text
    assert Chain.objects.get().again
    assert _acts()[-2:] == ["records-looked-at", "records-again"]


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
    door, _ = _site()
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
    _site()
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
    _site()
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
    door, _ = _site()
    kept.take([message(1, told(at_door("closed")))], NOW)
    (row,) = HubDoor.objects.all()
    browser = at_work()
    browser.get(f"/now/doors/{row.pk}")
    browser.submit(door=str(door.pk))
    row.refresh_from_db()
    assert row.site_door == door
    assert _acts()[-1] == "hub-door-named"
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


@pytest.mark.parametrize("path", ["/records", "/records/hub-1/1", "/now/doors", "/now/alarms", "/"])
def test_no_text_of_a_hub_injects(path: str) -> None:
    evil = "<script>alert(1)</script>"
    records = told(
        at_door("forced", door=evil),
        access(credential=evil, grant=evil, reader=evil),
        {"kind": RecordKind.FAULT, Fact.FAULT: evil, Fact.DOOR: evil},
    )
    kept.take([message(1, records), message(2, visits(1, at=9))], NOW)
    Chain.objects.update(trouble=evil)
    source = at_work().get(path).page.source
    assert "<script>alert" not in source


def test_the_door_that_is_looked_for_stays_chosen_and_the_others_are_offered() -> None:
    door, _ = _site()
    other = Door.objects.create(name="Yard <b>")
    source = at_work().get(f"/records?door={other.pk}").page.source
    assert f'<option selected value="{other.pk}">Yard &lt;b&gt;</option>' in source
    assert f'<option value="{door.pk}">Front</option>' in source


def test_doors_of_the_same_name_at_two_hubs_are_two() -> None:
    door, _ = _site()
    for place, hub in enumerate(("hub-1", "hub-2"), start=1):
        records = told(at_door("closed"), at_door("closed", door="yard"))
        kept.take([message(place, records, hub)], NOW)
    HubDoor.objects.filter(hub="hub-1", door="front").update(site_door=door)
    HubDoor.objects.filter(hub="hub-2", door="yard").update(site_door=door)
    where = {(one.row.hub, one.row.door): one.where for one in shown(list(Record.objects.all()))}
    assert where == {
        ("hub-1", "front"): "Front",
        ("hub-1", "yard"): "yard",
        ("hub-2", "front"): "front",
        ("hub-2", "yard"): "Front",
    }


@pytest.mark.parametrize("path", ["/records", "/now/doors"])
def test_a_page_with_more_rows_asks_the_database_no_more_often(path: str) -> None:
    _site()
    points = ", ".join(map(str, range(1, 30)))
    HubState.objects.create(hub="hub-1", access_points=points, is_here=True)
    browser = at_work()
    records = told(*[access(), at_door("closed")])
    kept.take([message(1, records)], NOW)
    with CaptureQueriesContext(connection) as few:
        browser.get(path)
    for number in range(3, 20):
        door = Door.objects.create(name=f"Door {number}")
        AccessPoint.objects.create(number=number, name="in", door=door)
        person = Person.objects.create(name=f"Person {number}")
        Credential.objects.create(pk=f"c{number}", person=person, key=b"k", label="phone")
    more = [access(point=number, credential=f"c{number}") for number in range(3, 20)]
    kept.take([message(2, told(*more, before=head(records)))], NOW)
    with CaptureQueriesContext(connection) as many:
        text = browser.get(path).text
    assert "Person 19" in text
    assert len(many) == len(few)


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
    door, person = _site()
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
