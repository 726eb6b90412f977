"""Which connection speaks as each hub, and whether two machines do (`hubcore.backend.lives`).

How it works: the first connection of a hub counts at once. Each later one says Hello and waits.
Every connection that may be open then gets a Probe. Whoever answers is there, and counts from then
on. A Hello that comes late, of a connection that its machine has left, is never answered for.

Laws:
1. A connection takes another one's place by an answer to a Probe that was said after the other's
   Hello had come, and by nothing else.
2. What a hub says on a connection that does not count is not heard.
3. At most OTHERS_MAX connections of a hub are kept beside the one that counts; then the oldest is
   forgotten, and may say Hello again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from hubcore.backend.lives import Lives, Probes
from hubcore.backend.uplink.from_hub import Hello

OTHERS_MAX = 16
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


class Probed(NamedTuple):
    """A Probe with this nonce is to go to this connection."""

    route: bytes
    nonce: bytes


@dataclass(slots=True)
class _Place:
    """One connection of a hub, the turn at which it began, and the Probes that it may answer."""

    connection: HubConnection
    began: int
    probes: Probes = field(default_factory=Probes)
    answered: int = 0


@dataclass(slots=True)
class _Seat:
    """Who speaks as one hub."""

    counts: bytes
    """The route of the connection that counts, and its turn."""
    began: int = 1
    places: dict[bytes, _Place] = field(default_factory=dict)
    """By route, the one that began first at the front."""
    lives: Lives = field(default_factory=Lives)
    turn: int = 0


class Seats:
    """One seat a hub. `chance` returns so many random bytes."""

    def __init__(self, chance: Callable[[int], bytes]) -> None:
        self._chance = chance
        self._seats: dict[str, _Seat] = {}

    def hello(self, hub: str, connection: HubConnection) -> bool:
        """A hub has said Hello. Tell whether this connection counts."""
        route = connection.route
        seat = self._seats.setdefault(hub, _Seat(route))
        place = seat.places.get(route)
        if place is not None and place.connection.boot == connection.boot:
            place.connection = connection
        else:
            seat.turn += 1
            seat.places[route] = _Place(connection, seat.turn)
            seat.lives.began(connection.hello.boot_id, route, seat.turn)
            _forget_oldest(seat)
        return seat.counts == route

    def alive(self, hub: str, route: bytes, nonce: bytes) -> HubConnection | None:
        """A connection has answered a Probe. Return it if it takes the place of another one now."""
        seat = self._seats.get(hub)
        place = seat.places.get(route) if seat else None
        turn = place.probes.turn_of(nonce) if place else None
        if seat is None or place is None or turn is None:
            return None
        place.answered = max(place.answered, turn)
        seat.lives.answered(place.connection.hello.boot_id, route, turn)
        if route == seat.counts or turn < seat.began:
            return None
        seat.counts = route
        seat.began = place.began
        return place.connection

    def two(self, hub: str) -> tuple[str, ...]:
        """Return the boot ids of two machines that speak as a hub, () while there may be one."""
        seat = self._seats.get(hub)
        return tuple(boot.hex() for boot in seat.lives.two()) if seat else ()

    def probes(self, hub: str) -> list[Probed]:
        """Return what tells who is there now; [] when nothing is open."""
        seat = self._seats.get(hub)
        if seat is None:
            return []
        is_known = all(place.answered == seat.turn for place in seat.places.values())
        if is_known and len(seat.places) == 1:
            return []
        return [
            Probed(route, place.probes.nonce(seat.turn, self._chance))
            for route, place in seat.places.items()
        ]

    @property
    def hubs(self) -> tuple[str, ...]:
        """Every hub that has a seat."""
        return tuple(self._seats)

    def connection(self, hub: str) -> HubConnection | None:
        """Return the connection that counts."""
        seat = self._seats.get(hub)
        place = seat.places.get(seat.counts) if seat else None
        return place.connection if place else None

    def others(self, hub: str) -> tuple[HubConnection, ...]:
        """Return the connections beside it that are not known to be closed."""
        seat = self._seats.get(hub)
        if seat is None:
            return ()
        places = seat.places.items()
        return tuple(place.connection for route, place in places if route != seat.counts)

    def closed(self, hub: str, route: bytes) -> None:
        """This connection is closed."""
        seat = self._seats.get(hub)
        if seat is not None:
            seat.places.pop(route, None)

    def boots(self, hub: str) -> tuple[str, ...]:
        """Return the boot ids seen of a hub, the one that began last first."""
        seat = self._seats.get(hub)
        return tuple(boot.hex() for boot in seat.lives.boots) if seat else ()

    def forget(self, hub: str) -> None:
        """Begin again with whoever says Hello next."""
        self._seats.pop(hub, None)


def _forget_oldest(seat: _Seat) -> None:
    others = [route for route in seat.places if route != seat.counts]
    if len(others) > OTHERS_MAX:
        del seat.places[others[0]]
