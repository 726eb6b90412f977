"""A new site's first page says what comes next, until there is a phone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hubsite.fleet.models import HubState
from hubsite.pages.now.beginning import first_steps
from hubsite.register import models
from tests.site.browser import Browser, at_work

pytestmark = pytest.mark.once
DONE = "Done: "


def steps(browser: Browser) -> list[str]:
    """The steps of the first page that are done; they come first."""
    text = browser.get("/").page.text
    assert text.count("The first steps") <= 1
    return [step.sentence for step in first_steps() if f"{DONE}{step.sentence}" in text]


def test_each_step_is_done_on_the_page_that_it_names() -> None:
    browser = at_work()
    assert steps(browser) == []
    addresses = [step.address for step in first_steps()]
    for address in addresses:
        assert browser.get(address).status == 200
    door = _add(browser, "door", name="Front door")
    assert len(steps(browser)) == 0
    point = _add(browser, "point", name="inward", door=door)
    assert len(steps(browser)) == 1
    HubState.objects.create(hub="front-1")
    assert len(steps(browser)) == 2
    person = _add(browser, "person", name="Anna")
    assert len(steps(browser)) == 3
    _add(browser, "grant", person=person, points=[point])
    done = steps(browser)
    assert done == [step.sentence for step in first_steps()[:-1]]
    assert all(step.is_done for step in first_steps()[:-1])


def _add(browser: Browser, subject: str, **typed: str | list[str]) -> str:
    """Add a row by its page, as it is filled in already; return its key."""
    browser.get(f"/{subject}/add")
    answer = browser.submit(**typed)
    assert f"/{subject}/" in answer.where, answer.text
    return answer.where.rpartition("/")[2]


def test_a_number_is_offered_that_is_free() -> None:
    browser = at_work()
    door = _add(browser, "door", name="Front door")
    browser.get("/point/add")
    browser.submit(number="7", name="inward", door=door)
    page = browser.get("/point/add").page
    assert page.form("").values["number"] == "8"
    assert "For a hub that runs, the one in its configuration" in page.text


@pytest.mark.parametrize("path", ["/grant/add", "/guest/add"])
def test_where_one_is_chosen_it_is_called_by_its_door(path: str) -> None:
    browser = at_work()
    for number, name in ((1, "Front door"), (2, "Yard gate")):
        door = models.Door.objects.create(name=name)
        models.AccessPoint.objects.create(number=number, name="inward", door=door)
    text = browser.get(path).text
    assert "Front door, inward (1)" in text
    assert "Yard gate, inward (2)" in text


def test_lists_call_it_by_its_door_and_ask_no_more_for_more_rows() -> None:
    browser = at_work()
    counts = []
    for number in range(1, 5):
        door = models.Door.objects.create(name=f"Door {number}")
        point = models.AccessPoint.objects.create(number=number, name="inward", door=door)
        person = models.Person.objects.create(name=f"Guest {number}", is_guest=True)
        begins = timezone.now()
        link = models.GuestLink.objects.create(
            person=person,
            begins=begins,
            ends=begins + timedelta(days=1),
            phones=1,
            digest=str(number),
        )
        link.points.add(point)
        grant = models.Grant.objects.create(
            group=models.Group.objects.create(name=f"Group {number}"), begins=begins
        )
        grant.points.add(point)
        with CaptureQueriesContext(connection) as asked:
            for path in ("/grant", "/guest"):
                assert f"Door {number}, inward ({number})" in browser.get(path).text
        counts.append(len(asked))
    assert len(set(counts[1:])) == 1


@pytest.mark.parametrize("path", ["/grant/add", "/guest/add"])
def test_a_moment_says_in_which_time_it_is(path: str) -> None:
    assert f"In the time of {settings.TIME_ZONE}" in at_work().get(path).text
