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
"""

from __future__ import annotations

import selectors
import socket
import time
from concurrent.futures import Future
from functools import partial
from itertools import count
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from hubcore.backend.callers import CallerLimits, Callers
from hubsite.serving.connection import LEAVE_SECONDS, Connection, Stage, Wants
from hubsite.serving.lines import StrangersLines
from hubsite.serving.newest import NewestTls

CONNECTIONS = 768
"""500 phones of one site may be one address, and others come meanwhile."""
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

    def init_process(self) -> None:
        """Begin with a certificate, or not at all."""
        self._tls.read()
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        """Take a connection (law 1)."""
        try:
            accepted, address = listener.accept()
        except OSError:
            return  # it has gone again, or there is no descriptor: the next one tries anew
        try:
            here = listener.getsockname()
            connection = Connection(self.cfg, self._tls.context(), accepted, address, here)
        except OSError:
            accepted.close()
            return
        number = next(self._numbers)
        self._there[number] = connection
        self.nr_conns += 1
        self._waits(number)
        self._step(number)

    def finish_request(self, connection: Connection, future: Future[Any]) -> None:
        """Send what a thread has answered."""
        number = next((n for n, one in self._there.items() if one is connection), None)
        if number is None:
            return
        is_well = not future.cancelled() and future.exception() is None
        connection.answered(self.alive and is_well and bool(future.result()))
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
            self.enqueue_req(connection)
        else:
            self._heed(connection, number, _EVENTS[wants])

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
