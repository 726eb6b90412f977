"""An operator at the pages of a site's server, as a browser has them: cookies, forms, HTTPS.

Laws:
1. What is not typed goes back as the page had it, hidden fields too.
2. A form that the server did not take is an error with the words of its page.
3. The server's certificate is believed because it is the one in the server's own folder.
"""

from __future__ import annotations

import http.cookiejar
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from hubsim.stage import StageError

SECONDS = 30.0
WORDS_SHOWN = 400
Typed = str | list[str]


@dataclass
class Form:
    """A form as it stands on a page."""

    action: str
    values: dict[str, Typed] = field(default_factory=dict)


class PageRead(HTMLParser):
    """A page: its forms, what stands in text areas beside them, and its words."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.areas: dict[str, str] = {}
        self.words: list[str] = []
        self._area = ""
        self._select = ""
        self._form: Form | None = None
        self.feed(source)
        self.close()

    @property
    def text(self) -> str:
        """Return its words, in one line."""
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "textarea":
            self._area = given.get("name") or given.get("id", "")
            self.areas[self._area] = ""
        if tag == "form":
            self._form = Form(given.get("action", ""))
            self.forms.append(self._form)
        if self._form is not None:
            self._in_form(self._form, tag, given)

    def _in_form(self, form: Form, tag: str, given: Mapping[str, str]) -> None:
        name = given.get("name", "")
        if tag == "select":
            self._select = name
        is_first = self._select not in form.values
        if tag == "option" and self._select and ("selected" in given or is_first):
            form.values[self._select] = given.get("value", "")
        if tag == "input" and name:
            _take_input(form, name, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if tag == "select":
            self._select = ""
        if tag == "textarea":
            if self._form is not None:
                self._form.values[self._area] = self.areas[self._area]
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.areas[self._area] += data
        self.words.append(data)


def _take_input(form: Form, name: str, given: Mapping[str, str]) -> None:
    if given.get("type") not in ("checkbox", "radio"):
        form.values[name] = given.get("value", "")
    elif "checked" in given:
        before = form.values.get(name, [])
        form.values[name] = [*before, given.get("value", "on")]


class Pages:
    """Somebody before the pages at `address`; `certificate` is the server's own."""

    def __init__(self, address: str, certificate: Path) -> None:
        context = ssl.create_default_context(cafile=str(certificate))
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        )
        self._address = address
        self._where = "/"
        self._page = PageRead("")

    def get(self, path: str) -> PageRead:
        """Go to a page. Raise StageError."""
        return self._ask(urllib.request.Request(self._address + path))  # noqa: S310, https

    def submit(self, typed: Mapping[str, Typed], action: str = "", stays: bool = False) -> str:
        """Send a form of the page, with what is typed into it; return where that led.

        `stays`: the page that took it is at the same address. Raise StageError (law 2).
        """
        found = [form for form in self._page.forms if form.action == action]
        if len(found) != 1:
            raise StageError(f"{self._where} has {len(found)} forms for {action or 'itself'}")
        body = urllib.parse.urlencode({**found[0].values, **typed}, doseq=True).encode()
        is_here = action.startswith("?") or not action
        to = self._address + (self._where.partition("?")[0] if is_here and action else "")
        to += action or self._where
        request = urllib.request.Request(to, body)  # noqa: S310, https
        request.add_header("Referer", self._address + self._where)
        before = self._where
        page = self._ask(request)
        if self._where == before and action == "" and not stays:
            raise StageError(f"{before} did not take the form: {page.text[:WORDS_SHOWN]}")
        return self._where

    def add(self, subject: str, typed: Mapping[str, Typed], question: str = "") -> str:
        """Add a row on its page; return its key. Raise StageError."""
        self.get(f"/{subject}/add{question}")
        return self.submit(typed).rpartition("/")[2]

    @property
    def where(self) -> str:
        """Return the path that is shown."""
        return self._where

    @property
    def page(self) -> PageRead:
        """Return the page that is shown."""
        return self._page

    def _ask(self, request: urllib.request.Request) -> PageRead:
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:
                text = answer.read().decode()
                reached = urllib.parse.urlsplit(answer.url)
        except urllib.error.HTTPError as error:
            said = PageRead(error.read().decode(errors="replace")).text
            raise StageError(f"{request.full_url}: {error.code}: {said[:WORDS_SHOWN]}") from error
        except OSError as error:
            raise StageError(f"{request.full_url}: {error}") from error
        self._where = reached.path + (f"?{reached.query}" if reached.query else "")
        self._page = PageRead(text)
        return self._page


_NEWEST = re.compile(r"The newest policy is ([0-9]+)\.")


def newest_policy(text: str) -> int | None:
    """Return the version of a policy with every change that the page "Hubs" tells of."""
    found = _NEWEST.search(text)
    if found is None or "It has every change." not in text or "waits for the hubs" in text:
        return None
    return int(found[1])
