"""Asks a provider over HTTPS: with an end for everything.

Laws:
1. TLS alone, believed by the authority that is named, and by a key that is pinned, where there are
   pins. No proxy and no netrc of the environment.
2. No redirect is followed.
3. Of an answer no more than ANSWER_BYTES_MAX is read, and for no longer than TOTAL_SECONDS: its
   head too, and whatever tells the length of a piece. Only a byte that was waited for before may
   come after that, within STEP_SECONDS.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Collection
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException, SSLError

from hubsite.pins.comparing import pin, pin_error_of

ANSWER_BYTES_MAX = 1 << 18
STEP_SECONDS = 3.0
"""For the connection, and for each next byte."""
TOTAL_SECONDS = 8.0
_PIECE = 16_384


class AnswerError(RequestException):
    """An answer that is too long, or too slow."""


def _context(total_seconds: float, pins: Collection[str]) -> ssl.SSLContext:
    """Return a context that believes nobody yet, whose connections end as law 3 says."""

    class Ending(ssl.SSLSocket):
        """From what is sent last, its answer has `total_seconds`."""

        ends = float("inf")

        def sendall(self, *args: Any, **more: Any) -> None:
            self.ends = time.monotonic() + total_seconds
            super().sendall(*args, **more)

        def recv_into(self, *args: Any, **more: Any) -> int:
            if time.monotonic() > self.ends:
                raise TimeoutError(f"an answer that took over {total_seconds:g} s")
            return super().recv_into(*args, **more)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = Ending
    pin(context, "oidc", lambda _host: pins)
    return context


class Bounded(HTTPAdapter):
    """The library's own, but for the pins of law 1 and the ends of law 3, in seconds."""

    def __init__(
        self,
        step_seconds: float = STEP_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        pins: Collection[str] = (),
    ) -> None:
        self._step = step_seconds
        self._total = total_seconds
        self._pins = pins
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Ask by connections that end (law 3)."""
        super().init_poolmanager(*args, **more, ssl_context=_context(self._total, self._pins))

    def send(self, request: PreparedRequest, *args: Any, **more: Any) -> Response:
        """Ask, and read the answer within its ends. Raise RequestException."""
        if not (request.url or "").startswith("https://"):
            raise AnswerError("a provider is asked by HTTPS alone")
        ends = time.monotonic() + self._total
        more.update(stream=True, timeout=self._step, proxies={})
        try:
            response = super().send(request, *args, **more)
        except SSLError as error:
            refused = pin_error_of(error)
            raise error if refused is None else AnswerError(str(refused)) from error
        response._content = self._read(response, ends)
        return response

    def _read(self, response: Response, ends: float) -> bytes:
        read = b""
        try:
            while piece := response.raw.read1(_PIECE, decode_content=True):
                read += piece
                if len(read) > ANSWER_BYTES_MAX:
                    raise AnswerError(f"an answer of over {ANSWER_BYTES_MAX} bytes")
                if time.monotonic() > ends:
                    raise AnswerError(f"an answer that took over {self._total:g} s")
        except AnswerError:
            raise
        except Exception as error:  # what urllib3 says of a connection that broke
            raise AnswerError(f"the answer broke off: {error}") from error
        finally:
            response.close()
        return read


def bound(session: Any, authority: str | bool, adapter: HTTPAdapter) -> None:
    """Give a session of the library these laws. `authority` is a file, True for the usual ones."""
    session.trust_env = False
    session.verify = authority
    session.max_redirects = 0
    session.mount("https://", adapter)
    session.mount("http://", adapter)
