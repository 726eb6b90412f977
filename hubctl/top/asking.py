"""Asks the hub: one connection, one call after the other, all of them at most once a second.

Laws:
1. Whatever goes wrong is a `Seen` with a sentence; the next asking begins with a new connection.
2. A call that an older hubd does not have, or refuses, was not measured. The others are.
3. `Asking` asks on a thread of its own: a hub that hangs keeps no key waiting.
4. A bug of that thread is raised where its answers are fetched.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from hubctl.answers import NOT_THERE, ask_on, judge
from hubctl.client import HubClient, NoAnswer
from hubctl.top.shown.keys import UNLOCKS_MAX
from hubctl.top.shown.seen import Document, Seen
from hubterm.exits import NO, status_of
from hubterm.text import clean

ASK_SECONDS = 1.0
ANSWER_SECONDS = 10.0


class Asker:
    """Asks for all documents; keeps its connection."""

    def __init__(self, path: Path, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._path = path
        self._answer_seconds = answer_seconds
        self._client: HubClient | None = None

    def ask(self, door: str = "") -> Seen:
        """Return what the hub says now; the trace is that of one door, or of all."""
        try:
            if self._client is None:
                self._client = HubClient(self._path, self._answer_seconds)
            return _seen(self._client, door)
        except NoAnswer as error:
            self.close()
            return Seen(status_of(error.code), trouble=clean(error), code=error.code)

    def close(self) -> None:
        """Give the connection up."""
        if self._client is not None:
            self._client.__exit__()
            self._client = None


def _seen(client: HubClient, door: str) -> Seen:
    status = ask_on(client, "status")
    wanted: dict[str, Any] = {"last": UNLOCKS_MAX}
    if door:
        wanted["door"] = door
    return Seen(
        exit_status=judge(status),
        status=status,
        measured=_measured(client, "measured"),
        radio=_measured(client, "radio"),
        trace=_measured(client, "trace", **wanted),
    )


def _measured(client: HubClient, call: str, **arguments: Any) -> Document | None:
    try:
        return ask_on(client, call, **arguments)
    except NoAnswer as error:
        if error.code == NOT_THERE or status_of(error.code) == NO:
            return None
        raise


class Asking:
    """A thread that asks again and again; a context manager.

    `wake` gets a byte with each answer.
    """

    def __init__(self, asker: Asker, wake: int, ask_seconds: float = ASK_SECONDS) -> None:
        self._asker = asker
        self._wake = wake
        self._ask_seconds = ask_seconds
        self._ending = threading.Event()
        self._newest: Seen | BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.door = ""
        """Whose trace is asked for; none: that of all doors."""

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ask no more. An answer that is under way is not waited for."""
        self._ending.set()

    def newest(self) -> Seen | None:
        """Return the newest answer; None before the first."""
        if isinstance(self._newest, BaseException):
            raise self._newest
        return self._newest

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                begun = time.monotonic()
                self._tell(self._asker.ask(self.door))
                self._ending.wait(max(0.0, begun + self._ask_seconds - time.monotonic()))
        except BaseException as error:
            self._tell(error)

    def _tell(self, newest: Seen | BaseException) -> None:
        self._newest = newest
        try:
            os.write(self._wake, b"\0")
        except OSError:  # nobody waits any more, or so many bytes wait that one more says nothing
            pass
