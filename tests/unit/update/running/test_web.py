"""A server as a carrier: real sockets on loopback, and what a hostile server may do."""

from __future__ import annotations

import gc
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hubcore.errors import ConfigError, LinkError
from hubupdate.carrier import NotThereError
from hubupdate.web import BYTES_MAX, Waits, Web

pytestmark = pytest.mark.once

PATH = "images/targets/a.squashfs"
BODY = os.urandom(300_000)
TAG = '"v1"'
SHORT = Waits(connect=5.0, head=0.5, piece=0.5)

Answer = Callable[[socket.socket, dict[str, str], int], None]
"""What a server does with a request: the connection, the request's head, which request it is."""


def wait_until(is_so: Callable[[], bool]) -> None:
    """The server's threads close their ends by themselves."""
    ends = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.01)


class Server:
    """Answers each connection by a function; it keeps the requests."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[dict[str, str]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                piece = connection.recv(4096)
                if not piece:
                    return
                head += piece
            first, *lines = head.decode().strip().split("\r\n")
            request = {name.lower(): value for name, value in (x.split(": ") for x in lines)}
            request["path"] = first.split(" ")[1]
            number = len(self.requests)
            self.requests.append(request)
            try:
                self.answer(connection, request, number)
            except OSError:
                return

    def web(self, waits: Waits = SHORT) -> Web:
        return Web(f"http://127.0.0.1:{self.port}/top", None, waits)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    server = Server(answer)
    try:
        yield server
    finally:
        server.close()


def says(head: str, body: bytes = b"") -> Answer:
    def answer(connection: socket.socket, _request: dict[str, str], _number: int) -> None:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)

    return answer


def whole(connection: socket.socket, _request: dict[str, str], _number: int) -> None:
    says(f"HTTP/1.1 200 OK\nContent-Length: {len(BODY)}\nETag: {TAG}", BODY)(connection, {}, 0)


def test_a_file_comes_as_it_is_and_the_path_is_below_the_top() -> None:
    with serving(whole) as server:
        assert b"".join(server.web().pieces(PATH)) == BODY
        assert server.requests[0]["path"] == f"/top/{PATH}"
        assert server.requests[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize("head", ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK\nConnection: close"])
def test_a_server_that_closes_after_each_file_gives_it_whole(head: str) -> None:
    with serving(says(f"{head}\nContent-Length: {len(BODY)}", BODY)) as server:
        assert b"".join(server.web().pieces(PATH)) == BODY


def test_no_connection_is_left_open() -> None:
    """Neither after a whole file, nor after one that its reader left, nor after a refusal."""
    before = len(os.listdir("/proc/self/fd"))
    with serving(whole) as server:
        web = server.web()
        for _ in range(5):
            list(web.pieces(PATH))
            left = web.pieces(PATH)
            next(left)
            left.close()  # type: ignore[attr-defined]
    with serving(says("HTTP/1.1 500 No\nContent-Length: 0")) as server:
        for _ in range(5):
            with pytest.raises(LinkError):
                list(server.web().pieces(PATH))
    gc.collect()
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before)


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_told_so(status: int) -> None:
    head = f"HTTP/1.1 {status} No\nContent-Length: 0"
    with serving(says(head)) as server, pytest.raises(NotThereError):
        list(server.web().pieces(PATH))


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../b", "a b", "a\r\nHost: x"])
def test_a_path_that_leads_out_is_not_asked_for(path: str) -> None:
    with serving(whole) as server:
        with pytest.raises(NotThereError):
            list(server.web().pieces(path))
        assert server.requests == []


HOSTILE = {
    "moved": "HTTP/1.1 301 Moved\nLocation: http://127.0.0.1:1/\nContent-Length: 0",
    "forbidden": "HTTP/1.1 403 No\nContent-Length: 0",
    "broken": "HTTP/1.1 500 No\nContent-Length: 0",
    "part unasked": "HTTP/1.1 206 Part\nContent-Length: 3\nContent-Range: bytes 0-2/3",
    "packed": "HTTP/1.1 200 OK\nContent-Length: 3\nContent-Encoding: gzip",
    "chunked": "HTTP/1.1 200 OK\nTransfer-Encoding: chunked",
    "no length": "HTTP/1.1 200 OK",
    "minus": "HTTP/1.1 200 OK\nContent-Length: -3",
    "too long": f"HTTP/1.1 200 OK\nContent-Length: {BYTES_MAX + 1}",
    "no number": "HTTP/1.1 200 OK\nContent-Length: abc",
    "no http": "SSH-2.0-OpenSSH",
    "long line": "HTTP/1.1 200 OK\nX: " + "a" * 70_000,
    "many lines": "HTTP/1.1 200 OK\n" + "\n".join(f"X{n}: 1" for n in range(200)),
}


@pytest.mark.parametrize("head", HOSTILE.values(), ids=HOSTILE)
def test_an_answer_of_another_kind_is_refused(head: str) -> None:
    with serving(says(head, b"abc")) as server, pytest.raises(LinkError) as caught:
        list(server.web().pieces(PATH))
    assert not isinstance(caught.value, NotThereError)


def test_a_server_that_drips_its_head_is_given_up() -> None:
    """One byte every now and then: each comes in time, and the head as a whole does not."""

    def drip(connection: socket.socket, _request: dict[str, str], _number: int) -> None:
        stopped = threading.Event()
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 10_000:
            connection.sendall(bytes([byte]))
            stopped.wait(0.05)

    with serving(drip) as server, pytest.raises(LinkError, match="too slow"):
        list(server.web().pieces(PATH))


def test_a_server_that_falls_silent_amid_a_file_is_given_up() -> None:
    held = threading.Event()

    def silent(connection: socket.socket, _request: dict[str, str], _number: int) -> None:
        says(f"HTTP/1.1 200 OK\nContent-Length: {len(BODY)}", BODY[:1000])(connection, {}, 0)
        held.wait(30)

    with serving(silent) as server:
        with pytest.raises(LinkError, match="too slow"):
            list(server.web().pieces(PATH))
        held.set()


def test_bytes_beyond_the_length_are_not_read() -> None:
    head = "HTTP/1.1 200 OK\nContent-Length: 3"
    with serving(says(head, b"abc" + b"x" * 100_000)) as server:
        assert b"".join(server.web().pieces(PATH)) == b"abc"


def breaking(cut: int, tag: str = TAG) -> Answer:
    """A server that breaks off after `cut` bytes, and goes on from where it is asked to."""

    def answer(connection: socket.socket, request: dict[str, str], _number: int) -> None:
        offset = int(request.get("range", "bytes=0-")[6:-1])
        head = f"HTTP/1.1 200 OK\nContent-Length: {len(BODY)}\nETag: {tag}"
        if offset:
            assert request["if-range"] == tag
            end = len(BODY) - 1
            head = (
                f"HTTP/1.1 206 Part\nContent-Length: {len(BODY) - offset}\nETag: {tag}\n"
                f"Content-Range: bytes {offset}-{end}/{len(BODY)}"
            )
        says(head, BODY[offset : offset + cut])(connection, {}, 0)

    return answer


def test_a_file_that_breaks_off_is_gone_on_with() -> None:
    with serving(breaking(100_000)) as server:
        assert b"".join(server.web().pieces(PATH)) == BODY
        assert [request.get("range") for request in server.requests] == [
            None,
            "bytes=100000-",
            "bytes=200000-",
        ]


def test_a_file_that_breaks_off_for_ever_is_given_up() -> None:
    with serving(breaking(1000)) as server:
        with pytest.raises(LinkError, match="broke off"):
            list(server.web().pieces(PATH))
        assert len(server.requests) == 6


@pytest.mark.parametrize("tag", ["", "W/x", 'no"quotes', '"' + "a" * 200 + '"'])
def test_without_a_good_tag_nothing_is_gone_on_with(tag: str) -> None:
    with serving(breaking(100_000, tag)) as server:
        with pytest.raises(LinkError, match="broke off"):
            list(server.web().pieces(PATH))
        assert len(server.requests) == 1


def test_another_file_under_the_same_name_is_not_put_together_with_the_first() -> None:
    """The server has a newer file by now: it answers with the whole of that (RFC 9110, 13.1.5)."""

    def answer(connection: socket.socket, _request: dict[str, str], number: int) -> None:
        body = BODY if number == 0 else BODY[::-1]
        head = f'HTTP/1.1 200 OK\nContent-Length: {len(BODY)}\nETag: "{number}"'
        says(head, body[:1000])(connection, {}, 0)

    with serving(answer) as server, pytest.raises(LinkError):
        list(server.web().pieces(PATH))


def test_a_part_from_another_place_is_refused() -> None:
    def answer(connection: socket.socket, _request: dict[str, str], number: int) -> None:
        head = f"HTTP/1.1 200 OK\nContent-Length: {len(BODY)}\nETag: {TAG}"
        if number:
            head = (
                f"HTTP/1.1 206 Part\nContent-Length: 10\nETag: {TAG}\nContent-Range: bytes 5-14/15"
            )
        says(head, BODY[:10])(connection, {}, 0)

    with serving(answer) as server, pytest.raises(LinkError, match="another place"):
        list(server.web().pieces(PATH))


def test_a_server_that_is_away_is_a_link_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(LinkError):
        list(Web(f"http://127.0.0.1:{port}", None, SHORT).pieces(PATH))


def test_a_server_that_proves_nothing_to_tls_gives_nothing(tmp_path: Path) -> None:
    with serving(whole) as server:
        web = Web(f"https://127.0.0.1:{server.port}", ssl.create_default_context(), SHORT)
        with pytest.raises(LinkError):
            list(web.pieces(PATH))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "host/x",
        "http://user:secret@host/",
        "http://host/?a=b",
        "http://host/#a",
        "https://host/",
        "http://host:99999/",
        "http://host:port/",
        "http://[host/",
    ],
)
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        Web(url, None)
