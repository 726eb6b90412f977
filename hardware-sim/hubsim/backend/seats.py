"""Who speaks as each hub in the reference backend, and what somebody has decided about it.

A hub has one connection at a time and a new boot id at each start. So a start takes the seat of the
one before, and the one before is never heard again. When it is, there are two machines with one
hub's keys:
- its connection, which the newer one has replaced, goes on speaking;
- or it stays open for longer than a machine that is gone could keep it open;
- or its boot id comes back on another connection.
A message that was under way when its sender ended proves nothing; it is old within `STALE_SECONDS`.

Laws:
1. Two machines that speak as one hub are noticed within `OPEN_SECONDS`, or as soon as the replaced
   one speaks again. Both are told.
2. While a replaced connection may still be open, no order goes out: nobody knows yet which machine
   would carry it out.
3. What stops a hub, and who was decided against, is on the disk before anybody is told, and
   outlasts this process.
4. Only a decision ends it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubcore.backend.uplink import Cause, Hello

STALE_SECONDS = 5.0
"""Within it, what a replaced connection says may have been under way."""
OPEN_SECONDS = 25.0
"""A replaced connection that is still open after it has somebody alive behind it: heartbeats end
others in 20 s.
"""
PAST_BOOTS_MAX = 64
"""Boot ids remembered for each hub; a hub that restarts more often than copies are looked for
forgets the oldest.
"""
BOOT_DIGITS = 8
"""Of a boot id, in hexadecimal digits, for a person to type."""


@dataclass(frozen=True, slots=True)
class Session:
    """One hub that has said Hello: where to send to it, with which key it came, what it said."""

    route: bytes
    key: str
    hello: Hello


@dataclass(slots=True)
class Seat:
    """`replaced` are connections that a newer one has taken the place of, with the time of that in
    seconds.
    """

    session: Session
    replaced: dict[bytes, float] = field(default_factory=dict)
    past_boots: dict[bytes, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stop:
    """Why nothing is taken from a hub and no order given to it; `boots` in hexadecimal digits, of
    those that speak.
    """

    cause: Cause
    detail: str
    boots: tuple[str, ...] = ()


class Decisions:
    """The hubs that are stopped and the boots that were decided against, in a file.

    Raise OSError when it cannot be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        told: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        self._stops = {
            hub: Stop(Cause[stop["cause"]], stop["detail"], tuple(stop["boots"]))
            for hub, stop in told.get("stops", {}).items()
        }
        self._refused: dict[str, list[str]] = told.get("refused", {})

    def stop(self, hub: str) -> Stop | None:
        """Return why a hub is stopped, None when it is not."""
        return self._stops.get(hub)

    def stops(self) -> dict[str, Stop]:
        """Return all hubs that are stopped."""
        return dict(self._stops)

    def is_refused(self, hub: str, boot: bytes) -> bool:
        """Tell whether this start of a machine was decided against."""
        return boot.hex() in self._refused.get(hub, ())

    def set(self, hub: str, stop: Stop) -> None:
        """Stop a hub; durable on return."""
        self._stops[hub] = stop
        self._write()

    def end(self, hub: str, refused: tuple[str, ...] = ()) -> None:
        """Let a hub go on, and refuse these boots from now on; durable on return."""
        self._stops.pop(hub, None)
        if refused:
            self._refused[hub] = [*self._refused.get(hub, []), *refused][-PAST_BOOTS_MAX:]
        self._write()

    def _write(self) -> None:
        stops = {
            hub: {"cause": stop.cause.name, "detail": stop.detail, "boots": stop.boots}
            for hub, stop in self._stops.items()
        }
        new = self._path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump({"stops": stops, "refused": self._refused}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


class Seats:
    """One seat a hub. Times are seconds of one monotonic clock, handed in."""

    def __init__(self, stale_seconds: float = STALE_SECONDS) -> None:
        self._stale_seconds = stale_seconds
        self._seats: dict[str, Seat] = {}

    def greet(self, hub: str, session: Session, now: float) -> tuple[str, ...]:
        """A hub has said Hello.

        Seat it and return (); or return the boots when two machines speak as it.
        """
        seat = self._seats.get(hub)
        if seat is None:
            self._seats[hub] = Seat(session)
            return ()
        boot = session.hello.boot_id
        before = seat.session
        if session.route == before.route:
            seat.session = session
            return ()
        if self._is_another(seat, session, now):
            return (before.hello.boot_id.hex(), boot.hex())
        if session.route in seat.replaced:
            return ()
        seat.replaced[before.route] = now
        if boot != before.hello.boot_id:
            seat.past_boots[before.hello.boot_id] = None
            while len(seat.past_boots) > PAST_BOOTS_MAX:
                del seat.past_boots[next(iter(seat.past_boots))]
        seat.session = session
        return ()

    def spoke(self, hub: str, route: bytes, now: float) -> bool:
        """Tell whether a message on this connection shows that a second machine speaks as
        the hub.
        """
        seat = self._seats.get(hub)
        replaced_at = seat.replaced.get(route) if seat else None
        return replaced_at is not None and now - replaced_at >= self._stale_seconds

    def open_for(self, seconds: float, now: float) -> list[tuple[str, bytes]]:
        """Return (hub, connection) of all that were replaced longer ago than that and are not known
        to be closed.
        """
        return [
            (hub, route)
            for hub, seat in self._seats.items()
            for route, replaced_at in seat.replaced.items()
            if now - replaced_at >= seconds
        ]

    def session(self, hub: str) -> Session | None:
        """Return the session that counts."""
        seat = self._seats.get(hub)
        return seat.session if seat else None

    def replaced(self, hub: str) -> tuple[bytes, ...]:
        """Return the replaced connections that are not known to be closed."""
        seat = self._seats.get(hub)
        return tuple(seat.replaced) if seat else ()

    def closed(self, hub: str, route: bytes) -> None:
        """This connection is closed."""
        seat = self._seats.get(hub)
        if seat is not None:
            seat.replaced.pop(route, None)

    def boots(self, hub: str) -> tuple[str, ...]:
        """Return the boot ids seen of a hub, the one that counts first."""
        seat = self._seats.get(hub)
        if seat:
            return (seat.session.hello.boot_id.hex(), *(boot.hex() for boot in seat.past_boots))
        return ()

    def forget(self, hub: str) -> None:
        """Begin again with whoever says Hello next."""
        self._seats.pop(hub, None)

    def _is_another(self, seat: Seat, session: Session, now: float) -> bool:
        if session.route in seat.replaced:
            return now - seat.replaced[session.route] >= self._stale_seconds
        return session.hello.boot_id in seat.past_boots
