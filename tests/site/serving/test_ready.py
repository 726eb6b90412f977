"""Answers that are made ready for phones that came together: those that each would have alone."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as drawn
from hypothesis import strategies as st

from hubcore.access.grant import Grant
from hubcore.codec.cose import VerifyKey
from hubcore.errors import HubError, LinkError
from hubsite.acts import log
from hubsite.crowd.answering import Said, grant_said, had_by, said_by
from hubsite.crowd.ready import FRESH_SECONDS, Told, Waiting, said_to_all, said_to_each
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.register import models
from tests.site.front import Heard, both, environ_of, heard_from, heard_together
from tests.site.phones.test_crowd import (
    NOT_PLAIN,
    OF_GROUPS,
    PEOPLE,
    PLAIN,
    Person,
    _begin_again,
    _phone,
    many,
)
from tests.site.phones.test_web_phones import ISSUER, WebPhone, anna, connected, office

pytestmark = pytest.mark.once
__all__ = ["anna", "many", "office"]

ALONE = {"nobody signs"}
AWAY = "the signer is away"


class Elsewhere:
    """A signer on another machine, as far as one sees from here; `asked` counts its talks."""

    def __init__(self) -> None:
        self._signer = FileSigner(ISSUER)
        self.asked = 0
        self.is_away = False

    @property
    def issuer(self) -> VerifyKey:
        return self._signer.issuer

    def grant(self, *said: Any) -> bytes:
        self.asked += 1
        if self.is_away:
            raise LinkError(AWAY)
        return self._signer.grant(*said)

    def grants(self, wanted: Sequence[tuple[Grant, dict[int, Any]]]) -> list[bytes | HubError]:
        self.asked += 1
        if self.is_away:
            return [LinkError(AWAY)] * len(wanted)
        return self._signer.grants(wanted)


class Broken(FileSigner):
    def grant(self, *_: object) -> bytes:
        raise RuntimeError("nobody foresaw this")


@pytest.mark.parametrize("name", [*PLAIN, *NOT_PLAIN])
def test_an_answer_that_was_ready_is_that_of_the_framework(anna: models.Person, name: str) -> None:
    """front, laws 2 and 4"""
    phone = connected(anna)
    (PLAIN | NOT_PLAIN)[name][0]()
    front, framework = both()
    before = framework.asked
    heard, of_nobody = heard_together(front, [phone.access, "nobody"])
    assert framework.asked == before
    assert of_nobody is None
    assert (heard is not None) == (name in PLAIN.keys() - ALONE)
    if heard is not None:
        assert heard == heard_from(framework, environ_of(phone.access))


def test_no_answer_is_left_for_a_later_call(anna: models.Person) -> None:
    """front, law 4"""
    phone = connected(anna)
    front, _ = both()
    (heard,) = heard_together(front, [phone.access])
    assert isinstance(heard, Heard)
    PLAIN["out of use"][0]()
    assert heard_from(front, environ_of(phone.access)).said[0] == 403


SIGNERS = st.sampled_from([lambda: FileSigner(ISSUER), Elsewhere])


@drawn(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PEOPLE, min_size=1, max_size=9), OF_GROUPS, SIGNERS)
def test_each_of_many_is_told_what_he_is_told_alone(
    people: list[Person], of_groups: tuple[frozenset[int], ...], signer: Callable[[], Any]
) -> None:
    """ready, laws 1 and 3: what was told is kept, so who asks again is told the same."""
    made = Office("acme", signer())
    settings.HUBSITE_RUNNING.begin(made, None)
    groups = _begin_again(of_groups)
    families = [_phone(person, groups) for person in people]
    now = int(time.time())
    told = said_to_each(made, _had(families), now, may_wait=True).said
    assert told.keys() == {str(family) for family in families}
    for family in families:
        assert told[str(family)] == _alone(family, now)
    log.verify()


def _had(families: list[uuid.UUID]) -> dict[str, Any]:
    return {str(family): one for family, one in had_by(families).items()}


def _alone(family: uuid.UUID, now: int) -> Said:
    return said_by(lambda: grant_said(had_by([family])[family], now))


def test_grants_of_many_are_one_transaction(many: list[WebPhone], office: Office) -> None:
    """ready, law 3: many cost as many queries as one."""
    _grant_to_each()
    tokens = [phone.access for phone in many]
    with CaptureQueriesContext(connection) as of_one:
        said_to_all(tokens[:1], {})
    with CaptureQueriesContext(connection) as of_all:
        assert {status for status, _ in _said(tokens[1:]).values()} == {200}
    assert models.SignedGrant.objects.count() == len(many)
    assert len(of_all) == len(of_one)


def _grant_to_each() -> None:
    door = models.Door.objects.create(name="Front")
    point = models.AccessPoint.objects.create(number=10, name="inward", door=door)
    begins = datetime.now(UTC) - timedelta(hours=1)
    for person in models.Person.objects.all():
        models.Grant.objects.create(person=person, begins=begins).points.add(point)


def _said(tokens: Sequence[str]) -> Mapping[str, Said]:
    return said_to_all(tokens, {}).said


def test_who_has_a_good_grant_waits_for_nobody_who_signs_elsewhere(many: list[WebPhone]) -> None:
    """ready, law 2"""
    _grant_to_each()
    signer = Elsewhere()
    settings.HUBSITE_RUNNING.begin(Office("acme", signer), None)  # type: ignore[arg-type]
    tokens = [phone.access for phone in many]
    front, framework = both()
    assert heard_from(front, environ_of(tokens[0])).said[0] == 200
    signer.is_away = True
    signer.asked = 0
    here, *waits = heard_together(front, tokens)
    assert isinstance(here, Heard)
    assert here.said[0] == 200
    assert [type(one) for one in waits] == [Waiting] * 2
    assert signer.asked == 0
    for one, token in zip(heard_together(front, tokens[1:], waits), tokens[1:], strict=True):
        assert isinstance(one, Heard)
        assert one.said[0] == 503
        assert AWAY in one.said[1]["sentence"]
        assert one == heard_from(framework, environ_of(token))
    signer.is_away = False
    signer.asked = 0
    for one in heard_together(front, tokens[1:], waits):
        assert isinstance(one, Heard)
        assert one.said[0] == 200
    assert signer.asked == 1
    assert models.SignedGrant.objects.count() == len(many)


@pytest.mark.parametrize("seconds", [FRESH_SECONDS, -1.0], ids=["fresh", "old"])
def test_what_waited_long_is_read_again(many: list[WebPhone], seconds: float) -> None:
    """ready, law 2: by then a right may have been taken back, or there is nothing to sign now."""
    _grant_to_each()
    settings.HUBSITE_RUNNING.begin(Office("acme", Elsewhere()), None)  # type: ignore[arg-type]
    tokens = [phone.access for phone in many]
    until = time.monotonic() + seconds
    found = said_to_all(tokens, {}).waiting
    waited = {token: replace(one, until=until) for token, one in found.items()}
    assert waited.keys() == set(tokens)
    models.Grant.objects.earliest("pk").delete()
    told = said_to_all(tokens, waited)
    assert told.waiting == {}
    of_one = 200 if seconds > 0 else 403
    assert sorted(status for status, _ in told.said.values()) == [200, 200, of_one]


def test_nothing_that_waited_is_signed_while_an_operator_has_to_look(many: list[WebPhone]) -> None:
    _grant_to_each()
    made = Office("acme", Elsewhere())  # type: ignore[arg-type]
    settings.HUBSITE_RUNNING.begin(made, None)
    tokens = [phone.access for phone in many]
    waited = said_to_all(tokens, {}).waiting
    settings.HUBSITE_RUNNING.begin(made, SimpleNamespace(looks_first=lambda: True))
    told = said_to_all(tokens, waited)
    assert {status for status, _ in told.said.values()} == {503}
    assert not models.SignedGrant.objects.exists()


def test_what_fails_for_all_leaves_each_alone(many: list[WebPhone]) -> None:
    """ready, law 4"""
    _grant_to_each()
    tokens = [phone.access for phone in many]
    settings.HUBSITE_RUNNING.begin(Office("acme", Broken(ISSUER)), None)
    assert said_to_all(tokens, {}) == Told()
    assert not models.SignedGrant.objects.exists()
    settings.HUBSITE_RUNNING.begin(Office("acme", FileSigner(ISSUER)), None)
    assert len(_said(tokens)) == len(tokens)
    assert said_to_all([], {}) == Told()
