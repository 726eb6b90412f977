"""A door that is kept from phones in a browser: from the page to what a hub decides."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from hubcore.access.claim import Claim, Strength
from hubcore.access.decide import Denied, Facts, decide
from hubcore.access.grant import Access, Grant, read_grant, read_scope, write_scope
from hubcore.access.passback import Violation
from hubcore.access.words import Action, Denial
from hubcore.codec import cbor
from hubcore.policy import document
from hubsim.site.documents import make_key
from hubsite.acts.models import Act
from hubsite.crowd.answering import had_by
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.phones.devices import RefusedError, grant_of
from hubsite.register import models
from hubsite.rules.issuing import DAY, OPEN_AND_QUERY
from tests.site.browser import at_work
from tests.site.phones.test_guests import asked

pytestmark = pytest.mark.once

ISSUER = make_key()
NOW = int(time.time())
OFFICE = Office("acme", FileSigner(ISSUER))


def _phone(anna: models.Person, kind: str) -> models.Credential:
    key = cbor.encode(make_key().cose_key)
    family = uuid.uuid4()
    return models.Credential.objects.create(
        person=anna, kind=kind, label=kind, key=key, family=family
    )


@pytest.fixture
def phones() -> tuple[models.Credential, models.Credential]:
    """A phone and one in a browser, of somebody who may pass 10 and 11."""
    door = models.Door.objects.create(name="Front")
    anna = models.Person.objects.create(name="Anna")
    begins = datetime.now(UTC) - timedelta(hours=1)
    grant = models.Grant.objects.create(person=anna, begins=begins)
    for number in (10, 11):
        name = str(number)
        grant.points.add(models.AccessPoint.objects.create(number=number, name=name, door=door))
    return _phone(anna, "phone"), _phone(anna, "web")


def keep_from_browsers(number: int, kept: bool = True) -> None:
    """What an operator does."""
    browser = at_work()
    browser.get(f"/point/{models.AccessPoint.objects.get(number=number).pk}")
    assert "no_browsers" in browser.page.form().values or kept
    browser.submit(no_browsers="on" if kept else [])


def fetched(phone: models.Credential, now: int) -> models.SignedGrant:
    had = had_by([phone.family])[phone.family]
    return grant_of(OFFICE, had.device, had.grantings, now)


def read(signed: models.SignedGrant) -> Grant:
    return read_grant(bytes(signed.document), ISSUER.verify_key, "acme")


def why(grant: Grant, point: int) -> Denial | None:
    """What a hub with the newest policy decides on an open."""
    OFFICE.renew_policy(NOW)
    newest = models.SignedPolicy.objects.order_by("-version").first()
    assert newest is not None
    policy = document.read(bytes(newest.document), ISSUER.verify_key, "acme")
    claim = Claim.under(
        grant,
        access_point=point,
        action=Action.OPEN,
        op=bytes(8),
        strength=Strength.FULL,
        arrived=0.0,
    )
    facts = Facts(
        served=True,
        fresh=False,
        refused=None,
        revoked=grant.grant_id in policy.revoked_grants,
        disabled=False,
        time_trusted=True,
        without_time=False,
        offline_too_long=False,
        schedules={},
        demands=(),
        second_waits=False,
        passed_back=Violation.NONE,
        zone=UTC,
        grant_seconds_max=90 * DAY,
        used=0,
    )
    decision = decide(facts, claim, NOW)
    return decision.why if isinstance(decision, Denied) else None


def test_a_door_that_is_kept_from_browsers_refuses_them_alone_and_at_once(
    phones: tuple[models.Credential, models.Credential],
) -> None:
    phone, web = phones
    of_phone = read(OFFICE.grant("olga", phone, NOW))
    before = read(fetched(web, NOW))
    assert {why(one, point) for one in (of_phone, before) for point in (10, 11)} == {None}
    keep_from_browsers(10)
    act = Act.objects.order_by("number").last().said
    assert (act["kind"], act["fields"], act["no_browsers"]) == ("point-changed", "no_browsers", 1)
    assert why(before, 10) is Denial.CREDENTIAL_REVOKED
    assert why(before, 11) is Denial.CREDENTIAL_REVOKED, "a grant is revoked as a whole"
    after = read(fetched(web, NOW + 1))
    assert after.grant_id != before.grant_id
    assert why(after, 10) is Denial.NO_GRANT
    assert why(after, 11) is None
    assert why(of_phone, 10) is None
    keep_from_browsers(10, kept=False)
    again = read(fetched(web, NOW + 2))
    assert {why(one, 10) for one in (again, before)} == {None}
    assert why(after, 11) is None, "it says less than its holder may, and stays"


def test_a_grant_for_a_browser_has_its_mark_and_any_other_has_none(
    phones: tuple[models.Credential, models.Credential],
) -> None:
    for credential, is_marked in zip(phones, (False, True), strict=True):
        grant = read(OFFICE.grant("olga", credential, NOW))
        for entry in grant.access:
            claim = Claim.under(
                grant,
                access_point=entry.access_point,
                action=Action.OPEN,
                op=bytes(8),
                strength=Strength.FULL,
                arrived=0.0,
            )
            assert claim.in_browser is is_marked
            assert not claim.intent


def test_a_grant_of_before_the_mark_opens_until_its_phone_has_another(
    phones: tuple[models.Credential, models.Credential],
) -> None:
    _, web = phones
    old = OFFICE.grant("olga", web, NOW)
    plain = [Access(one.access_point, OPEN_AND_QUERY, one.rules) for one in read(old).access]
    models.SignedGrant.objects.filter(pk=old.pk).update(scope=write_scope(plain))
    assert why(read(old), 10) is None
    newer = fetched(web, NOW + 1)
    assert newer.grant_id != old.grant_id
    assert why(read(old), 10) is None
    assert read_scope(bytes(newer.scope)) == read(newer).access


def test_a_browser_for_which_no_door_is_left_is_told_so(
    phones: tuple[models.Credential, models.Credential],
) -> None:
    phone, web = phones
    keep_from_browsers(10)
    keep_from_browsers(11)
    with pytest.raises(RefusedError, match="Nothing that a phone in a browser may open"):
        fetched(web, NOW)
    assert len(read(OFFICE.grant("olga", phone, NOW)).access) == 2


def test_no_guest_is_promised_a_door_that_is_kept_from_browsers(
    phones: tuple[models.Credential, models.Credential],
) -> None:
    keep_from_browsers(10)
    said = asked(at_work(), (10, 11)).text
    assert "A guest has a phone in a browser, not for: Front, 10 (10)." in said
    assert not models.GuestLink.objects.exists()
    asked(at_work(), (11,))
    assert models.GuestLink.objects.count() == 1
