"""Calls the application that stands before the web framework, as the web server does."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.core.wsgi import get_wsgi_application

from hubsite.crowd.front import PATH, Application, Environ, Front, Start
from hubsite.crowd.ready import Waiting
from hubsite.serving.gathering import Turn
from tests.site.server import HOST


@dataclass
class Framework:
    """The framework; `asked` counts the calls that came to it with a token."""

    asked: int = 0
    application: Application = field(default_factory=get_wsgi_application)

    def __call__(self, environ: Environ, start: Start) -> Any:
        self.asked += bool(environ.get("HTTP_AUTHORIZATION"))
        return self.application(environ, start)


@dataclass(frozen=True)
class Heard:
    status: str
    head: dict[str, str]
    body: bytes

    @property
    def said(self) -> tuple[int, dict[str, Any]]:
        return int(self.status[:3]), json.loads(self.body)


def environ_of(token: str, **changed: str) -> Environ:
    """A phone's call for its grant, as the web server hands it on."""
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": PATH,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "0",
        "HTTP_HOST": HOST,
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "SERVER_NAME": HOST,
        "SERVER_PORT": "443",
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(b""),
        **changed,
    }


def request_of(token: str) -> bytes:
    """The same call, as its bytes come."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\nauthorization: Bearer {token}\r\n"
    return f"{head}Content-Length: 0\r\n\r\n".encode()


def heard_together(
    front: Front, tokens: Sequence[str], waited: Sequence[object] = ()
) -> list[Heard | Waiting | None]:
    """Call it for phones that came together; None for each that goes on alone."""
    with front.before([request_of(one) for one in tokens], waited) as turn:
        return [_heard_in(front, turn, place, token) for place, token in enumerate(tokens)]


def _heard_in(front: Front, turn: Turn, place: int, token: str) -> Heard | Waiting | None:
    if place in turn.ready:
        return heard_from(front, environ_of(token))
    waiting = turn.waiting.get(place)
    assert waiting is None or isinstance(waiting, Waiting)
    return waiting


def heard_from(application: Application, environ: Environ) -> Heard:
    """Call an application, whole."""
    heard: list[tuple[str, list[tuple[str, str]]]] = []
    answer = application(environ, lambda status, head, *_: heard.append((status, head)))
    body = b"".join(answer)
    getattr(answer, "close", list)()
    ((status, head),) = heard
    assert len(dict(head)) == len(head)
    return Heard(status, dict(head), body)


@lru_cache(1)
def both() -> tuple[Front, Framework]:
    """The front, and the framework behind it."""
    framework = Framework()
    return Front(framework), framework
