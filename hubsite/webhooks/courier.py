"""Brings records to webhooks, in a thread of its own, with a thread for each that is busy.

Laws:
1. One message of a webhook is on its way at a time, so they come in order.
2. No webhook waits for another one: there are as many threads as there may be webhooks.
3. At its end nothing new begins; what was taken is written.
4. Nothing ends the thread but `stop`: what is wrong is a sentence, and is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event, Thread
from typing import Protocol

from django.db import Error, close_old_connections, connection

from hubcore.errors import LinkError
from hubsite.clocks.watch import is_believed
from hubsite.webhooks import kept
from hubsite.webhooks.address import Destination, read_url
from hubsite.webhooks.kept import Done, Work
from hubsite.webhooks.signing import headers_of

PULSE_SECONDS = 1.0
NAME = "Webhooks"


class Posts(Protocol):
    """Sends one message."""

    def post(self, destination: Destination, headers: dict[str, str], body: bytes) -> None:
        """Send it. Raise LinkError with why it was not taken."""


class Courier:
    """A part; `key` is what seals secrets, `days` is for how long a message is tried."""

    name = NAME

    def __init__(
        self,
        poster: Posts,
        key: bytes,
        days: int,
        wall: Callable[[], float] = time.time,
        pulse_seconds: float = PULSE_SECONDS,
    ) -> None:
        self._poster = poster
        self._key = key
        self._days = days
        self._wall = wall
        self._pulse_seconds = pulse_seconds
        self._ring = Event()
        self._is_stopped = False
        self._problem = ""
        self._busy: set[str] = set()
        self._looked: dict[str, int] = {}
        self._done: SimpleQueue[Done] = SimpleQueue()
        self._pool = ThreadPoolExecutor(kept.WEBHOOKS_MAX, "hubsite-webhook")
        self._thread = Thread(target=self._run, name="hubsite-webhooks", daemon=True)

    @property
    def problem(self) -> str:
        """Return what is wrong now, "" for nothing. What a receiver does is on its own page."""
        if self._thread.ident is not None and not self._thread.is_alive():
            return "What brings records to webhooks has ended. Start this server again."
        return self._problem

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the end (law 3)."""
        self._is_stopped = True
        self._ring.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._is_stopped:
                self._turn()
                self._ring.wait(self._pulse_seconds)
                self._ring.clear()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._settle()
        finally:
            connection.close()

    def _turn(self) -> None:
        try:
            close_old_connections()
            self._settle()
            now = int(self._wall())
            for work in kept.due(now, self._busy, self._looked, self._key):
                self._pool.submit(self._deliver, work)
                self._busy.add(work.webhook)
            self._problem = ""
        except Error as error:
            self._problem = f"Webhooks wait: the database: {error}."
        except Exception as error:  # whatever it is: said, and tried again (law 4)
            self._problem = f"Webhooks wait: {error!r}."

    def _settle(self) -> None:
        now = int(self._wall())
        while not self._done.empty():
            done = self._done.get()
            self._busy.discard(done.webhook)
            before = now - self._days * kept.DAY if is_believed(now) else 0
            kept.settle(done, now, before)

    def _deliver(self, work: Work) -> None:
        """Send the messages of one webhook until one is not taken (law 1)."""
        place = 0
        failure = ""
        has_sent = False
        try:
            destination = read_url(work.url)
            for one in work.messages:
                if self._is_stopped:
                    break
                headers = headers_of(work.secret, one.message, int(self._wall()), one.body)
                self._poster.post(destination, headers, one.body)
                has_sent = True
                place = one.record
        except (LinkError, ValueError) as error:
            failure = str(error)
        except Exception as error:  # whatever a receiver did: it is this one's own failure
            failure = f"it could not be sent: {type(error).__name__}"
        has_tested = work.messages[0].record == 0 and (has_sent or bool(failure))
        self._done.put(Done(work.webhook, place, failure, has_sent, has_tested))
        self._ring.set()
