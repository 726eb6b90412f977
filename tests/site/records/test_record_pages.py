"""The pages of records: found, proven, exported and looked at, as operators use them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hubcore.evidence.export import Export
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import Head
from hubctl.commands.audit.exported import verify_export
from hubsite.acts.models import Act
from hubsite.fleet.models import DeviceValue, HubState
from hubsite.pages.evidence.names import shown
from hubsite.records import kept
from hubsite.records.models import Chain, HubDoor, Record
from hubsite.records.showing import finding, proof
from hubsite.register.models import AccessPoint, Credential, Door, Person
from tests.site.browser import Browser, at_work
from tests.site.chains import NOW, access, at_door, head, made, message, told, visits

pytestmark = pytest.mark.once

DAY = 86_400


def site_of_one_door() -> tuple[Door, Person]:
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


def kinds_of_acts() -> list[str]:
    return [act.said["kind"] for act in Act.objects.order_by("number")]


def test_records_are_shown_with_names_that_no_record_has() -> None:
    _, person = site_of_one_door()
    kept.take([message(1, told(access(), access(credential="gone"), at_door("closed")))], NOW)
    answer = at_work().get("/records")
    assert "Anna <b>" in answer.text
    assert f'href="/person/{person.pk}"' in answer.page.source
    assert "Front (1 in)" in answer.text
    assert "gone" in answer.text
    assert all(b"Anna" not in bytes(row.record) for row in Record.objects.all())


def test_each_filter_finds_its_rows_alone_and_pages_go_both_ways() -> None:
    """finding, laws 1 to 3"""
    door, person = site_of_one_door()
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
    site_of_one_door()
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
    door, person = site_of_one_door()
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
    site_of_one_door()
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
    assert kinds_of_acts()[-2:] == ["records-exported", "records-exported"]
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
    assert kinds_of_acts() == []


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
    assert kinds_of_acts()[-2:] == ["records-looked-at", "records-again"]


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
    door, _ = site_of_one_door()
    other = Door.objects.create(name="Yard <b>")
    source = at_work().get(f"/records?door={other.pk}").page.source
    assert f'<option selected value="{other.pk}">Yard &lt;b&gt;</option>' in source
    assert f'<option value="{door.pk}">Front</option>' in source


def test_doors_of_the_same_name_at_two_hubs_are_two() -> None:
    door, _ = site_of_one_door()
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
    site_of_one_door()
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
