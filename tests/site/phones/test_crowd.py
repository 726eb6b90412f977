"""Phones that fetch grants in one moment: the same as alone, and the same as by the framework."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as drawn
from hypothesis import strategies as st
from oauth2_provider.models import get_access_token_model

from hubcore.access.grant import Access, write_scope
from hubcore.calendar.schedule import ALWAYS
from hubcore.errors import LinkError
from hubsite.commands.serve import application
from hubsite.crowd import reading
from hubsite.crowd.answering import Had, grant_said, had_by, said_by
from hubsite.crowd.front import Front, token_of
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.hubs.together import Together
from hubsite.phones.devices import LOOKS_FIRST
from hubsite.phones.guests import make_link
from hubsite.register import changes, models
from hubsite.register.granted import AT_ONCE, grantings_of
from hubsite.rules.issuing import access_of
from tests.site.front import Framework, both, environ_of, heard_from
from tests.site.phones.test_web_phones import ISSUER, WebPhone, anna, connected, office

pytestmark = pytest.mark.once
__all__ = ["anna", "office"]


class Away(FileSigner):
    def grant(self, *_: object) -> bytes:
        raise LinkError("the signer is away")


def _credential() -> models.Credential:
    return models.Credential.objects.get()


def _revoke() -> None:
    changes.revoke_credential("olga", _credential(), _credential().revision)


def _disable() -> None:
    changes.disable_credential("olga", _credential(), _credential().revision)


def _leave() -> None:
    person = models.Person.objects.get()
    changes.end_person("olga", person, person.revision)


def _grow() -> None:
    door = models.Door.objects.create(name="Back")
    point = models.AccessPoint.objects.create(number=7, name="out", door=door, shown_name="hub-7")
    models.Grant.objects.get().points.add(point)
    models.EndedHub.objects.create(kid="0123456789abcdef", hub="hub-a", ended_by="olga")
    models.SignedPolicy.objects.create(
        version=1, issued_at=1, act=1, document=b"", revocations=b"l"
    )


def _take_back() -> None:
    models.Grant.objects.update(revoked_at=datetime.now(UTC))


def _no_office() -> None:
    settings.HUBSITE_RUNNING.begin(None, None)


def _away() -> None:
    settings.HUBSITE_RUNNING.begin(Office("acme", Away(ISSUER)), None)


def _expire() -> None:
    get_access_token_model().objects.update(expires=datetime.now(UTC))


def _other_scope() -> None:
    get_access_token_model().objects.update(scope="another")


def _other_resource() -> None:
    get_access_token_model().objects.update(resource=["https://elsewhere.example/"])


def _no_key() -> None:
    models.Credential.objects.all().delete()


PLAIN: dict[str, tuple[Callable[[], object], int]] = {
    "all is well": (list, 200),
    "a larger right": (_grow, 200),
    "out of use": (_disable, 403),
    "nothing is granted": (_take_back, 403),
    "no key yet": (_no_key, 403),
    "nobody signs": (_no_office, 503),
    "the signer is away": (_away, 503),
}
NOT_PLAIN: dict[str, tuple[Callable[[], object], int]] = {
    "revoked": (_revoke, 401),
    "who has left": (_leave, 401),
    "a token that is over": (_expire, 401),
    "a token for another thing": (_other_scope, 401),
    "a token for another place": (_other_resource, 401),
}


@pytest.mark.parametrize("name", [*PLAIN, *NOT_PLAIN])
def test_an_answer_is_that_of_the_framework_itself(anna: models.Person, name: str) -> None:
    """front, laws 1 and 2: its head and its words, whatever it says."""
    phone = connected(anna)
    done, status = (PLAIN | NOT_PLAIN)[name]
    done()
    front, framework = both()
    before = framework.asked
    here = heard_from(front, environ_of(phone.access))
    assert framework.asked == before + (name in NOT_PLAIN)
    assert here.said[0] == status
    assert here == heard_from(framework, environ_of(phone.access))


def test_a_token_that_there_is_not_goes_on_to_the_framework(office: Office) -> None:
    front, framework = both()
    before = framework.asked
    for token in ("x" * 32, "'; --", "\\", "x" * 255):
        assert heard_from(front, environ_of(token)).said[0] == 401
    assert framework.asked == before + 4


@pytest.mark.parametrize(
    "changed",
    [
        {"REQUEST_METHOD": "GET"},
        {"PATH_INFO": "/api/phone/key"},
        {"PATH_INFO": "/api/phone/grant/"},
        {"QUERY_STRING": "access_token=x"},
        {"CONTENT_LENGTH": "1"},
        {"CONTENT_TYPE": "multipart/form-data; boundary=x"},
        {"HTTP_TRANSFER_ENCODING": "chunked"},
        {"wsgi.url_scheme": "http"},
        {"HTTP_HOST": "elsewhere.example"},
        {"HTTP_HOST": ""},
        {"HTTP_AUTHORIZATION": ""},
        {"HTTP_AUTHORIZATION": "Bearer"},
        {"HTTP_AUTHORIZATION": "Bearer a b"},
        {"HTTP_AUTHORIZATION": "Basic eDp4"},
        {"HTTP_AUTHORIZATION": "Bearer x\N{LATIN SMALL LETTER E WITH ACUTE}"},
        {"HTTP_AUTHORIZATION": "Bearer " + "x" * 256},
    ],
    ids=repr,
)
def test_any_other_call_goes_on_to_the_framework(changed: dict[str, str]) -> None:
    """front, law 1"""
    assert token_of(environ_of("secret")) == "secret"
    assert token_of(environ_of("secret", HTTP_AUTHORIZATION="bearer secret")) == "secret"
    assert token_of(environ_of("secret", **changed)) is None
    heard = []

    def framework(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        heard.append(environ)
        start("200 OK", [])
        return [b"its own"]

    asked = environ_of("secret", **changed)
    assert heard_from(Front(framework), asked).body == b"its own"
    assert heard == [asked]


def test_a_restored_copy_signs_no_grant_and_hands_out_what_is_there(anna: models.Person) -> None:
    """devices, law 6: the copy does not know which right was taken back since."""
    phone = connected(anna)
    front, framework = both()
    office = settings.HUBSITE_RUNNING.office
    first = heard_from(front, environ_of(phone.access))
    settings.HUBSITE_RUNNING.begin(office, SimpleNamespace(looks_first=lambda: True))
    again = heard_from(front, environ_of(phone.access))
    assert again.said[0] == 200
    assert again.said[1]["expires"] == first.said[1]["expires"]
    _grow()
    signed = models.SignedGrant.objects.count()
    here = heard_from(front, environ_of(phone.access))
    assert here.said[0] == 503
    assert LOOKS_FIRST in here.said[1]["sentence"]
    assert here == heard_from(framework, environ_of(phone.access))
    assert models.SignedGrant.objects.count() == signed
    settings.HUBSITE_RUNNING.begin(office, SimpleNamespace(looks_first=lambda: False))
    assert heard_from(front, environ_of(phone.access)).said[0] == 200


def test_what_nobody_foresaw_goes_on_to_the_framework(anna: models.Person) -> None:
    """front, law 3"""
    phone = connected(anna)
    settings.HUBSITE_RUNNING.begin(object(), None)
    framework = Framework(application=lambda _environ, start: start("500 No", []) or [b"no"])
    assert heard_from(Front(framework), environ_of(phone.access)).status == "500 No"
    assert framework.asked == 1


@pytest.mark.parametrize(
    "brought",
    [
        {"HTTP_COOKIE": "__Host-session=x; __Host-csrf=x"},
        {"HTTP_ORIGIN": "https://elsewhere.example", "HTTP_ACCEPT_ENCODING": "gzip"},
    ],
    ids=["a broken cookie", "another origin"],
)
def test_who_comes_first_chooses_nothing_in_the_head_of_others(
    anna: models.Person, brought: dict[str, str]
) -> None:
    """front, law 2"""
    phone = connected(anna)
    front = Front(Framework())
    heard_from(front, environ_of(phone.access, **brought))
    asked = environ_of(phone.access)
    assert heard_from(front, asked).head == heard_from(Framework(), asked).head


def test_a_head_of_a_moment_that_is_bad_is_not_kept(anna: models.Person) -> None:
    """front, laws 2 and 3"""
    phone = connected(anna)
    framework = Framework()
    good = framework.application
    bad = [("Content-Type", "text/html")]
    framework.application = lambda _environ, start: start("500 No", bad) or [b"no"]
    front = Front(framework)
    assert heard_from(front, environ_of(phone.access)).status == "500 No"
    framework.application = good
    assert heard_from(front, environ_of(phone.access)).said[0] == 200


def test_the_server_has_it_before_the_framework() -> None:
    assert isinstance(application(), Front)


def test_what_a_page_has_done_counts_for_who_comes_after_it(anna: models.Person) -> None:
    """reading, law 1: also for a phone that waits while others are read."""
    first, second = (connected(anna) for _ in range(2))
    begun = threading.Event()
    go_on = threading.Event()

    def read(tokens: Sequence[str]) -> list[Had | None]:
        if list(tokens) == [first.access]:
            begun.set()
            assert go_on.wait(20)
        return reading._read_all(tokens)

    together: Together[str, Had | None] = Together(read)
    with _threads() as ask:
        reads_first = ask(lambda: together.keep(first.access))
        assert begun.wait(20)
        waits = ask(lambda: together.keep(second.access))
        of_second = models.Credential.objects.order_by("-made_at").first()
        assert of_second is not None
        changes.revoke_credential("olga", of_second, of_second.revision)
        go_on.set()
        assert reads_first.result(20) is not None
        assert waits.result(20) is None


@pytest.fixture
def many(office: Office) -> list[WebPhone]:
    """Phones of different persons."""
    return [connected(models.Person.objects.create(name=f"Person {number}")) for number in range(3)]


def test_answers_that_have_arrived_are_noted_for_all_and_who_is_over_is_none(
    many: list[WebPhone],
) -> None:
    """reading, laws 2 and 3"""
    for phone in many:
        assert phone.renew()[0] == 200
    thief = WebPhone(refresh=many[0].refresh)
    tokens = [phone.access for phone in many]
    found = reading._read_all([*tokens, "nobody's", tokens[0]])
    assert [one is None for one in found] == [False, False, False, True, False]
    assert not get_access_token_model().objects.exclude(source_refresh_token=None).exists()
    assert thief.renew()[0] == 200
    assert reading._read_all(tokens)[1:] != [None, None]


class _threads:
    """Threads that let their databases go."""

    def __enter__(self) -> Callable[[Callable[[], Any]], Future[Any]]:
        self._pool = ThreadPoolExecutor(4)
        return lambda call: self._pool.submit(self._run, call)

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    @staticmethod
    def _run(call: Callable[[], Any]) -> Any:
        try:
            return call()
        finally:
            connection.close()


POINTS = 6
GROUPS = 3
SOME_POINTS = st.frozensets(st.integers(1, POINTS), max_size=3)
SOME_GROUPS = st.frozensets(st.integers(0, GROUPS - 1), max_size=2)


@dataclass(frozen=True)
class Person:
    """Who has which points of his own, is in which groups; a guest has a link in place of both."""

    own: frozenset[int]
    groups: frozenset[int]
    is_guest: bool
    has_left: bool
    has_key: bool
    old_grants: int


PEOPLE = st.builds(
    Person, SOME_POINTS, SOME_GROUPS, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2)
)
OF_GROUPS = st.tuples(*[SOME_POINTS] * GROUPS)


@drawn(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PEOPLE, min_size=1, max_size=AT_ONCE + 3), OF_GROUPS)
def test_each_of_many_has_what_is_granted_to_it_and_nothing_of_another(
    people: list[Person], of_groups: tuple[frozenset[int], ...]
) -> None:
    """Whoever they are, in whatever number: against what was drawn, and against each by itself."""
    groups = _begin_again(of_groups)
    families = [_phone(person, groups) for person in people]
    found = had_by(families)
    for person, family in zip(people, families, strict=True):
        had = found[family]
        if not person.has_key:
            assert had.device is None
            continue
        assert had.device is not None
        credential = had.device.credential
        of_his_groups = [] if person.is_guest else [of_groups[number] for number in person.groups]
        wanted = frozenset() if person.has_left else person.own.union(*of_his_groups)
        assert {one.access_point for one in access_of(had.grantings, int(time.time()))} == wanted
        assert had.grantings == grantings_of(credential.person, credential.kind)
        newest = models.SignedGrant.objects.filter(credential=credential).order_by("-issued_at")
        assert had.device.newest == newest.first()
        assert wanted <= set(had.beside.names)


def _begin_again(of_groups: tuple[frozenset[int], ...]) -> list[models.Group]:
    for table in (models.SignedGrant, models.Credential, models.Grant, models.GuestLink):
        table.objects.all().delete()
    models.Person.objects.all().delete()
    models.Group.objects.all().delete()
    if not models.Door.objects.exists():
        door = models.Door.objects.create(name="Front")
        points = range(1, POINTS + 1)
        models.AccessPoint.objects.bulk_create(
            models.AccessPoint(number=number, name=str(number), door=door) for number in points
        )
    groups = [models.Group.objects.create(name=str(number)) for number in range(GROUPS)]
    for group, points_of_it in zip(groups, of_groups, strict=True):
        _grant(points_of_it, group=group)
        _grant(frozenset({1}), group=group, revoked_at=datetime.now(UTC))
    return groups


def _grant(points: frozenset[int], **to: Any) -> None:
    begins = datetime.now(UTC) - timedelta(hours=1)
    made = models.Grant.objects.create(begins=begins, **to)
    made.points.set(models.AccessPoint.objects.filter(number__in=points))


def _phone(person: Person, groups: list[models.Group]) -> uuid.UUID:
    """Make the rows of a person and his phone; return the family of its tokens."""
    ends = datetime.now(UTC) + timedelta(hours=1)
    if person.is_guest:
        link = models.GuestLink(begins=datetime.now(UTC) - timedelta(hours=1), ends=ends)
        points = models.AccessPoint.objects.filter(number__in=person.own)
        make_link("olga", link, "Guest", [point.pk for point in points])
        made = link.person
    else:
        made = models.Person.objects.create(name="Anna")
        made.groups.set(groups[number] for number in person.groups)
        _grant(person.own, person=made)
    if person.has_left:
        models.Person.objects.filter(pk=made.pk).update(ended_at=datetime.now(UTC))
    family = uuid.uuid4()
    if person.has_key:
        credential = models.Credential.objects.create(
            person=made, kind="web", label="Phone", key=family.bytes, family=family
        )
        for number in range(person.old_grants):
            models.SignedGrant.objects.create(
                grant_id=f"{family.hex[:30]}{number:02}",
                credential=credential,
                issued_at=number,
                expires=number,
                scope=write_scope([Access(1, 1, ALWAYS)]),
                document=b"",
            )
    return family


def test_many_cost_as_many_queries_as_one(office: Office) -> None:
    groups = _begin_again((frozenset({1}), frozenset({2}), frozenset({1, 3})))
    anybody = Person(frozenset({4}), frozenset({0, 2}), False, False, True, 1)
    families = [_phone(anybody, groups) for _ in range(AT_ONCE)]
    with CaptureQueriesContext(connection) as of_one:
        had_by(families[:1])
    with CaptureQueriesContext(connection) as of_all:
        had_by(families)
    assert len(of_all) == len(of_one) == 6


def test_what_was_read_for_all_is_enough_to_sign_for_one(anna: models.Person) -> None:
    phone = connected(anna)
    had = reading.had_with(phone.access)
    assert had is not None
    _away()
    with CaptureQueriesContext(connection) as asked:
        assert said_by(partial(grant_said, had, int(time.time())))[0] == 503
    assert len(asked) == 0, "up to the signer nothing more is read"
