"""People, groups, doors, hours and grants: made and changed on pages, each an act."""

from __future__ import annotations

import threading
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.utils import timezone

from hubsite.acts import log
from hubsite.acts.models import Act
from hubsite.pages.register.subjects import SUBJECTS
from hubsite.register.models import (
    AccessPoint,
    Calendar,
    Credential,
    Door,
    Grant,
    Group,
    Person,
    Schedule,
)
from tests.site.browser import Browser, at_work

pytestmark = pytest.mark.once

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 }}{% now %}"


def _acts() -> list[tuple[str, str, str]]:
    said = [act.said for act in Act.objects.order_by("number")]
    return [(one["by"], one["kind"], one["about"]) for one in said]


def _door(browser: Browser, number: int = 10) -> AccessPoint:
    browser.get("/door/add")
    browser.submit(name=f"Door {number}")
    door = Door.objects.get(name=f"Door {number}")
    browser.get("/point/add")
    answer = browser.submit(number=str(number), name="inward", door=str(door.pk))
    assert answer.status == 200, answer.text
    return AccessPoint.objects.get(number=number)


def _person(browser: Browser, name: str = "Anna Ahrens", **more: str | list[str]) -> Person:
    browser.get("/person/add")
    answer = browser.submit(name=name, **more)
    assert answer.page.form().values["name"] == name, answer.text
    return Person.objects.get(name=name)


def test_a_site_is_made_on_its_pages_and_each_step_is_an_act() -> None:
    browser = at_work()
    point = _door(browser)
    browser.get("/group/add")
    browser.submit(name="Tenants")
    group = Group.objects.get()
    anna = _person(browser, note="2nd floor", groups=[str(group.pk)])
    browser.get("/schedule/add")
    answer = browser.submit(name="Office", day_0="08:00-12:00, 13:00-18:00", day_5="closed")
    assert answer.status == 200, answer.text
    assert "Nothing was kept" not in answer.text, answer.text
    schedule = Schedule.objects.get()
    browser.get(f"/grant/add?person={anna.pk}")
    assert "To Anna Ahrens" in browser.page.text
    answer = browser.submit(points=[str(point.pk)], schedule=str(schedule.pk))
    assert answer.status == 200, answer.text
    grant = Grant.objects.get()
    assert (grant.person, grant.group, grant.schedule) == (anna, None, schedule)
    assert _acts() == [
        ("olga", "door-made", f"door {point.door_id}"),
        ("olga", "point-made", f"accesspoint {point.pk}"),
        ("olga", "group-made", f"group {group.pk}"),
        ("olga", "person-made", f"person {anna.pk}"),
        ("olga", "schedule-made", f"schedule {schedule.pk}"),
        ("olga", "grant-made", f"grant {grant.pk}"),
    ]
    said = Act.objects.order_by("-number").first().said
    assert (said["person"], said["points"], said["schedule"]) == (anna.pk, "10", schedule.pk)
    assert "Anna Ahrens" in browser.get("/grant").text
    assert "Changed last by olga" in browser.get(f"/person/{anna.pk}").text
    log.verify()


def test_no_act_has_the_name_of_a_person() -> None:
    browser = at_work()
    anna = _person(browser, "Anna Unmistakable", note="Unmistakable firm")
    browser.get(f"/person/{anna.pk}")
    browser.submit(name="Anna Unmistakable-Other")
    browser.get(f"/person/{anna.pk}")
    browser.submit("?end", button="remove")
    assert [kind for _, kind, _ in _acts()] == ["person-made", "person-changed", "person-ended"]
    assert not any(b"Unmistakable" in bytes(act.body) for act in Act.objects.all())
    assert len(anna.pk) == 32


def test_no_field_of_any_page_injects() -> None:
    """Each answer is judged as it comes (tests.site.page); what was typed is read as text."""
    browser = at_work()
    point = _door(browser)
    Door.objects.update(name=HOSTILE)
    AccessPoint.objects.update(name=HOSTILE)
    browser.get("/group/add")
    browser.submit(name=HOSTILE)
    group = Group.objects.get()
    anna = _person(browser, HOSTILE[:120], note=HOSTILE, groups=[str(group.pk)])
    browser.get("/calendar/add")
    browser.submit(name=HOSTILE, days=f"2026-12-24 {HOSTILE[:60]}")
    browser.get("/schedule/add")
    answer = browser.submit(name=HOSTILE, day_0=HOSTILE)
    assert "is no span of a day" in answer.text
    browser.submit(name=HOSTILE, day_0="08:00-09:00")
    browser.get(f"/grant/add?person={anna.pk}")
    browser.submit(points=[str(point.pk)], schedule=str(Schedule.objects.get().pk))
    assert Grant.objects.count() == 1
    pages = ["/acts", *(f"/{one.name}" for one in SUBJECTS)]
    pages += [f"/{one.name}/{row.pk}" for one in SUBJECTS for row in one.model.objects.all()]
    pages += [f"/person?search={HOSTILE}", "/person?page=%3Cscript%3E"]
    seen = 0
    for path in pages:
        answer = browser.get(path)
        assert answer.status == 200
        assert "img" not in answer.page.tags
        assert answer.page.tags.count("script") == path.startswith("/schedule/"), "our own alone"
        seen += HOSTILE[:60] in answer.text
    assert seen >= 12


def test_two_operators_at_once_on_one_grant() -> None:
    olga = at_work("olga")
    point = _door(olga)
    anna = _person(olga)
    olga.get(f"/grant/add?person={anna.pk}")
    olga.submit(points=[str(point.pk)])
    grant = Grant.objects.get()
    otto = at_work("otto")
    for browser in (olga, otto):
        browser.get(f"/grant/{grant.pk}")
    assert olga.submit(ends="2030-01-01T00:00").status == 200
    answer = otto.submit(ends="2040-01-01T00:00")
    assert answer.status == 409
    assert "olga changed this at " in answer.text
    assert "Nothing of yours was kept." in answer.text
    assert answer.page.form().values["ends"] == "2030-01-01T00:00"
    assert Grant.objects.get().ends.year == 2030
    assert [kind for by, kind, _ in _acts() if by == "otto"] == []
    assert otto.submit(ends="2040-01-01T00:00").status == 200
    assert Grant.objects.get().ends.year == 2040
    olga.submit("?end", button="remove")
    assert Grant.objects.get().revoked_at is None, "olga had not seen what otto has changed"


def test_of_two_at_the_very_same_moment_one_wins() -> None:
    door = Door.objects.create(name="Front")
    browsers = [at_work(name) for name in ("olga", "otto")]
    for browser in browsers:
        browser.get(f"/door/{door.pk}")
    together = threading.Barrier(2)
    statuses = []

    def change(browser: Browser, name: str) -> None:
        together.wait()
        statuses.append(browser.submit(name=name).status)
        connection.close()

    threads = [
        threading.Thread(target=change, args=(browser, f"Front {number}"))
        for number, browser in enumerate(browsers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409]
    assert Door.objects.get().revision == 2
    assert len(_acts()) == 1
    log.verify()


def test_what_is_in_use_stays_and_what_is_not_goes() -> None:
    browser = at_work()
    point = _door(browser)
    browser.get(f"/door/{point.door_id}")
    answer = browser.submit("?end", button="remove")
    assert answer.status == 409
    assert "It is in use, and stays: 10 inward." in answer.text
    assert _acts()[-1][1] == "point-made"
    browser.get(f"/point/{point.pk}")
    assert browser.submit("?end", button="remove").where == "/point"
    browser.get(f"/door/{point.door_id}")
    browser.submit("?end", button="remove")
    assert not Door.objects.exists()
    answer = browser.get(f"/door/{point.door_id}")
    assert answer.status == 404


def test_who_has_left_has_no_credential_and_a_revoked_grant_stays_revoked() -> None:
    browser = at_work()
    point = _door(browser)
    anna = _person(browser)
    phone = Credential.objects.create(person=anna, kind="phone", label="old", key=b"k")
    browser.get(f"/grant/add?person={anna.pk}")
    browser.submit(points=[str(point.pk)])
    grant = Grant.objects.get()
    browser.get(f"/grant/{grant.pk}")
    answer = browser.submit("?end", button="remove")
    assert "Revoke this grant" not in answer.text
    assert "revoked" in browser.get("/grant").text
    browser.get(f"/person/{anna.pk}")
    answer = browser.submit("?end", button="remove")
    assert "This person has left" not in answer.text
    phone.refresh_from_db()
    assert phone.revoked_at is not None
    assert [act[1] for act in _acts()][-3:] == [
        "grant-revoked",
        "person-ended",
        "credential-revoked",
    ]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"day_0": "8-12"}, "is no span of a day"),
        ({"day_0": "08:00-12:00,12:00-13:00"}, "touch: write them as one"),
        ({"day_0": "22:00-06:00"}, "Write a span over midnight on both days"),
        ({"day_6": "00:00-24:01"}, "a day has the times 00:00 to 24:00"),
        ({"day_0": ",".join(f"{n:02}:00-{n:02}:30" for n in range(7))}, "at most 6 spans"),
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 121}, "at most 120 characters"),
    ],
)
def test_hours_that_make_no_sense_are_said_and_not_kept(typed: dict[str, str], said: str) -> None:
    browser = at_work()
    browser.get("/schedule/add")
    answer = browser.submit(**{"name": "Office", **typed})
    assert said in answer.text
    assert "Nothing was kept" in answer.text
    assert not Schedule.objects.exists()
    assert _acts() == []


def test_a_schedule_is_shown_as_it_was_typed_and_special_days_go_with_it() -> None:
    browser = at_work()
    browser.get("/calendar/add")
    assert "begins with no date" in browser.submit(name="Holidays", days="24.12.2026").text
    browser.submit(name="Holidays", days="2026-12-31 New Year's Eve\n\n2026-12-24")
    calendar = Calendar.objects.get()
    assert calendar.days == [["2026-12-24", ""], ["2026-12-31", "New Year's Eve"]]
    browser.get("/schedule/add")
    special = {f"special_{calendar.pk}": "closed"}
    browser.submit(
        name="Office", day_0=" 8:00-12:00 ,13:00 - 18:00", day_6="00:00-24:00", **special
    )
    schedule = Schedule.objects.get()
    assert schedule.week[0] == [[480, 720], [780, 1080]]
    assert schedule.special == [[calendar.pk, []]]
    answer = browser.get(f"/schedule/{schedule.pk}")
    values = answer.page.form().values
    assert values["day_0"] == "08:00-12:00, 13:00-18:00"
    assert values["day_1"] == ""
    assert values[f"special_{calendar.pk}"] == "closed"
    assert "Tuesday closed" in answer.text
    browser.submit(**{f"special_{calendar.pk}": ""})
    assert Schedule.objects.get().special == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"ends": "2020-01-01T00:00"}, "It ends before it begins."),
        ({"points": []}, "This field is required."),
        ({"points": ["999"]}, "999 is not one of the available choices"),
        ({"begins": "yesterday"}, "Enter a valid date/time."),
    ],
)
def test_a_grant_that_makes_no_sense_is_not_made(
    typed: dict[str, str | list[str]], said: str
) -> None:
    browser = at_work()
    point = _door(browser)
    anna = _person(browser)
    browser.get(f"/grant/add?person={anna.pk}")
    answer = browser.submit(**{"points": [str(point.pk)], **typed})
    assert said in answer.text
    assert not Grant.objects.exists()


def test_a_doors_page_lists_its_access_points_and_makes_one() -> None:
    browser = at_work()
    browser.get("/door/add")
    text = browser.submit(name="Front").text
    assert "Access points There is none. Add an access point to this door" in text
    door = Door.objects.get()
    assert f"/point/add?door={door.pk}" in browser.page.source
    browser.get(f"/point/add?door={door.pk}")
    assert "Add an access point" in browser.page.text
    assert browser.page.form().values["door"] == str(door.pk)
    browser.submit(number="7", name="inward")
    assert "Access points 7 inward Add an access point" in browser.get(f"/door/{door.pk}").text
    assert "Add a door" in browser.get("/door").text
    for wrong in ("x", "9" * 30, "%00"):
        assert browser.get(f"/point/add?door={wrong}").page.form().values["door"] == ""


def test_a_grants_page_says_where_one_for_a_person_begins() -> None:
    browser = at_work()
    anna = _person(browser)
    hint = "A grant for one person begins at the person's page: People"
    assert hint in browser.get("/grant/add").text
    assert hint not in browser.get(f"/grant/add?person={anna.pk}").text


def test_a_grant_is_for_one_person_or_one_group() -> None:
    browser = at_work()
    point = _door(browser)
    for wanted in ("/grant/add", "/grant/add?person=nobody"):
        browser.get(wanted)
        answer = browser.submit(points=[str(point.pk)])
        assert "Choose a person or a group, and not both." in answer.text
    with pytest.raises(IntegrityError, match="grant_is_for_one"):
        Grant.objects.create(begins=timezone.now())
    assert not Grant.objects.exists()


def test_more_doors_than_a_phone_holds_are_refused() -> None:
    browser = at_work()
    anna = _person(browser)
    door = Door.objects.create(name="Long corridor")
    points = [
        AccessPoint.objects.create(number=number, name="in", door=door) for number in range(1, 34)
    ]
    browser.get(f"/grant/add?person={anna.pk}")
    answer = browser.submit(points=[str(point.pk) for point in points])
    assert "At most 32 doors can be chosen." in answer.text


def test_people_are_found_by_their_names_and_listed_by_pages() -> None:
    browser = at_work()
    Person.objects.bulk_create(Person(name=f"Person {number:03}") for number in range(120))
    assert "Page 1 of 3" in browser.get("/person").text
    found = browser.get("/person?search=PERSON+07").text
    assert "Person 070" in found
    assert "Person 080" not in found
    assert (
        "There is none whose name has “nobody” in it." in browser.get("/person?search=nobody").text
    )


@pytest.mark.parametrize(
    "path", ["/person/nobody", "/door/x", "/door/99999999999999999999", "/nix"]
)
def test_what_is_not_there_is_said(path: str) -> None:
    answer = at_work().get(path)
    assert answer.status == 404
    assert "There is no such page" in answer.text


def test_the_tables_are_those_of_the_models() -> None:
    said = StringIO()
    call_command("makemigrations", check=True, dry_run=True, stdout=said)
    assert said.getvalue() == "No changes detected\n"


def test_without_a_script_the_lines_are_all_there_is() -> None:
    """The grid is hidden until its script shows it, and only a schedule's form has it."""
    browser = at_work()
    answer = browser.get("/schedule/add")
    assert '<section id="week" class="week-grid" aria-labelledby="week-heading" hidden>' in (
        answer.page.source
    )
    answer = browser.submit(name="Night", day_0="22:00-24:00")
    assert "22:00-24:00" in answer.text
    assert "week.js" not in browser.get("/group/add").page.source
