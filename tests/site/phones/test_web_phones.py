"""A phone in a browser joins by a link and fetches its grants by OAuth; nobody else does."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging.config
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from oauth2_provider.models import (
    get_access_token_model,
    get_grant_model,
    get_refresh_token_model,
)

from hubcore.access.grant import read_grant
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey
from hubcore.errors import LinkError
from hubcore.policy import document
from hubsim.site.documents import make_key
from hubsite.accounts.gate import A_TOKEN, TOKENS_OF_AN_ADDRESS, Gate
from hubsite.acts import log
from hubsite.acts.models import Act
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.phones.client import CLIENT_ID, PAGE
from hubsite.phones.devices import PHONES_A_PERSON
from hubsite.phones.joining import INVITATIONS_A_PERSON
from hubsite.register import changes, models
from hubsite.rules.issuing import DAY
from tests.site.browser import Browser, FormClient, at_work
from tests.site.front import both, environ_of, heard_from
from tests.site.server import HOST

pytestmark = pytest.mark.once

ISSUER = make_key()
REDIRECT = f"https://{HOST}{PAGE}"
Said = tuple[int, dict[str, Any]]


@pytest.fixture
def office() -> Office:
    made = Office("acme", FileSigner(ISSUER))
    settings.HUBSITE_RUNNING.begin(made, None)
    return made


@pytest.fixture
def anna(office: Office) -> models.Person:
    door = models.Door.objects.create(name="Front")
    point = models.AccessPoint.objects.create(number=10, name="inward", door=door)
    anna = models.Person.objects.create(name="Anna")
    begins = datetime.now(UTC) - timedelta(hours=1)
    grant = models.Grant.objects.create(person=anna, begins=begins)
    grant.points.add(point)
    return anna


def link_for(person: models.Person) -> str:
    """What an operator's page shows once."""
    browser = at_work()
    browser.get(f"/person/{person.pk}")
    answer = browser.submit(f"/person/{person.pk}/invitation")
    return urlsplit(answer.page.fields["link"]).path


GOOD_GRANT_LOOKS = 7
"""Its token; its key with its newest grant; its groups, what is granted; three for all phones."""


@dataclass
class WebPhone:
    """The page that is a phone, as far as it speaks with the server."""

    client: FormClient = field(default_factory=lambda: FormClient(enforce_csrf_checks=True))
    key: SigningKey = field(default_factory=make_key)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    access: str = ""
    refresh: str = ""

    def open_link(self, link: str) -> int:
        browser = Browser()
        browser.client = self.client
        answer = browser.get(link)
        if answer.status != 200:
            return answer.status
        data = browser.page.form().values
        response = self.client.post(
            link, data, secure=True, SERVER_NAME=HOST, headers={"Referer": f"https://{HOST}/"}
        )
        return response.status_code

    def authorize(self, **changed: str) -> Any:
        challenge = hashlib.sha256(self.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT,
            "scope": "phone",
            "state": "s",
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
            **changed,
        }
        asked = {name: value for name, value in asked.items() if value}
        path = f"/oauth/authorize?{urlencode(asked)}"
        return self.client.get(path, secure=True, SERVER_NAME=HOST)

    def code(self) -> str:
        response = self.authorize()
        assert response.status_code == 302, response.content
        said = parse_qs(urlsplit(response.headers["Location"]).query)
        assert said["state"] == ["s"]
        return said["code"][0]

    def token(self, **asked: str) -> Said:
        response = self.client.post(
            "/oauth/token", {"client_id": CLIENT_ID, **asked}, secure=True, SERVER_NAME=HOST
        )
        said = json.loads(response.content)
        if response.status_code == 200:
            self.access = said["access_token"]
            self.refresh = said["refresh_token"]
        return response.status_code, said

    def exchange(self, code: str, **changed: str) -> Said:
        asked = {"code": code, "redirect_uri": REDIRECT, "code_verifier": self.verifier}
        return self.token(grant_type="authorization_code", **{**asked, **changed})

    def renew(self, refresh: str = "") -> Said:
        return self.token(grant_type="refresh_token", refresh_token=refresh or self.refresh)

    def connect(self, link: str) -> None:
        assert self.open_link(link) == 302
        assert self.exchange(self.code())[0] == 200

    def ask(self, what: str, body: bytes = b"") -> Said:
        """Ask; for a grant by the front, and then by the framework, which says the same."""
        if what != "grant":
            return self.ask_framework(what, body)
        front, _ = both()
        said = heard_from(front, environ_of(self.access)).said
        assert self.ask_framework(what, body) == said
        return said

    def ask_framework(self, what: str, body: bytes = b"") -> Said:
        response = self.client.post(
            f"/api/phone/{what}",
            body,
            content_type="application/json",
            secure=True,
            SERVER_NAME=HOST,
            headers={"Authorization": f"Bearer {self.access}"},
        )
        return response.status_code, json.loads(response.content)

    def give_key(self, key: SigningKey | None = None) -> Said:
        text = base64.urlsafe_b64encode(cbor.encode((key or self.key).cose_key)).decode()
        return self.ask("key", json.dumps({"key": text, "label": "Anna's"}).encode())


def connected(person: models.Person) -> WebPhone:
    phone = WebPhone()
    phone.connect(link_for(person))
    assert phone.give_key()[0] == 200
    return phone


def test_from_a_link_to_a_grant(office: Office, anna: models.Person) -> None:
    phone = connected(anna)
    status, said = phone.ask("grant")
    assert status == 200
    fields = cbor.decode(base64.urlsafe_b64decode(said["enrolment"] + "=="))
    assert fields[1] == "acme"
    assert fields[2] == cbor.encode(ISSUER.cose_key)
    assert (fields[4], fields[5]) == ([3, 1], {10: "Front, inward"})
    grant = read_grant(fields[3], ISSUER.verify_key, "acme")
    credential = models.Credential.objects.get()
    assert (grant.credential, credential.kind, credential.person) == (credential.pk, "web", anna)
    assert grant.key.kid == phone.key.verify_key.kid
    assert said["expires"] == grant.expires
    assert abs(grant.expires - time.time() - 10 * DAY) < 60
    kinds = [act.said["kind"] for act in Act.objects.order_by("number")]
    assert kinds == ["invited", "joined", "credential-made", "grant-signed"]
    assert phone.ask("grant") == (status, said), "the same grant, and no new signature"
    assert models.SignedGrant.objects.count() == 1
    log.verify()


def test_who_has_a_good_grant_costs_few_looks_and_no_write(
    office: Office, anna: models.Person
) -> None:
    """devices, law 2"""
    phone = connected(anna)
    anna.groups.add(models.Group.objects.create(name="Tenants"))
    phone.ask("grant")
    with CaptureQueriesContext(connection) as asked:
        assert phone.ask_framework("grant")[0] == 200
    assert [one["sql"][:6] for one in asked] == ["SELECT"] * GOOD_GRANT_LOOKS


def test_a_larger_right_is_a_new_grant_and_so_is_one_that_is_half_over(
    office: Office, anna: models.Person
) -> None:
    phone = connected(anna)
    phone.ask_framework("grant")
    door = models.Door.objects.get()
    grant = models.Grant.objects.get()
    grant.points.add(models.AccessPoint.objects.create(number=11, name="outward", door=door))
    phone.ask_framework("grant")
    assert models.SignedGrant.objects.count() == 2
    half = 5 * DAY + 60
    for signed in models.SignedGrant.objects.all():
        models.SignedGrant.objects.filter(pk=signed.pk).update(
            issued_at=signed.issued_at - half, expires=signed.expires - half
        )
    phone.ask_framework("grant")
    assert models.SignedGrant.objects.count() == 3


def test_a_link_counts_once_and_not_too_late(office: Office, anna: models.Person) -> None:
    link = link_for(anna)
    assert "Anna" in Browser().get(link).text
    assert WebPhone().open_link(link) == 302, "looking at it has not used it"
    assert WebPhone().open_link(link) == 404
    late = link_for(anna)
    models.Invitation.objects.filter(used_at=None).update(ends=datetime.now(UTC))
    assert WebPhone().open_link(late) == 404
    assert WebPhone().open_link("/join/" + "A" * 32) == 404
    gone = link_for(anna)
    anna.refresh_from_db()
    changes.end_person("olga", anna, anna.revision)
    assert WebPhone().open_link(gone) == 404
    assert not models.Invitation.objects.exists()


def test_the_database_knows_no_link_and_keeps_few(office: Office, anna: models.Person) -> None:
    links = [link_for(anna) for _ in range(INVITATIONS_A_PERSON + 2)]
    kept = models.Invitation.objects.all()
    assert len(kept) == INVITATIONS_A_PERSON
    token = links[-1].rpartition("/")[2]
    assert not any(token in row.digest for row in kept)
    assert token.encode() not in b"".join(bytes(act.body) for act in Act.objects.all())


def test_a_session_of_a_person_sees_no_page_of_operators(
    office: Office, anna: models.Person
) -> None:
    phone = WebPhone()
    phone.open_link(link_for(anna))
    browser = Browser()
    browser.client = phone.client
    for path in ("/", "/person", f"/person/{anna.pk}", "/acts", "/hubs", "/grant/add"):
        assert browser.get(path).where.startswith("/sign-in"), path
    response = phone.client.post(f"/person/{anna.pk}/invitation", secure=True, SERVER_NAME=HOST)
    assert response.status_code == 403
    assert 0 < phone.client.session.get_expiry_age() <= 900


def test_without_a_proof_or_with_another_address_there_is_no_code(
    office: Office, anna: models.Person
) -> None:
    phone = WebPhone()
    phone.open_link(link_for(anna))
    for changed in (
        {"code_challenge": "", "code_challenge_method": ""},
        {"code_challenge_method": "plain"},
        {"response_type": "token"},
        {"scope": "everything"},
    ):
        response = phone.authorize(**changed)
        location = response.headers.get("Location", "")
        assert response.status_code == 400 or "error=" in location, changed
        assert "code=" not in location
        assert "access_token" not in location
    for address in ("https://evil.example/", f"http://{HOST}{PAGE}", f"{REDIRECT}x"):
        response = phone.authorize(redirect_uri=address)
        assert response.status_code == 400
        assert "Location" not in response.headers


def test_a_code_counts_once_with_its_proof_alone(office: Office, anna: models.Person) -> None:
    for changed in ({"code_verifier": "x" * 64}, {"redirect_uri": "https://evil.example/"}):
        phone = WebPhone()
        phone.open_link(link_for(anna))
        assert phone.exchange(phone.code(), **changed)[0] == 400
    phone = WebPhone()
    phone.open_link(link_for(anna))
    code = phone.code()
    assert phone.exchange(code)[0] == 200
    assert WebPhone().authorize().headers["Location"].startswith("/sign-in")


def test_a_code_that_comes_again_ends_what_it_brought(office: Office, anna: models.Person) -> None:
    phone = WebPhone()
    phone.open_link(link_for(anna))
    code = phone.code()
    assert phone.exchange(code)[0] == 200
    assert phone.give_key()[0] == 200
    assert WebPhone().exchange(code)[0] == 400
    assert phone.ask("grant")[0] == 401
    assert phone.renew()[0] == 400


def test_a_link_gives_one_code_and_its_session_ends_with_it(
    office: Office, anna: models.Person
) -> None:
    phone = WebPhone()
    phone.open_link(link_for(anna))
    kept = phone.client.cookies["__Host-session"].value
    session = dict(phone.client.session)
    code = phone.code()
    phone.client.cookies["__Host-session"] = kept
    assert phone.authorize().headers["Location"].startswith("/sign-in")
    assert phone.exchange(code)[0] == 200
    family = models.Invitation.objects.get().family
    assert family == get_refresh_token_model().objects.get().token_family
    again = phone.client.session
    again.update(session)
    again.save()
    phone.client.cookies["__Host-session"] = again.session_key
    assert phone.authorize().status_code == 403, "not even by a session that was kept"
    assert (
        at_work().client.get("/oauth/authorize", secure=True, SERVER_NAME=HOST).status_code == 400
    )
    operator = WebPhone(client=at_work().client)
    assert operator.authorize().status_code == 403, "an operator's session is of no link"
    assert get_grant_model().objects.count() == 0


def test_of_one_link_there_is_one_family(office: Office, anna: models.Person) -> None:
    first = WebPhone()
    first.connect(link_for(anna))
    second = WebPhone()
    second.open_link(link_for(anna))
    code = second.code()
    link = models.Invitation.objects.get(family=None)
    taken = models.Invitation.objects.get(family__isnull=False)
    models.Invitation.objects.filter(pk=taken.pk).update(code=link.code)
    models.Invitation.objects.filter(pk=link.pk).delete()
    assert second.exchange(code)[0] == 400
    assert get_refresh_token_model().objects.count() == 1


def test_tokens_without_a_key_are_never_renewed(office: Office, anna: models.Person) -> None:
    phone = WebPhone()
    phone.connect(link_for(anna))
    assert phone.renew()[0] == 400
    assert phone.give_key()[0] == 401
    assert not get_access_token_model().objects.exists()


def test_a_revocation_ends_what_phones_without_a_key_have(
    office: Office, anna: models.Person
) -> None:
    phone = connected(anna)
    other = connected(anna)
    without_key = WebPhone()
    without_key.connect(link_for(anna))
    with_code = WebPhone()
    with_code.open_link(link_for(anna))
    code = with_code.code()
    with_session = WebPhone()
    with_session.open_link(link_for(anna))
    credential = models.Credential.objects.order_by("made_at").first()
    changes.revoke_credential("olga", credential, credential.revision)
    assert phone.renew()[0] == 400
    assert without_key.give_key()[0] == 401
    assert with_code.exchange(code)[0] == 400
    assert with_session.authorize().headers["Location"].startswith("/sign-in")
    assert other.renew()[0] == 200, "a phone with a key goes on"


def test_an_end_of_somebody_without_any_phone_ends_the_joining_too(
    office: Office, anna: models.Person
) -> None:
    phone = WebPhone()
    phone.connect(link_for(anna))
    changes.end_person("olga", anna, anna.revision)
    assert phone.give_key()[0] == 401
    assert not get_access_token_model().objects.exists()


def test_tokens_rotate_and_one_that_is_used_twice_ends_them_all(
    office: Office, anna: models.Person
) -> None:
    phone = connected(anna)
    stolen = phone.refresh
    other = connected(anna)
    assert phone.renew()[0] == 200
    assert phone.ask("grant")[0] == 200
    assert WebPhone().renew(stolen)[0] == 400
    assert phone.ask("grant")[0] == 401, "whoever has it now: thief and owner both start again"
    assert phone.renew()[0] == 400
    assert other.ask("grant")[0] == 200, "the other phone goes on"
    assert other.renew()[0] == 200


def test_tokens_lie_in_the_database_as_hashes(office: Office, anna: models.Person) -> None:
    phone = connected(anna)
    rows = [*get_access_token_model().objects.all(), *get_refresh_token_model().objects.all()]
    kept = " ".join(f"{row.token} {row.token_checksum}" for row in rows)
    assert len(rows) == 2
    assert phone.access not in kept
    assert phone.refresh not in kept


def test_one_button_ends_tokens_and_credential_of_one_phone(
    office: Office, anna: models.Person
) -> None:
    phone = connected(anna)
    other = connected(anna)
    phone.ask("grant")
    credential = models.Credential.objects.get(signed__isnull=False)
    browser = at_work()
    browser.get(f"/phone/{credential.pk}")
    browser.submit(button="revoke")
    assert phone.ask("grant")[0] == 401
    assert phone.renew()[0] == 400
    assert other.ask("grant")[0] == 200
    signed = office.renew_policy(int(time.time()))
    assert signed is not None
    policy = document.read(bytes(signed.document), ISSUER.verify_key, "acme")
    assert policy.revoked_credentials == {credential.pk}


def test_a_phone_out_of_use_and_one_whose_owner_has_left_get_nothing(
    office: Office, anna: models.Person
) -> None:
    phone = connected(anna)
    credential = models.Credential.objects.get()
    changes.disable_credential("olga", credential, 1)
    status, said = phone.ask("grant")
    assert (status, said["sentence"][:28]) == (403, "This phone is out of use for")
    changes.enable_credential("olga", credential, 2)
    assert phone.ask("grant")[0] == 200
    anna.refresh_from_db()
    changes.end_person("olga", anna, anna.revision)
    assert phone.ask("grant")[0] == 401
    assert phone.renew()[0] == 400


def test_a_device_has_one_key_and_a_key_one_device(office: Office, anna: models.Person) -> None:
    phone = connected(anna)
    first = models.Credential.objects.get()
    assert phone.give_key() == (200, {"credential": first.pk})
    status, said = phone.give_key(make_key())
    assert (status, said["sentence"][:30]) == (403, "This phone has a key already. ")
    other = WebPhone(key=phone.key)
    other.connect(link_for(anna))
    status, said = other.give_key()
    assert (status, said["sentence"]) == (403, "Another phone has this key. Make a new one.")
    assert other.ask("grant")[1]["sentence"] == "This phone has no key here yet."
    assert models.Credential.objects.count() == 1


def test_a_person_has_so_many_phones_and_no_more(office: Office, anna: models.Person) -> None:
    for number in range(PHONES_A_PERSON):
        models.Credential.objects.create(
            person=anna, kind="phone", label="old", key=bytes([number])
        )
    phone = WebPhone()
    phone.connect(link_for(anna))
    assert f"You have {PHONES_A_PERSON} phones." in phone.give_key()[1]["sentence"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{}", 400),
        (b'{"key": "AAAAAAAAAA"}', 400),
        (b'{"key": "' + b"A" * 3000 + b'"}', 400),
        (b'{"key": 5}', 400),
        (b'{"key": "\xff"}', 400),
        (b"[" * 4000, 400),
        (b" " * 5000, 413),
    ],
)
def test_what_is_no_key_is_refused(
    office: Office, anna: models.Person, body: bytes, status: int
) -> None:
    phone = WebPhone()
    phone.connect(link_for(anna))
    said = phone.ask("key", body)
    assert said[0] == status
    assert said[1]["sentence"]
    assert not models.Credential.objects.exists()


def test_without_a_token_or_with_a_session_alone_nothing_is_handed_out(
    office: Office, anna: models.Person
) -> None:
    phone = connected(anna)
    for access in ("", "x", phone.refresh, phone.access + "x"):
        phone.access = access
        assert phone.ask("grant")[0] == 401
    operator = at_work()
    response = operator.client.post("/api/phone/grant", secure=True, SERVER_NAME=HOST)
    assert response.status_code == 401


def test_while_nobody_signs_the_phone_is_told_and_asks_again(
    office: Office, anna: models.Person
) -> None:
    class Away(FileSigner):
        def grant(self, *_: object) -> bytes:
            raise LinkError("the signer is away")

    phone = connected(anna)
    settings.HUBSITE_RUNNING.begin(Office("acme", Away(ISSUER)), None)
    status, said = phone.ask("grant")
    assert (status, said["sentence"]) == (
        503,
        "The site signs nothing at this moment: the signer is away",
    )
    settings.HUBSITE_RUNNING.begin(office, None)
    assert phone.ask("grant")[0] == 200


def test_the_pages_of_the_phone_are_served_as_they_lie(office: Office) -> None:
    client = FormClient()
    response = client.get("/webphone/protocol/cbor.js", secure=True, SERVER_NAME=HOST)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    tag = response.headers["ETag"]
    again = client.get(
        "/webphone/protocol/cbor.js",
        secure=True,
        SERVER_NAME=HOST,
        headers={"If-None-Match": tag},
    )
    assert (again.status_code, again.content) == (304, b"")
    for name in ("../../config.py", "..%2f..%2fconfig.py", "protocol/", "nothing.js"):
        path = f"/webphone/{name}"
        assert client.get(path, secure=True, SERVER_NAME=HOST).status_code == 404
    assert re.fullmatch(r'"[0-9a-f]{16}"', tag)


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
def test_who_says_a_secret_of_the_client_is_refused_at_once(path: str) -> None:
    """tokens, law 1"""
    client = FormClient(enforce_csrf_checks=True)
    asked = {"client_id": CLIENT_ID, "token": "t", "grant_type": "refresh_token"}
    for body, headers in (
        ({**asked, "client_secret": ""}, {}),
        (asked, {"Authorization": f"Basic {base64.b64encode(b'webphone:y').decode()}"}),
    ):
        response = client.post(path, body, secure=True, SERVER_NAME=HOST, headers=headers)
        assert (response.status_code, response.json()) == (401, {"error": "invalid_client"})


def test_wrong_tries_for_tokens_are_slowed_and_right_ones_cost_nothing(
    office: Office, anna: models.Person
) -> None:  # tokens, law 2
    phone = connected(anna)
    for _ in range(2 * TOKENS_OF_AN_ADDRESS.burst):
        assert phone.renew()[0] == 200
    said = [phone.renew("no-such-token")[0] for _ in range(2 * TOKENS_OF_AN_ADDRESS.burst)]
    assert said[: TOKENS_OF_AN_ADDRESS.burst] == [400] * TOKENS_OF_AN_ADDRESS.burst
    assert said[-1] == 429
    phone.client.defaults["REMOTE_ADDR"] = "192.0.2.7"
    assert phone.renew()[0] == 200


def test_strangers_everywhere_keep_no_phone_from_new_tokens(
    office: Office, anna: models.Person
) -> None:
    """gate, law 6"""
    phone = connected(anna)
    gate = settings.HUBSITE_RUNNING.gate = Gate(monotonic=lambda: 0.0)
    networks = count()
    while gate.lets_token(f"2001:db8:{next(networks):x}::1"):
        pass
    assert WebPhone().renew("no-such-token")[0] == 429
    assert phone.renew()[0] == 200
    assert phone.renew()[0] == 200


def test_a_token_of_before_is_slowed_wherever_it_is_used(
    office: Office, anna: models.Person
) -> None:
    """gate, law 6"""
    phone = connected(anna)
    settings.HUBSITE_RUNNING.gate = Gate(monotonic=lambda: 0.0)
    old = phone.refresh
    assert phone.renew()[0] == 200
    assert phone.ask("grant")[0] == 200
    said = []
    for number in range(int(A_TOKEN.burst) + 2):
        phone.client.defaults["REMOTE_ADDR"] = f"192.0.2.{number}"
        said.append(phone.renew(old)[0])
    assert said[0] == 400
    assert said[-1] == 429


def test_no_line_of_the_journal_has_a_link(anna: models.Person) -> None:
    """logs, the law"""
    link = link_for(anna)
    lines = io.StringIO()
    logging.config.dictConfig(settings.LOGGING)  # hubd's own tests replace what this process had
    (handler,) = (one for one in logging.getLogger().handlers if one.name == "err")
    before = handler.setStream(lines)  # type: ignore[attr-defined]
    try:
        FormClient(enforce_csrf_checks=True).post(link, secure=True, SERVER_NAME=HOST)
    finally:
        handler.setStream(before)  # type: ignore[attr-defined]
    assert "/join/…" in lines.getvalue()
    assert link.rpartition("/")[2] not in lines.getvalue()
