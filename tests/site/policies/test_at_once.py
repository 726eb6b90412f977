"""A revoked credential waits for no look at the grants that phones have."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.codec import cbor
from hubcore.policy import document
from hubcore.policy.policy import Policy
from hubsim.site.documents import make_key
from hubsite.hubs.office import Office, acts_so_far
from hubsite.hubs.signer import FileSigner
from hubsite.register import changes, models
from hubsite.register.reading import rows_of
from hubsite.rules.issuing import policy_of

pytestmark = pytest.mark.once

ISSUER = make_key()
OFFICE = Office("acme", FileSigner(ISSUER))
NOW = int(time.time())
PEOPLE = 3


def _people() -> list[models.Credential]:
    """Make people, each with a phone that has a grant; all of a site of its own."""
    number = models.AccessPoint.objects.count()
    door = models.Door.objects.create(name=f"Door {number}")
    point = models.AccessPoint.objects.create(number=number + 1, name="inward", door=door)
    phones = []
    for name in range(PEOPLE):
        person = models.Person.objects.create(name=f"Person {name}")
        begins = datetime.now(UTC) - timedelta(hours=1)
        models.Grant.objects.create(person=person, begins=begins).points.add(point)
        key = cbor.encode(make_key().cose_key)
        phone = models.Credential.objects.create(person=person, kind="web", label="P", key=key)
        OFFICE.grant("olga", phone, NOW)
        models.Credential.objects.create(
            person=person, kind="pkoc", label="O", key=b"", digest=secrets.token_hex(16)
        )
        phones.append(phone)
    return phones


def _newest() -> tuple[Policy, int]:
    signed = models.SignedPolicy.objects.order_by("-version").first()
    return document.read(bytes(signed.document), ISSUER.verify_key, "acme"), signed.act


def _undated(policy: Policy) -> Policy:
    return replace(policy, version=0, issued_at=0)


def _revoke(phone: models.Credential) -> None:
    held = models.Credential.objects.get(pk=phone.pk)
    if held.revoked_at is None:
        changes.revoke_credential("olga", held, held.revision)


def _revoke_of_others(phone: models.Credential) -> None:
    _revoke(phone.person.credentials.get(kind="pkoc"))


def _disable(phone: models.Credential) -> None:
    held = models.Credential.objects.get(pk=phone.pk)
    change = changes.enable_credential if held.is_disabled else changes.disable_credential
    change("olga", held, held.revision)


def _take_back(phone: models.Credential) -> None:
    grant = phone.person.grants.get()
    if grant.revoked_at is None:
        changes.revoke_grant("olga", grant, grant.revision)


def _end(phone: models.Credential) -> None:
    person = models.Person.objects.get(pk=phone.person_id)
    changes.end_person("olga", person, person.revision)


CHANGES: tuple[Callable[[models.Credential], None], ...] = (
    _revoke,
    _revoke_of_others,
    _disable,
    _take_back,
    _end,
)
_events = st.tuples(st.sampled_from(CHANGES), st.integers(0, PEOPLE - 1), st.booleans())


@settings(max_examples=12, deadline=None)
@given(st.lists(_events, min_size=1, max_size=6))
def test_whatever_changes_what_is_signed_at_once_is_true_and_forgets_nothing(
    events: list[tuple[Callable[[models.Credential], None], int, bool]],
) -> None:
    """office, law 5: and the whole that follows says what it would have said alone."""
    phones = _people()
    OFFICE.renew_policy(NOW)
    for change, number, has_time in events:
        change(phones[number])
        before, act = _newest()
        OFFICE.renew_at_once(NOW)
        at_once, known = _newest()
        wanted = policy_of(rows_of("acme", NOW), 0, 0)
        assert (at_once.revoked_credentials, at_once.disabled) == (
            wanted.revoked_credentials,
            wanted.disabled,
        )
        assert at_once.revoked_grants == before.revoked_grants
        assert at_once.cards == before.cards
        assert known == act, "it does not say that it knows the newest act"
        if has_time:
            OFFICE.renew_policy(NOW)
            whole, known = _newest()
            assert _undated(whole) == _undated(wanted)
            assert known == acts_so_far()


def test_it_reads_no_grant_and_signs_nothing_where_nothing_of_it_changed() -> None:
    """office, law 5"""
    phone, *_ = _people()
    assert OFFICE.renew_at_once(NOW) is None, "there is no policy before it"
    OFFICE.renew_policy(NOW)
    _take_back(phone)
    assert OFFICE.renew_at_once(NOW) is None
    _revoke(phone)
    with CaptureQueriesContext(connection) as said:
        signed = OFFICE.renew_at_once(NOW)
    assert signed is not None
    tables = ("register_signedgrant", "register_grant", "register_person")
    assert not [one["sql"] for one in said if any(f'"{name}"' in one["sql"] for name in tables)]
    assert OFFICE.renew_at_once(NOW) is None
    assert OFFICE.renew_at_once(NOW, above=signed.version + 1) is None, "the engine has a newer one"
