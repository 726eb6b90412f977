"""The web server's worker: its threads answer, and no thread of it waits for a peer.

How it works: gunicorn's own (`gthread`) gives each connection a thread, which then waits for the
handshake and the request without an end. Here its one loop does that for all of them, and gives a
thread what is whole. The answer goes out the same way.

Laws:
1. At most CONNECTIONS are there. When one more comes, one goes that is not being answered: of the
   address that has most of these, the one that waits longest. IPv6 counts by its network of /64.
2. What is overdue goes (`hubsite.serving.connection`).
3. No connection ends the worker, whatever it does.
4. A certificate that was renewed counts for the next connection. One that is wrong is said once,
   and the last good one counts (`hubsite.serving.newest`).
5. A worker that ends waits for what has begun, and for nobody who is silent.
6. What is no request has an answer, and its lines in the journal at a pace
   (`hubsite.serving.lines`).
7. Calls that the application answers faster where it knows many of them are gathered while others
   arrive (`hubsite.serving.gathering`). One thread of its own answers them, turn by turn: so they
   take none of those that answer all else. What waits for somebody else has WAITING_TURNS others:
   so who is away holds up no other turn.
"""

from __future__ import annotations

import selectors
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from hubcore.backend.callers import CallerLimits, Callers
from hubsite.serving.connection import LEAVE_SECONDS, Connection, Stage, Wants
from hubsite.serving.gathering import SHORT_BYTES, AnswersMany, Gathering, Turn
from hubsite.serving.lines import StrangersLines
from hubsite.serving.newest import NewestTls

WAITING_TURNS = 2
"""While one waits for somebody else, another reads or keeps."""
CONNECTIONS = 768
"""500 phones of one site may be one address, and others come meanwhile."""


@dataclass(frozen=True, slots=True)
class _Waits:
    """A call goes on in a turn that may wait, with what is known of it."""

    what: object


_EVENTS = {Wants.BYTES: selectors.EVENT_READ, Wants.ROOM: selectors.EVENT_WRITE}


class Worker(ThreadWorker):
    """Serves browsers; gunicorn runs it."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._numbers = count(1)
        self._there: dict[int, Connection] = {}
        self._heeded: dict[int, int] = {}
        self._next_look = 0.0
        self._callers = Callers(CallerLimits(CONNECTIONS, unread_bytes=0))
        self._tls = NewestTls(self.cfg, self.log)
        self.log.error_log.addFilter(StrangersLines())
        self._gathering: Gathering[Connection] = Gathering()
        self._turns = ThreadPoolExecutor(1, "turns")
        self._waiting_turns = ThreadPoolExecutor(WAITING_TURNS, "waiting")

    def init_process(self) -> None:
        """Begin with a certificate, or not at all."""
        self._tls.read()
        super().init_process()

    def run(self) -> None:
        """Serve until a signal ends it."""
        try:
            super().run()
        finally:
            self._turns.shutdown(wait=False)
            self._waiting_turns.shutdown(wait=False)

    def accept(self, listener: socket.socket) -> None:
        """Take a connection (law 1)."""
        try:
            accepted, address = listener.accept()
        except OSError:
            return  # it has gone again, or there is no descriptor: the next one tries anew
        number = next(self._numbers)
        try:
            ends = (address, listener.getsockname())
            connection = Connection(self.cfg, self._tls.context(), accepted, ends, number)
        except OSError:
            accepted.close()
            return
        self._there[number] = connection
        self.nr_conns += 1
        self._waits(number)
        self._step(number)

    def finish_request(self, connection: Connection, future: Future[Any]) -> None:
        """Send what a thread has answered."""
        is_well = not future.cancelled() and future.exception() is None
        self._send(connection, is_well and bool(future.result()))

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events, and for the end of what is gathered (law 7)."""
        left = self._gathering.seconds_left(time.monotonic())
        super().wait_for_and_dispatch_events(timeout if left is None else min(timeout, left))
        self._answer_gathered()

    def _answer_gathered(self) -> None:
        """Give a thread those who have waited for each other."""
        while self._gathering:
            due = self._gathering.due(time.monotonic(), self._do_others_arrive())
            if not due:
                return
            self._begin_turn(due, [])

    def _begin_turn(self, connections: list[Connection], waited: list[object]) -> None:
        """Have these answered together (law 7); `waited` as `AnswersMany.before` has it."""
        thread = self._waiting_turns if waited else self._turns
        work = thread.submit(self._answer_all, connections, waited)
        work.add_done_callback(partial(self.method_queue.defer, self._send_all, connections))

    def _do_others_arrive(self) -> bool:
        """Tell whether somebody shakes hands; the newest ones are looked at first."""
        return any(one.stage is Stage.SHAKING for one in reversed(self._there.values()))

    def _answer_all(
        self, connections: list[Connection], waited: list[object]
    ) -> list[bool | _Waits | None]:
        """Answer these in this thread; return what `handle` does, None for who goes on alone."""
        requests = [bytes(one.intake.data) for one in connections]
        with self.wsgi.before(requests, waited) as turn:
            return [self._answer_ready(turn, place, one) for place, one in enumerate(connections)]

    def _answer_ready(self, turn: Turn, place: int, connection: Connection) -> bool | _Waits | None:
        if place in turn.ready:
            return bool(self.handle(connection))
        return _Waits(turn.waiting[place]) if place in turn.waiting else None

    def _send_all(
        self, connections: list[Connection], future: Future[list[bool | _Waits | None]]
    ) -> None:
        """Send what a thread has answered to many. Who is not answered yet goes on."""
        is_well = not future.cancelled() and future.exception() is None
        answers = future.result() if is_well else [False] * len(connections)
        waiting: list[Connection] = []
        waited: list[object] = []
        for connection, answer in zip(connections, answers, strict=True):
            if isinstance(answer, _Waits):
                waiting.append(connection)
                waited.append(answer.what)
            elif answer is None:
                self.enqueue_req(connection)
            else:
                self._send(connection, answer)
        if waiting:
            self._begin_turn(waiting, waited)

    def _send(self, connection: Connection, may_serve_again: bool) -> None:
        number = connection.number
        if self._there.get(number) is not connection:
            return
        connection.answered(self.alive and may_serve_again)
        self._waits(number)
        self._step(number)

    def murder_keepalived(self, force: bool = False) -> None:
        """End what is overdue, once it may be: the server's loop calls this at each turn of its."""
        now = time.monotonic()
        if force or not self.alive or now >= self._next_look:
            self.end_overdue(now, force)

    def end_overdue(self, now: float, force: bool = False) -> None:
        """End what is overdue (laws 2 and 5). Nothing else is until `_next_look`."""
        for number, one in tuple(self._there.items()):
            is_silent = not self.alive and not one.has_begun
            if one.stage is not Stage.ANSWERED and (force or is_silent or one.until <= now):
                self._drop(number)
        waits = [one.until for one in self._there.values() if one.stage is not Stage.ANSWERED]
        self._next_look = min([now + LEAVE_SECONDS, *waits])

    def _waits(self, number: int) -> None:
        """This one waits for its peer; who makes room for it goes (law 1)."""
        address = str(self._there[number].client[0])
        one_too_many = self._callers.came(number, address, time.monotonic())
        if one_too_many is not None:
            self._drop(one_too_many)

    def _step(self, number: int, _file: object = None) -> None:
        """Do what can be done for one connection (law 3)."""
        connection = self._there.get(number)
        if connection is None:
            return
        try:
            wants = connection.go_on()
        except OSError:
            wants = Wants.END
        if wants is Wants.END:
            self._drop(number)
        elif wants is Wants.ANSWER:
            self._callers.proved(number)
            self._heed(connection, number, 0)
            self._hand_on(connection)
        else:
            self._heed(connection, number, _EVENTS[wants])

    def _hand_on(self, connection: Connection) -> None:
        """Have a whole request answered (law 7)."""
        site = self.wsgi
        data = bytes(connection.intake.data[:SHORT_BYTES])
        is_short = len(connection.intake.data) < SHORT_BYTES
        if is_short and isinstance(site, AnswersMany) and site.is_of_many(data):
            self._gathering.take(connection, time.monotonic())
        else:
            self.enqueue_req(connection)

    def _heed(self, connection: Connection, number: int, events: int) -> None:
        """Wait for these events of a connection, 0 for none."""
        wire = connection.wire
        heeded = self._heeded.pop(number, 0)
        if heeded and heeded != events:
            self.poller.unregister(wire)
        if events:
            self._heeded[number] = events
            if heeded != events:
                self.poller.register(wire, events, partial(self._step, number))

    def _drop(self, number: int) -> None:
        connection = self._there.pop(number)
        self._callers.gone(number)
        self._heed(connection, number, 0)
        connection.wire.close()
        self.nr_conns -= 1
