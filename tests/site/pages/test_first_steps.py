"""A new site's first page says what comes next, until there is a phone."""

from __future__ import annotations

import pytest

from hubsite.fleet.models import HubState
from hubsite.pages.now.beginning import first_steps
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
