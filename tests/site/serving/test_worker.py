"""The web server's worker, driven call by call: who has to go, and when."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from django.conf import settings
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.errors import InvalidHeader

from hubsite.commands.serve import options_of
from hubsite.serving import connection
from hubsite.serving.connection import Connection, Outbox, Stage, Wants
from hubsite.serving.lines import LENGTH, LINES, StrangersLines
from hubsite.serving.worker import Worker

pytestmark = pytest.mark.once


@dataclass
class Rig:
    """A worker behind a listening socket; `callers` keep the other ends open."""

    worker: Worker
    listener: socket.socket
    callers: list[socket.socket]

    def come(self) -> Connection:
        """Have somebody connect."""
        self.callers.append(socket.create_connection(self.listener.getsockname()))
        before = set(self.worker._there)
        self.worker.accept(self.listener)
        (number,) = set(self.worker._there) - before
        return self.worker._there[number]

    @property
    def there(self) -> list[Connection]:
        """Who is connected."""
        return list(self.worker._there.values())


@pytest.fixture
def rig() -> Iterator[Rig]:
    config = Config()
    for key, value in options_of(settings.HUBSITE).items():
        config.set(key, value)
    worker = Worker(1, os.getpid(), [], None, 60, config, Logger(config))
    worker.poller = selectors.DefaultSelector()
    listener = socket.create_server(("127.0.0.1", 0))
    rig = Rig(worker, listener, [])
    with closing(worker.poller), closing(worker.tmp), listener:
        yield rig
        worker.murder_keepalived(force=True)
        for one in rig.callers:
            one.close()


def test_a_worker_that_ends_waits_for_nobody_who_is_silent(rig: Rig) -> None:
    """worker, law 5"""
    rig.come()
    asks = rig.come()
    asks.intake.data += b"GET / HTTP/1.1\r\n"
    rig.worker.murder_keepalived()
    assert len(rig.there) == 2, "nobody is overdue"
    rig.worker.alive = False
    rig.worker.murder_keepalived()
    assert rig.there == [asks]


@pytest.mark.parametrize(
    ("stage", "seconds"),
    [
        (Stage.SHAKING, connection.ARRIVE_SECONDS),
        (Stage.SENDING, connection.SEND_SECONDS),
        (Stage.LEAVING, connection.LEAVE_SECONDS),
    ],
)
def test_each_wait_for_a_peer_has_an_end(rig: Rig, stage: Stage, seconds: float) -> None:
    """connection, laws 1 and 2; worker, law 2"""
    before = time.monotonic()
    one = rig.come()
    if stage is not Stage.SHAKING:
        one._enter(stage, seconds)
    assert before <= one.until <= time.monotonic() + seconds
    rig.worker.murder_keepalived()
    assert rig.there == [one]
    one.until = before
    rig.worker.end_overdue(time.monotonic())
    assert rig.there == []


def test_who_is_overdue_is_looked_for_by_his_time(rig: Rig) -> None:
    """worker, law 2: whoever is there, and whatever begins meanwhile, is looked at in time."""
    now = time.monotonic()
    first = rig.come()
    rig.worker.end_overdue(now)
    assert now < rig.worker._next_look <= first.until
    first._enter(Stage.LEAVING, connection.LEAVE_SECONDS)
    assert rig.worker._next_look <= first.until
    first.until = now + 0.5
    second = rig.come()
    second.stage = Stage.ANSWERED
    second.until = now
    rig.worker.end_overdue(now)
    assert rig.worker._next_look == first.until, "who is being answered is never overdue"
    rig.worker.end_overdue(first.until)
    assert rig.there == [second]
    second.stage = Stage.SENDING


def test_an_answer_has_its_time_and_the_end_after_it(rig: Rig) -> None:
    """connection, law 2"""
    one = rig.come()
    one.sock = connection.Outbox()
    one.stage = Stage.ANSWERED
    one.answered(may_serve_again=False)
    assert one.until <= time.monotonic() + connection.SEND_SECONDS
    assert one.go_on() is Wants.BYTES, "its end is awaited"
    assert one.stage is Stage.LEAVING
    assert one.until <= time.monotonic() + connection.LEAVE_SECONDS


def test_who_is_being_answered_is_never_overdue(rig: Rig) -> None:
    """worker, law 1"""
    one = rig.come()
    one.stage = Stage.ANSWERED
    one.until = 0.0
    rig.worker.murder_keepalived()
    assert rig.there == [one]
    one.stage = Stage.SENDING


class Lines(logging.Handler):
    """What was written."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def test_what_is_no_request_fills_no_journal(rig: Rig) -> None:
    """worker, law 6; lines, laws 1 and 2"""
    lines = Lines()
    log = rig.worker.log.error_log
    log.addHandler(lines)
    try:
        for wrong in (InvalidHeader("x" * 8000), RuntimeError("nobody foresaw it")):
            for _ in range(100):
                outbox = Outbox()
                rig.worker.handle_error(None, outbox, ("192.0.2.1", 1), wrong)
                assert b"".join(outbox.pieces).startswith(b"HTTP/1.1 ")
        rig.worker.log.warning("another line")
    finally:
        log.removeHandler(lines)
    assert len(lines.said) == LINES.burst + 1
    assert max(map(len, lines.said)) < LENGTH + 50
    assert lines.said[-1] == "another line"


def test_what_was_left_out_of_the_journal_is_counted() -> None:
    """lines, law 1"""
    now = [0.0]
    lines = StrangersLines(lambda: now[0])

    def is_written() -> bool:
        kind = logging.WARNING
        record = logging.LogRecord("x", kind, "", 0, "Invalid request from %s", ("a",), None)
        said.append(record)
        return lines.filter(record)

    said: list[logging.LogRecord] = []
    assert [is_written() for _ in range(20)] == [True] * 16 + [False] * 4
    now[0] = 1 / LINES.per_second
    assert is_written()
    assert said[-1].getMessage() == "Invalid request from a (and 4 more since the last one)"
