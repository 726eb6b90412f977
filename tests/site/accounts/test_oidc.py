"""Signing in by a provider: a real one, and one that lies."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests
from django.conf import settings
from django.db.models.signals import pre_save
from django.test import override_settings
from jwcrypto import jwk

from hubcore.errors import ConfigError, LinkError
from hubcore.timing.pace import Rate
from hubsite import config
from hubsite.accounts.gate import Gate
from hubsite.accounts.making import end_account, renew_account
from hubsite.accounts.models import Account, Binding, Session
from hubsite.acts.models import Act
from hubsite.config import Oidc
from hubsite.oidc.beginning import make_provider
from hubsite.oidc.binding import bind, unbind
from hubsite.oidc.fetching import Bounded
from hubsite.oidc.provider import AWAY_SECONDS, KEPT_SECONDS, KEYS_SECONDS, PLACES, Provider
from tests.site.accounts.test_keys import add_key, asked
from tests.site.authenticator import Authenticator
from tests.site.browser import Answer, Browser, Operator, signed_in
from tests.site.fakeprovider import SECRET, Fake, fake_provider, new_key
from tests.site.realprovider import CLIENT as REAL_CLIENT
from tests.site.realprovider import MISSING, modules, real_provider
from tests.site.realprovider import SECRET as REAL_SECRET
from tests.site.server import Server, make_folder

pytestmark = pytest.mark.once

WIDE = Rate(1000, 1000)
NOT_OURS = "is not for this browser, was used, or is too old"
PROVES_NOTHING = "proves nothing to this server"


class Clock:
    """Seconds, monotonic and Unix ones."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def one_fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fake]:
    with fake_provider(tmp_path_factory.mktemp("fake")) as fake:
        yield fake


@pytest.fixture
def fake(one_fake: Fake) -> Fake:
    """The provider as an honest one, with nothing asked of it; this server asks it."""
    fresh = Fake(one_fake.port, one_fake.authority)
    for name, value in vars(fresh).items():
        setattr(one_fake, name, value)
    one_fake.keys = [one_fake.key]
    use(one_fake)
    return one_fake


def use(fake: Fake, clock: Clock | None = None, **more: object) -> Provider:
    clock = clock or Clock()
    provider = Provider(
        fake.section(**more), SECRET, str(fake.authority), Bounded(1, 2), clock, clock
    )
    settings.HUBSITE_RUNNING.provider = provider
    return provider


def sent_out(browser: Browser, wanted: str = "/") -> str:
    """Where the browser is sent."""
    response = browser.client.get(
        f"/sign-in/elsewhere?next={wanted}", secure=True, SERVER_NAME="localhost"
    )
    assert response.status_code == 302, response.content
    cookie = browser.client.cookies["__Host-elsewhere"]
    assert (cookie["samesite"], cookie["httponly"], cookie["secure"]) == ("Lax", True, True)
    return str(response.headers["Location"])


def back(
    browser: Browser, fake: Fake, subject: str = "u-1", wanted: str = "/", **more: str
) -> Answer:
    address = fake.authorize(sent_out(browser, wanted), subject, **more)
    assert address.startswith("https://localhost/sign-in/elsewhere/back?")
    return browser.get(address.removeprefix("https://localhost"))


def bound(fake: Fake, subject: str = "u-1") -> Operator:
    olga = Operator.made()
    bind("", "olga", fake.issuer, subject)
    return olga


def finish(browser: Browser, **typed: str) -> Answer:
    return browser.submit("/sign-in/elsewhere/done", **typed)


def test_who_is_bound_signs_in_by_the_provider_and_a_second_factor_of_ours(fake: Fake) -> None:
    olga = bound(fake)
    browser = Browser()
    assert "Sign in with Acme" in browser.get("/sign-in").text
    shown = back(browser, fake, wanted="/acts")
    assert shown.status == 200
    assert "Sign in as olga" in shown.text
    assert not Session.objects.exists(), "who comes back has no session yet"
    assert browser.get("/acts").where.startswith("/sign-in"), "nor does he see a page"
    back(browser, fake, wanted="/acts")
    assert finish(browser, code="000000").status == 403
    assert Account.objects.get().wrong_tries == 1
    assert finish(browser, code=olga.code()).where == "/acts"
    said = [act.said for act in Act.objects.order_by("number")]
    assert said[-1]["kind"] == "signed-in"
    assert said[-1]["way"] == "provider"
    assert "u-1" not in json.dumps(said, default=str), "acts name nobody at a provider"


def test_a_key_is_a_second_factor_there_too(fake: Fake) -> None:
    olga = bound(fake)
    home = Browser()
    home.sign_in(olga)
    key: Authenticator = add_key(home)
    browser = Browser()
    back(browser, fake)
    assert finish(browser, code="", key=key.sign(asked(browser))).where == "/"


def test_the_providers_second_factor_counts_as_the_file_says_and_else_ours_is_asked(
    fake: Fake,
) -> None:
    olga = bound(fake)
    use(fake, amr=("mfa",), acr=("two-factors",))
    for change in ({"amr": ["pwd", "mfa"]}, {"acr": "two-factors"}):
        fake.changes = change
        browser = Browser()
        assert "Code of your authenticator app" not in back(browser, fake).text
        assert finish(browser).where == "/"
    for change in ({}, {"amr": ["pwd"]}, {"amr": "mfa"}, {"acr": "one"}, {"acr": ""}):
        fake.changes = change
        browser = Browser("198.51.100.4")
        shown = back(browser, fake)
        if change == {"amr": "mfa"}:
            assert PROVES_NOTHING in shown.text
            continue
        assert "Code of your authenticator app" in shown.text
        assert finish(browser).status == 403
        Account.objects.update(wrong_tries=0)
        settings.HUBSITE_RUNNING.gate = Gate()
    use(fake)
    fake.changes = {"amr": ["mfa"], "acr": "two-factors"}
    browser = Browser()
    assert "Code of your authenticator app" in back(browser, fake).text
    assert finish(browser, code=olga.code()).where == "/"


def test_a_session_by_the_providers_word_alone_is_as_old_as_the_sign_in_there(fake: Fake) -> None:
    olga = bound(fake)
    use(fake)
    assert "max_age" not in sent_out(Browser())
    use(fake, amr=("mfa",))
    assert "max_age=600" in sent_out(Browser())
    now = int(time.time())
    for at, is_fresh in ((None, False), (now - HOUR, False), (now - 300, True), (now + 30, True)):
        fake.changes = {"amr": ["mfa"], "auth_time": at}
        browser = Browser()
        back(browser, fake, wanted="/account")
        assert finish(browser).where == "/account"
        assert ("show first that it is you" not in browser.get("/account").text) == is_fresh
    fake.changes = {"auth_time": now - HOUR}
    browser = Browser("198.51.100.4")
    back(browser, fake, wanted="/account")
    finish(browser, code=olga.code())
    assert "show first that it is you" not in browser.get("/account").text, "a code was typed"
    fake.changes = {"auth_time": "now"}
    assert PROVES_NOTHING in back(Browser("198.51.100.5"), fake).text


def test_nobody_is_made_or_bound_by_signing_in(fake: Fake) -> None:
    Operator.made()
    fake.changes = {"email": "olga@acme.example", "preferred_username": "olga", "name": "olga"}
    browser = Browser()
    shown = back(browser, fake)
    assert shown.status == 403
    assert "no account here is bound to that" in shown.text
    posted = browser.client.post(
        "/sign-in/elsewhere/done", {}, secure=True, SERVER_NAME="localhost"
    )
    assert posted.status_code == 403
    assert (Account.objects.count(), Binding.objects.count()) == (1, 0)


def test_an_operator_binds_what_was_proven_and_unbinds_it(fake: Fake) -> None:
    browser = signed_in()
    back(browser, fake)
    assert "You have shown to be u-1" in browser.get("/account").text
    token = browser.page.forms[0].values["csrfmiddlewaretoken"]  # type: ignore[union-attr]
    form = {"csrfmiddlewaretoken": token, "do": "bind"}
    assert browser.post("/account", {**form, "subject": "u-2"}).status == 409
    assert "You sign in as u-1" in browser.post("/account", {**form, "subject": "u-1"}).text
    assert "was used" in browser.post("/account", {**form, "subject": "u-1"}).text
    Operator.made("otto")
    with pytest.raises(ValueError, match="bound to another account already"):
        bind("", "otto", fake.issuer, "u-1")
    browser.get("/account")
    assert browser.post("/account", {**form, "do": "unbind"}).status == 200
    assert not Binding.objects.exists()
    kinds = [act.said["kind"] for act in Act.objects.order_by("number")]
    assert kinds[-3:] == ["identity-bound", "account-made", "identity-unbound"]
    with pytest.raises(ValueError, match="olga is bound to nobody"):
        unbind("", "olga")


def test_an_act_names_who_was_bound_by_a_digest_that_needs_this_servers_secret(fake: Fake) -> None:
    Operator.made()

    def named(subject: str) -> str:
        bind("", "olga", fake.issuer, subject)
        return str(Act.objects.order_by("number").last().said["identity"])  # type: ignore[union-attr]

    one = named("u-1")
    assert named("u-2") != one
    assert named("u-1") == one
    assert not hashlib.sha256(f"{fake.issuer} u-1".encode()).hexdigest().startswith(one)
    with override_settings(SECRET_KEY="of another server"):
        assert named("u-1") != one


def test_of_two_who_bind_one_at_the_same_moment_the_second_is_told(fake: Fake) -> None:
    Operator.made()
    otto = Operator.made("otto")

    def meanwhile(instance: Binding, **_: object) -> None:
        if instance.account.name == "olga":
            account = Account.objects.get(name=otto.name)
            Binding.objects.create(account=account, issuer=fake.issuer, subject="u-1")

    pre_save.connect(meanwhile, Binding)
    try:
        with pytest.raises(ValueError, match="bound to another account already"):
            bind("", "olga", fake.issuer, "u-1")
    finally:
        pre_save.disconnect(meanwhile, Binding)


def test_a_renewal_and_an_end_end_what_was_bound(fake: Fake, server: Server) -> None:
    bound(fake)
    renew_account("olga", "acme", server.site.secret)
    assert "no account here is bound" in back(Browser(), fake).text
    bind("", "olga", fake.issuer, "u-1")
    end_account("olga")
    assert "no account here is bound" in back(Browser(), fake).text
    with pytest.raises(ValueError, match="there is no operator"):
        bind("", "olga", fake.issuer, "u-1")
    for subject in ("", "ü", "a" * 256, "a\n"):
        with pytest.raises(ValueError, match="a subject has"):
            bind("", "olga", fake.issuer, subject)


HOUR = 3600
NOW = int(time.time())
WRONG_TOKENS: dict[str, tuple[dict[str, object], str]] = {
    "another issuer": ({"iss": "https://evil.example"}, PROVES_NOTHING),
    "no issuer": ({"iss": None}, PROVES_NOTHING),
    "for another server": ({"aud": "other"}, PROVES_NOTHING),
    "for others, too, and made for one of them": (
        {"aud": ["hubsite", "other"], "azp": "other"},
        PROVES_NOTHING,
    ),
    "for nobody": ({"aud": None}, PROVES_NOTHING),
    "of another sign-in": ({"nonce": "x" * 43}, PROVES_NOTHING),
    "of no sign-in": ({"nonce": None}, PROVES_NOTHING),
    "of nobody": ({"sub": None}, PROVES_NOTHING),
    "of a number": ({"sub": 7}, PROVES_NOTHING),
    "of a long name": ({"sub": "a" * 256}, PROVES_NOTHING),
    "of a name with a line": ({"sub": "a\nb"}, PROVES_NOTHING),
    "with another access token": ({"at_hash": "x"}, PROVES_NOTHING),
    "not yet": ({"nbf": NOW + HOUR}, PROVES_NOTHING),
    "without a time": ({"iat": None}, PROVES_NOTHING),
    "without an end": ({"exp": None}, PROVES_NOTHING),
    "with times that are none": ({"iat": "now", "exp": True}, PROVES_NOTHING),
    "with times that no clock has": (
        {"iat": float("nan"), "exp": float("inf")},
        PROVES_NOTHING,
    ),
    "of an hour ago": ({"iat": NOW - HOUR, "exp": NOW - 60 * 50}, "the clock of this server"),
    "old, and counting for long": ({"iat": NOW - HOUR}, "the clock of this server"),
    "over": ({"exp": NOW - 120}, "the clock of this server"),
    "of an hour from now": ({"iat": NOW + HOUR, "exp": NOW + 2 * HOUR}, "The clock of this server"),
}


@pytest.mark.parametrize("what", WRONG_TOKENS)
def test_a_token_that_is_wrong_signs_nobody_in(fake: Fake, what: str) -> None:
    bound(fake)
    fake.changes, said = WRONG_TOKENS[what]
    answer = back(Browser(), fake)
    assert answer.status == 403
    assert said in answer.text
    assert "Sign in as olga" not in answer.text


def test_a_token_by_another_signature_signs_nobody_in(fake: Fake) -> None:
    bound(fake)
    settings.HUBSITE_RUNNING.gate = Gate(WIDE, WIDE)
    shared = jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="))
    public = fake.key.export_to_pem()

    def none(text: str) -> str:
        head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
        return f"{head}.{text.split('.')[1]}."

    def swapped(text: str) -> str:
        head, body, signature = text.split(".")
        other = base64.urlsafe_b64decode(body + "==").replace(b"u-1", b"u-2")
        return f"{head}.{base64.urlsafe_b64encode(other).rstrip(b'=').decode()}.{signature}"

    def by(key: jwk.JWK, algorithm: str) -> object:
        def signed(text: str) -> str:
            payload = base64.urlsafe_b64decode(text.split(".")[1] + "==").decode()
            mine = fake.key
            fake.key = key
            try:
                return fake.signed(payload, {"alg": algorithm, "kid": "one"})
            finally:
                fake.key = mine

        return signed

    of_public = jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(public).decode().rstrip("="))
    for change in (
        none,
        swapped,
        by(shared, "HS256"),
        by(of_public, "HS256"),
        by(new_key(), "ES256"),
        lambda text: text[:-4],
        lambda _: "",
        lambda _: "a.b.c",
        lambda _: "x" * 20_000,
        lambda text: f"{text}.{text}",
    ):
        fake.token = change
        answer = back(Browser(), fake)
        assert answer.status == 403, change
        assert "Sign in as olga" not in answer.text


def test_an_answer_counts_for_the_browser_that_was_sent_out_and_once(fake: Fake) -> None:
    olga = bound(fake)
    mine = Browser()
    there = fake.authorize(sent_out(mine)).removeprefix("https://localhost")
    assert NOT_OURS in Browser().get(there).text, "another browser"
    assert NOT_OURS in mine.get(f"{there}x".replace("state=", "state=x")).text, "another state"
    assert mine.get(there).status == 200
    assert NOT_OURS in mine.get(there).text, "the same again"
    proven = mine.client.cookies["__Host-proven"].value
    assert finish(_with_page(mine, fake), code=olga.code()).where == "/"
    thief = Browser("203.0.113.9")
    thief.get("/sign-in")
    thief.client.cookies["__Host-proven"] = proven
    form = {"csrfmiddlewaretoken": thief.page.forms[0].values["csrfmiddlewaretoken"]}  # type: ignore[union-attr]
    assert thief.post("/sign-in/elsewhere/done", {**form, "code": olga.code()}).where == "/"
    again = Browser("203.0.113.10")
    again.get("/sign-in")
    again.client.cookies["__Host-proven"] = proven
    form = {"csrfmiddlewaretoken": again.page.forms[0].values["csrfmiddlewaretoken"]}  # type: ignore[union-attr]
    assert again.post("/sign-in/elsewhere/done", {**form, "code": olga.code()}).status == 403


def _with_page(browser: Browser, fake: Fake) -> Browser:
    back(browser, fake)
    return browser


def test_a_code_of_another_sign_in_is_refused(fake: Fake) -> None:
    """Somebody's own code, put into the way of another browser."""
    bound(fake)
    mine = Browser()
    there = fake.authorize(sent_out(mine)).removeprefix("https://localhost")
    theirs = fake.authorize(sent_out(Browser()), "evil")
    code = theirs.split("code=")[1].split("&")[0]
    own = there.split("code=")[1].split("&")[0]
    answer = mine.get(there.replace(f"code={own}", f"code={code}"))
    assert (answer.status, "does not take this answer" in answer.text) == (403, True)
    assert "<script>" not in answer.page.source.replace('<script type="module"', "")


def test_an_answer_in_the_name_of_another_provider_is_refused_and_its_code_is_not_used(
    fake: Fake,
) -> None:
    bound(fake)
    for issuer in ("https://evil.example", ""):
        answer = back(Browser(), fake, iss=issuer)
        assert "in the name of another provider" in answer.text
    assert fake.asked["/token"] == 0


def test_a_provider_that_refuses_is_told_without_its_words(fake: Fake) -> None:
    browser = Browser()
    there = fake.authorize(sent_out(browser), code="", error="<script>alert(1)</script>")
    answer = browser.get(there.removeprefix("https://localhost"))
    assert (answer.status, "has signed nobody in" in answer.text) == (403, True)
    assert "alert(1)" not in answer.page.source


def test_an_address_of_any_length_and_any_letters_is_no_end_of_a_way(fake: Fake) -> None:
    olga = bound(fake, "s" * 255)
    use(fake)
    for number, wanted in enumerate(
        ("/" + "\u00fc" * 499, "/" + "\U0001f6aa" * 400, "/" + "x" * 5000)
    ):
        browser = Browser(f"203.0.113.{70 + number}")
        back(browser, fake, "s" * 255, wanted=wanted)
        assert len(browser.client.cookies["__Host-proven"].value) < 3000
        assert finish(browser, code=olga.code()).where == "/"
    browser = Browser("203.0.113.80")
    back(browser, fake, "s" * 255, wanted="/person?name=\u00fc")
    assert finish(browser, code=olga.code()).where == "/person?name=%C3%BC"


def test_after_a_sign_in_there_nobody_is_sent_elsewhere(fake: Fake) -> None:
    olga = bound(fake)
    for wanted in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        browser = Browser()
        back(browser, fake, wanted=wanted)
        assert finish(browser, code=olga.code()).where == "/"


def test_tries_there_have_the_pace_of_a_sign_in(fake: Fake) -> None:
    bound(fake)
    browser = Browser("203.0.113.50")
    statuses = [back(browser, fake).status for _ in range(12)]
    assert statuses[:10] == [200] * 10
    assert statuses[-1] == 429
    assert fake.asked["/token"] == statuses.count(200)


def away(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(503)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b" " * (1 << 20))


def elsewhere(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "https://localhost:1/")
    handler.end_headers()


def broken(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")


def no_json(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"<html>")


def list_of_json(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"[5]")


def too_many(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(429)


def silent(handler: BaseHTTPRequestHandler) -> None:
    handler.rfile.read(1)  # until the other side goes


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """One byte at a time, each in time, for longer than all of it may take."""
    handler.send_response(200)
    handler.end_headers()
    handler.connection.settimeout(0.2)
    has_gone = False
    while not has_gone:
        handler.wfile.write(b" ")
        try:
            has_gone = not handler.connection.recv(1)
        except TimeoutError:
            continue


DISCOVERY = "/.well-known/openid-configuration"


@pytest.mark.parametrize("how", [away, endless, elsewhere, broken, no_json, silent])
@pytest.mark.parametrize("path", [DISCOVERY, "/keys", "/token"])
def test_a_provider_that_is_away_is_told_and_the_sign_in_here_goes_on(
    fake: Fake, how: object, path: str
) -> None:
    olga = bound(fake)
    fake.instead[path] = how  # type: ignore[assignment]
    browser = Browser()
    asks = path == DISCOVERY
    answer = browser.get("/sign-in/elsewhere") if asks else back(browser, fake)
    assert answer.status in (403, 503)
    if answer.status == 503:
        assert "Acme does not answer now. Sign in by name and password meanwhile." in answer.text
        assert settings.HUBSITE_RUNNING.provider.problem.startswith("Acme does not answer")
    assert "Sign in as olga" not in answer.text
    assert browser.sign_in(olga).where == "/"


def test_an_answer_that_drips_ends(fake: Fake) -> None:
    fake.instead[DISCOVERY] = dripping
    answer = Browser().get("/sign-in/elsewhere")
    assert answer.status == 503
    assert "took over" in settings.HUBSITE_RUNNING.provider.problem


@pytest.mark.parametrize("how", [away, too_many, elsewhere, no_json, list_of_json])
def test_what_a_provider_answers_to_one_code_keeps_nobody_else_from_it(
    fake: Fake, how: object
) -> None:
    bound(fake)
    fake.instead["/token"] = how  # type: ignore[assignment]
    answer = back(Browser(), fake)
    assert (answer.status, "does not take this answer" in answer.text) == (403, True)
    assert settings.HUBSITE_RUNNING.provider.problem == ""
    fake.instead.clear()
    assert back(Browser("203.0.113.60"), fake).status == 200


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"X: ", b"\r\nContent-Length: 2\r\n\r\n{}"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    ],
    ids=["in its head", "in the length of a piece"],
)
def test_an_answer_that_drips_where_nobody_reads_a_piece_ends(
    fake: Fake, before: bytes, after: bytes
) -> None:
    """Each byte comes in time; after 40 of them it would be a whole answer."""
    reached = []

    def dripping_there(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.settimeout(0.1)
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + before)
        for _ in range(40):
            handler.wfile.write(b"0")
            try:
                if not handler.connection.recv(1):
                    return
            except TimeoutError:
                continue
        reached.append(True)
        handler.wfile.write(after)

    fake.instead[DISCOVERY] = dripping_there
    assert Browser().get("/sign-in/elsewhere").status == 503
    assert "timed out" in settings.HUBSITE_RUNNING.provider.problem
    assert not reached


def test_a_provider_that_is_away_is_left_alone_for_a_while(fake: Fake) -> None:
    clock = Clock()
    use(fake, clock)
    fake.instead[DISCOVERY] = away
    for _ in range(5):
        assert Browser().get("/sign-in/elsewhere").status == 503
    assert fake.asked[DISCOVERY] == 1
    fake.instead.clear()
    clock.now += AWAY_SECONDS
    sent_out(Browser())
    assert settings.HUBSITE_RUNNING.provider.problem == ""


def test_no_more_than_a_few_wait_for_a_provider(fake: Fake) -> None:
    provider = use(fake)
    for _ in range(PLACES):
        provider._places.acquire()
    answer = Browser().get("/sign-in/elsewhere")
    assert answer.status == 503
    assert "is being asked for others at this moment" in answer.text


def test_its_document_and_keys_are_kept_and_an_unknown_key_is_looked_for_at_a_pace(
    fake: Fake,
) -> None:
    bound(fake)
    clock = Clock()
    use(fake, clock)
    settings.HUBSITE_RUNNING.gate = Gate(WIDE, WIDE)
    for _ in range(3):
        assert back(Browser(), fake).status == 200
    assert (fake.asked[DISCOVERY], fake.asked["/keys"]) == (1, 1)
    fake.key = new_key("two")
    for _ in range(3):
        assert "a key that it does not publish" in back(Browser(), fake).text
    assert fake.asked["/keys"] == 1, "they were read just now"
    fake.keys.append(fake.key)
    clock.now += KEYS_SECONDS
    assert back(Browser(), fake).status == 200
    assert fake.asked["/keys"] == 2
    clock.now += KEPT_SECONDS
    fake.changes = {"iat": int(clock.now), "exp": int(clock.now) + 300}
    assert back(Browser(), fake).status == 200
    assert (fake.asked[DISCOVERY], fake.asked["/keys"]) == (2, 3)


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://localhost/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
    ],
)
def test_a_document_of_another_issuer_or_without_tls_is_believed_by_nobody(
    fake: Fake, document: dict[str, object]
) -> None:
    fake.document = document
    assert Browser().get("/sign-in/elsewhere").status == 503


def test_a_provider_whose_certificate_another_has_signed_is_not_asked(
    fake: Fake, tmp_path: Path
) -> None:
    from tests.site.realprovider import make_tls

    _, other = make_tls(tmp_path)
    provider = Provider(fake.section(), SECRET, str(other), Bounded(1, 2))
    with pytest.raises(LinkError):
        provider.address_of("https://localhost/back", "s", "n", "v")
    assert "certificate" in provider.problem.lower()
    assert fake.asked[DISCOVERY] == 0


def test_without_a_section_there_is_no_such_page() -> None:
    assert "/sign-in/elsewhere" not in Browser().get("/sign-in").page.source
    for path in ("/sign-in/elsewhere", "/sign-in/elsewhere/back?code=x&state=y"):
        assert Browser().get(path).status == 404


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('issuer = "http://a.example"', "issuer"),
        ('issuer = "https://a.example/?x"', "issuer"),
        ('claim = "email"', "claim"),
        ('name = "a\\nb"', "it stands on a button"),
        ('secret = "x"', "unknown field"),
    ],
)
def test_what_is_wrong_in_the_section_is_said(tmp_path: Path, line: str, said: str) -> None:
    file = make_folder(tmp_path / "s")
    right = {"issuer": '"https://a.example"', "client_id": '"hubsite"', "client_secret": '"x"'}
    name, _, value = line.partition(" = ")
    lines = "\n".join(f"{one} = {text}" for one, text in {**right, name: value}.items())
    file.write_text(f"{file.read_text()}[oidc]\n{lines}\n")
    with pytest.raises(ConfigError, match=said):
        config.load(file)


def test_its_secret_is_in_a_file_that_not_everybody_reads(tmp_path: Path) -> None:
    file = make_folder(tmp_path / "s")
    words = 'issuer = "https://a.example"\nclient_id = "hubsite"\nclient_secret = "oidc"\n'
    file.write_text(f'{file.read_text()}[oidc]\n{words}authority = "none.pem"\n')
    secret = file.parent / "oidc"
    secret.write_text("hush")
    secret.chmod(0o644)
    with pytest.raises(ConfigError, match="others may use it"):
        make_provider(config.load(file))
    secret.chmod(0o600)
    with pytest.raises(ConfigError, match=r"oidc\.authority: .* is no file"):
        make_provider(config.load(file))
    (file.parent / "none.pem").write_text("")
    made = make_provider(config.load(file))
    assert made is not None
    assert made.section.claim == "sub"


def test_people_sign_in_by_a_real_provider_that_others_have_made(tmp_path: Path) -> None:
    if modules() is None:
        pytest.skip(MISSING)
    there = "https://localhost/sign-in/elsewhere/back"
    with real_provider(tmp_path, [there]) as real:
        section = Oidc(
            issuer=real.issuer, client_id=REAL_CLIENT, client_secret="x", acr=("two-factors",)
        )
        settings.HUBSITE_RUNNING.provider = Provider(section, REAL_SECRET, str(real.authority))
        olga = Operator.made()
        assert "no account here is bound" in _by_real(Browser(), real.authority).text
        bind("", "olga", real.issuer, "u-1")
        browser = Browser()
        assert "Sign in as olga" in _by_real(browser, real.authority).text
        assert finish(browser, code=olga.code()).where == "/"
        real.who("u-1", acr="two-factors", amr=["pwd", "otp"])
        browser = Browser()
        assert "Code of your authenticator" not in _by_real(browser, real.authority).text
        assert finish(browser).where == "/"
        real.who("u-1", refuses=True)
        assert "has signed nobody in" in _by_real(Browser(), real.authority).text


def _by_real(browser: Browser, authority: Path) -> Answer:
    """Go to the provider and come back, as a browser does."""
    with requests.Session() as there:
        there.verify = str(authority)
        there.trust_env = False
        address = sent_out(browser)
        while not address.startswith("https://localhost/"):
            answer = there.get(address, allow_redirects=False, timeout=30)
            assert answer.is_redirect, answer.text
            address = requests.compat.urljoin(address, answer.headers["Location"])
    return browser.get(address.removeprefix("https://localhost"))
