"""Sends one message by HTTPS, and says what came of it.

Laws:
1. The receiver proves its name, under an authority that we believe. TLS 1.2 or newer.
   Where the file has pins for its host, its key is one of them.
2. All of it takes at most `seconds`: to look up the name, to connect, and however slowly the other
   side sends or takes. A look-up that takes longer is left to end by itself.
3. Of an answer the head is read, and no body. A redirect is not followed.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from queue import Empty, SimpleQueue
from threading import Thread, Timer

from hubcore.errors import ConfigError, LinkError
from hubsite.config import Site
from hubsite.pins.comparing import pin
from hubsite.webhooks.address import PORT, Destination, resolve

CONNECT_SECONDS = 5.0
_LEAST_SECONDS = 0.001
SECONDS = 15.0
LookUp = Callable[[Destination, bool], str]
_OK = range(200, 300)
_REDIRECT = range(300, 400)


def context_of(site: Site) -> ssl.SSLContext:
    """Return how receivers are believed (law 1). Raise ConfigError."""
    named = site.config.webhooks.authority
    try:
        context = ssl.create_default_context(cafile=site.place(named) if named else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{site.file}: webhooks.authority {named}: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    pin(context, "webhooks", site.config.webhooks.pins_of)
    return context


class Poster:
    """Sends messages; each has a connection of its own. `look_up` is `address.resolve`."""

    def __init__(
        self,
        context: ssl.SSLContext,
        allows_private: bool,
        seconds: float = SECONDS,
        look_up: LookUp = resolve,
    ) -> None:
        self._look_up = look_up
        self._context = context
        self._allows_private = allows_private
        self._seconds = seconds

    def post(self, destination: Destination, headers: Mapping[str, str], body: bytes) -> None:
        """Send a message. Raise LinkError with why it was not taken."""
        until = time.monotonic() + self._seconds
        address = self._address(destination)
        try:
            left = min(CONNECT_SECONDS, max(_LEAST_SECONDS, until - time.monotonic()))
            plain = socket.create_connection((address, destination.port), left)
        except OSError as error:
            is_late = time.monotonic() >= until
            why = self._why(error, until) if is_late else f"it was not reached: {error}"
            raise LinkError(f"{destination.host}: {why}") from error
        with plain, plain.dup() as twin:
            deadline = Timer(max(_LEAST_SECONDS, until - time.monotonic()), _end, (twin,))
            deadline.daemon = True
            deadline.start()
            try:
                status = self._ask(plain, destination, headers, body)
            except (OSError, HTTPException, ValueError) as error:
                raise LinkError(self._why(error, until)) from error
            finally:
                deadline.cancel()
        if status in _REDIRECT:
            raise LinkError(f"it answered {status}, and redirects are not followed")
        if status not in _OK:
            raise LinkError(f"it answered {status}")

    def _address(self, destination: Destination) -> str:
        """Look up where to connect to; no resolver holds this up for longer (law 2)."""
        found: SimpleQueue[str | Exception] = SimpleQueue()

        def look() -> None:
            try:
                found.put(self._look_up(destination, self._allows_private))
            except Exception as error:
                found.put(error)

        Thread(target=look, name="hubsite-webhook-name", daemon=True).start()
        try:
            said = found.get(timeout=self._seconds)
        except Empty:
            late = f"{destination.host} was not found within {self._seconds:.0f} seconds"
            raise LinkError(late) from None
        if isinstance(said, Exception):
            raise said
        return said

    def _ask(
        self,
        plain: socket.socket,
        destination: Destination,
        headers: Mapping[str, str],
        body: bytes,
    ) -> int:
        """Send, and return the status of the answer (law 3)."""
        plain.settimeout(self._seconds)
        with self._context.wrap_socket(plain, server_hostname=destination.host) as wire:
            connection = HTTPConnection(destination.host, destination.port)
            connection.sock = wire
            host = f"[{destination.host}]" if ":" in destination.host else destination.host
            if destination.port != PORT:
                host = f"{host}:{destination.port}"
            connection.request("POST", destination.path, body, {"Host": host, **headers})
            status: int = connection.getresponse().status
        return status

    def _why(self, error: Exception, until: float) -> str:
        if isinstance(error, TimeoutError) or time.monotonic() >= until:
            return f"no answer within {self._seconds:.0f} seconds"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is not believed: {error.verify_message}"
        return f"the connection failed: {type(error).__name__}"


def _end(wire: socket.socket) -> None:
    """End a connection under whoever waits for it (law 2)."""
    with suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)
