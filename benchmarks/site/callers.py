"""Those who ask a server over TLS: one browser, and many phones at once."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import time
from dataclasses import dataclass

HOST = "localhost"
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


async def fetch_all(port: int, context: ssl.SSLContext, tokens: tuple[str, ...]) -> list[Answered]:
    """Let a phone with each token fetch its grant, all at once; each is a connection."""
    return await asyncio.gather(*(_fetch(port, context, token) for token in tokens))


async def _fetch(port: int, context: ssl.SSLContext, token: str) -> Answered:
    began = time.perf_counter()
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=HOST, ssl_handshake_timeout=60
        )
        writer.write(_GRANT.format(host=f"{HOST}:{port}", token=token).encode())
        said = await reader.read()
        writer.close()
    except OSError:
        return Answered(0, time.perf_counter() - began)
    words = said[:16].split(b" ")
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return Answered(status, time.perf_counter() - began)
