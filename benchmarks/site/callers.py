"""Those who ask a server over TLS: one browser, and many phones at once."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

HOST = "localhost"
SILENT_SECONDS = 60.0
PIECE_BYTES = 16_384
_GRANT = (
    "POST /api/phone/grant HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    "Content-Length: 0\r\nConnection: close\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Answered:
    """What one phone got: the status, and the seconds from its first byte to its answer's end."""

    status: int
    seconds: float


class Asker:
    """A browser that keeps its connection."""

    def __init__(self, port: int, context: ssl.SSLContext, cookie: str) -> None:
        self._port = port
        self._context = context
        self._cookie = cookie
        self._wire: http.client.HTTPSConnection | None = None

    def get(self, path: str) -> float:
        """Ask for a page; return the seconds until it is whole. Raise RuntimeError."""
        if self._wire is None:
            self._wire = http.client.HTTPSConnection(HOST, self._port, context=self._context)
            self._wire.connect()
        began = time.perf_counter()
        self._wire.request("GET", path, headers={"Cookie": f"__Host-session={self._cookie}"})
        answer = self._wire.getresponse()
        answer.read()
        took = time.perf_counter() - began
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path}: {answer.status} {answer.headers.get('Location')}")
        if answer.will_close:
            self._wire.close()
            self._wire = None
        return took


def fetch_all(port: int, context: ssl.SSLContext, tokens: tuple[str, ...]) -> list[Answered]:
    """Let a phone with each token fetch its grant, all at once. Raise TimeoutError.

    Each is a connection with a whole handshake of its own. One thread plays them all, and does no
    more for each than a phone must: they share the machine with the server.
    """
    phones = [_Phone(_GRANT.format(host=f"{HOST}:{port}", token=token)) for token in tokens]
    with DefaultSelector() as waits:
        for phone in phones:
            waits.register(phone.begin(port, context), EVENT_WRITE, phone)
        while waits.get_map():
            ready = waits.select(SILENT_SECONDS)
            if not ready:
                raise TimeoutError(f"{len(waits.get_map())} phones wait for an answer")
            for key, _ in ready:
                _go_on(waits, key.data)
    return [phone.answered for phone in phones]


def _go_on(waits: DefaultSelector, phone: _Phone) -> None:
    wants = phone.go_on()
    if wants:
        waits.modify(phone.wire, wants, phone)
    else:
        waits.unregister(phone.wire)
        phone.wire.close()


class _Phone:
    """One phone, from its first byte to its answer's end."""

    wire: ssl.SSLSocket

    def __init__(self, asks: str) -> None:
        self._asks = asks.encode()
        self._heard = bytearray()
        self._is_shaken = False
        self._began = 0.0
        self._ended = 0.0

    def begin(self, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
        """Connect; return what the answer comes by."""
        self._began = time.perf_counter()
        bare = socket.create_connection(("127.0.0.1", port))
        bare.setblocking(False)
        self.wire = context.wrap_socket(bare, server_hostname=HOST, do_handshake_on_connect=False)
        return self.wire

    def go_on(self) -> int:
        """Do what can be done now; return the event that is waited for, 0 once all is over."""
        try:
            if not self._is_shaken:
                self.wire.do_handshake()
                self._is_shaken = True
                self.wire.sendall(self._asks)
            while piece := self.wire.recv(PIECE_BYTES):
                self._heard += piece
        except ssl.SSLWantReadError:
            return EVENT_READ
        except ssl.SSLWantWriteError:
            return EVENT_WRITE
        except OSError:
            self._heard.clear()
        self._ended = time.perf_counter()
        return 0

    @property
    def answered(self) -> Answered:
        """What it got; status 0 for a connection that was lost."""
        words = bytes(self._heard[:16]).split(b" ")
        status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        return Answered(status, self._ended - self._began)
