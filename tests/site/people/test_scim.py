"""SCIM: what directories send is done in the register, and nothing else is theirs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubcore.timing.pace import Rate
from hubsite.acts import log
from hubsite.acts.models import Act
from hubsite.pages.accounts.again import FRESH_SECONDS
from hubsite.pages.scim.api import LISTED_MAX, _of_directories
from hubsite.register import changes
from hubsite.register.changes import ChangedMeanwhileError
from hubsite.register.models import Credential, Grant, Group, Person
from hubsite.scim import people
from hubsite.scim.models import ScimGroup, ScimToken, ScimUser
from hubsite.scim.reading import MEMBERS_MAX, ScimError, read_changes, read_filter, read_resource
from hubsite.scim.tokens import (
    A_TOKEN,
    ACTS_OF_A_TOKEN,
    PACE,
    TOKENS_MAX,
    USED_SECONDS,
    ScimPace,
    make_token,
)
from tests.site.browser import at_work, signed_in_ago
from tests.site.server import HOST

pytestmark = pytest.mark.once

HOSTILE = "<script>alert(1)</script>"


@dataclass
class Directory:
    """A directory: what it sends, and what it was answered last."""

    token: str
    status: int = 0

    @classmethod
    def made(cls, name: str = "entra") -> Directory:
        return cls(make_token("olga", ScimToken(name=name)))

    def __call__(self, method: str, path: str, body: Any = None, raw: bytes = b"") -> Any:
        answer = Client().generic(
            method,
            f"/scim/v2/{path}",
            raw or json.dumps(body),
            content_type="application/scim+json",
            secure=True,
            SERVER_NAME=HOST,
            headers={"Authorization": f"Bearer {self.token}"},
        )
        self.status = answer.status_code
        if answer.content:
            assert answer.headers["Content-Type"] == "application/scim+json"
            return json.loads(answer.content)
        return None

    def user(self, name: str = "anna@acme.example", **more: Any) -> Any:
        made = self("POST", "Users", {"userName": name, "displayName": "Anna Ahrens", **more})
        assert self.status == 201, made
        return made

    def patch(self, path: str, *operations: dict[str, Any]) -> Any:
        return self("PATCH", path, {"Operations": list(operations)})


def _kinds() -> list[tuple[str, str]]:
    said = [act.said for act in Act.objects.order_by("number")]
    return [(one["by"], one["kind"]) for one in said]


def test_a_person_comes_changes_leaves_and_returns_and_each_is_an_act() -> None:
    entra = Directory.made()
    anna = entra.user(externalId="17")
    key = anna["id"]
    person = Person.objects.get()
    assert (person.pk, person.name, person.changed_by) == (key, "Anna Ahrens", "scim/entra")
    phone = Credential.objects.create(person=person, kind="phone", label="x", key=b"k")
    entra.patch(f"Users/{key}", {"op": "Replace", "path": "displayName", "value": "Anna Berg"})
    assert entra("GET", f"Users/{key}")["displayName"] == "Anna Berg"
    answer = entra.patch(f"Users/{key}", {"op": "Replace", "path": "active", "value": "False"})
    assert answer["active"] is False
    phone.refresh_from_db()
    assert phone.revoked_at is not None
    assert entra.patch(f"Users/{key}", {"op": "replace", "value": {"active": True}})["active"]
    person.refresh_from_db()
    phone.refresh_from_db()
    assert person.ended_at is None
    assert phone.revoked_at is not None
    entra("DELETE", f"Users/{key}")
    assert entra.status == 204
    assert entra("GET", f"Users/{key}")["status"] == "404"
    assert Person.objects.get().ended_at is not None
    assert _kinds() == [
        ("olga", "directory-made"),
        ("scim/entra", "person-made"),
        ("scim/entra", "person-changed"),
        ("scim/entra", "person-ended"),
        ("scim/entra", "credential-revoked"),
        ("scim/entra", "person-returned"),
        ("scim/entra", "person-ended"),
    ]
    assert not any(b"Ahrens" in bytes(act.body) for act in Act.objects.all())
    log.verify()


def test_whom_an_operator_has_ended_no_directory_brings_back() -> None:
    okta = Directory.made("okta")
    anna = okta.user()
    person = Person.objects.get()
    changes.end_person("olga", person, person.revision)
    answer = okta("PUT", f"Users/{anna['id']}", {"userName": "anna", "active": True})
    assert (okta.status, answer["scimType"]) == (400, "mutability")
    assert ScimUser.objects.get().user_name == "anna@acme.example"
    assert Person.objects.get().ended_at is not None


def test_groups_are_those_of_directories_and_members_change_as_they_are_sent() -> None:
    entra = Directory.made()
    of_operators = Group.objects.create(name="Server room")
    by_hand = Person.objects.create(name="Typed By Hand")
    keys = [entra.user(f"u{number}")["id"] for number in range(3)]
    group = entra("POST", "Groups", {"displayName": "Tenants", "members": [{"value": keys[0]}]})
    path = f"Groups/{group['id']}"

    def members() -> list[str]:
        return [one["value"] for one in entra("GET", path)["members"]]

    add = {"op": "Add", "path": "members", "value": [{"value": keys[1]}, {"value": keys[2]}]}
    entra.patch(path, add)
    assert members() == sorted(keys)
    entra.patch(path, {"op": "remove", "path": f'members[value eq "{keys[0]}"]'})
    entra.patch(path, {"op": "Remove", "path": "members", "value": [{"value": keys[1]}]})
    assert members() == [keys[2]]
    entra.patch(path, {"op": "replace", "path": "members", "value": [{"value": keys[0]}]})
    assert members() == [keys[0]]
    entra.patch(path, {"op": "add", "path": "members", "value": [{"value": by_hand.pk}]})
    assert entra.status == 400
    assert "members" not in entra("GET", f"{path}?excludedAttributes=members")
    for other in (f"Groups/{of_operators.pk}", f"Users/{by_hand.pk}"):
        for method in ("GET", "DELETE", "PUT"):
            entra(method, other, {"userName": "x"})
            assert entra.status == 404
    assert entra("POST", "Groups", {"displayName": "Server room"})["scimType"] == "uniqueness"
    Grant.objects.create(group_id=int(group["id"]))
    entra("DELETE", path)
    assert entra.status == 204
    assert Group.objects.get(name="Tenants").people.count() == 0
    assert Grant.objects.count() == 1
    assert ("scim/entra", "grant-made") not in _kinds()
    log.verify()


def test_lists_have_pages_and_filters() -> None:
    entra = Directory.made()
    for number in range(5):
        entra.user(f"User{number}@x", externalId=f"e{number}")
    page = entra("GET", "Users?startIndex=2&count=2")
    assert [one["userName"] for one in page["Resources"]] == ["User1@x", "User2@x"]
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (5, 2, 2)
    assert entra("GET", "Users?count=0")["Resources"] == []
    (short,) = entra("GET", "Users?count=1&attributes=userName")["Resources"]
    assert set(short) == {"schemas", "id", "meta", "userName"}
    (short,) = entra("GET", "Users?count=1&excludedAttributes=displayName,name.formatted")[
        "Resources"
    ]
    assert set(short) == {"schemas", "id", "meta", "userName", "externalId", "active"}
    found = entra("GET", 'Users?filter=userName eq "uSER3@X"')
    assert [one["externalId"] for one in found["Resources"]] == ["e3"]
    assert entra("GET", 'Users?filter=externalId eq "e4"')["totalResults"] == 1
    assert entra("GET", 'Users?filter=externalId eq "\\""')["totalResults"] == 0
    entra("POST", "Groups", {"displayName": "A"})
    assert entra("GET", 'Groups?filter=displayName eq "A"')["totalResults"] == 1
    assert entra("GET", 'Users?filter=password sw "a"')["scimType"] == "invalidFilter"
    twice = entra("POST", "Users", {"userName": "USER1@x"})
    assert (entra.status, twice["scimType"]) == (409, "uniqueness")


def _many(count: int) -> list[dict[str, str]]:
    """Users of a directory, as members of a group."""
    people = Person.objects.bulk_create(Person(name="x") for _ in range(count))
    names = ((person, f"n{person.pk}") for person in people)
    ScimUser.objects.bulk_create(
        ScimUser(person=person, user_name=name, folded=name) for person, name in names
    )
    return [{"value": person.pk} for person in people]


def test_a_list_of_groups_ends_early_where_they_have_many_members() -> None:
    entra = Directory.made()
    members = _many(LISTED_MAX // 2 + 1)
    for name in "ABC":
        made = ScimGroup.objects.create(group=Group.objects.create(name=name))
        made.group.people.set([one["value"] for one in members])
    seen = []
    while len(seen) < 3:
        page = entra("GET", f"Groups?startIndex={len(seen) + 1}")
        assert (page["totalResults"], page["itemsPerPage"]) == (3, 1)
        seen += [one["displayName"] for one in page["Resources"]]
    assert seen == ["A", "B", "C"]
    assert entra("GET", "Groups?excludedAttributes=members")["itemsPerPage"] == 3
    Group.objects.get(name="B").people.remove(*[one["value"] for one in members[:2]])
    assert entra("GET", "Groups")["itemsPerPage"] == 2, "so many have room"


def test_who_came_into_a_group_and_left_it_is_one_act_for_each_hundred() -> None:
    entra = Directory.made()
    members = _many(150)
    keys = {one["value"] for one in members}
    path = f"Groups/{entra('POST', 'Groups', {'displayName': 'A', 'members': members})['id']}"
    entra("PUT", path, {"displayName": "A", "members": members})
    more = _many(60)
    other = {one["value"] for one in more}
    entra("PUT", path, {"displayName": "A", "members": more})
    assert [kind for _, kind in _kinds()] == ["directory-made", "group-made"] + [
        "group-changed"
    ] * 5
    said = [act.said for act in Act.objects.order_by("number")][2:]
    assert {one["about"] for one in said} == {path.lower().replace("groups/", "group ")}

    def told(acts: Any, way: str) -> list[str]:
        return [key for one in acts if way in one for key in one[way].split(",")]

    assert (sorted(keys), []) == (told(said[:2], "came"), told(said[:2], "left"))
    assert (sorted(other), sorted(keys)) == (told(said[2:], "came"), told(said[2:], "left"))
    assert set(Person.objects.values_list("revision", "changed_by")) == {
        (3, "scim/entra"),
        (2, "scim/entra"),
    }
    log.verify()


def test_what_a_directory_writes_above_one_act_a_call_has_a_pace() -> None:
    entra = Directory.made("paced")
    by = "scim/paced"
    path = f"Groups/{entra('POST', 'Groups', {'displayName': 'A'})['id']}"
    members = _many(101)
    while PACE.lets_write(by, 1):
        pass
    before = log.verify()
    for method, at in (("PUT", path), ("POST", "Groups")):
        entra(method, at, {"displayName": "B", "members": members})
        assert entra.status == 429
    assert log.verify() == before
    assert Group.objects.get().people.count() == 0
    entra("PUT", path, {"displayName": "A", "members": members[:100]})
    assert entra.status == 200, "one act is paid by the call"
    entra("DELETE", path)
    assert entra.status == 204


def test_acts_are_let_all_together_or_not_at_all() -> None:
    clock = [0.0]
    pace = ScimPace(monotonic=lambda: clock[0], acts=Rate(burst=3, per_second=1))
    assert pace.lets_write("scim/a", 0)
    assert not pace.lets_write("scim/a", 4)
    assert pace.lets_write("scim/a", 3), "nothing was taken by what was refused"
    assert not pace.lets_write("scim/a", 1)
    assert pace.lets_write("scim/b", 3), "each has its own"
    clock[0] += 1
    assert pace.lets_write("scim/a", 1)
    assert ACTS_OF_A_TOKEN.burst >= 2 * MEMBERS_MAX / people.ACT_PEOPLE - 1, "a whole group changes"


def test_a_token_says_by_whom_it_was_made_and_when_it_was_used_last() -> None:
    """tokens, law 4"""
    said = make_token("olga", ScimToken(name="entra"))
    page = at_work("otto")
    assert "olga never" in page.get("/directories").text
    entra = Directory(said)
    entra("GET", "Users")
    first = ScimToken.objects.get().used_at
    assert first is not None
    entra("GET", "Users")
    assert ScimToken.objects.get().used_at == first, "one write a minute"
    ScimToken.objects.update(used_at=first - timedelta(seconds=USED_SECONDS + 60))
    entra("GET", "Users")
    assert ScimToken.objects.get().used_at >= first
    page.submit(f"/directories/{ScimToken.objects.get().pk}/revoke")
    assert "olga" in page.get("/directories").text, "who made it, also after its end"


def test_what_this_service_can_do_is_said() -> None:
    entra = Directory.made()
    assert entra("GET", "ServiceProviderConfig")["patch"] == {"supported": True}
    assert entra("GET", "ResourceTypes")["totalResults"] == 2
    listed = entra("GET", "Schemas")["Resources"]
    for one in listed:
        assert entra("GET", f"Schemas/{one['id']}") == one
    entra("GET", "Nothing")
    assert entra.status == 404


def test_the_page_of_tokens_says_by_whom_each_was_made_and_to_end_one_asks_for_no_more() -> None:
    browser = at_work()
    browser.get("/directories")
    assert browser.submit("/directories", name="okta").status == 200
    otto = at_work("otto")
    signed_in_ago(otto, FRESH_SECONDS + 60)
    assert "olga" in otto.get("/directories").text
    otto.submit(f"/directories/{ScimToken.objects.get().pk}/revoke")
    assert ScimToken.objects.get().revoked_at is not None


def test_a_token_is_shown_once_lies_as_a_hash_and_ends_on_the_page() -> None:
    browser = at_work()
    browser.get("/directories")
    assert "A name has 1 to 24" in browser.submit("/directories", name="Not A Name").text
    answer = browser.submit("/directories", name="okta")
    token = answer.page.fields["token"]
    assert token not in browser.get("/directories").text
    row = ScimToken.objects.get()
    assert token.encode() not in repr(row.__dict__).encode()
    okta = Directory(token)
    okta.user()
    browser.submit(f"/directories/{row.pk}/revoke")
    assert okta("GET", "Users")["status"] == "401"
    assert [kind for _, kind in _kinds()] == ["directory-made", "person-made", "directory-revoked"]


def test_without_a_token_that_counts_there_is_nothing_and_tries_are_slowed() -> None:
    Directory.made().user()
    session = at_work().client
    answer = session.get("/scim/v2/Users", secure=True, SERVER_NAME=HOST)
    assert answer.status_code == 401
    assert b"anna" not in answer.content
    stranger = Directory("scim_wrong")
    statuses = set()
    for _ in range(30):
        stranger("GET", "Users")
        statuses.add(stranger.status)
    assert statuses == {401, 429}


def test_one_directory_alone_slows_no_other_and_all_together_have_an_end() -> None:
    pace = ScimPace(monotonic=lambda: 0.0)
    lots = int(2 * A_TOKEN.burst)
    lets = [sum(pace.lets(ScimToken(pk=key)) for _ in range(lots)) for key in range(5)]
    assert lets == [A_TOKEN.burst] * 4 + [0]


def test_each_token_has_a_pace_of_its_own() -> None:
    pace = ScimPace(Rate(burst=2, per_second=0.5), lambda: 0.0)
    one = ScimToken(pk=1)
    other = ScimToken(pk=2)
    assert [pace.lets(one) for _ in range(3)] == [True, True, False]
    assert pace.lets(other)


@pytest.mark.parametrize(
    ("method", "path", "raw", "word"),
    [
        ("POST", "Users", b"{", "invalidSyntax"),
        ("POST", "Users", b"[" * 100_000, "invalidSyntax"),
        ("POST", "Users", b"[]", "invalidSyntax"),
        ("POST", "Users", b'{"displayName": "x"}', "invalidValue"),
        ("POST", "Users", b'{"userName": 5}', "invalidValue"),
        ("POST", "Users", b'{"userName": "a\\u0000b"}', "invalidValue"),
        ("POST", "Users", b'{"userName": "' + b"x" * 121 + b'"}', "invalidValue"),
        ("POST", "Users", b'{"userName": "a", "active": "maybe"}', "invalidValue"),
        ("POST", "Users", b'{"userName": "' + "\u0390".encode() * 120 + b'"}', "invalidValue"),
        ("GET", 'Users?filter=userName eq "\\ud800"', b"", "invalidFilter"),
        ("GET", 'Users?filter=externalId eq "\\u0000"', b"", "invalidFilter"),
        ("GET", 'Users?filter=externalId eq "\\x"', b"", "invalidFilter"),
        ("POST", "Groups", b'{"displayName": "a", "members": 5}', "invalidValue"),
        ("POST", "Groups", b'{"displayName": "a", "members": [{"value": []}]}', "invalidValue"),
        (
            "POST",
            "Groups",
            b'{"displayName": "a", "members": [{"value": "\\u0000"}]}',
            "invalidValue",
        ),
        ("POST", "Groups", b'{"displayName": "a", "members": [{"value": "x"}]}', "invalidValue"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_kept(
    method: str, path: str, raw: bytes, word: str
) -> None:
    entra = Directory.made()
    answer = entra(method, path, raw=raw)
    assert (entra.status, answer["scimType"]) == (400, word)
    assert not Person.objects.exists()
    assert not Group.objects.exists()


@pytest.mark.parametrize("quoted", ["\\x", "\\ud800", "\\u0000"])
def test_a_member_that_is_no_text_is_refused_as_a_path(quoted: str) -> None:
    entra = Directory.made()
    path = f"Groups/{entra('POST', 'Groups', {'displayName': 'A'})['id']}"
    answer = entra.patch(path, {"op": "remove", "path": f'members[value eq "{quoted}"]'})
    assert (entra.status, answer["scimType"]) == (400, "invalidPath")


def test_a_key_that_no_row_has_is_told_without_asking_the_database() -> None:
    entra = Directory.made()
    entra("GET", "Users")  # when a token was used is written once a minute
    for path in ("Users/%00", "Groups/%00", "Groups/\u0661"):
        with CaptureQueriesContext(connection) as asked:
            assert entra("GET", path)["status"] == "404"
        assert len(asked) == 1, "for the token"


def test_who_changes_what_another_changes_meanwhile_is_told() -> None:
    def overtaken(*_: object, **__: object) -> HttpResponse:
        raise ChangedMeanwhileError("olga", None)

    request = RequestFactory().get("/scim/v2/Users", secure=True, SERVER_NAME=HOST)
    request.META["HTTP_AUTHORIZATION"] = f"Bearer {Directory.made().token}"
    answer = _of_directories(overtaken)(request)
    assert (answer.status_code, json.loads(answer.content)["status"]) == (409, "409")


def test_a_hostile_name_is_text_on_pages_and_a_whole_change_fails_together() -> None:
    entra = Directory.made()
    key = entra.user(displayName=HOSTILE)["id"]
    assert "script" not in at_work().get(f"/person/{key}").page.tags
    operations = (
        {"op": "replace", "path": "displayName", "value": "New"},
        {"op": "replace", "path": "active", "value": "perhaps"},
    )
    assert entra.patch(f"Users/{key}", *operations)["scimType"] == "invalidValue"
    assert Person.objects.get().name == HOSTILE


def test_there_are_few_tokens() -> None:
    for number in range(TOKENS_MAX):
        Directory.made(f"d{number}")
    browser = at_work()
    browser.get("/directories")
    assert "revoke one first" in browser.submit("/directories", name="more").text
    with pytest.raises(ValueError, match="revoke one first"):
        Directory.made("more")
    assert ScimToken.objects.count() == TOKENS_MAX
    assert len(_kinds()) == TOKENS_MAX
    ScimToken.objects.filter(name="d0").update(revoked_at=timezone.now())
    with pytest.raises(ValueError, match="a token of this name already"):
        Directory.made("d1")
    Directory.made("more")


def test_a_token_is_counted_behind_the_act_that_others_wait_for() -> None:
    """So of two that are made at once, in any database, the second counts the first one."""
    with CaptureQueriesContext(connection) as asked:
        Directory.made()
    said = [one["sql"] for one in asked]
    acted = next(n for n, sql in enumerate(said) if "acts_chainhead" in sql)
    counted = next(n for n, sql in enumerate(said) if "COUNT(" in sql and "scim_scimtoken" in sql)
    assert acted < counted


_WORDS = ("", "Add", "remove", "x", 'members[value eq "a"]', "members", "active", "\x00")
_VALUES = st.recursive(
    st.sampled_from((None, True, 7, *_WORDS)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("Operations", "op", "path", "value", "members", "active", "userName")),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_VALUES)
def test_whatever_is_sent_is_read_or_refused_as_scim_wants(value: Any) -> None:
    def read(reader: Any, *given_to: Any) -> tuple[int, str]:
        try:
            reader(*given_to)
        except ScimError as error:
            return error.status, error.word
        return 400, "invalidFilter"

    assert read(read_resource, value)[0] == 400
    assert read(read_changes, value)[0] == 400
    assert read(read_filter, str(value), {"username": "folded"}) == (400, "invalidFilter")
