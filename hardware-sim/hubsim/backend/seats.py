"""Which connection and which boot speak as each hub.

A hub has one connection at a time and a new boot id at each start. So a start takes the seat of the
one before, and the one before is never heard again. When it is, two machines have one hub's keys:
- its connection, which the newer one has replaced, goes on speaking;
- or it stays open for longer than a machine that is gone could keep it open;
- or its boot id comes back on another connection.
A message that was under way when its sender ended proves nothing; it is old within `STALE_SECONDS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hubcore.backend.uplink.from_hub import Hello

STALE_SECONDS = 5.0
"""Within it, what a replaced connection says may have been under way."""
OPEN_SECONDS = 25.0
"""A replaced connection that is open for longer has somebody alive behind it.

Heartbeats end others in 20 s.
"""
PAST_BOOTS_MAX = 64
"""Boot ids that are remembered for each hub; then the oldest is forgotten."""
BOOT_DIGITS = 8
"""Of a boot id, in hexadecimal digits, for a person to type."""


@dataclass(frozen=True, slots=True)
class HubConnection:
    """A connection on which a hub has said Hello; `key` is the one it came with, in Z85."""

    route: bytes
    key: str
    hello: Hello

    @property
    def boot(self) -> str:
        """The boot id, in hexadecimal digits."""
        return self.hello.boot_id.hex()


@dataclass(frozen=True, slots=True)
class Replaced:
    """A connection of a hub that a newer one has replaced."""

    hub: str
    route: bytes


@dataclass(slots=True)
class Seat:
    """Who speaks as one hub; `replaced` has the seconds at which each route was replaced."""

    connection: HubConnection
    replaced: dict[bytes, float] = field(default_factory=dict)
    past_boots: dict[bytes, None] = field(default_factory=dict)


class Seats:
    """One seat a hub. Times are seconds of one monotonic clock, handed in."""

    def __init__(self, stale_seconds: float = STALE_SECONDS) -> None:
        self._stale_seconds = stale_seconds
        self._seats: dict[str, Seat] = {}

    def greet(self, hub: str, connection: HubConnection, now: float) -> tuple[str, ...]:
        """Seat a hub that has said Hello and return ().

        Return the boots instead when two machines speak as it.
        """
        seat = self._seats.get(hub)
        if seat is None:
            self._seats[hub] = Seat(connection)
            return ()
        before = seat.connection
        if connection.route == before.route:
            seat.connection = connection
            return ()
        if self._is_another_machine(seat, connection, now):
            return (before.boot, connection.boot)
        if connection.route in seat.replaced:
            return ()
        _replace(seat, connection, now)
        return ()

    def _is_another_machine(self, seat: Seat, connection: HubConnection, now: float) -> bool:
        if connection.route in seat.replaced:
            return self._is_stale(seat, connection.route, now)
        return connection.hello.boot_id in seat.past_boots

    def _is_stale(self, seat: Seat, route: bytes, now: float) -> bool:
        """Tell whether nothing that was under way can come on a replaced connection any more."""
        return now - seat.replaced[route] >= self._stale_seconds

    def is_second_machine(self, hub: str, route: bytes, now: float) -> bool:
        """Tell whether a message on this connection shows a second machine."""
        seat = self._seats.get(hub)
        if seat is None or route not in seat.replaced:
            return False
        return self._is_stale(seat, route, now)

    def open_for(self, seconds: float, now: float) -> list[Replaced]:
        """Return the connections replaced longer ago than that and not known to be closed."""
        found = []
        until = now - seconds
        for hub, seat in self._seats.items():
            for route, replaced_at in seat.replaced.items():
                if replaced_at <= until:
                    found.append(Replaced(hub, route))
        return found

    def connection(self, hub: str) -> HubConnection | None:
        """Return the connection that counts."""
        seat = self._seats.get(hub)
        return seat.connection if seat else None

    def replaced(self, hub: str) -> tuple[bytes, ...]:
        """Return the routes of replaced connections that are not known to be closed."""
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
        if seat is None:
            return ()
        past = (boot.hex() for boot in seat.past_boots)
        return (seat.connection.boot, *past)

    def forget(self, hub: str) -> None:
        """Begin again with whoever says Hello next."""
        self._seats.pop(hub, None)


def _replace(seat: Seat, connection: HubConnection, now: float) -> None:
    before = seat.connection
    seat.replaced[before.route] = now
    if connection.hello.boot_id != before.hello.boot_id:
        seat.past_boots[before.hello.boot_id] = None
        while len(seat.past_boots) > PAST_BOOTS_MAX:
            oldest = next(iter(seat.past_boots))
            del seat.past_boots[oldest]
    seat.connection = connection
