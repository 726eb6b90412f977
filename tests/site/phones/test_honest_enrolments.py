"""What phones in a browser learn of revocations, and of hubs that were ended."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from hubcore.access import revocations
from hubcore.access.revocations import NAMES_MAX, Revocations
from hubcore.codec import cbor
from hubcore.errors import LinkError
from hubgateway.rules import names
from hubsite import config
from hubsite.acts.models import Act
from hubsite.hubs.office import Office
from hubsite.hubs.publisher import Publisher
from hubsite.hubs.signer import FileSigner
from hubsite.pages.phones import ended
from hubsite.phones.enrolment import enrolment
from hubsite.register import changes, models
from tests.site.browser import Answer, at_work
from tests.site.policies.test_office import ISSUER, _site

pytestmark = pytest.mark.once

NOW = int(time.time())
KID = "0123456789abcdef"


@pytest.fixture
def office() -> Office:
    made = Office("acme", FileSigner(ISSUER))
    settings.HUBSITE_RUNNING.begin(made, None)
    return made


def enrolled(office: Office, credential: models.Credential) -> dict[int, Any]:
    """What a phone takes now."""
    text = enrolment(office, (3, 1), office.grant("olga", credential, NOW))
    fields: dict[int, Any] = cbor.decode(base64.urlsafe_b64decode(text + "=="))
    return fields


def listed(fields: dict[int, Any]) -> Revocations:
    return revocations.read(fields[7], ISSUER.verify_key, "acme")


def phones(person: models.Person, count: int) -> list[models.Credential]:
    keys = [b"%03d" % number for number in range(count)]
    made = [models.Credential(person=person, kind="phone", label="Phone", key=key) for key in keys]
    return list(models.Credential.objects.bulk_create(made))


def with_grant(credential: models.Credential, expires: int = NOW + 1000) -> str:
    """Keep a grant, as if one had been signed."""
    scope = cbor.encode([[10, 9, []]])
    grant_id = credential.pk
    models.SignedGrant.objects.create(
        grant_id=grant_id, credential=credential, issued_at=NOW, expires=expires, scope=scope
    )
    return grant_id


def end(hub: str = "hub-a", kid: str = KID, **more: str) -> Answer:
    browser = at_work()
    browser.get("/hubs/ended")
    return browser.submit(hub=hub, kid=kid, **{"sure": "on", **more})


def test_an_enrolment_names_nothing_where_nothing_was_revoked(office: Office) -> None:
    _, _, phone = _site()
    office.renew_policy(NOW)
    office.renew_list(NOW)
    assert sorted(enrolled(office, phone)) == [1, 2, 3, 4, 5]


def test_an_enrolment_carries_the_newest_revocations_signed(office: Office) -> None:
    """office, law 4"""
    anna, _, phone = _site()
    (other,) = phones(anna, 1)
    with_grant(other)
    office.renew_policy(NOW)
    changes.revoke_credential("olga", other, 1)
    signed = office.renew_policy(NOW)
    office.renew_list(NOW)
    assert signed is not None
    found = listed(enrolled(office, phone))
    assert (found.version, found.credentials, found.grants) == (signed.version, (other.pk,), ())


def test_a_grant_that_says_too_much_is_in_the_list(office: Office) -> None:
    _, grant, phone = _site()
    office.grant("olga", phone, NOW)
    changes.revoke_grant("olga", grant, 1)
    office.renew_policy(NOW)
    office.renew_list(NOW)
    (too_much,) = models.SignedGrant.objects.values_list("grant_id", flat=True)
    newest = models.SignedPolicy.objects.get()
    found = revocations.read(bytes(newest.revocations), ISSUER.verify_key, "acme")
    assert found.grants == (bytes.fromhex(too_much),)


def test_the_newest_have_the_room_and_what_opens_nothing_any_more_has_none(office: Office) -> None:
    """office, law 4"""
    anna, _, phone = _site()
    many = phones(anna, NAMES_MAX + 4)
    for credential in many[:-1]:
        with_grant(credential)
    with_grant(many[-1], expires=NOW - 3 * 86_400)
    for credential in many:
        changes.revoke_credential("olga", credential, 1)
    office.renew_policy(NOW)
    office.renew_list(NOW)
    newest = [credential.pk for credential in reversed(many[:-1])]
    found = listed(enrolled(office, phone)).credentials
    assert found == tuple(newest[: len(found)])
    assert 20 < len(found) <= NAMES_MAX


class NoLists(FileSigner):
    """Signs all but lists."""

    def revocations(self, *_: Any) -> bytes:
        raise LinkError("the signer is away")


def test_a_list_that_nobody_signed_is_signed_later_and_its_policy_is_kept(office: Office) -> None:
    """office, law 4"""
    _, _, phone = _site()
    with_grant(phone)
    changes.revoke_credential("olga", phone, 1)
    away = Office("acme", NoLists(ISSUER))
    assert away.renew_policy(NOW) is not None
    with pytest.raises(LinkError):
        away.renew_list(NOW)
    policy = models.SignedPolicy.objects.get()
    assert policy.revocations is None
    office.renew_list(NOW)
    policy.refresh_from_db()
    found = revocations.read(bytes(policy.revocations), ISSUER.verify_key, "acme")
    assert (found.version, found.credentials) == (policy.version, (phone.pk,))


class Engine:
    """Takes policies, and has nothing to say."""

    def __init__(self) -> None:
        self.put_versions: list[int] = []

    async def put(self, key: str, _value: bytes) -> int:
        self.put_versions.append(names.root_version(key) or 0)
        return 1

    async def highest_version(self) -> int:
        return max(self.put_versions)

    async def purge(self, below: int) -> None:
        """Nothing is before it."""

    async def hubs(self) -> frozenset[str]:
        return frozenset()

    async def answers(self, place: int) -> tuple[list[Any], int]:
        return [], place


def test_who_signs_no_list_holds_up_no_policy(office: Office) -> None:
    """publisher, law 3"""
    _, _, phone = _site()
    (other,) = phones(phone.person, 1)
    engine = Engine()
    publisher = Publisher(Office("acme", NoLists(ISSUER)), config.Engine(("nats://127.0.0.1:9",)))

    def turn() -> None:
        async def whole() -> None:
            await publisher._turn(engine, 0)  # type: ignore[arg-type]
            await publisher.with_rows(lambda: connection.close())

        asyncio.run(whole())

    for revoked in (phone, other):
        with_grant(revoked)
        changes.revoke_credential("olga", revoked, 1)
        turn()
        assert "no newer list of what was revoked: the signer is away" in publisher.problem
    assert engine.put_versions == [1, 2]
    assert models.SignedPolicy.objects.latest("version").revocations is None


def test_an_ended_hub_is_in_each_enrolment_from_then_on(office: Office) -> None:
    _, _, phone = _site()
    assert 6 not in enrolled(office, phone)
    answer = end(kid=KID.upper())
    assert KID in answer.text
    said = Act.objects.order_by("number").last().said
    assert (said["kind"], said["about"]) == ("hub-ended-for-phones", "hub hub-a")
    assert said["key"] == bytes.fromhex(KID)
    assert enrolled(office, phone)[6] == [bytes.fromhex(KID)]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"kid": "0123"}, "has 16 digits of 0-9 and a-f"),
        ({"kid": "g" * 16}, "has 16 digits of 0-9 and a-f"),
        ({"hub": "<script>"}, "Enter a valid value"),
        ({"sure": ""}, "This field is required"),
    ],
)
def test_what_is_no_hub_is_refused(typed: dict[str, str], sentence: str) -> None:
    assert sentence in end(**typed).text
    assert not models.EndedHub.objects.exists()


def test_a_hub_is_ended_once_and_not_more_than_phones_take() -> None:
    """ended, laws 1 and 2"""
    end()
    assert "already exists" in end(hub="hub-b").text
    rows = [models.EndedHub(kid=f"{number:016x}", hub="h") for number in range(ended.HUBS_MAX - 1)]
    models.EndedHub.objects.bulk_create(rows)
    assert "phones take no more" in end(kid="f" * 16).text
    assert models.EndedHub.objects.count() == ended.HUBS_MAX
