"""Sends acts and log lines to the syslog server, in a thread of its own.

Laws:
1. Acts are read from their table, in their order. How far they went is kept once the other machine
   has acknowledged all that was sent: none is left out over a server that is away, that falls
   silent, or over a start of this one.
2. What a syslog server does with what its machine has acknowledged nobody says: syslog has no
   receipts. After a lost connection the last REPEATED of these acts are sent again, and all behind
   them: each has its number.
3. Log lines come after the acts (`hubsite.syslog.waiting`).
4. What is wrong is a sentence, and is tried again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from django.db import Error, close_old_connections, connection

from hubcore.errors import AuditError, LinkError
from hubsite.acts.bell import BELL
from hubsite.acts.models import Act
from hubsite.logs import WithoutLinks
from hubsite.syslog.lines import Facility, Message, Sender, Severity, frame
from hubsite.syslog.models import ONE, SentActs
from hubsite.syslog.waiting import Waiting
from hubsite.syslog.wire import SyslogWire

RETRY_SECONDS = 5.0
PULSE_SECONDS = 5.0
"""Acts of other processes ring no bell here."""
THROUGH_SECONDS = 2.0
REPEATED = 50
BATCH = 200
ACT = "act"
NAME = "Syslog"
_SILENT = "Logs wait: the syslog server's machine acknowledges nothing."
_HIDDEN = frozenset({"mono"})


class Shipper:
    """A part: `connect` makes a connection, or raises LinkError."""

    name = NAME

    def __init__(
        self,
        connect: Callable[[], SyslogWire],
        sender: Sender,
        retry_seconds: float = RETRY_SECONDS,
        waiting: Waiting | None = None,
    ) -> None:
        self._connect = connect
        self._sender = sender
        self._retry_seconds = retry_seconds
        self._ring = Event()
        self._is_stopped = False
        self._problem = ""
        self._waiting = waiting or Waiting(self._ring.set)
        self._waiting.addFilter(WithoutLinks())
        self._thread = Thread(target=self._run, name="hubsite-syslog", daemon=True)

    @property
    def problem(self) -> str:
        """Return what is wrong now, "" for nothing (law 4)."""
        if self._thread.ident is not None and not self._thread.is_alive():
            return "What sends logs has ended. Start this server again."
        left_out = self._waiting.left_out
        if self._problem and left_out:
            return f"{self._problem} {left_out} log lines were left out; no act was."
        return self._problem

    def start(self) -> None:
        """Begin, in a thread of its own."""
        logging.getLogger().addHandler(self._waiting)
        BELL.listen(self._ring.set)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the end. What waits is sent, where there is a connection."""
        logging.getLogger().removeHandler(self._waiting)
        BELL.leave(self._ring.set)
        self._is_stopped = True
        self._ring.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._is_stopped:
                try:
                    self._connected()
                except LinkError as error:
                    self._problem = f"No log goes out: the syslog server: {error}."
                except Error as error:
                    self._problem = f"No log goes out: the database: {error}."
                except Exception as error:  # whatever it is: said, and tried again (law 4)
                    self._problem = f"No log goes out: {error!r}."
                self._wait(self._retry_seconds)
        finally:
            connection.close()

    def _connected(self) -> None:
        """Send over one connection until it is lost. Raise LinkError, Error."""
        close_old_connections()
        wire = self._connect()
        try:
            place = max(0, _place() - REPEATED)
            while True:
                is_last = self._is_stopped
                place = self._send_acts(wire, place)
                self._send_lines(wire)
                is_through = wire.is_through(THROUGH_SECONDS)
                if is_through:
                    _keep(place)
                self._problem = "" if is_through else _SILENT
                if is_last:
                    return
                self._wait(PULSE_SECONDS if is_through else 0.0)
                close_old_connections()
        finally:
            wire.close()

    def _send_acts(self, wire: SyslogWire, place: int) -> int:
        """Send the acts behind a number; return the number of the last one (law 1)."""
        while True:
            acts = list(Act.objects.filter(number__gt=place).order_by("number")[:BATCH])
            for act in acts:
                wire.send(frame(self._sender, _message(act)))
                place = act.number
            if len(acts) < BATCH:
                return place

    def _send_lines(self, wire: SyslogWire) -> None:
        while (line := self._waiting.first()) is not None:
            wire.send(frame(self._sender, line))
            self._waiting.sent()

    def _wait(self, seconds: float) -> None:
        self._ring.wait(0.0 if self._is_stopped else seconds)
        self._ring.clear()


def _place() -> int:
    row = SentActs.objects.filter(pk=ONE).first()
    return row.number if row else 0


def _keep(number: int) -> None:
    """Keep how far acts were sent. What is sent again changes nothing."""
    if not number:
        return
    row, _ = SentActs.objects.get_or_create(pk=ONE)
    if row.number < number:
        SentActs.objects.filter(pk=ONE, number__lt=number).update(number=number)


def _message(act: Act) -> Message:
    """Return an act as a message: JSON, with the hash of its chain."""
    said: dict[str, Any] = {"number": act.number, "hash": bytes(act.hash).hex()}
    try:
        facts = act.said
        said |= {key: _plain(value) for key, value in facts.items() if key not in _HIDDEN}
    except AuditError as error:
        said["error"] = str(error)
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return Message(Facility.AUDIT, Severity.NOTICE, ACT, act.at_ms / 1000, text)


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value
