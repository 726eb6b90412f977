"""What outlives a session is done by who has just shown that it is he, on the page itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.conf import settings

from hubcore.issuing.hubasks import HubAct
from hubsite.accounts.gate import CODES
from hubsite.accounts.models import Account, Binding, Key
from hubsite.acts.models import Act
from hubsite.hubs.kept import replace_hubs
from hubsite.hubs.office import Office
from hubsite.pages.accounts.again import FRESH_SECONDS, NOT_SHOWN
from hubsite.scim.models import ScimToken
from hubsite.webhooks.models import Webhook
from tests.site.authenticator import Authenticator
from tests.site.browser import Answer, Browser, Operator, at_work, signed_in_ago
from tests.site.hubs.test_new_hubs import Signing, asked, keep

pytestmark = pytest.mark.once

STALE = FRESH_SECONDS + 1


@dataclass(frozen=True)
class Guarded:
    """Something that asks: its page, the form on it, what is typed, and whether it was done."""

    page: str
    action: str
    typed: Callable[[], dict[str, str | list[str]]]
    is_done: Callable[[Signing], bool]


def _hub(act: HubAct) -> Callable[[Signing], bool]:
    return lambda signing: [one.act for one in signing.asked] == [act]


GUARDED = {
    "a token of a hub": Guarded(
        "/new-hubs/token",
        "",
        lambda: {"hub": "yard-2", "replaces": ["on"], "time_zone": "UTC"},
        _hub(HubAct.TOKEN),
    ),
    "a machine taken in": Guarded(
        "/new-hubs/of/front-1",
        "",
        lambda: {"fingerprint": asked().fingerprint},
        _hub(HubAct.APPROVE),
    ),
    "an end of a hub": Guarded(
        "/hubs/of/yard-1/keys", "?end", lambda: {"typed": "yard-1"}, _hub(HubAct.END)
    ),
    "a directory's token": Guarded(
        "/directories",
        "/directories",
        lambda: {"name": "okta"},
        lambda _: ScimToken.objects.exists(),
    ),
    "a webhook": Guarded(
        "/webhooks/add",
        "",
        lambda: {"label": "desk", "url": "https://receiver.example/hook", "alarms": ["on"]},
        lambda _: Webhook.objects.exists(),
    ),
}


@pytest.fixture
def signing() -> Signing:
    made = Signing()
    settings.HUBSITE_RUNNING.begin(Office("acme", made), None)  # type: ignore[arg-type]
    keep(asked())
    replace_hubs(frozenset({"yard-1"}))
    return made


@pytest.fixture
def olga() -> Operator:
    return Operator.made()


def _stale() -> Browser:
    browser = at_work()
    signed_in_ago(browser, STALE)
    return browser


def _send(browser: Browser, what: Guarded, **shown: str) -> Answer:
    browser.get(what.page)
    return browser.submit(what.action, **what.typed(), **shown)


@pytest.mark.parametrize("name", GUARDED)
def test_who_was_away_shows_on_the_page_itself_that_it_is_he(
    signing: Signing, olga: Operator, name: str
) -> None:
    """again, laws 1 and 2"""
    what = GUARDED[name]
    browser = _stale()
    answer = _send(browser, what)
    assert (answer.status, NOT_SHOWN in answer.text) == (403, True)
    wrong = _send(browser, what, code="000000")
    assert (wrong.status, "second factor is wrong" in wrong.text) == (403, True)
    assert not what.is_done(signing)
    kept = browser.page.form(what.action).values  # type: ignore[union-attr]
    assert what.typed().items() <= kept.items(), "what was typed stays"
    assert browser.submit(what.action, **what.typed(), code=olga.code()).status == 200
    assert what.is_done(signing)


@pytest.mark.parametrize("name", GUARDED)
def test_who_has_just_signed_in_is_asked_for_no_more(
    signing: Signing, olga: Operator, name: str
) -> None:
    what = GUARDED[name]
    browser = at_work()
    signed_in_ago(browser, FRESH_SECONDS - 60)
    assert "Show that it is you" not in browser.get(what.page).text
    assert _send(browser, what).status == 200
    assert what.is_done(signing)


def test_what_was_shown_counts_for_a_while_by_a_cookie_of_its_own(olga: Operator) -> None:
    """again, law 4"""
    browser = _stale()
    stolen = browser.client.cookies["__Host-session"].value
    thief = Browser("198.51.100.4")
    thief.client.cookies["__Host-session"] = stolen
    assert thief.get("/account").status == 200
    browser.get("/account")
    assert browser.submit(button="show", code=olga.code()).status == 200
    assert "show first that it is you" not in browser.get("/account").text
    assert "Sign in" in thief.get("/account").text
    assert Act.objects.order_by("number").last().said["kind"] == "shown-again"
    signed_in_ago(browser, STALE)
    assert "show first that it is you" in browser.get("/account").text


def test_what_was_not_typed_is_no_wrong_try_and_what_was_wrong_is_one_at_its_pace(
    olga: Operator,
) -> None:
    """again, law 3; signin.again, laws 1 and 2"""
    browser = _stale()
    browser.get("/account")
    browser.submit(button="show")
    assert Account.objects.get().wrong_tries == 0
    for _ in range(int(CODES.burst)):
        browser.submit(button="show", code="000000")
    assert Account.objects.get().wrong_tries == CODES.burst
    assert browser.submit(button="show", code=olga.code()).status == 403, "it waits"


def test_an_identity_is_changed_by_who_has_just_shown_that_it_is_he(olga: Operator) -> None:
    account = Account.objects.get()
    Binding.objects.create(account=account, issuer="https://login.example", subject="1")
    browser = _stale()
    assert "Do not sign in by it any more" not in browser.get("/account").text
    form = browser.page.form().values  # type: ignore[union-attr]
    assert browser.post("/account", {**form, "do": "unbind", "code": ""}).status == 403
    assert Binding.objects.exists()
    assert browser.post("/account", {**form, "do": "unbind", "code": olga.code()}).status == 200
    assert not Binding.objects.exists()


def test_a_key_shows_it_too_and_one_that_signed_for_another_purpose_or_account_does_not(
    olga: Operator,
) -> None:
    browser = at_work()
    key = Authenticator()
    browser.get("/account")
    made = key.make(_asked(browser, "/account/key"))
    token = next(one.values for one in browser.page.forms)["csrfmiddlewaretoken"]  # type: ignore[union-attr]
    form = {"csrfmiddlewaretoken": token, "do": "add", "key_name": "blue", "key": made}
    assert browser.post("/account", form).status == 200
    assert Key.objects.exists()
    signed_in_ago(browser, STALE)
    browser.get("/account")
    for path in ("/sign-in/key", "/account/key"):
        challenge = _asked(browser, path)
        answer = key.sign({"rpId": "localhost", **challenge})
        assert browser.submit(button="show", code="", key=answer).status == 403
    otto = at_work("otto")
    answer = key.sign(_asked(otto, "/account/again/key"))
    browser.client.cookies["__Host-challenge"] = otto.client.cookies["__Host-challenge"].value
    assert browser.submit(button="show", code="", key=answer).status == 403
    answer = key.sign(_asked(browser, "/account/again/key"))
    assert browser.submit(button="show", code="", key=answer).status == 200
    assert "show first that it is you" not in browser.get("/account").text


def _asked(browser: Browser, path: str) -> dict[str, object]:
    response = browser.client.get(path, secure=True, SERVER_NAME="localhost")
    return json.loads(response.content)["publicKey"]
