"""A server as a carrier: HTTP/1.1 or HTTPS, for a backend's server or a bridge's.

Laws:
1. A server is believed in nothing. TLS keeps others from seeing and from holding files back, and no
   more: who signed the bytes says what they mean (`hubupdate.trust`).
2. Each wait has an end: CONNECT_SECONDS until there is a connection, HEAD_SECONDS for a whole
   head, PIECE_SECONDS for a piece. A server that drips meets them, too.
3. A file has the length that its head says, up to BYTES_MAX. A file without a length is refused.
4. A file that breaks off is gone on with from there, RESUMES_MAX times, at the same server, and
   only if that says it is still the same file (`If-Range`). Else it is LinkError.
5. No redirection is followed, no cookie is kept, no proxy is asked, nothing is unpacked.
6. Only 404 and 410 say that a file is not there. Any other answer is LinkError.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hubcore.errors import ConfigError, LinkError
from hubcore.version import __version__
from hubupdate.carrier import PIECE_BYTES, PIECE_SECONDS, NotThereError, is_path

CONNECT_SECONDS = 20.0
HEAD_SECONDS = 20.0
BYTES_MAX = 1 << 30
RESUMES_MAX = 5
_NOT_THERE = frozenset({404, 410})
_OK = 200
_PART = 206
_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,128}"')
_RANGE = re.compile(r"bytes ([0-9]{1,12})-[0-9]{1,12}/([0-9]{1,12})")
_LENGTH = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Waits:
    """How long is waited, in seconds."""

    connect: float = CONNECT_SECONDS
    head: float = HEAD_SECONDS
    piece: float = PIECE_SECONDS


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file that a server gives: its whole length, and what tells it from another."""

    connection: _Connection
    response: http.client.HTTPResponse
    length: int
    etag: str | None


class Web:
    """Brings files from below `url`. `context` is for https; raise ConfigError for a wrong URL."""

    def __init__(
        self, url: str, context: ssl.SSLContext | None, waits: Waits | None = None
    ) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"{url}: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{url}: a server is named as https://HOST/FOLDER")
        if parts.query or parts.fragment or parts.username or parts.password:
            raise ConfigError(f"{url}: only a host, a port and a folder belong into it")
        if (parts.scheme == "https") != (context is not None):
            raise ConfigError(f"{url}: TLS is for https alone")
        self._host = parts.hostname
        self._port = port or (443 if context is not None else 80)
        self._top = parts.path.rstrip("/")
        self._context = context
        self._waits = waits or Waits()

    def pieces(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file. Raise NotThereError, LinkError."""
        if not is_path(path):
            raise NotThereError("a server has no file of such a name")
        had = 0
        etag: str | None = None
        for resumed in range(RESUMES_MAX + 1):
            opened = self._open(path, had, etag)
            etag = opened.etag
            before = had
            try:
                for piece in self._read(opened, path):
                    had += len(piece)
                    yield piece
            except LinkError:
                if etag is None or had == before or resumed == RESUMES_MAX:
                    raise
                continue
            finally:
                opened.connection.end()
            if had == opened.length:
                return
        raise LinkError(f"{path} broke off again and again")

    def _open(self, path: str, offset: int, etag: str | None) -> _Opened:
        connection = _Connection(self._host, self._port, self._waits, self._context)
        headers = {
            "Accept-Encoding": "identity",
            "User-Agent": f"hubupdate/{__version__}",
            "Connection": "close",
        }
        if offset and etag is not None:
            headers |= {"Range": f"bytes={offset}-", "If-Range": etag}
        try:
            connection.request("GET", f"{self._top}/{path}", headers=headers)
            connection.wait_at_most(self._waits.head)
            response = connection.getresponse()
            return self._judge(connection, response, path, offset)
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.end()
            raise LinkError(f"{path}: {_why(error)}") from error
        except LinkError:
            connection.end()
            raise

    def _judge(
        self,
        connection: _Connection,
        response: http.client.HTTPResponse,
        path: str,
        offset: int,
    ) -> _Opened:
        """Return what is given. Raise NotThereError, LinkError."""
        if response.status in _NOT_THERE:
            raise NotThereError(f"{path} is not there")
        if response.status != (_PART if offset else _OK):
            raise LinkError(f"{path}: the server answers {response.status}")
        if response.getheader("Transfer-Encoding") or response.getheader("Content-Encoding"):
            raise LinkError(f"{path}: the server packs what it sends")
        length = response.getheader("Content-Length", "")
        if not _LENGTH.fullmatch(length):
            raise LinkError(f"{path}: the server does not say how long it is")
        whole = offset + int(length)
        if offset:
            part = _RANGE.fullmatch(response.getheader("Content-Range", ""))
            if part is None or (int(part[1]), int(part[2])) != (offset, whole):
                raise LinkError(f"{path}: the server goes on at another place")
        if whole > BYTES_MAX:
            raise LinkError(f"{path} is longer than any file of an update")
        tag = response.getheader("ETag", "")
        return _Opened(connection, response, whole, tag if _ETAG.fullmatch(tag) else None)

    def _read(self, opened: _Opened, path: str) -> Iterator[bytes]:
        """Yield what comes. Raise LinkError, also for an end before the length."""
        connection = opened.connection
        try:
            while True:
                connection.wait_at_most(self._waits.piece)
                piece = opened.response.read1(PIECE_BYTES)
                if not piece:
                    break
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise LinkError(f"{path}: {_why(error)}") from error
        if opened.response.length:
            raise LinkError(f"{path}: the server broke off")


class _Connection(http.client.HTTPConnection):
    """A connection whose every byte comes before a moment that is set (law 2)."""

    def __init__(self, host: str, port: int, waits: Waits, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=waits.connect)
        self._context = context
        self._until: _Until | None = None
        self._ends = time.monotonic() + waits.connect

    def wait_at_most(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def connect(self) -> None:
        connection = self._connected()
        try:
            connection.settimeout(self._left())
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_hostname=self.host)
        except BaseException:
            connection.close()
            raise
        self._until = _Until(connection, self._left)
        self.sock = self._until

    def end(self) -> None:
        """Close the socket, whoever still would read from it."""
        self.close()
        if self._until is not None:
            self._until.end()

    def _connected(self) -> socket.socket:
        """Try each address of the host, for all of them together the time of one (law 2)."""
        failed: OSError = OSError("the host has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM
        ):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(self._left())
                connection.connect(address)
            except OSError as error:
                connection.close()
                failed = error
            else:
                return connection
        raise failed

    def _left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the server is too slow")
        return left


class _Until:
    """As much of a socket as http.client uses; each read ends when the connection's time does.

    http.client closes the connection of a server that will close, and goes on to read from it.
    """

    def __init__(self, connection: socket.socket, left: Callable[[], float]) -> None:
        self._connection = connection
        self._left = left
        self._readers = 0
        self._closed = False

    def sendall(self, data: bytes) -> None:
        self._connection.settimeout(self._left())
        self._connection.sendall(data)

    def receive(self, buffer: memoryview) -> int:
        self._connection.settimeout(self._left())
        return self._connection.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_Reading(self), PIECE_BYTES)

    def read_to_end(self) -> None:
        self._readers -= 1
        self._close_if_done()

    def close(self) -> None:
        self._closed = True
        self._close_if_done()

    def end(self) -> None:
        self._connection.close()

    def _close_if_done(self) -> None:
        if self._closed and not self._readers:
            self._connection.close()


class _Reading(io.RawIOBase):
    def __init__(self, source: _Until) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._source.receive(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._source.read_to_end()


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the server is too slow"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"the server answers what is no HTTP ({type(error).__name__})"
