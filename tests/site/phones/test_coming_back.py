"""A browser that has forgotten its key connects again by a passkey, and nobody else does by it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from django.conf import settings
from django.test import override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as drawn
from hypothesis import strategies as st

from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey, sign1
from hubcore.errors import ConfigError, ProofError
from hubcore.policy import document
from hubsim.site.documents import make_key
from hubsite import config
from hubsite.accounts.gate import RETURNS, TOKENS_OF_AN_ADDRESS, Gate
from hubsite.acts import log
from hubsite.acts.models import Act
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.keys import challenge as challenges
from hubsite.keys.place import Place
from hubsite.keys.proof import ANSWER_LENGTH_MAX, asked_to_make, asked_to_sign, made_key
from hubsite.passkeys.judging import KEEPS, keep_passkey, proven, signed_passkey
from hubsite.passkeys.models import Passkey
from hubsite.phones.devices import PHONES_A_PERSON, RefusedError, take_key
from hubsite.phones.joining import INVITATIONS_A_PERSON, begin_return, digest_of, invite
from hubsite.register import changes, models
from hubsite.register.reading import newest_revoked
from tests.site.authenticator import PRESENT, Authenticator, decoded, encoded
from tests.site.browser import at_work
from tests.site.phones.test_guests import asked as guest_link_asked
from tests.site.phones.test_guests import link_of
from tests.site.phones.test_web_phones import ISSUER, Said, WebPhone, connected
from tests.site.server import HOST, Server, make_folder

pytestmark = pytest.mark.once

NOT_KEPT = "The site did not keep this passkey. Try again."
NOT_KNOWN = "This site connects no phone by this passkey. Ask for a new link."
HERE = Place(HOST, "acme", frozenset({f"https://{HOST}"}))
SLOWLY = drawn(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def office(server: Server) -> Iterator[Office]:
    """A site whose file lets phones come back."""
    made = Office("acme", FileSigner(ISSUER))
    settings.HUBSITE_RUNNING.begin(made, None)
    phones = msgspec.structs.replace(server.site.config, phones=config.Phones(come_back=True))
    with override_settings(HUBSITE=replace(server.site, config=phones)):
        yield made


@pytest.fixture
def anna(office: Office) -> models.Person:
    door = models.Door.objects.create(name="Front")
    point = models.AccessPoint.objects.create(number=10, name="inward", door=door)
    anna = models.Person.objects.create(name="Anna")
    begins = datetime.now(UTC) - timedelta(hours=1)
    models.Grant.objects.create(person=anna, begins=begins).points.add(point)
    return anna


def keeps_passkey(phone: WebPhone, **about: Any) -> Authenticator:
    """Let a phone's browser make a passkey, and the site keep it."""
    status, asked = phone.ask("passkey/asked")
    assert status == 200, asked
    made = Authenticator(**about)
    status, said = phone.ask("passkey", signed_for(phone, made, asked))
    assert status == 200, said
    return made


def signed_for(phone: WebPhone, made: Authenticator, asked: dict[str, Any]) -> bytes:
    """Return what a phone's browser tells of a passkey that it made, signed by the phone's key."""
    answer = made.make(asked["publicKey"])
    signature = signature_of(phone.key, decoded(asked["publicKey"]["challenge"]), made)
    return said_kept(answer, signature)


def said_kept(answer: str, signature: bytes) -> bytes:
    return json.dumps({"made": json.loads(answer), "signature": encoded(signature)}).encode()


def signature_of(
    key: SigningKey, challenge: bytes, made: Authenticator, aad: bytes = KEEPS
) -> bytes:
    payload = cbor.encode([challenge, made.credential_id])
    signature: bytes = sign1(cbor.encode({1: key.alg}), payload, key, aad)[3]
    return signature


@dataclass
class Emptied(WebPhone):
    """A browser that knows nothing any more, in front of somebody with a passkey."""

    def asked(self) -> dict[str, Any]:
        response = self.client.get("/api/phone/again", secure=True, SERVER_NAME=HOST)
        assert response.status_code == 200, response.content
        asked: dict[str, Any] = json.loads(response.content)["publicKey"]
        return asked

    def answers(self, answer: str) -> Said:
        response = self.client.post(
            "/api/phone/again",
            answer.encode(),
            content_type="application/json",
            secure=True,
            SERVER_NAME=HOST,
        )
        return response.status_code, json.loads(response.content)

    def proves(self, passkey: Authenticator) -> Said:
        return self.answers(passkey.sign(self.asked()))

    def gives_key(self) -> Said:
        assert self.exchange(self.code())[0] == 200
        return self.give_key()


def back(passkey: Authenticator) -> Emptied:
    phone = Emptied()
    assert phone.proves(passkey) == (200, {})
    assert phone.gives_key()[0] == 200
    return phone


def living() -> list[models.Credential]:
    return list(models.Credential.objects.filter(revoked_at=None))


def kinds() -> list[str]:
    return [act.said["kind"] for act in Act.objects.order_by("number")]


def test_an_emptied_browser_takes_its_phones_place_as_one_act(
    office: Office, anna: models.Person
) -> None:
    """replacing, laws 1 and 3"""
    before = connected(anna)
    assert before.ask("grant")[0] == 200
    old = models.Credential.objects.get()
    passkey = keeps_passkey(before)
    asked = Emptied().asked()
    assert (asked["allowCredentials"], asked["userVerification"]) == ([], "required")

    now = back(passkey)
    (new,) = living()
    assert (new.person, new.kind, new.label) == (anna, "web", old.label)
    assert new.pk != old.pk
    assert now.ask("grant")[0] == 200
    assert before.ask("grant")[0] == 401, "what the phone of before had is over"
    assert before.renew()[0] == 400
    assert kinds()[-4:] == ["passkey-kept", "passkey-used", "came-back", "grant-signed"]
    act = Act.objects.order_by("-number")[1].said
    assert (act["replaces"], act["person"]) == (old.pk, anna.pk)
    assert Passkey.objects.get().phone == new
    signed = office.renew_policy(int(time.time()))
    assert signed is not None
    policy = document.read(bytes(signed.document), ISSUER.verify_key, "acme")
    assert policy.revoked_credentials == {old.pk}

    newest = back(passkey)
    assert now.ask("grant")[0] == 401
    assert newest.ask("grant")[0] == 200
    assert len(living()) == 1
    log.verify()


def test_nothing_ends_before_the_new_key_is_here(anna: models.Person) -> None:
    """replacing, law 1"""
    before = connected(anna)
    passkey = keeps_passkey(before)
    phone = Emptied()
    assert phone.proves(passkey)[0] == 200
    assert before.ask("grant")[0] == 200
    assert phone.exchange(phone.code())[0] == 200
    assert before.ask("grant")[0] == 200
    other = Emptied()
    assert other.proves(passkey)[0] == 200, "the first one was not finished"
    assert other.gives_key()[0] == 200
    assert phone.give_key()[0] == 403, "somebody else has come in that place"
    assert len(living()) == 1


def test_operators_see_who_came_in_whose_place(anna: models.Person) -> None:
    passkey = keeps_passkey(connected(anna))
    old = models.Credential.objects.get()
    back(passkey)
    (new,) = living()
    browser = at_work()
    page = browser.get(f"/phone/{old.pk}")
    assert "It gave way to another browser of its person" in page.text
    assert f"/phone/{new.pk}" in page.page.source
    page = browser.get(f"/phone/{new.pk}")
    assert "It came in the place of a phone of before" in page.text
    assert "may connect another browser in its place" in page.text
    assert "gave way to another browser by its passkey" in browser.get(f"/person/{anna.pk}").text


ENDS: dict[str, Callable[[models.Credential], None]] = {
    "revoked": lambda phone: changes.revoke_credential("olga", phone, phone.revision),
    "out of use": lambda phone: changes.disable_credential("olga", phone, phone.revision),
    "ended": lambda phone: changes.end_person("olga", phone.person, phone.person.revision),
}


@pytest.mark.parametrize("how", ENDS)
def test_who_was_ended_does_not_come_back(anna: models.Person, how: str) -> None:
    """judging, law 4; replacing, law 2"""
    passkey = keeps_passkey(connected(anna))
    phone = Emptied()
    assert phone.proves(passkey)[0] == 200
    ENDS[how](models.Credential.objects.get())
    assert Emptied().proves(passkey) == (403, {"sentence": NOT_KNOWN})
    if how == "out of use":
        assert phone.gives_key()[0] == 403, "begun before, and not finished"
    else:
        assert "code=" not in phone.authorize().headers["Location"], "its session ended, too"
    assert models.Credential.objects.count() == 1


def test_a_phone_out_of_use_comes_back_once_it_is_in_use(anna: models.Person) -> None:
    passkey = keeps_passkey(connected(anna))
    phone = models.Credential.objects.get()
    changes.disable_credential("olga", phone, phone.revision)
    assert Emptied().proves(passkey)[0] == 403
    changes.enable_credential("olga", phone, phone.revision)
    back(passkey)


def test_what_proves_nothing_changes_nothing_and_hears_one_sentence(anna: models.Person) -> None:
    """again (page), law 2; judging, law 2"""
    passkey = keeps_passkey(connected(anna))
    rows = list(Passkey.objects.values_list())
    acts = kinds()

    def wrong(**about: Any) -> Authenticator:
        return replace(passkey, **about)

    refused = {
        "another site's page": lambda asked: wrong(origin="https://evil.example").sign(asked),
        "another name": lambda asked: wrong(name="evil.example").sign(asked),
        "nobody was verified": lambda asked: wrong(flags=PRESENT).sign(asked),
        "another owner": lambda asked: wrong(handle=b"x" * 32).sign(asked),
        "no owner": lambda asked: wrong(handle=None).sign(asked),
        "another key": lambda asked: Authenticator(handle=passkey.handle).sign(asked),
        "its id alone": lambda asked: Authenticator(
            credential_id=passkey.credential_id, handle=passkey.handle
        ).sign(asked),
        "another challenge": lambda asked: passkey.sign({**asked, "challenge": "A" * 43}),
        "a new key": lambda _: json.dumps({"type": "webauthn.create"}),
        "too long": lambda asked: passkey.sign(asked) + " " * ANSWER_LENGTH_MAX,
        "a number": lambda _: json.dumps({"rawId": 10**12}),
        "no base64url": lambda _: json.dumps({"rawId": "\u00fc"}),
        "a list": lambda _: "[]",
        "no JSON": lambda _: "\ufffd",
    }
    for what, answer in refused.items():
        settings.HUBSITE_RUNNING.gate = Gate()
        phone = Emptied()
        assert phone.answers(answer(phone.asked())) == (403, {"sentence": NOT_KNOWN}), what
        assert "__Host-session" not in phone.client.cookies, what
    assert list(Passkey.objects.values_list()) == rows
    assert kinds() == acts
    back(passkey)


def test_an_answer_counts_once_in_the_browser_that_was_asked(anna: models.Person) -> None:
    passkey = keeps_passkey(connected(anna))
    phone = Emptied()
    answer = passkey.sign(phone.asked())
    assert Emptied().answers(answer)[0] == 403, "no cookie"
    other = Emptied()
    other.asked()
    assert other.answers(answer)[0] == 403, "another cookie"
    for_operators = Emptied()
    for_operators.client.get("/sign-in/key", secure=True, SERVER_NAME=HOST)
    assert for_operators.answers(answer)[0] == 403, "a cookie for something else"
    assert phone.answers(answer)[0] == 200
    assert phone.answers(answer)[0] == 403, "it was used"


def test_a_copied_passkey_counts_no_more_and_is_an_alarm(
    anna: models.Person, caplog: pytest.LogCaptureFixture
) -> None:
    """judging, law 3"""
    passkey = keeps_passkey(connected(anna))
    copy = replace(passkey)
    for _ in range(3):
        back(passkey)
    begun = Emptied()
    assert begun.proves(passkey)[0] == 200
    assert Emptied().proves(copy) == (403, {"sentence": NOT_KNOWN})
    assert "ALARM: the passkey of a phone was copied" in caplog.text
    assert kinds()[-1] == "passkey-refused"
    assert begun.authorize().headers["Location"].startswith("/sign-in"), "it ends, too"
    assert Emptied().proves(passkey)[0] == 403
    (phone,) = living()
    assert "was copied, or is broken" in at_work().get(f"/phone/{phone.pk}").text
    assert kinds().count("passkey-refused") == 1


def test_a_passkey_that_counts_nothing_brings_its_phone_back(anna: models.Person) -> None:
    passkey = keeps_passkey(connected(anna), counter=None)
    back(passkey)
    back(passkey)


def test_a_phone_has_one_passkey_and_a_passkey_one_phone(anna: models.Person) -> None:
    """judging, law 1"""
    first = connected(anna)
    passkey = keeps_passkey(first)
    newer = keeps_passkey(first)
    assert Passkey.objects.count() == 1
    assert Emptied().proves(passkey)[0] == 403
    second = connected(anna)
    _, asked = second.ask("passkey/asked")
    assert second.ask("passkey", signed_for(second, newer, asked))[0] == 403
    third = connected(anna)
    assert third.ask("passkey", signed_for(third, newer, asked))[0] == 403, "not asked"
    assert Passkey.objects.count() == 1


WRONG: dict[str, Callable[[SigningKey, bytes, Authenticator, str], bytes]] = {
    "as before": lambda key, asked, made, answer: answer.encode(),
    "another key": lambda key, asked, made, answer: said_kept(
        answer, signature_of(make_key(), asked, made)
    ),
    "another challenge": lambda key, asked, made, answer: said_kept(
        answer, signature_of(key, bytes(32), made)
    ),
    "another passkey": lambda key, asked, made, answer: said_kept(
        answer, signature_of(key, asked, Authenticator())
    ),
    "for something else": lambda key, asked, made, answer: said_kept(
        answer, signature_of(key, asked, made, b"")
    ),
    "no signature": lambda key, asked, made, answer: said_kept(answer, b""),
    "too short": lambda key, asked, made, answer: said_kept(answer, bytes(32)),
    "no base64url": lambda key, asked, made, answer: json.dumps(
        {"made": json.loads(answer), "signature": "\u00fc" * 86}
    ).encode(),
    "no JSON": lambda key, asked, made, answer: b"\xff",
    "a number": lambda key, asked, made, answer: said_kept("1", bytes(64)),
}


def test_a_copy_of_a_phones_tokens_keeps_no_passkey_and_takes_no_place(
    anna: models.Person,
) -> None:
    """judging, law 1: the files of a protected phone have its tokens, and its key not"""
    phone = connected(anna)
    passkey = keeps_passkey(phone)
    rows = list(Passkey.objects.values_list())
    acts = kinds()
    for what, said in WRONG.items():
        thief = WebPhone(access=phone.access)
        status, asked = thief.ask("passkey/asked")
        assert status == 200
        made = Authenticator()
        answer = made.make(asked["publicKey"])
        challenge = decoded(asked["publicKey"]["challenge"])
        body = said(phone.key, challenge, made, answer)
        assert thief.ask("passkey", body) == (403, {"sentence": NOT_KEPT}), what
        assert Emptied().proves(made) == (403, {"sentence": NOT_KNOWN}), what
        settings.HUBSITE_RUNNING.gate = Gate()
    assert list(Passkey.objects.values_list()) == rows, "the owner's stays"
    assert kinds() == acts
    back(passkey)


def test_a_passkey_is_kept_by_the_phones_tokens_and_never_by_anothers(anna: models.Person) -> None:
    """again (page), law 3"""
    phone = connected(anna)
    assert WebPhone().ask("passkey/asked")[0] == 401
    _, asked = phone.ask("passkey/asked")
    answer = signed_for(phone, Authenticator(), asked)
    other = WebPhone(client=phone.client, access=connected(anna).access)
    assert other.ask("passkey", answer)[0] == 403, "that was asked of another phone"
    assert phone.ask("passkey", answer)[0] == 200
    assert phone.ask("passkey", answer)[0] == 403
    no_key = WebPhone()
    no_key.connect(f"/join/{invite('olga', anna)}")
    assert no_key.ask("passkey/asked")[0] == 200
    assert no_key.ask("passkey", answer)[0] == 403


def test_without_the_word_in_the_file_there_is_nothing_of_it(
    anna: models.Person, server: Server
) -> None:
    """again (page), law 1"""
    phone = connected(anna)
    passkey = keeps_passkey(phone)
    client = phone.client
    said = client.get("/webphone/offers.json", secure=True, SERVER_NAME=HOST)
    assert json.loads(said.content) == {"comesBack": True}
    with override_settings(HUBSITE=server.site):
        said = client.get("/webphone/offers.json", secure=True, SERVER_NAME=HOST)
        assert json.loads(said.content) == {"comesBack": False}
        assert client.get("/api/phone/again", secure=True, SERVER_NAME=HOST).status_code == 404
        assert Emptied().answers(passkey.sign({"rpId": HOST, "challenge": "A"}))[0] == 404
        assert phone.ask("passkey/asked")[0] == 404
        assert phone.ask("passkey")[0] == 404


def test_a_site_without_a_name_does_not_start_with_it(tmp_path: Path) -> None:
    file = make_folder(tmp_path / "s")
    text = file.read_text().replace(f'"{HOST}"', '"192.0.2.1"')
    file.write_text(f"{text}\n[phones]\ncome_back = true\n")
    with pytest.raises(ConfigError, match=r"phones\.come_back: passkeys count at a name"):
        config.load(file)


def test_a_passkey_has_a_pace_and_wrong_ones_have_that_of_their_address(
    anna: models.Person,
) -> None:
    """again (page), law 4; gate, law 7"""
    passkey = keeps_passkey(connected(anna))
    for _ in range(RETURNS.burst):
        assert Emptied().proves(passkey)[0] == 200
    assert Emptied().proves(passkey)[0] == 429
    stranger = Authenticator(handle=passkey.handle)
    tries = [Emptied().proves(stranger)[0] for _ in range(TOKENS_OF_AN_ADDRESS.burst)]
    assert tries[0] == 403
    assert tries[-1] == 429
    assert Emptied().proves(passkey)[0] == 429


def tells_passkey(phone: WebPhone) -> tuple[int, Authenticator]:
    """Let a phone's browser make a passkey; return what the site says of it, too."""
    _, asked = phone.ask("passkey/asked")
    made = Authenticator()
    return phone.ask("passkey", signed_for(phone, made, asked))[0], made


def test_the_pace_is_a_persons_however_many_passkeys_and_phones(anna: models.Person) -> None:
    """gate, law 7"""
    phone = connected(anna)
    other = keeps_passkey(connected(anna))
    for _ in range(RETURNS.burst - 1):
        status, passkey = tells_passkey(phone)
        assert status == 200
        phone = back(passkey)
    assert Emptied().proves(other)[0] == 200, "the fifth of this person"
    assert tells_passkey(phone)[0] == 429, "and so many were kept"
    assert Emptied().proves(passkey)[0] == 429
    assert Emptied().proves(other)[0] == 429, "another phone of the same person"
    of_bert = keeps_passkey(connected(models.Person.objects.create(name="Bert")))
    assert Emptied().proves(of_bert)[0] == 200, "another person"


def test_who_proves_nothing_uses_up_no_pace_of_the_person(anna: models.Person) -> None:
    """gate, law 7; again (page), law 4"""
    phone = connected(anna)
    for _ in range(RETURNS.burst + 1):
        thief = WebPhone(access=phone.access)
        assert tells_passkey(thief)[0] == 403
    passkey = keeps_passkey(phone)
    statuses = {
        tells_passkey(WebPhone(access=phone.access))[0] for _ in range(TOKENS_OF_AN_ADDRESS.burst)
    }
    assert statuses == {403, 429}
    settings.HUBSITE_RUNNING.gate = Gate()
    assert Emptied().proves(passkey)[0] == 200


def test_who_came_back_often_pushes_nobody_off_the_carried_list(
    office: Office, anna: models.Person
) -> None:
    """reading, newest_revoked"""
    room = 4
    stolen = connected(anna)
    assert stolen.ask("grant")[0] == 200
    lost = models.Credential.objects.get()
    changes.revoke_credential("olga", lost, lost.revision)
    now = connected(anna)
    passkey = keeps_passkey(now)
    gone = []
    for _ in range(room):
        assert now.ask("grant")[0] == 200
        gone.append(living()[0].pk)
        now = back(passkey)
    signed = office.renew_policy(int(time.time()))
    assert signed is not None
    policy = document.read(bytes(signed.document), ISSUER.verify_key, "acme")
    names = newest_revoked(policy, int(time.time()), room)
    assert names == [lost.pk, *reversed(gone[1:])]


def test_a_passkey_that_is_replaced_amid_its_proof_is_no_alarm(
    anna: models.Person, caplog: pytest.LogCaptureFixture
) -> None:
    """judging, law 3"""
    phone = connected(anna)
    passkey = keeps_passkey(phone)
    begun = Emptied()
    assert begun.proves(passkey)[0] == 200

    class Slow(challenges.Challenge):
        """While it is spent, the phone keeps another passkey."""

        def spend(self) -> bool:
            keeps_passkey(phone)
            return super().spend()

    one = Slow(secrets.token_bytes(32), b"")
    answer = passkey.sign(asked_to_sign(HERE, one.value))
    with pytest.raises(ProofError, match="replaced meanwhile"):
        proven(HERE, one, answer, "192.0.2.1")
    assert "ALARM" not in caplog.text
    assert "passkey-refused" not in kinds()
    assert begun.gives_key()[0] == 200, "what was begun goes on"


def test_nobody_comes_back_while_the_engine_may_know_better(
    office: Office, anna: models.Person
) -> None:
    """again (page), law 5"""
    passkey = keeps_passkey(connected(anna))
    settings.HUBSITE_RUNNING.begin(office, SimpleNamespace(is_level=False))
    assert Emptied().proves(passkey)[0] == 409
    settings.HUBSITE_RUNNING.begin(office, SimpleNamespace(is_level=True))
    assert Emptied().proves(passkey)[0] == 200


def test_a_guest_comes_back_while_the_link_is_in_force_and_never_to_uses(
    office: Office, anna: models.Person
) -> None:
    """judging, law 4"""
    browser = at_work()
    phone = WebPhone()
    phone.connect(link_of(guest_link_asked(browser)))
    assert phone.give_key()[0] == 200
    passkey = keeps_passkey(phone)
    assert back(passkey).ask("grant")[0] == 200
    link = models.GuestLink.objects.get()
    assert (link.joined, len(living())) == (1, 1)
    models.GuestLink.objects.update(ends=datetime.now(UTC))
    assert Emptied().proves(passkey)[0] == 403
    counted = WebPhone()
    counted.connect(link_of(guest_link_asked(browser, uses="3")))
    assert counted.give_key()[0] == 200
    assert Emptied().proves(keeps_passkey(counted))[0] == 403


def test_whose_place_is_taken_counts_as_no_phone_more(anna: models.Person) -> None:
    passkey = keeps_passkey(connected(anna))
    for number in range(PHONES_A_PERSON - 1):
        key = cbor.encode({number: number})
        models.Credential.objects.create(person=anna, kind="phone", label="one", key=key)
    phone = Emptied()
    assert phone.proves(passkey)[0] == 200
    assert phone.exchange(phone.code())[0] == 200
    for _ in range(INVITATIONS_A_PERSON + 1):
        invite("olga", anna)
    assert phone.give_key()[0] == 200
    assert len(living()) == PHONES_A_PERSON


@dataclass
class Line:
    """A phone, and those that came in its place one after the other."""

    passkey: Authenticator
    newest: str
    is_dead: bool = False
    is_disabled: bool = False
    is_copied: bool = False


@dataclass
class Begun:
    """A connecting by a passkey: whose place it takes, and its tokens."""

    line: Line
    place_of: str
    family: UUID


@dataclass
class Site:
    """What happens, and what has to be true after it, whatever happened before."""

    person: models.Person = field(default_factory=lambda: models.Person.objects.create(name="A"))
    lines: list[Line] = field(default_factory=list)
    begun: list[Begun] = field(default_factory=list)

    def join(self, _number: int) -> None:
        if self.person_has_left():
            return
        family = uuid4()
        ends = datetime.now(UTC) + timedelta(days=1)
        digest = digest_of(secrets.token_hex(8))
        models.Invitation.objects.create(
            digest=digest, person=self.person, ends=ends, used_at=ends, family=family
        )
        key = make_key()
        phone = take_key(self.person.pk, family, cbor.encode(key.cose_key), "one")
        self.lines.append(Line(self.new_passkey(phone, key), phone.pk))
        self.begin(len(self.lines) - 1)  # its counter is 1 now

    def new_passkey(self, phone: models.Credential, key: SigningKey) -> Authenticator:
        one = challenges.new_challenge()
        made = Authenticator()
        answer = made.make(asked_to_make(HERE, one.value, one.handle, "Doors"))
        signature = signature_of(key, one.value, made)
        made_now = made_key(HERE, one.value, answer)
        keep_passkey(signed_passkey(phone, one, made_now, signature), one)
        return made

    def begin(self, number: int) -> None:
        line = self.line(number)
        one = challenges.new_challenge()
        answer = line.passkey.sign(asked_to_sign(HERE, one.value))
        try:
            passkey = proven(HERE, one, answer, "192.0.2.1")
        except ProofError:
            assert line.is_copied
            return
        assert not line.is_copied
        joined = begin_return(passkey)
        assert (joined is None) == (line.is_dead or line.is_disabled)
        if joined is not None:
            family = uuid4()
            models.Invitation.objects.filter(digest=joined[1]).update(family=family)
            self.begun.append(Begun(line, line.newest, family))

    def finish(self, number: int) -> None:
        if not self.begun:
            return
        begun = self.begun.pop(number % len(self.begun))
        line = begun.line
        is_right = not line.is_dead and not line.is_disabled and line.newest == begun.place_of
        try:
            made = take_key(self.person.pk, begun.family, new_key(), "one")
        except RefusedError:
            assert not is_right
        else:
            assert is_right
            line.newest = made.pk

    def revoke(self, number: int) -> None:
        line = self.line(number)
        if not line.is_dead:
            phone = models.Credential.objects.get(pk=line.newest)
            changes.revoke_credential("olga", phone, phone.revision)
            line.is_dead = True

    def disable(self, number: int) -> None:
        line = self.line(number)
        if line.is_dead:
            return
        phone = models.Credential.objects.get(pk=line.newest)
        change = changes.enable_credential if line.is_disabled else changes.disable_credential
        change("olga", phone, phone.revision)
        line.is_disabled = not line.is_disabled

    def copy(self, number: int) -> None:
        line = self.line(number)
        one = challenges.new_challenge()
        behind = replace(line.passkey, counter=(line.passkey.counter or 0) - 1)
        with pytest.raises(ProofError):
            proven(HERE, one, behind.sign(asked_to_sign(HERE, one.value)), "192.0.2.1")
        line.is_copied = True

    def leave(self, _number: int) -> None:
        if not self.person_has_left():
            self.person.refresh_from_db()
            changes.end_person("olga", self.person, self.person.revision)
            for line in self.lines:
                line.is_dead = True

    def person_has_left(self) -> bool:
        self.person.refresh_from_db()
        return self.person.ended_at is not None

    def line(self, number: int) -> Line:
        return self.lines[number % len(self.lines)]

    def judge(self) -> None:
        alive = {line.newest for line in self.lines if not line.is_dead}
        assert {row.pk for row in living()} == alive
        for line in self.lines:
            assert Passkey.objects.get(phone=line.newest).digest


def new_key() -> bytes:
    return cbor.encode(make_key().cose_key)


DOES = ("join", "begin", "finish", "begin", "finish", "revoke", "disable", "copy", "leave")


@SLOWLY
@given(st.lists(st.tuples(st.sampled_from(DOES), st.integers(0, 3)), min_size=3, max_size=14))
def test_over_all_orders_nobody_who_was_ended_is_back(
    server: Server, drawn_events: list[tuple[str, int]]
) -> None:
    """judging, laws 3 and 4; replacing, laws 1 to 3"""
    server.fresh()
    settings.HUBSITE_RUNNING.begin(Office("acme", FileSigner(ISSUER)), None)
    site = Site()
    site.join(0)
    for do, number in drawn_events:
        getattr(site, do)(number)
        site.judge()
    log.verify()
