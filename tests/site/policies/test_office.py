"""From rows to signed documents: what is signed, when, and what is kept of it."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings

from hubcore.access.grant import Access, Grant, read_grant
from hubcore.calendar.schedule import ALWAYS, Schedule, SpecialDays
from hubcore.codec import cbor
from hubcore.errors import LinkError
from hubcore.issuing.words import RefusedError
from hubcore.policy import document
from hubcore.policy.document import Issued
from hubcore.policy.policy import Policy
from hubsim.site.documents import make_key
from hubsite.acts.models import Act
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.register import changes, models
from hubsite.rules.issuing import DAY
from tests.site.browser import Browser, at_work

pytestmark = pytest.mark.once

ISSUER = make_key()
NOW = int(time.time())


@pytest.fixture
def office() -> Office:
    made = Office("acme", FileSigner(ISSUER))
    settings.HUBSITE_RUNNING.begin(made, None)
    return made


def _public() -> str:
    return base64.urlsafe_b64encode(cbor.encode(make_key().cose_key)).decode().rstrip("=")


def _site(kind: str = "phone") -> tuple[models.Person, models.Grant, models.Credential]:
    door = models.Door.objects.create(name="Front")
    point = models.AccessPoint.objects.create(number=10, name="inward", door=door)
    anna = models.Person.objects.create(name="Anna")
    begins = datetime.now(UTC) - timedelta(hours=1)
    grant = models.Grant.objects.create(person=anna, begins=begins)
    grant.points.add(point)
    key = cbor.encode(make_key().cose_key)
    phone = models.Credential.objects.create(person=anna, kind=kind, label="Phone", key=key)
    return anna, grant, phone


def _policy(office: Office) -> Policy:
    newest = models.SignedPolicy.objects.order_by("-version").first()
    return document.read(bytes(newest.document), ISSUER.verify_key, "acme")


def test_a_policy_is_signed_where_the_rows_say_something_new(office: Office) -> None:
    _, _, phone = _site()
    assert office.renew_policy(NOW) is not None
    assert office.renew_policy(NOW) is None
    changes.revoke_credential("olga", phone, 1)
    renewed = office.renew_policy(NOW + 1)
    assert renewed is not None
    assert (renewed.version, _policy(office).revoked_credentials) == (2, {phone.pk})
    assert renewed.act == Act.objects.count()
    assert office.renew_policy(NOW + 2) is None


def test_a_version_is_above_each_that_the_engine_has(office: Office) -> None:
    signed = office.renew_policy(NOW, above=41)
    assert signed is not None
    assert signed.version == 42
    assert office.renew_policy(NOW, above=42) is None
    again = office.renew_policy(NOW, above=50)
    assert again is not None
    assert again.version == 51


def test_a_grant_says_what_its_holder_may_and_is_kept_before_it_is_handed_out(
    office: Office,
) -> None:
    anna, grant, phone = _site()
    signed = office.grant("olga", phone, NOW)
    said = read_grant(bytes(signed.document), ISSUER.verify_key, "acme")
    assert (said.credential, said.grant_id.hex()) == (phone.pk, signed.grant_id)
    assert [(entry.access_point, entry.rules) for entry in said.access] == [(10, ALWAYS)]
    assert said.expires == NOW + 30 * DAY
    assert b"Anna" not in bytes(signed.document)
    act = Act.objects.order_by("-number").first().said
    assert (act["kind"], act["grant_id"]) == ("grant-signed", said.grant_id)
    office.renew_policy(NOW)
    assert _policy(office).revoked_grants == set()
    changes.revoke_grant("olga", grant, 1)
    office.renew_policy(NOW)
    assert _policy(office).revoked_grants == {said.grant_id}
    with pytest.raises(ValueError, match="Nothing is granted to this person now"):
        office.grant("olga", models.Credential.objects.get(), NOW)
    assert anna.credentials.get().signed.count() == 1


def test_a_group_grants_and_leaving_it_takes_back(office: Office) -> None:
    anna, grant, phone = _site()
    group = models.Group.objects.create(name="Tenants")
    models.Grant.objects.filter(pk=grant.pk).update(person=None, group=group)
    anna.groups.add(group)
    signed = office.grant("olga", phone, NOW)
    anna.groups.clear()
    office.renew_policy(NOW)
    assert _policy(office).revoked_grants == {bytes.fromhex(signed.grant_id)}


def test_a_phone_in_a_browser_gets_ten_days_and_no_more_than_the_grant(office: Office) -> None:
    _, grant, phone = _site("web")
    assert office.grant("olga", phone, NOW).expires == NOW + 10 * DAY
    ends = datetime.fromtimestamp(NOW + 3600, UTC)
    models.Grant.objects.filter(pk=grant.pk).update(ends=ends)
    assert office.grant("olga", phone, NOW).expires == NOW + 3600


def test_time_alone_ends_what_a_grant_allowed(office: Office) -> None:
    """A phone's grant ends with the site's grant; what was signed before that end was set, by the
    list."""
    _, grant, phone = _site()
    signed = office.grant("olga", phone, NOW)
    models.Grant.objects.filter(pk=grant.pk).update(ends=datetime.fromtimestamp(NOW + 60, UTC))
    assert office.renew_policy(NOW) is not None
    assert _policy(office).revoked_grants == set()
    assert office.renew_policy(NOW + 61) is not None
    assert _policy(office).revoked_grants == {bytes.fromhex(signed.grant_id)}


def _unreadable(office: Office, **said: object) -> Policy:
    """A policy with more of schedules than a hub reads."""
    hours = Schedule((), (SpecialDays(frozenset(range(1000)), ()),))
    schedules = dict.fromkeys(range(1, 33), hours)
    return replace(Policy(office.site, 3, NOW, schedules=schedules), **said)


def test_a_policy_that_no_hub_can_read_is_not_signed(office: Office) -> None:
    """hubs.signer, law 2"""
    with pytest.raises(RefusedError, match="items in all schedules together"):
        office.signer.policy(_unreadable(office))
    assert office.signer.policy(_unreadable(office, schedules={})).root


def test_a_grant_that_no_hub_can_read_is_not_signed(office: Office) -> None:
    """hubs.signer, law 2"""
    key = make_key()
    access = (Access(10, 1, ALWAYS),)
    made = Grant("acme", "anna", NOW, NOW - 1, bytes(16), key.verify_key, access)
    with pytest.raises(RefusedError, match="grant: "):
        office.signer.grant(made, key.cose_key)


def test_a_newest_policy_that_nobody_can_read_is_followed_by_another(office: Office) -> None:
    """hubs.office, law 1: it says something else than the rows"""
    _site()
    signed = document.issue(_unreadable(office), ISSUER)
    models.SignedPolicy.objects.create(version=3, issued_at=NOW, act=0, document=signed)
    renewed = office.renew_policy(NOW)
    assert renewed is not None
    assert renewed.version == 4
    assert _policy(office).schedules == {}
    assert office.renew_policy(NOW) is None


class Overfull(FileSigner):
    """A signer who is given rows that no tree can hold."""

    def policy(self, policy: Policy) -> Issued:
        raise ValueError(f"policy {policy.version} has too many rows")


def test_rows_that_no_tree_can_hold_are_a_refusal() -> None:
    """What publishes goes on after a HubError alone."""
    with pytest.raises(RefusedError, match="policy 1 has too many rows"):
        Office("acme", Overfull(ISSUER)).renew_policy(NOW)


class Unsigning(FileSigner):
    """A signer whose key is elsewhere, and elsewhere is away."""

    def policy(self, policy: Policy) -> Issued:
        raise LinkError(f"nobody signs policy {policy.version}")

    def grant(self, grant: Grant, key: dict) -> bytes:  # type: ignore[type-arg]
        raise LinkError(f"nobody signs for {grant.site} {len(key)}")


def test_with_nobody_who_signs_nothing_is_lost_and_the_page_says_so(office: Office) -> None:
    _, _, phone = _site()
    away = Office("acme", Unsigning(ISSUER))
    settings.HUBSITE_RUNNING.begin(away, None)
    with pytest.raises(LinkError):
        away.renew_policy(NOW)
    assert not models.SignedPolicy.objects.exists()
    browser = at_work()
    browser.get(f"/phone/{phone.pk}")
    answer = browser.submit(button="grant")
    assert answer.status == 503
    assert "Nobody signs now" in answer.text
    assert not models.SignedGrant.objects.exists()
    changes.revoke_credential("olga", phone, 1)
    office.renew_policy(NOW)
    assert _policy(office).revoked_credentials == {phone.pk}


def _add_phone(browser: Browser, person: models.Person, key: str, label: str = "Phone"):  # type: ignore[no-untyped-def]
    browser.get(f"/person/{person.pk}/phone")
    return browser.submit(label=label, kind="phone", key=key)


def test_a_phone_is_added_granted_disabled_and_revoked_on_its_page(office: Office) -> None:
    anna, _, _ = _site()
    models.Credential.objects.all().delete()
    browser = at_work()
    answer = _add_phone(browser, anna, _public())
    phone = models.Credential.objects.get()
    assert answer.where == f"/phone/{phone.pk}"
    answer = browser.submit(button="grant")
    (signed,) = phone.signed.all()
    text = answer.page.fields["grant"]
    fields = cbor.decode(base64.urlsafe_b64decode(text + "=="))
    assert fields == {
        1: "acme",
        2: cbor.encode(ISSUER.cose_key),
        3: bytes(signed.document),
        4: [3, 1],
        5: {10: "Front, inward"},
    }
    browser.get(f"/phone/{phone.pk}")
    assert "Out of use for a while." in browser.submit(button="disable").text
    office.renew_policy(NOW)
    assert _policy(office).disabled == {phone.pk}
    assert "In use." in browser.submit(button="enable").text
    answer = browser.submit(button="revoke")
    assert "Revoked on" in answer.text
    assert "for ever" in answer.text
    assert answer.page.forms[1:] == []
    office.renew_policy(NOW)
    assert (_policy(office).disabled, _policy(office).revoked_credentials) == (set(), {phone.pk})
    kinds = [act.said["kind"] for act in Act.objects.order_by("number")]
    assert kinds == [
        "credential-made",
        "grant-signed",
        "credential-disabled",
        "credential-enabled",
        "credential-revoked",
    ]


def test_a_revocation_by_who_has_seen_an_older_state_is_told(office: Office) -> None:
    _, _, phone = _site()
    olga = at_work("olga")
    otto = at_work("otto")
    for browser in (olga, otto):
        browser.get(f"/phone/{phone.pk}")
    olga.submit(button="disable")
    answer = otto.submit(button="revoke")
    assert answer.status == 409
    assert "olga changed this" in answer.text
    assert otto.submit(button="revoke").status == 200
    with pytest.raises(ValueError, match="was revoked"):
        office.grant("olga", models.Credential.objects.get(), NOW)


@pytest.mark.parametrize(
    "key", ["", "AAAA", "not base64!", "oA", "pAECAyYgASFYIA", "é", "A" * 4000]
)
def test_what_is_no_key_is_no_phone(key: str) -> None:
    anna, _, _ = _site()
    models.Credential.objects.all().delete()
    answer = _add_phone(at_work(), anna, key)
    assert "Nothing was kept" in answer.text
    assert not models.Credential.objects.exists()


def test_a_key_is_one_credentials_and_nobody_who_has_left_gets_one() -> None:
    anna, _, _ = _site()
    models.Credential.objects.all().delete()
    browser = at_work()
    key = _public()
    _add_phone(browser, anna, key)
    assert "Another credential has this key." in _add_phone(browser, anna, key).text
    assert models.Credential.objects.count() == 1
    changes.end_person("olga", anna, 1)
    assert browser.get(f"/person/{anna.pk}/phone").status == 404


def test_a_site_without_a_key_says_so() -> None:
    _, _, phone = _site()
    browser = at_work()
    browser.get(f"/phone/{phone.pk}")
    assert "Nobody signs for this server" in browser.submit(button="grant").text
    assert "changes reach no hub" in browser.get("/hubs").text
