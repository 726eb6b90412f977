"""Callers that say nothing, little, or too much: somebody else is answered meanwhile."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPSConnection
from io import BytesIO
from pathlib import Path

import pytest
from django.conf import settings
from django.test import RequestFactory
from oauth2_provider.models import get_application_model

from hubsite.phones.client import CLIENT_ID
from hubsite.serving import connection, worker
from hubsite.serving.intake import BODY_BYTES, HEAD_BYTES, Intake
from tests.site.served import SECONDS, context_of
from tests.site.server import HOST

pytestmark = pytest.mark.once

Served = tuple[Path, int]
THREADS = 8
CALLERS = 3 * THREADS
QUICK = connection.ARRIVE_SECONDS / 2
"""Somebody who is answered only once a silent one is overdue waits longer."""
REQUEST = b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n"


def _status(served: Served, path: str = "/sign-in") -> int:
    file, port = served
    asking = HTTPSConnection(HOST, port, context=context_of(file), timeout=QUICK)
    asking.request("GET", path)
    status = asking.getresponse().status
    asking.close()
    return status


def _plain(served: Served) -> socket.socket:
    return socket.create_connection((HOST, served[1]), SECONDS)


def _secure(served: Served) -> ssl.SSLSocket:
    return context_of(served[0]).wrap_socket(_plain(served), server_hostname=HOST)


@contextmanager
def _many(served: Served, sent: bytes, is_secure: bool) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        callers = []
        for _ in range(CALLERS):
            one = stack.enter_context(_secure(served) if is_secure else _plain(served))
            one.sendall(sent)
            callers.append(one)
        yield callers


@pytest.mark.parametrize(
    ("is_secure", "sent"),
    [
        (False, b""),
        (False, b"\x16"),
        (True, b""),
        (True, b"GET /sign-in HTTP/1.1\r\nHost:"),
        (True, b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nname"),
        (True, b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"),
    ],
)
def test_silent_callers_hold_nobody_up(serving: Served, is_secure: bool, sent: bytes) -> None:
    """serve, law 4"""
    with _many(serving, sent, is_secure):
        assert [_status(serving) for _ in range(3)] == [200] * 3


def test_who_asks_and_reads_nothing_holds_nobody_up(serving: Served) -> None:
    """connection, law 3"""
    with _many(serving, REQUEST, is_secure=True) as callers:
        assert _status(serving) == 200
        for one in callers:
            assert one.recv(12) == b"HTTP/1.1 200"


@pytest.mark.long
def test_a_newcomer_takes_the_place_of_who_is_silent(serving: Served) -> None:
    """worker, law 1"""
    with ExitStack() as stack:
        callers = [stack.enter_context(_plain(serving)) for _ in range(worker.CONNECTIONS)]
        assert _status(serving) == 200
        assert callers[0].recv(1) == b""
        callers[-1].settimeout(0.1)
        with pytest.raises(TimeoutError):
            callers[-1].recv(1)


def test_500_phones_behind_one_address_have_a_place_each(serving: Served) -> None:
    """worker, law 1"""
    with ExitStack() as stack:
        phones = [stack.enter_context(_plain(serving)) for _ in range(500)]
        assert _status(serving) == 200, "so all that came before were taken"
        first = context_of(serving[0]).wrap_socket(phones[0], server_hostname=HOST)
        with first:
            first.sendall(REQUEST)
            assert first.recv(12) == b"HTTP/1.1 200"


@pytest.mark.long
def test_who_is_silent_too_long_is_cut(serving: Served) -> None:
    """connection, law 1"""
    with _plain(serving) as silent, _secure(serving) as slow:
        slow.sendall(REQUEST[:-2])
        assert silent.recv(1) == b""
        assert slow.recv(1) == b""


def test_a_request_in_single_bytes_is_answered_and_the_next_one_too(serving: Served) -> None:
    with _secure(serving) as slow:
        for _ in range(2):
            for byte in REQUEST:
                slow.sendall(bytes((byte,)))
            said = b""
            while b"</html>" not in said:
                piece = slow.recv(65_536)
                assert piece
                said += piece
            assert said.startswith(b"HTTP/1.1 200")


def test_two_requests_at_once_are_one_too_many(serving: Served) -> None:
    """intake, law 3"""
    with _secure(serving) as hasty:
        hasty.sendall(REQUEST * 2)
        said = b""
        while piece := hasty.recv(65_536):
            said += piece
        assert said.count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize(
    ("sent", "is_handed_on", "is_exact"),
    [
        (REQUEST, True, True),
        (REQUEST[:-1], False, False),
        (REQUEST + b"G", True, False),
        (b"POST / HTTP/1.1\r\ncontent-length:3\r\n\r\nab", False, False),
        (b"POST / HTTP/1.1\r\ncontent-length:3\r\n\r\nabc", True, True),
        (f"POST / HTTP/1.1\r\nContent-Length: {BODY_BYTES}\r\n\r\n".encode(), False, False),
        (f"POST / HTTP/1.1\r\nContent-Length: {BODY_BYTES + 1}\r\n\r\n".encode(), True, False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", True, False),
        (b"POST / HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n\r\n", True, False),
        (b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", True, False),
        (b"POST / HTTP/1.1\r\nContent_Length: 1\r\n\r\n", True, False),
        (b"POST / HTTP/1.1\r\nContent-Length: 0\r\ncontent-length: 0\r\n\r\n", True, False),
        (b"POST / HTTP/1.1\r\nTransfer_Encoding: chunked\r\n\r\n", True, False),
        (b"x" * HEAD_BYTES, False, False),
        (b"x" * (HEAD_BYTES + 1), True, False),
    ],
)
def test_a_request_is_handed_on_once_it_is_whole_or_never_will_be(
    sent: bytes, is_handed_on: bool, is_exact: bool
) -> None:
    """intake, laws 1 to 3"""
    at_once = Intake()
    assert (at_once.take(sent), at_once.is_exact) == (is_handed_on, is_exact)
    by_bytes = Intake()
    taken = [by_bytes.take(bytes((byte,))) for byte in sent]
    assert taken[-1] == is_handed_on


def test_a_wrong_certificate_leaves_the_last_good_one(serving: Served) -> None:
    """worker, law 4"""
    assert _status(serving) == 200, "it has read its certificate"
    key = serving[0].parent / "tls.key"
    good = key.read_bytes()
    key.write_bytes(b"no key")
    try:
        assert _status(serving) == 200
    finally:
        key.write_bytes(good)
    assert _status(serving) == 200


def test_a_body_above_the_ceiling_is_refused_before_it_comes(serving: Served) -> None:
    """intake, law 2: a part of a form is never taken for the whole"""
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE == BODY_BYTES
    kind = "Content-Type: application/x-www-form-urlencoded\r\n"
    length = f"Content-Length: {BODY_BYTES + 1}\r\n"
    with _secure(serving) as asking:
        asking.sendall(
            f"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\n{kind}{length}\r\n".encode()
        )
        assert asking.recv(12) == b"HTTP/1.1 400"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/1.1\r\nX: a\0b\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: +1\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nExpect: more\r\n", 417),
        ("GET /" + "x" * 5000 + " HTTP/1.1\r\n", 414),
    ],
)
def test_what_is_no_request_is_refused_in_words(serving: Served, head: str, status: int) -> None:
    """worker, law 6"""
    with _secure(serving) as asking:
        asking.sendall(f"{head}\r\n".encode())
        assert asking.recv(12) == f"HTTP/1.1 {status}".encode()


def test_a_file_in_a_form_is_dropped() -> None:
    """settings, law 6"""
    request = RequestFactory().post("/", {"name": "a", "file": BytesIO(b"x" * 100)})
    assert dict(request.POST) == {"name": ["a"]}
    assert not request.FILES


def test_no_try_of_a_clients_secret_costs_a_hash() -> None:
    application = get_application_model()
    kept = application.objects.get(client_id=CLIENT_ID)
    assert (kept.client_secret, kept.hash_client_secret) == ("", False)
