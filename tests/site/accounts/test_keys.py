"""Security keys and passkeys: who gets in by one, who does not, and what each is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubcore.errors import ProofError
from hubsite.accounts import factor
from hubsite.accounts.gate import CODES
from hubsite.accounts.making import make_account, renew_account
from hubsite.accounts.models import Account, Key, Spent
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.acts.models import Act
from hubsite.keys import challenge as challenges
from hubsite.keys.challenge import Purpose
from hubsite.keys.keeping import KEYS_MAX
from hubsite.keys.place import Place, place_of
from hubsite.keys.proof import ANSWER_LENGTH_MAX, asked_to_make, asked_to_sign, made_key, signed_by
from hubsite.tidying import tidy
from tests.site.authenticator import PRESENT, VERIFIED, Authenticator, decoded, encoded
from tests.site.browser import Answer, Browser, Operator, signed_in, signed_in_ago, timeless
from tests.site.server import Server

pytestmark = pytest.mark.once

SLOWLY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
HERE = Place("localhost", "acme", frozenset({"https://localhost"}))


def asked(browser: Browser, path: str = "/sign-in/key") -> dict[str, object]:
    response = browser.client.get(path, secure=True, SERVER_NAME="localhost")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    return json.loads(response.content)["publicKey"]


def add_key(
    browser: Browser, name: str = "blue", key: Authenticator | None = None
) -> Authenticator:
    made = key or Authenticator()
    browser.get("/account")
    answer = made.make(asked(browser, "/account/key"))
    said = browser.post("/account", {**_form(browser, "add"), "key_name": name, "key": answer})
    assert said.status == 200, said.text
    return made


def _form(browser: Browser, do: str) -> dict[str, str | list[str]]:
    """The values of the one form of the page that does this."""
    assert browser.page is not None
    token = next(form.values for form in browser.page.forms if "csrfmiddlewaretoken" in form.values)
    return {"csrfmiddlewaretoken": token["csrfmiddlewaretoken"], "do": do}


def remove(browser: Browser, number: str) -> Answer:
    return browser.post("/account", {**_form(browser, "remove"), "number": number})


def sign_in(
    olga: Operator, blue: Authenticator, browser: Browser | None = None, **typed: str
) -> Answer:
    """Sign in by a key, with these fields in place of the right ones."""
    browser = browser or Browser()
    browser.get("/sign-in")
    answer = blue.sign(asked(browser))
    right = {"name": olga.name, "password": olga.password, "code": "", "key": answer}
    return browser.submit(**{**right, **typed})


def with_key() -> tuple[Operator, Authenticator]:
    olga = Operator.made()
    browser = Browser()
    browser.sign_in(olga)
    return olga, add_key(browser)


def kinds() -> list[str]:
    return [act.said["kind"] for act in Act.objects.order_by("number")]


def test_a_key_signs_in_in_place_of_a_code_and_codes_go_on() -> None:
    olga, key = with_key()
    assert sign_in(olga, key).where == "/"
    assert Browser().sign_in(olga).where == "/"
    row = Key.objects.get()
    assert (row.counter, row.used_at is None) == (1, False)
    assert log.verify().number == Act.objects.count()


def test_name_password_and_key_let_in_and_each_alone_does_not() -> None:
    olga, key = with_key()
    otto = Operator.made("otto")
    before = timeless(sign_in(olga, key, password="wrong").text)
    for wrong in ({"name": "nobody"}, {"name": "otto", "password": otto.password}, {"key": "{}"}):
        answer = sign_in(olga, key, Browser("198.51.100.4"), **wrong)
        assert answer.status == 403
        assert timeless(answer.text) == before, "one answer, whatever was wrong"
    assert Account.objects.get(name="otto").wrong_tries == 1


def test_what_is_asked_says_nothing_of_an_account() -> None:
    with_key()
    first = asked(Browser())
    second = asked(Browser())
    assert first.pop("challenge") != second.pop("challenge")
    assert first == second
    assert first["allowCredentials"] == []
    rows = Spent.objects.count()
    for _ in range(20):
        asked(Browser())
    assert Spent.objects.count() == rows, "asking makes no row"


WRONG: dict[str, Callable[[Authenticator], object]] = {
    "another origin": lambda key: setattr(key, "origin", "https://evil.example"),
    "another port": lambda key: setattr(key, "origin", "https://localhost:9999"),
    "no TLS": lambda key: setattr(key, "origin", "http://localhost"),
    "another server's key": lambda key: setattr(key, "name", "evil.example"),
    "no person": lambda key: setattr(key, "flags", PRESENT),
    "nobody there": lambda key: setattr(key, "flags", VERIFIED),
    "within another page": lambda key: key.says.update(crossOrigin=True),
    "another challenge": lambda key: key.says.update(challenge=encoded(bytes(32))),
    "another ceremony": lambda key: key.says.update(type="webauthn.create"),
    "another account": lambda key: setattr(key, "handle", b"somebody else"),
    "another key": lambda key: setattr(key, "key", Authenticator().key),
    "an unknown key": lambda key: setattr(key, "credential_id", b"unknown"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_signed_as_it_was_asked_lets_nobody_in(what: str) -> None:
    olga, key = with_key()
    WRONG[what](key)
    answer = sign_in(olga, key)
    assert answer.status == 403
    assert "The name, the password or the second factor is wrong." in answer.text
    assert "key-refused" not in kinds()


def test_a_challenge_counts_once_and_not_too_late() -> None:
    olga, key = with_key()
    browser = Browser()
    browser.get("/sign-in")
    answer = key.sign(asked(browser))
    kept = browser.client.cookies["__Host-challenge"].value
    typed = {"name": olga.name, "password": olga.password, "code": "", "key": answer}
    assert browser.submit(**typed).where == "/"
    replay = Browser()
    replay.get("/sign-in")
    replay.client.cookies["__Host-challenge"] = kept
    assert replay.submit(**typed).status == 403
    assert "key-refused" not in kinds(), "a replay is no copy of the key"
    other = Browser("203.0.113.7")
    other.get("/sign-in")
    answer = key.sign(asked(other))
    other.client.cookies.pop("__Host-challenge")
    assert other.submit(**{**typed, "key": answer}).status == 403, "and it is this browser's"


def test_a_challenge_is_for_one_purpose_and_one_account_and_ends() -> None:
    made = challenges.new_challenge()
    kept = challenges.write(made, Purpose.ADD, "1")
    assert challenges.read(kept, Purpose.ADD, "1") == made
    assert challenges.read(kept, Purpose.ADD, "2") is None
    assert challenges.read(kept, Purpose.SIGN_IN, "1") is None
    assert challenges.read(kept + "x", Purpose.ADD, "1") is None
    assert challenges.read("x" * 100_000, Purpose.ADD, "1") is None
    assert challenges.read(kept, Purpose.ADD, "1", life_seconds=-1) is None


def test_a_key_whose_counter_fell_counts_no_more_and_that_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    olga, key = with_key()
    home = Browser()
    assert sign_in(olga, key, home).where == "/"
    copied = Authenticator(0, credential_id=key.credential_id, key=key.key, handle=key.handle)
    stranger = Browser("203.0.113.9")
    answer = sign_in(olga, copied, stranger)
    assert answer.status == 403
    assert "copied" not in answer.text, "the alarm is not for who tried"
    assert "ALARM: a key was copied" in caplog.text
    assert kinds()[-1] == "key-refused"
    assert olga.name not in json.dumps(Act.objects.order_by("number").last().said["about"])
    told = home.get("/acts").text
    assert "Your key blue was copied, or is broken" in told
    assert sign_in(olga, key, Browser("198.51.100.4")).status == 403, "nor does the first one"
    home.sign_in(olga)
    home.get("/account")
    number = str(Key.objects.get().pk)
    assert "was copied" not in remove(home, number).text


def test_a_key_without_a_counter_goes_on_and_one_that_stops_to_count_does_not() -> None:
    olga = Operator.made()
    browser = Browser()
    browser.sign_in(olga)
    key = add_key(browser, key=Authenticator(None))
    for _ in range(2):
        assert sign_in(olga, key).where == "/"
    key.counter = 7
    assert sign_in(olga, key).where == "/"
    key.counter = None
    assert sign_in(olga, key).status == 403
    assert kinds()[-1] == "key-refused"


def test_wrong_keys_have_the_pace_of_wrong_codes() -> None:
    olga, key = with_key()
    for number in range(int(CODES.burst)):
        stranger = Browser(f"203.0.113.{number}")
        assert sign_in(olga, Authenticator(), stranger).status == 403
    assert sign_in(olga, key, Browser("198.51.100.4")).status == 403, "a right one does not count"


def test_keys_are_changed_by_who_has_signed_in_just_now_alone() -> None:
    browser = signed_in()
    signed_in_ago(browser, 601)
    shown = browser.get("/account")
    assert "show first that it is you" in shown.text
    key = Authenticator().make(asked(browser, "/account/key"))
    form = {**_form(browser, "add"), "key_name": "blue", "key": key}
    assert browser.post("/account", form).status == 403
    assert not Key.objects.exists()


def test_keys_are_added_named_and_removed_and_each_is_an_act() -> None:
    browser = signed_in()
    add_key(browser, "blue")
    shown = browser.get("/account").text
    assert "blue" in shown
    number = Key.objects.get().pk
    assert (
        browser.post("/account", {**_form(browser, "remove"), "number": str(number)}).status == 200
    )
    assert kinds()[-2:] == [ActKind.KEY_ADDED, ActKind.KEY_REMOVED]
    assert Act.objects.order_by("number").last().said["about"] == f"key {number}"
    for name in ("", "a" * 41, "a\x00b"):
        key = Authenticator().make(asked(browser, "/account/key"))
        form = {**_form(browser, "add"), "key_name": name, "key": key}
        assert "Give the key a name" in browser.post("/account", form).text
    for number in ("", "x", "9" * 30, "1"):
        assert remove(browser, number).status == 409


def test_one_key_is_one_accounts_and_an_account_has_few() -> None:
    browser = signed_in()
    key = add_key(browser)
    other = signed_in("otto", "198.51.100.4")
    other.get("/account")
    form = {"key_name": "x", "key": key.make(asked(other, "/account/key"))}
    said = other.post("/account", {**_form(other, "add"), **form})
    assert "This key is in use here already." in said.text
    for number in range(1, KEYS_MAX):
        add_key(browser, f"key {number}")
    form = {"key_name": "x", "key": Authenticator().make(asked(browser, "/account/key"))}
    assert "at most 10 keys" in browser.post("/account", {**_form(browser, "add"), **form}).text


def test_a_key_for_one_account_is_added_to_no_other() -> None:
    browser = signed_in()
    other = signed_in("otto", "198.51.100.4")
    answer = Authenticator().make(asked(browser, "/account/key"))
    other.get("/account")
    other.client.cookies["__Host-challenge"] = browser.client.cookies["__Host-challenge"].value
    said = other.post("/account", {**_form(other, "add"), "key_name": "x", "key": answer})
    assert (said.status, Key.objects.exists()) == (409, False)


@dataclass
class Ticketed(Operator):
    """Somebody with an account and a ticket for a first key."""

    ticket: str = ""


def ticketed(server: Server, name: str = "olga") -> Ticketed:
    handed = make_account(name, "acme", server.site.secret, has_keys=True)
    assert handed.address == ""
    return Ticketed(name, handed.password, bytes(factor.SECRET_BYTES), handed.ticket)


def first(
    olga: Ticketed, blue: Authenticator, browser: Browser | None = None, **typed: str
) -> Answer:
    browser = browser or Browser()
    browser.get("/first-key")
    answer = blue.make(asked(browser, "/first-key/key"))
    right = {"name": olga.name, "password": olga.password, "ticket": olga.ticket}
    return browser.submit(**{**right, "key_name": "blue", "key": answer, **typed})


def test_a_ticket_makes_a_first_key_once_and_then_the_key_signs_in(server: Server) -> None:
    olga = ticketed(server)
    key = Authenticator()
    assert Browser().sign_in(olga).status == 403, "a ticket is no sign-in"
    assert first(olga, key).where == "/sign-in"
    assert kinds() == [ActKind.ACCOUNT_MADE, ActKind.KEY_ADDED]
    assert "used or is too old" in first(olga, Authenticator()).text
    home = Browser()
    assert sign_in(olga, key, home).where == "/"
    assert "You have no authenticator app" in home.get("/account").text


def test_without_name_password_and_ticket_there_is_no_first_key(server: Server) -> None:
    olga = ticketed(server)
    others = ticketed(server, "otto")
    answers = {
        first(olga, Authenticator(), Browser(f"203.0.113.{number}"), **wrong).text
        for number, wrong in enumerate(
            (
                {"name": "nobody"},
                {"password": "wrong"},
                {"ticket": "wrong"},
                {"ticket": ""},
                {"ticket": others.ticket},
            )
        )
    }
    assert len(answers) == 1
    assert "The name, the password or the ticket is wrong" in answers.pop()
    Account.objects.update(ticket_ends=timezone.now() - timedelta(seconds=1))
    assert "too old" in first(olga, Authenticator(), Browser("198.51.100.4")).text
    assert not Key.objects.exists()


def test_an_account_without_a_ticket_takes_none(server: Server) -> None:
    made = Operator.made()
    olga = Ticketed(made.name, made.password, made.secret)
    assert first(olga, Authenticator()).status == 403
    renew_account("olga", "acme", server.site.secret, has_keys=True)
    renewed = renew_account("olga", "acme", server.site.secret)
    assert renewed.address
    assert Account.objects.get().ticket == ""


def test_the_last_factor_is_never_removed_and_a_renewal_ends_all(server: Server) -> None:
    olga = ticketed(server)
    key = Authenticator()
    first(olga, key)
    home = Browser()
    sign_in(olga, key, home)
    home.get("/account")
    number = str(Key.objects.get().pk)
    said = remove(home, number)
    assert "This is your last second factor, and stays." in said.text
    add_key(home, "green")
    assert remove(home, number).status == 200
    renew_account("olga", "acme", server.site.secret)
    assert not Key.objects.exists()
    assert home.get("/").where.startswith("/sign-in")


def test_what_was_spent_is_forgotten_once_it_is_too_old_to_count() -> None:
    olga, key = with_key()
    sign_in(olga, key)
    assert Spent.objects.count() == 2
    Spent.objects.update(at=timezone.now() - timedelta(seconds=3601))
    tidy()
    assert not Spent.objects.exists()


def test_keys_count_at_the_first_name_and_at_this_port_alone() -> None:
    place = place_of(("Site.example", "a.site.example", "other.example"), "0.0.0.0:8443", "acme")
    assert place is not None
    assert place.name == "site.example"
    assert place.origins == {
        "https://site.example",
        "https://site.example:8443",
        "https://a.site.example",
        "https://a.site.example:8443",
    }
    assert place_of(("192.0.2.1",), "0.0.0.0:8443", "acme") is None


MEMBERS = (
    "id rawId type response clientDataJSON attestationObject signature authenticatorData "
    "userHandle clientExtensionResults"
)
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
BYTES = st.binary(max_size=60).map(encoded)
JSON = st.recursive(
    PLAIN | BYTES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(MEMBERS.split()), inner, max_size=8)
    ),
    max_leaves=10,
)


@SLOWLY
@given(JSON)
def test_whatever_a_browser_answers_is_a_proof_or_an_error_of_ours(said: object) -> None:
    for read in (
        lambda text: made_key(HERE, bytes(32), text),
        lambda text: signed_by(HERE, bytes(32), text, []),
    ):
        with pytest.raises(ProofError):
            read(json.dumps(said))


@SLOWLY
@given(
    member=st.sampled_from(["clientDataJSON", "authenticatorData", "signature"]),
    at=st.integers(0, 1 << 16),
    change=st.integers(1, 255),
)
def test_a_changed_byte_proves_nothing(member: str, at: int, change: int) -> None:
    key = Authenticator()
    made = made_key(HERE, bytes(32), key.make(asked_to_make(HERE, bytes(32), b"h" * 32, "olga")))
    said = json.loads(key.sign(asked_to_sign(HERE, bytes(32))))
    assert signed_by(HERE, bytes(32), json.dumps(said), [made.credential]).counter == 1
    data = bytearray(decoded(said["response"][member]))
    data[at % len(data)] ^= change
    said["response"][member] = encoded(bytes(data))
    with pytest.raises(ProofError):
        signed_by(HERE, bytes(32), json.dumps(said), [made.credential])


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[]",
        "{}",
        "x" * (ANSWER_LENGTH_MAX + 1),
        "[" * ANSWER_LENGTH_MAX,
        json.dumps({"response": {"attestationObject": encoded(b"\x81" * 9000)}}),
    ],
)
def test_what_is_no_answer_is_refused_with_an_error_of_ours(answer: str) -> None:
    with pytest.raises(ProofError):
        made_key(HERE, bytes(32), answer)
    with pytest.raises(ProofError):
        signed_by(HERE, bytes(32), answer, [])


def test_deep_nesting_in_a_key_is_refused() -> None:
    key = Authenticator()
    said = json.loads(key.make(asked_to_make(HERE, bytes(32), b"h" * 32, "olga")))
    said["response"]["attestationObject"] = encoded(b"\xa1\x63fmt" + b"\x81" * 9000)
    with pytest.raises(ProofError, match="no key was made"):
        made_key(HERE, bytes(32), json.dumps(said))
