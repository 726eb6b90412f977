"""A browser and the person before it: keeps cookies, reads forms, types into them.

Each page that it gets is judged (`tests.site.page`), and so are its headers.
"""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

from django.test.client import MULTIPART_CONTENT, Client

from hubsite.accounts import factor
from hubsite.accounts.making import make_account
from hubsite.accounts.models import Account
from hubsite.pages.accounts.signing import SIGNED_IN_AT
from tests.site.page import Page
from tests.site.server import HOST, begun

Typed = str | list[str]
_CLOCK = re.compile(r"(?<=clock of this server says )[-0-9: ]+")


def timeless(text: str) -> str:
    """Return what a page says, whatever the time is."""
    return _CLOCK.sub("", text)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    page: Page
    where: str

    @property
    def text(self) -> str:
        return self.page.text


class FormClient(Client):
    """Sends a form as a browser does: in parts only if it has a file."""

    def post(self, path, data=None, content_type=None, **more):  # type: ignore[no-untyped-def,override]
        has_file = isinstance(data, dict) and any(hasattr(one, "read") for one in data.values())
        if content_type is None and not has_file:
            data = urlencode(data or {}, doseq=True)
            content_type = "application/x-www-form-urlencoded"
        return super().post(path, data, content_type or MULTIPART_CONTENT, **more)


class Browser:
    def __init__(self, address: str = "192.0.2.1") -> None:
        self.client = FormClient(
            enforce_csrf_checks=True, raise_request_exception=True, REMOTE_ADDR=address
        )
        self.where = "/"
        self.page: Page | None = None

    def get(self, path: str) -> Answer:
        return self._answer(self.client.get(path, secure=True, SERVER_NAME=HOST), path)

    def submit(
        self, action: str = "", button: str | None = None, **typed: str | list[str]
    ) -> Answer:
        """Send a form of the page that is shown, with what is typed into it."""
        assert self.page is not None
        form = self.page.form(action)
        assert form.method == "post"
        data = {**form.values, **typed}
        if button is not None:
            data["do"] = button
        to = self.where + action if action.startswith("?") else action or self.where
        return self.post(to, data)

    def post(self, path: str, data: dict[str, Typed]) -> Answer:
        response = self.client.post(
            path, data, secure=True, SERVER_NAME=HOST, headers={"Referer": f"https://{HOST}/"}
        )
        return self._answer(response, path)

    def _answer(self, response, path: str) -> Answer:  # type: ignore[no-untyped-def]
        if response.status_code in (301, 302, 303):
            return self.get(response.headers["Location"])
        page = Page(response.content.decode())
        assert page.wrong == [], (path, page.wrong)
        assert response.headers["Cache-Control"] == "no-store"
        self.where = path
        self.page = page
        headers = dict(response.headers.items())
        return Answer(response.status_code, headers, page, path)

    def sign_in(self, who: Operator, next_page: str = "/") -> Answer:
        self.get(f"/sign-in?next={next_page}")
        return self.submit(name=who.name, password=who.password, code=who.code())


@dataclass
class Operator:
    """Somebody with an account, and with the authenticator app to it."""

    name: str
    password: str
    secret: bytes = field(repr=False)

    @classmethod
    def made(cls, name: str = "olga") -> Operator:
        site = begun().site
        handed = make_account(name, site.config.site, site.secret)
        return cls(name, handed.password, secret_in(handed.address))

    def code(self, steps_ahead: int = 0) -> str:
        """The code of now; one that counted already may be asked for again by the tests alone."""
        Account.objects.filter(name=self.name).update(factor_step=0)
        return self.at_step(steps_ahead)

    def at_step(self, steps_ahead: int) -> str:
        step = int(time.time()) // factor.STEP_SECONDS
        return factor.code_at(self.secret, step + steps_ahead)


def secret_in(address: str) -> bytes:
    (text,) = parse_qs(urlsplit(address).query)["secret"]
    return base64.b32decode(text + "=" * (-len(text) % 8))


def signed_in(name: str = "olga", address: str = "192.0.2.1") -> Browser:
    browser = Browser(address)
    answer = browser.sign_in(Operator.made(name))
    assert answer.where == "/", answer.text
    return browser


def at_work(name: str = "olga") -> Browser:
    """A browser with a session of an operator, without the time that hashing a password takes."""
    account, _ = Account.objects.get_or_create(name=name, is_operator=True)
    browser = Browser()
    browser.client.force_login(account)
    signed_in_ago(browser, 0)
    return browser


def signed_in_ago(browser: Browser, seconds: int) -> None:
    """Let the sign-in of this browser have been so long ago."""
    session = browser.client.session
    session[SIGNED_IN_AT] = int(time.time()) - seconds
    session.save()
