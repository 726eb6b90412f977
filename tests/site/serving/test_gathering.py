"""Calls that are gathered while others arrive, and handed to one thread."""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.conf import settings
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import get_parser
from hypothesis import given
from hypothesis import strategies as st

from hubsite.commands.serve import options_of
from hubsite.serving.connection import Connection, Outbox, Stage
from hubsite.serving.gathering import (
    AT_ONCE,
    GATHER_SECONDS,
    SHORT_BYTES,
    AnswersMany,
    Gathering,
    Turn,
)
from hubsite.serving.worker import Worker

pytestmark = pytest.mark.once

STEPS = st.lists(st.tuples(st.integers(0, 40), st.floats(0, 0.1), st.booleans()), max_size=20)


@given(STEPS)
def test_in_whatever_order_they_come_nobody_waits_longer_than_he_may(
    steps: list[tuple[int, float, bool]],
) -> None:
    """gathering, laws 1 and 2"""
    gathering: Gathering[tuple[int, float]] = Gathering()
    now = 0.0
    came = 0
    out: list[int] = []
    for new, passed, do_others_arrive in steps:
        now += passed
        for _ in range(new):
            gathering.take((came, now), now)
            came += 1
        while due := gathering.due(now, do_others_arrive):
            assert len(due) <= AT_ONCE
            out += [number for number, _ in due]
        left = gathering.seconds_left(now)
        assert (left is None) == (len(gathering) == 0)
        assert len(gathering) < AT_ONCE
        if len(gathering):
            assert do_others_arrive
            assert left is not None
            assert 0 < left <= GATHER_SECONDS + 1e-9
    out += [number for number, _ in gathering.due(now, do_others_arrive=False)]
    assert out == list(range(came))


class Site:
    """An application: what is ready, by its own word; `turns` are those that came together."""

    def __init__(self) -> None:
        self.turns: list[int] = []
        self.alone: list[str] = []
        self.is_broken = False
        self.go_on = threading.Event()
        self.go_on.set()
        self.somebody_else = threading.Event()
        self.somebody_else.set()
        self._is_within = threading.local()

    def is_of_many(self, data: bytes) -> bool:
        return data.startswith(b"POST /many")

    @contextmanager
    def before(self, requests: Sequence[bytes], waited: Sequence[object]) -> Iterator[Turn]:
        if self.is_broken:
            raise RuntimeError
        assert (self.somebody_else if waited else self.go_on).wait(20)
        self.turns.append(len(requests))
        self._is_within.here = True
        places = dict(enumerate(requests))
        assert not waited or list(waited) == requests
        waiting = {place: one for place, one in places.items() if b"waits" in one and not waited}
        ready = {place for place, one in places.items() if b"alone" not in one}
        yield Turn(frozenset(ready - waiting.keys()), waiting)
        self._is_within.here = False

    def __call__(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        is_together = getattr(self._is_within, "here", False)
        if not is_together:
            self.alone.append(environ["PATH_INFO"])
        start("200 OK", [("Content-Length", "2")])
        return [b"ok"]


class Rig:
    """A worker with this application, turned by hand."""

    def __init__(self, listener: socket.socket) -> None:
        config = Config()
        for key, value in options_of(settings.HUBSITE).items():
            config.set(key, value)
        self.worker = Worker(1, os.getpid(), [], None, 60, config, Logger(config))
        self.worker.poller = selectors.DefaultSelector()
        self.worker.tpool = self.worker.get_thread_pool()
        queue = self.worker.method_queue
        queue.init()
        self.worker.poller.register(queue.fileno(), selectors.EVENT_READ, queue.run_callbacks)
        self.site = self.worker.wsgi = Site()
        self.callers: list[socket.socket] = []
        self._listener = listener

    def come(self) -> Connection:
        """Have somebody connect, who shakes hands from now on."""
        self.callers.append(socket.create_connection(self._listener.getsockname()))
        before = set(self.worker._there)
        self.worker.accept(self._listener)
        (number,) = set(self.worker._there) - before
        return self.worker._there[number]

    def ask(self, words: str, field: str = "x") -> Connection:
        """Have somebody connect whose request is whole."""
        one = self.come()
        one.intake.take(f"{words} HTTP/1.1\r\nHost: {field}\r\n\r\n".encode())
        one.sock = Outbox()
        one.parser = get_parser(one.cfg, [bytes(one.intake.data)], one.client)
        one.stage = Stage.ANSWERED
        self.worker._heed(one, one.number, 0)
        self.worker._hand_on(one)
        return one

    def turn_until_sent(self, *those: Connection) -> None:
        """Turn the loop until these have their answers."""
        for _ in range(200):
            if all(one.stage is not Stage.ANSWERED for one in those):
                return
            self.worker.wait_for_and_dispatch_events(0.1)
        raise AssertionError([one.stage for one in those])


@pytest.fixture
def rig() -> Iterator[Rig]:
    listener = socket.create_server(("127.0.0.1", 0))
    rig = Rig(listener)
    with closing(rig.worker.poller), closing(rig.worker.tmp), listener:
        yield rig
        rig.site.go_on.set()
        rig.site.somebody_else.set()
        rig.worker.tpool.shutdown()
        rig.worker._turns.shutdown()
        rig.worker._waiting_turns.shutdown()
        rig.worker.murder_keepalived(force=True)
        for one in rig.callers:
            one.close()
        rig.worker.method_queue.close()


def test_the_application_is_one_that_answers_many() -> None:
    assert isinstance(Site(), AnswersMany)


def test_those_who_come_while_others_arrive_are_one_turn(rig: Rig) -> None:
    """worker, law 7; and who waits for a handshake without an end holds nobody up"""
    rig.come()
    those = [rig.ask("POST /many") for _ in range(5)]
    assert rig.site.turns == []
    rig.turn_until_sent(*those)
    assert rig.site.turns == [5]
    assert rig.site.alone == []


def test_one_that_is_alone_waits_for_nothing(rig: Rig) -> None:
    """gathering, law 1"""
    one = rig.ask("POST /many")
    rig.worker._answer_gathered()
    assert len(rig.worker._gathering) == 0
    rig.turn_until_sent(one)
    assert rig.site.turns == [1]


def test_what_is_not_ready_and_what_is_another_call_go_on_alone(rig: Rig) -> None:
    rig.come()
    those = [
        rig.ask("POST /many"),
        rig.ask("POST /many"),
        rig.ask("POST /many?alone"),
        rig.ask("GET /other"),
        rig.ask("POST /many", "x" * SHORT_BYTES),
    ]
    rig.turn_until_sent(*those)
    assert rig.site.turns == [3]
    assert sorted(set(rig.site.alone)) == ["/many", "/other"]
    assert len(rig.site.alone) == 3


def test_what_fails_for_all_ends_these_connections_and_nothing_else(rig: Rig) -> None:
    """worker, law 3"""
    rig.site.is_broken = True
    those = [rig.ask("POST /many") for _ in range(2)]
    rig.turn_until_sent(*those)
    rig.site.is_broken = False
    again = rig.ask("POST /many")
    rig.turn_until_sent(again)
    assert rig.site.turns == [1]


def test_who_answers_many_takes_no_thread_of_those_that_answer_all_else(rig: Rig) -> None:
    """worker, law 7"""
    rig.site.go_on.clear()
    turns = [rig.ask("POST /many") for _ in range(AT_ONCE + rig.worker.cfg.threads)]
    rig.turn_until_sent(rig.ask("GET /other"))
    assert rig.site.turns == []
    rig.site.go_on.set()
    rig.turn_until_sent(*turns)
    assert sum(rig.site.turns) == len(turns)


def test_who_waits_for_somebody_else_holds_up_no_other_turn(rig: Rig) -> None:
    """worker, law 7"""
    rig.site.somebody_else.clear()
    rig.come()
    waits = [rig.ask(f"POST /many?waits={one}") for one in range(2)]
    rig.turn_until_sent(rig.ask("POST /many"))
    rig.turn_until_sent(*(rig.ask("POST /many") for _ in range(3)))
    assert all(one.stage is Stage.ANSWERED for one in waits)
    rig.site.somebody_else.set()
    rig.turn_until_sent(*waits)
    assert rig.site.turns == [3, 3, 2]
    assert rig.site.alone == []
