"""Stands before the web framework, and answers phones that fetch their grants.

500 of them come at one moment when a site's doors have changed. The framework takes most of the
time of such a call: its layers, its token server, its rows one by one.

Laws:
1. Only one call is answered here: POST, this address, a bearer token, no body. All else, and each
   token that is not plain (`hubsite.crowd.reading`), goes on to the framework.
2. An answer has the head of the framework's own, and its words: a phone cannot tell them apart.
3. What fails here in a way that nobody foresaw goes on to the framework, which says so.
4. Of calls that came together the answers are made ready for all of them (`hubsite.crowd.ready`).
   A call takes the one of its own token, in the same thread, and none is left for a later call.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import close_old_connections
from django.http.request import split_domain_port, validate_host

from hubsite.crowd.answering import Said, grant_said, said_by
from hubsite.crowd.reading import had_with
from hubsite.crowd.ready import Told, Waiting, said_to_all
from hubsite.serving.gathering import Turn

Environ = dict[str, Any]
Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]
Head = list[tuple[str, str]]

PATH = "/api/phone/grant"
_TOKEN = re.compile(r"(?i:bearer) ([!-~]{1,255})")
_ASKED = f"POST {PATH} HTTP/1.".encode()
_BROUGHT = re.compile(rb"\r\n(?i:authorization:[ \t]*bearer) ([!-~]{1,255})[ \t]*\r\n")
_KINDS = ("", "application/json")
_LOG = logging.getLogger("hubsite.crowd")


class _Ready(threading.local):
    """The answers that are ready for calls of this thread, by token."""

    def __init__(self) -> None:
        self.said: Mapping[str, Said] = {}


class Front:
    """The application that the web server calls; `framework` is Django's."""

    def __init__(self, framework: Application) -> None:
        self._framework = framework
        self._head: Head = []
        self._ready = _Ready()

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """Answer a request."""
        token = token_of(environ)
        found = None if token is None else self._said(token, environ)
        if found is None:
            return self._framework(environ, start)
        (status, words), head = found
        body = json.dumps(words).encode()
        start(f"{status} {HTTPStatus(status).phrase}", [*head, ("Content-Length", str(len(body)))])
        return [body]

    def is_of_many(self, data: bytes) -> bool:
        """Tell whether a request is answered faster together with others."""
        return _token_in(data) is not None

    @contextmanager
    def before(self, requests: Sequence[bytes], waited: Sequence[object]) -> Iterator[Turn]:
        """Make answers ready for these calls (law 4); yield what became of them."""
        tokens = [_token_in(one) for one in requests]
        close_old_connections()
        try:
            told = said_to_all([one for one in tokens if one is not None], _waited(tokens, waited))
            self._ready.said = told.said
            yield _turn(tokens, told)
        finally:
            self._ready.said = {}
            close_old_connections()

    def _said(self, token: str, environ: Environ) -> tuple[Said, Head] | None:
        """Return the answer to a phone, None where the framework gives it (laws 1 and 3)."""
        close_old_connections()
        try:
            said = self._ready.said.get(token) or _said_alone(token)
            return None if said is None else (said, self._head_like(environ))
        except Exception:
            _LOG.exception("a phone's call goes on to the framework")
            return None
        finally:
            close_old_connections()

    def _head_like(self, environ: Environ) -> Head:
        """Return what stands in the framework's head of each answer to a phone (law 2).

        It is asked once, by a call without a token, and without anything else that the caller has
        brought. Raise LookupError for another answer than a refusal: it is not kept.
        """
        if not self._head:
            brought = [key for key in environ if key.startswith("HTTP_") and key != "HTTP_HOST"]
            asked = {key: environ[key] for key in environ.keys() - brought}
            heard: list[tuple[str, Head]] = []
            answer = self._framework(asked, lambda status, head, *_: heard.append((status, head)))
            getattr(answer, "close", list)()
            ((status, head),) = heard
            if not status.startswith("401 "):
                raise LookupError(f"the framework answers {status} to a call without a token")
            self._head = [one for one in head if one[0] != "Content-Length"]
        return self._head


def _waited(tokens: Sequence[str | None], waited: Sequence[object]) -> dict[str, Waiting]:
    both = zip(tokens, waited, strict=bool(waited))
    return {token: one for token, one in both if token and isinstance(one, Waiting)}


def _turn(tokens: Sequence[str | None], told: Told) -> Turn:
    by_place = {place: token for place, token in enumerate(tokens) if token is not None}
    ready = frozenset(place for place, token in by_place.items() if token in told.said)
    waiting = told.waiting
    return Turn(ready, {at: waiting[token] for at, token in by_place.items() if token in waiting})


def _said_alone(token: str) -> Said | None:
    had = had_with(token)
    return None if had is None else said_by(partial(grant_said, had, int(time.time())))


def _token_in(request: bytes) -> str | None:
    """Return the token that a request seems to bring for its grant; the call itself is judged."""
    found = _BROUGHT.search(request) if request.startswith(_ASKED) else None
    return None if found is None else found[1].decode()


def token_of(environ: Environ) -> str | None:
    """Return the token of a call that is answered here (law 1), None for any other call."""
    is_ours = (
        environ["PATH_INFO"] == PATH
        and environ["REQUEST_METHOD"] == "POST"
        and not environ.get("QUERY_STRING")
        and environ.get("CONTENT_LENGTH", "") in ("", "0")
        and environ.get("CONTENT_TYPE", "") in _KINDS
        and "HTTP_TRANSFER_ENCODING" not in environ
        and environ["wsgi.url_scheme"] == "https"
        and _is_here(environ.get("HTTP_HOST", ""))
    )
    found = _TOKEN.fullmatch(environ.get("HTTP_AUTHORIZATION", "")) if is_ours else None
    return None if found is None else found[1]


def _is_here(host: str) -> bool:
    """Tell whether a host is one of this server."""
    name, _port = split_domain_port(host)
    return bool(name) and validate_host(name, settings.ALLOWED_HOSTS)
