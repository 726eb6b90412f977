"""Guests' links: few doors, until an end, so often, for so many phones; and their end."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.utils.timezone import localtime

from hubcore.access.grant import Grant, read_grant
from hubcore.codec import cbor
from hubcore.policy import document
from hubcore.policy.policy import Policy
from hubsite.acts import log
from hubsite.acts.models import Act
from hubsite.hubs import office as offices
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.people.applying import known_people
from hubsite.register import models
from tests.site.browser import Answer, Browser, at_work
from tests.site.phones.test_web_phones import ISSUER, WebPhone

pytestmark = pytest.mark.once

NAME = "<img src=x> the plumber"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def office() -> Office:
    made = Office("acme", FileSigner(ISSUER))
    settings.HUBSITE_RUNNING.begin(made, None)
    return made


@pytest.fixture(autouse=True)
def points() -> list[models.AccessPoint]:
    """Two of the front door, and one of the cellar's."""
    front = models.Door.objects.create(name="Front")
    cellar = models.Door.objects.create(name="Cellar")
    return [
        models.AccessPoint.objects.create(number=number, name="a way", door=door)
        for number, door in ((10, front), (11, front), (20, cellar))
    ]


def moment(after: timedelta) -> str:
    return localtime(datetime.now(UTC) + after).strftime("%Y-%m-%dT%H:%M")


def asked(browser: Browser, numbers: tuple[int, ...] = (10,), **typed: Any) -> Answer:
    """Fill the form of a link; without more it is one for a day that has begun."""
    browser.get("/guest/add")
    keys = [str(row.pk) for row in models.AccessPoint.objects.filter(number__in=numbers)]
    said = {"begins": moment(-HOUR), "ends": moment(DAY), **typed}
    return browser.submit(guest=NAME, points=keys, **said)


def link_of(answer: Answer) -> str:
    return urlsplit(answer.page.fields["link"]).path


def joined(link: str) -> WebPhone:
    phone = WebPhone()
    phone.connect(link)
    assert phone.give_key()[0] == 200
    return phone


def granted(phone: WebPhone) -> Grant:
    status, said = phone.ask("grant")
    assert status == 200, said
    fields = cbor.decode(base64.urlsafe_b64decode(said["enrolment"] + "=="))
    return read_grant(fields[3], ISSUER.verify_key, "acme")


def policy_of(office: Office) -> Policy:
    signed = office.renew_policy(int(time.time()))
    assert signed is not None
    return document.read(bytes(signed.document), ISSUER.verify_key, "acme")


def test_from_a_form_to_a_grant_with_a_number_and_an_end(office: Office) -> None:
    answer = asked(at_work(), (10, 11), uses="3")
    link = models.GuestLink.objects.get()
    grant = granted(joined(link_of(answer)))
    assert [entry.access_point for entry in grant.access] == [10, 11]
    assert (grant.uses, grant.expires) == (3, int(link.ends.timestamp()))
    policy = policy_of(office)
    assert (policy.revoked_grants, policy.revoked_credentials) == (set(), set())
    log.verify()


def test_a_link_without_a_number_is_renewed_until_its_end() -> None:
    phone = joined(link_of(asked(at_work(), (10, 20), ends=moment(40 * DAY))))
    first = granted(phone)
    assert first.uses is None
    assert [entry.access_point for entry in first.access] == [10, 20]
    row = models.SignedGrant.objects.get()
    half = 6 * DAY.days * 86_400
    models.SignedGrant.objects.update(issued_at=row.issued_at - half, expires=row.expires - half)
    assert granted(phone).grant_id != first.grant_id


def test_a_link_is_shown_once_beside_its_code_and_lies_nowhere() -> None:
    """guests, law 1"""
    browser = at_work()
    answer = asked(browser)
    token = link_of(answer).rpartition("/")[2]
    assert "svg" in answer.page.tags
    assert "img" not in answer.page.tags
    link = models.GuestLink.objects.get()
    assert link.digest != token
    assert token not in browser.get(f"/guest/{link.pk}").page.source
    listed = browser.get("/guest")
    assert token not in listed.page.source
    assert NAME in listed.text
    assert "img" not in listed.page.tags
    acts = b"".join(bytes(act.body) for act in Act.objects.all())
    assert token.encode() not in acts
    assert b"plumber" not in acts


def test_a_link_connects_so_many_phones_and_no_more() -> None:
    """guests, laws 2 and 3"""
    link = link_of(asked(at_work(), phones="2"))
    assert NAME in Browser().get(link).text, "looking at it does not use it up"
    grants = {granted(joined(link)).grant_id for _ in range(2)}
    assert len(grants) == 2
    assert WebPhone().open_link(link) == 404
    assert models.GuestLink.objects.get().joined == 2
    phone = WebPhone()
    other = link_of(asked(at_work(), phones="2"))
    assert phone.open_link(other) == 302
    code = phone.code()
    assert phone.authorize().headers["Location"].startswith("/sign-in"), "one code for a phone"
    assert phone.exchange(code)[0] == 200


def test_a_link_that_is_over_or_unknown_connects_nobody() -> None:
    link = link_of(asked(at_work()))
    models.GuestLink.objects.update(ends=datetime.now(UTC))
    assert WebPhone().open_link(link) == 404
    assert WebPhone().open_link("/join/guest/" + "A" * 32) == 404


def test_the_end_of_a_link_ends_what_came_of_it(office: Office) -> None:
    """guests, law 4"""
    browser = at_work()
    link = link_of(asked(browser, phones="3"))
    phone = joined(link)
    granted(phone)
    with_code = WebPhone()
    with_code.open_link(link)
    code = with_code.code()
    row = models.GuestLink.objects.get()
    browser.get(f"/guest/{row.pk}")
    assert "is ended" in browser.submit(button="end").text
    assert phone.ask("grant")[0] == 401
    assert phone.renew()[0] == 400
    assert with_code.exchange(code)[0] == 400
    assert WebPhone().open_link(link) == 404
    credential = models.Credential.objects.get()
    assert policy_of(office).revoked_credentials == {credential.pk}
    kinds = [act.said["kind"] for act in Act.objects.order_by("number")]
    assert kinds[-2:] == ["guest-link-ended", "credential-revoked"]


def test_of_two_who_end_a_link_the_second_is_told() -> None:
    olga = at_work()
    asked(olga)
    row = models.GuestLink.objects.get()
    otto = at_work("otto")
    for browser in (olga, otto):
        browser.get(f"/guest/{row.pk}")
    assert olga.submit(button="end").status == 200
    answer = otto.post(f"/guest/{row.pk}", {**olga_form(row), "csrfmiddlewaretoken": csrf(otto)})
    assert (answer.status, "olga changed this" in answer.text) == (409, True)


def olga_form(row: models.GuestLink) -> dict[str, str]:
    return {"seen": str(row.revision), "do": "end"}


def csrf(browser: Browser) -> str:
    assert browser.page is not None
    return str(browser.page.form().values["csrfmiddlewaretoken"])


def test_a_number_is_counted_by_one_grant_and_no_second_one_is_signed(office: Office) -> None:
    """keeping, law 1"""
    phone = joined(link_of(asked(at_work(), uses="1", ends=moment(9 * DAY))))
    first = granted(phone)
    row = models.SignedGrant.objects.get()
    models.SignedGrant.objects.update(issued_at=row.issued_at - 8 * 86_400)
    assert granted(phone).grant_id == first.grant_id, "also when it is more than half over"
    models.GuestLink.objects.get().points.add(models.AccessPoint.objects.get(number=11))
    assert granted(phone).grant_id == first.grant_id
    credential = models.Credential.objects.get()
    browser = at_work()
    browser.get(f"/phone/{credential.pk}")
    assert "it gets no other" in browser.submit(button="grant").text
    with pytest.raises(ValueError, match="gets no other"):
        office.grant("olga", credential, int(time.time()))
    assert models.SignedGrant.objects.count() == 1


def test_of_two_grants_with_a_number_at_the_same_moment_one_is_kept(office: Office) -> None:
    """keeping, law 1: what was signed beside it is handed to nobody."""

    class Slow(FileSigner):
        def grant(self, *given: Any) -> bytes:
            if not models.SignedGrant.objects.exists():
                offices.Office("acme", FileSigner(ISSUER)).grant("", credential, now)
            return super().grant(*given)

    joined(link_of(asked(at_work(), uses="1")))
    credential = models.Credential.objects.get()
    now = int(time.time())
    with pytest.raises(ValueError, match="gets no other"):
        offices.Office("acme", Slow(ISSUER)).grant("", credential, now)
    assert models.SignedGrant.objects.count() == 1


@pytest.mark.parametrize(
    ("numbers", "typed", "sentence"),
    [
        ((10, 20), {"uses": "2"}, "Each hub counts by itself: choose points of one door."),
        ((10,), {"uses": "2", "phones": "2"}, "A link with a number of uses is for one phone."),
        ((10,), {"uses": "2", "ends": moment(11 * DAY)}, "with a number lasts 10 days at most"),
        ((10,), {"uses": "0"}, "greater than or equal to 1"),
        ((10,), {"uses": "65536"}, "less than or equal to 65535"),
        ((10,), {"phones": "17"}, "less than or equal to 16"),
        ((10,), {"ends": moment(-timedelta(minutes=5))}, "This end is over."),
        ((10,), {"begins": moment(3 * DAY)}, "It ends before it begins."),
        ((10,), {"ends": moment(400 * DAY)}, "A link lasts 366 days at most."),
        ((), {}, "This field is required."),
    ],
)
def test_what_no_link_can_be_is_refused(
    numbers: tuple[int, ...], typed: dict[str, str], sentence: str
) -> None:
    assert sentence in asked(at_work(), numbers, **typed).text
    assert not models.GuestLink.objects.exists()
    assert not models.Person.objects.exists()


def test_a_link_that_has_not_begun_connects_and_opens_nothing_yet() -> None:
    phone = joined(link_of(asked(at_work(), begins=moment(HOUR))))
    status, said = phone.ask("grant")
    assert status == 403
    assert said["sentence"].endswith("may open is granted to this person now.")
    models.GuestLink.objects.update(begins=datetime.now(UTC) - HOUR)
    assert granted(phone).access[0].access_point == 10


def test_a_guest_is_on_no_page_of_people() -> None:
    browser = at_work()
    joined(link_of(asked(browser)))
    guest = models.Person.objects.get()
    assert NAME not in browser.get("/person").text
    assert known_people() == [], "nor in a file of people: who is missing there may be ended"
    credential = models.Credential.objects.get()
    assert NAME in browser.get(f"/phone/{credential.pk}").text
    for path in (f"/person/{guest.pk}", f"/person/{guest.pk}/phone"):
        assert browser.get(path).status == 404
    browser.get(f"/grant/add?person={guest.pk}")
    key = str(models.AccessPoint.objects.first().pk)
    browser.submit(points=[key], person=guest.pk)
    assert not models.Grant.objects.exists()
    browser.get("/guest/add")
    token = csrf(browser)
    answer = browser.post(f"/person/{guest.pk}/invitation", {"csrfmiddlewaretoken": token})
    assert answer.status == 404
