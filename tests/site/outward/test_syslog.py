"""Logs and acts go to a syslog server by TLS: a receiver of the tests reads them strictly."""

from __future__ import annotations

import json
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from hubcore.errors import ConfigError
from hubsite import config
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.config import Syslog
from hubsite.syslog.lines import MESSAGE_BYTES, Facility, Message, Sender, Severity, frame
from hubsite.syslog.shipper import REPEATED, Shipper
from hubsite.syslog.waiting import Waiting
from hubsite.syslog.wire import SyslogWire, context_of
from tests.site.server import HOST, begun, make_folder

pytestmark = pytest.mark.once

SECONDS = 30
SENDER = Sender("site.acme.example", 4711)
_MESSAGE = re.compile(
    rb"<(?P<pri>0|[1-9][0-9]{0,2})>1 "
    rb"(?P<at>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z) "
    rb"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<process>[!-~]{1,128}) (?P<kind>[!-~]{1,32}) "
    rb'(?P<data>-|\[meta sequenceId="[1-9][0-9]{0,9}"\]) '
    rb"\xef\xbb\xbf(?P<text>[^\x00-\x1f\x7f]*)"
)
"""RFC 5424, section 6, as far as this sender goes; a text begins with the mark of UTF-8."""


def _parse(data: bytes) -> list[dict[str, str]]:
    """Read whole frames (RFC 5425, section 4.3), and nothing else."""
    found = []
    while data:
        length, _, rest = data.partition(b" ")
        assert re.fullmatch(rb"[1-9][0-9]*", length), data[:80]
        one = rest[: int(length)]
        assert len(one) == int(length) <= MESSAGE_BYTES
        read = _MESSAGE.fullmatch(one)
        assert read is not None, one
        found.append({name: value.decode() for name, value in read.groupdict().items()})
        data = rest[int(length) :]
    return found


class Receiver:
    """A syslog server: `seen` are the bytes of each connection that it took."""

    def __init__(self, folder: Path, asks_for_certificate: bool = False) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
        if asks_for_certificate:
            self._context.load_verify_locations(folder / "tls.pem")
            self._context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.seen: list[bytearray] = []
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.goes_after = 1 << 40
        """A connection ends after so many bytes."""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with plain:
                try:
                    self._take(self._context.wrap_socket(plain, server_side=True))
                except OSError:
                    continue

    def _take(self, wire: ssl.SSLSocket) -> None:
        self.seen.append(bytearray())
        with wire:
            self.goes_on.wait()
            while len(self.seen[-1]) < self.goes_after:
                data = wire.recv(4096)
                if not data:
                    return
                self.seen[-1] += data

    def messages(self, kind: str) -> list[dict[str, str]]:
        """Return the whole messages of the newest connection."""
        return [one for one in _parse(_whole(bytes(self.seen[-1]))) if one["kind"] == kind]

    def fall_silent(self) -> None:
        """Take connections, and read nothing of them."""
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.goes_after = 0
        self.goes_on.clear()

    def close(self) -> None:
        self.goes_on.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _whole(data: bytes) -> bytes:
    """Cut what is no whole frame yet."""
    end = 0
    while True:
        length, space, _ = data[end:].partition(b" ")
        if not space or end + len(length) + 1 + int(length) > len(data):
            return data[:end]
        end += len(length) + 1 + int(length)


@contextmanager
def _receiver(**more: bool) -> Iterator[Receiver]:
    receiver = Receiver(begun().site.file.parent, **more)
    try:
        yield receiver
    finally:
        receiver.close()


@contextmanager
def _shipping(
    port: int, section: Syslog | None = None, waiting: Waiting | None = None
) -> Iterator[Shipper]:
    site = begun().site
    context = context_of(site, section or Syslog(host=HOST, authority="tls.pem"))
    connect = partial(SyslogWire, HOST, port, context)
    shipper = Shipper(connect, SENDER, retry_seconds=0.05, waiting=waiting)
    shipper.start()
    try:
        yield shipper
    finally:
        shipper.stop()


def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def _act(number: int) -> None:
    with transaction.atomic():
        log.write("olga", ActKind.PERSON_MADE, about=f"person {number}", key=b"\x01\x02")


def test_acts_and_lines_arrive_as_the_rfcs_want_them() -> None:
    with _receiver() as receiver, _shipping(receiver.port) as shipper:
        _act(1)
        logging.getLogger("hubsite.x").warning("somebody typed %s", "a\nline\x1b of his own")
        logging.getLogger("hubsite.x").info("GET /join/%s", "secret-of-a-link")
        logging.getLogger("other").info("below the level of others")
        _until(lambda: bool(receiver.seen) and len(receiver.messages("log")) >= 2)
        _until(lambda: len(receiver.messages("act")) == 1)
        assert shipper.problem == ""
    (act,) = receiver.messages("act")
    assert int(act["pri"]) == 13 * 8 + 5
    assert (act["host"], act["app"], act["process"]) == ("site.acme.example", "hubsite", "4711")
    said = json.loads(act["text"])
    assert (said["number"], said["by"], said["kind"]) == (1, "olga", "person-made")
    assert (said["about"], said["key"]) == ("person 1", "0102")
    assert said["hash"] == bytes(log.Act.objects.get().hash).hex()
    first, second = receiver.messages("log")
    assert first["text"] == "hubsite.x: somebody typed a\\x0aline\\x1b of his own"
    assert int(first["pri"]) == 3 * 8 + 4
    assert second["text"] == "hubsite.x: GET /join/…"
    assert second["data"] == '[meta sequenceId="2"]'


def test_no_act_is_left_out_by_a_server_that_is_away_or_leaves() -> None:
    for number in range(1, 301):
        _act(number)
    with _receiver() as receiver:
        receiver.goes_after = 20_000
        with _shipping(receiver.port):
            _until(lambda: len(receiver.seen) >= 2)
            receiver.goes_after = 1 << 40
            _until(lambda: _numbers(receiver)[-1:] == [300])
        begins = _numbers(receiver)[0]
    heard = {
        json.loads(one["text"])["number"]
        for data in receiver.seen
        for one in _parse(_whole(bytes(data)))
    }
    assert heard == set(range(1, 301))
    assert begins == 1 or begins > REPEATED
    _act(301)
    with _receiver() as other, _shipping(other.port):
        _until(lambda: bool(other.seen) and _numbers(other)[-1:] == [301])
        assert _numbers(other) == list(range(251, 302))


def test_no_act_is_left_out_by_a_server_that_falls_silent() -> None:
    """shipper, law 1; wire, law 4: this machine's buffer is no place where acts are kept"""
    for number in range(1, 301):
        _act(number)
    with _receiver() as silent:
        silent.fall_silent()
        with _shipping(silent.port) as shipper:
            _until(lambda: "acknowledges nothing" in shipper.problem)
    with _receiver() as other, _shipping(other.port):
        _until(lambda: bool(other.seen) and _numbers(other)[-1:] == [300])
        assert _numbers(other) == list(range(1, 301))


def test_a_name_that_can_be_none_and_any_other_failure_is_said_and_tried_again() -> None:
    """shipper, law 4"""
    tried = []

    def connect() -> SyslogWire:
        tried.append(1)
        if len(tried) < 3:
            raise RuntimeError("odd")
        return SyslogWire("a..example", 1, ssl.create_default_context())

    shipper = Shipper(connect, SENDER, retry_seconds=0.01)
    shipper.start()
    _until(lambda: "No log goes out: the syslog server: a..example:1" in shipper.problem)
    shipper.stop()
    assert len(tried) >= 3


def _numbers(receiver: Receiver) -> list[int]:
    return [json.loads(one["text"])["number"] for one in receiver.messages("act")]


def test_lines_above_the_ceiling_are_counted_and_said_and_nobody_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    waiting = Waiting(lambda: None, lines_max=3)
    with _shipping(port, waiting=waiting) as shipper:
        _until(lambda: shipper.problem != "")
        for number in range(10):
            logging.getLogger("hubsite.x").error("line %s", number)
        assert "No log goes out: the syslog server: localhost:" in shipper.problem
        assert "7 log lines were left out; no act was." in shipper.problem
    sent = []
    while (line := waiting.first()) is not None:
        sent.append((line.sequence, line.text))
        waiting.sent()
    assert sent == [
        (1, "hubsite.x: line 0"),
        (2, "hubsite.x: line 1"),
        (3, "hubsite.x: line 2"),
        (4, "hubsite.syslog: 7 lines were left out"),
    ]


def test_a_traceback_and_a_broken_line_hurt_nobody() -> None:
    waiting = Waiting(lambda: None)
    try:
        raise ValueError("Anna Ahrens")
    except ValueError as error:
        record = logging.LogRecord(
            "hubsite", logging.ERROR, "", 1, "it failed", (), (ValueError, error, None)
        )
    waiting.handle(record)
    waiting.handle(logging.LogRecord("hubsite", logging.ERROR, "", 1, "%d", ("x",), None))
    texts = []
    while (line := waiting.first()) is not None:
        texts.append(line.text)
        waiting.sent()
    assert texts == ["hubsite: it failed (ValueError)", "hubsite: a line that cannot be written"]


@pytest.mark.parametrize(
    ("host", "authority", "said"),
    [
        ("127.0.0.1", "tls.pem", "IP address mismatch"),
        (HOST, "", "certificate verify failed"),
    ],
)
def test_a_server_that_proves_no_name_gets_nothing(host: str, authority: str, said: str) -> None:
    site = begun().site
    context = context_of(site, Syslog(host=host, authority=authority))
    with _receiver() as receiver:
        shipper = Shipper(partial(SyslogWire, host, receiver.port, context), SENDER)
        shipper.start()
        _act(1)
        _until(lambda: said in shipper.problem)
        shipper.stop()
        assert all(not data for data in receiver.seen)


def test_a_certificate_of_our_own_is_shown_where_it_is_asked_for() -> None:
    section = Syslog(host=HOST, authority="tls.pem", certificate="tls.pem", key="tls.key")
    _act(1)
    with _receiver(asks_for_certificate=True) as receiver, _shipping(receiver.port, section):
        _until(lambda: bool(receiver.seen) and len(receiver.messages("act")) == 1)
    with _receiver(asks_for_certificate=True) as receiver, _shipping(receiver.port) as shipper:
        _until(lambda: "No log goes out" in shipper.problem)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('host = "x"\ncertificate = "tls.pem"', "certificate and key come together"),
        ('host = "x"\nport = 0', "port"),
        ('host = "x"\nauthority = "nothing.pem"', "are files in PEM"),
        ('host = "x"\ncertificate = "tls.pem"\nkey = "hubsite.secret"', "are files in PEM"),
    ],
)
def test_a_section_that_is_wrong_refuses_the_start(tmp_path: Path, line: str, said: str) -> None:
    file = make_folder(tmp_path / "s")
    file.write_text(f"{file.read_text()}[syslog]\n{line}\n")
    with pytest.raises(ConfigError, match=said):
        _start(file)


def _start(file: Path) -> None:
    site = config.load(file)
    assert site.config.syslog is not None
    context_of(site, site.config.syslog)


@given(
    st.text(max_size=3000),
    st.sampled_from(Severity),
    st.floats(0, 4e9),
    st.integers(0, 2_147_483_647),
)
def test_any_text_is_a_message_that_a_strict_receiver_reads(
    text: str, severity: Severity, at: float, sequence: int
) -> None:
    message = Message(Facility.DAEMON, severity, "log", at, text, sequence)
    (read,) = _parse(frame(SENDER, message))
    assert int(read["pri"]) == 24 + severity
    (twice, again) = _parse(frame(SENDER, message) + frame(replace(SENDER, host="ü"), message))
    assert twice == read
    assert again["host"] == "-"
