"""The way from a door to the phone's page: its address, its sign, and its hub's name on the air."""

from __future__ import annotations

import base64
import re

import pytest
from django.test import Client

from hubcore.codec import cbor
from hubsite.hubs.office import Office
from hubsite.phones.enrolment import enrolment
from hubsite.register import models
from tests.site.browser import Browser, at_work
from tests.site.phones.test_web_phones import connected, office
from tests.site.server import HOST

__all__ = ["office"]
pytestmark = pytest.mark.once


@pytest.fixture
def point() -> models.AccessPoint:
    door = models.Door.objects.create(name="Front <b>")
    return models.AccessPoint.objects.create(number=10, name="inward", door=door)


def ask(path: str) -> tuple[int, str]:
    answer = Client().get(path, secure=True, SERVER_NAME=HOST)
    return answer.status_code, answer.headers.get("Location", "")


def test_the_address_of_a_door_leads_anybody_to_the_page_and_says_nothing_of_the_door(
    point: models.AccessPoint,
) -> None:
    assert ask("/d/10") == (302, "/webphone/index.html?door=10")
    assert ask("/d/11") == (302, "/webphone/index.html?door=11")
    for none in ("/d/0", "/d/99999999999999999999", "/d/-1", "/d/ten", "/d/"):
        assert ask(none)[0] == 404, none


def test_a_sign_has_the_address_of_its_door_and_is_for_operators(
    point: models.AccessPoint,
) -> None:
    path = f"/point/{point.pk}/sign"
    assert Browser().get(path).where.startswith("/sign-in")
    browser = at_work()
    assert path in browser.get(f"/point/{point.pk}").page.source
    answer = browser.get(path)
    assert f"https://{HOST}/d/10" in answer.text
    assert f'aria-label="QR code of https://{HOST}/d/10"' in answer.page.source
    assert answer.page.tags.count("svg") == 1
    assert re.search(r'<path stroke="#000" d="M4 4\.5h7m', answer.page.source)
    assert browser.get("/point/99/sign").status == 404


def members(office: Office, person: models.Person) -> dict[int, object]:
    connected(person).ask("grant")
    signed = models.SignedGrant.objects.get()
    text = enrolment(office, (3, 1), signed)
    fields: dict[int, object] = cbor.decode(base64.urlsafe_b64decode(text + "=="))
    return fields


@pytest.mark.parametrize("name", ["", "Hub 12"])
def test_a_phone_is_told_what_the_hub_is_called_where_it_has_a_name(
    office: Office, point: models.AccessPoint, name: str
) -> None:  # enrolment, the law
    browser = at_work()
    browser.get(f"/point/{point.pk}")
    browser.submit(shown_name=name)
    anna = models.Person.objects.create(name="Anna")
    models.Grant.objects.create(person=anna).points.add(point)
    found = members(office, anna)
    assert found.get(8) == ({10: name} if name else None)
    assert set(found) - {8} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("name", ["Hub 12 ", "x" * 21, "Tür", "a\nb", "<script>", "-"])
def test_what_no_hub_can_be_called_is_refused(point: models.AccessPoint, name: str) -> None:
    browser = at_work()
    browser.get(f"/point/{point.pk}")
    browser.submit(shown_name=name)
    point.refresh_from_db()
    assert point.shown_name in ("", name.strip())
    assert point.shown_name != name
