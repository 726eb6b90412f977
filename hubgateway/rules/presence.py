"""Which connection speaks as each hub, and whether two machines do, at however many gateways.

How it works: a connection's first Hello gets a turn, the engine's revision of the hub's session,
which only grows. The gateway tells the others of it. Each of them says Probe on every connection of
this hub that it has, and tells who has answered. So all come to know the same lives
(`hubcore.backend.lives`), and whoever sees two that overlap stops the hub.

Laws:
1. A connection counts once it has answered a Probe that was said after its own Hello. Of those that
   have, the one that began last counts, at whichever gateway it is.
2. A Hello that comes late, of a connection that its machine has left, takes nobody's place: nobody
   answers there.
3. Two machines are two lives that overlap, and nothing else.
4. What another gateway tells is learnt only of hubs that have been here.
5. An engine that was restored from an older copy gives turns again. So all is forgotten when the
   engine was away, and a hub's when its turn does not grow.
6. A hub has at most PLACES_MAX connections here: beyond that the oldest one goes that does not
   count. At most TOLD_MAX lives are told of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hubcore.backend.lives import Lives, Probes
from hubcore.codec import cbor
from hubcore.errors import FrameError
from hubgateway.rules.lanes import Heard

PLACES_MAX = 16
TOLD_MAX = 16
_BOOT_BYTES = 16
_CONNECTION_BYTES_MAX = 64
_TURN_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Life:
    """What is known of one connection; both are turns. `alive` 0: nobody has answered there."""

    boot: bytes
    connection: bytes
    began: int
    alive: int


@dataclass(frozen=True, slots=True)
class SayProbe:
    """A Probe with this nonce is to go to this connection."""

    route: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True)
class TellLife:
    """The other gateways are to be told."""

    life: Life


@dataclass(frozen=True, slots=True)
class Counts:
    """This connection, which began at this turn, is the hub's from now on."""

    heard: Heard
    turn: int


@dataclass(frozen=True, slots=True)
class Moved:
    """The hub speaks at another gateway now."""


@dataclass(frozen=True, slots=True)
class TwoMachines:
    """Two machines speak as the hub; their boot ids."""

    boots: tuple[bytes, ...]


Effect = SayProbe | TellLife | Counts | Moved | TwoMachines
Effects = list[Effect]


@dataclass(slots=True)
class _Place:
    """A connection here, and its Probes."""

    heard: Heard
    life: Life
    probes: Probes = field(default_factory=Probes)


@dataclass(slots=True)
class _Hub:
    """What is known of one hub."""

    places: dict[bytes, _Place] = field(default_factory=dict)
    lives: Lives = field(default_factory=Lives)
    told: dict[bytes, Life] = field(default_factory=dict)
    """The newest lives, by connection."""
    turn: int = 0
    """The newest that is known."""
    counts: int = 0
    """The turn at which the connection began that counts, here or elsewhere."""
    forgotten: int = 0
    """Lives that began at this turn, or before, are not learnt."""

    def learn(self, life: Life) -> None:
        before = self.told.pop(life.connection, life)
        self.told[life.connection] = Life(
            boot=life.boot,
            connection=life.connection,
            began=life.began,
            alive=max(life.alive, before.alive),
        )
        while len(self.told) > TOLD_MAX:
            del self.told[min(self.told, key=lambda name: self.told[name].began)]
        self.lives.began(life.boot, life.connection, life.began)
        if life.alive:
            self.lives.answered(life.boot, life.connection, life.alive)


class Presence:
    """The hubs of one gateway, `name`; `chance` returns so many random bytes."""

    def __init__(self, name: bytes, chance: Callable[[int], bytes]) -> None:
        self._name = name
        self._chance = chance
        self._hubs: dict[str, _Hub] = {}

    def is_new(self, hub: str, route: bytes, boot: bytes) -> bool:
        """Tell whether this connection says its first Hello."""
        place = self._place(hub, route)
        return place is None or place.life.boot != boot

    def counts(self, hub: str, route: bytes) -> int | None:
        """Return the turn at which this connection began, None unless it counts."""
        place = self._place(hub, route)
        if place is None or place.life.began != self._hubs[hub].counts:
            return None
        return place.life.began

    def heard_on(self, hub: str) -> list[Heard]:
        """Return the newest Hello of each connection of a hub here."""
        known = self._hubs.get(hub)
        return [place.heard for place in known.places.values()] if known else []

    def begin(self, hub: str, heard: Heard, boot: bytes, turn: int) -> Effects:
        """A connection has said its first Hello, and that was this turn."""
        known = self._hubs.setdefault(hub, _Hub())
        if turn <= known.turn:
            known = self._hubs[hub] = _Hub()
        life = Life(boot, self._name + heard.route, turn, 0)
        known.places[heard.route] = _Place(heard, life)
        known.turn = max(known.turn, turn)
        known.learn(life)
        if len(known.places) > PLACES_MAX:
            del known.places[_oldest_beside(known, turn)]
        return [TellLife(life), *self.probes(hub)]

    def again(self, hub: str, heard: Heard) -> None:
        """A connection that is known has said another Hello."""
        place = self._place(hub, heard.route)
        if place is not None:
            place.heard = heard

    def alive(self, hub: str, route: bytes, nonce: bytes) -> Effects:
        """A connection has answered a Probe."""
        place = self._place(hub, route)
        turn = place.probes.turn_of(nonce) if place else None
        if place is None or turn is None or turn <= place.life.alive:
            return []
        known = self._hubs[hub]
        life = Life(place.life.boot, place.life.connection, place.life.began, turn)
        place.life = life
        known.learn(life)
        effects: Effects = [TellLife(life)]
        if life.began > known.counts:
            known.counts = life.began
            effects.append(Counts(place.heard, life.began))
        return effects + _two(known)

    def heard(self, hub: str, life: Life) -> Effects:
        """Another gateway has told of a connection."""
        known = self._hubs.get(hub)
        if known is None or life.connection.startswith(self._name):
            return []
        if life.began <= known.forgotten:
            return []
        known.learn(life)
        effects: Effects = []
        if life.began > known.turn:
            known.turn = life.began
            effects += [TellLife(one) for one in known.told.values() if one.alive]
            effects += self.probes(hub)
        if life.alive and life.began > known.counts:
            known.counts = life.began
            effects.append(Moved())
        return effects + _two(known)

    def probes(self, hub: str) -> Effects:
        """Return the Probes that are not answered yet."""
        known = self._hubs.get(hub)
        if known is None:
            return []
        return [
            SayProbe(route, place.probes.nonce(known.turn, self._chance))
            for route, place in known.places.items()
            if place.life.alive < known.turn
        ]

    def unsettled(self) -> list[str]:
        """Return the hubs with connections that have not answered."""
        return [
            hub
            for hub, known in self._hubs.items()
            if any(place.life.alive < known.turn for place in known.places.values())
        ]

    def closed(self, hub: str, route: bytes) -> None:
        """This connection takes nothing any more."""
        if hub in self._hubs:
            self._hubs[hub].places.pop(route, None)

    def forget(self, hub: str) -> None:
        """Begin again with whoever says Hello next; what is late of before is not learnt."""
        known = self._hubs.get(hub)
        if known is not None:
            turn = known.turn
            self._hubs[hub] = _Hub(turn=turn, counts=turn, forgotten=turn)

    def forget_all(self) -> None:
        """The engine was away: its turns may not be those of before."""
        self._hubs.clear()

    def _place(self, hub: str, route: bytes) -> _Place | None:
        known = self._hubs.get(hub)
        return known.places.get(route) if known else None


def _oldest_beside(known: _Hub, turn: int) -> bytes:
    """Return the oldest connection but for the one that counts and the one of this turn."""
    stay = (known.counts, turn)
    return next(route for route, place in known.places.items() if place.life.began not in stay)


def _two(known: _Hub) -> Effects:
    boots = known.lives.two()
    return [TwoMachines(boots)] if boots else []


def write_life(life: Life) -> bytes:
    """Return a life as gateways tell it."""
    return cbor.encode([life.boot, life.connection, life.began, life.alive])


def read_life(data: bytes) -> Life | None:
    """Read what another gateway told; None for anything else."""
    try:
        said = cbor.decode(data, max_depth=1, max_items=5)
    except FrameError:
        return None
    match said:
        case [bytes(boot), bytes(connection), int(began), int(alive)]:
            is_one = len(boot) == _BOOT_BYTES and len(connection) <= _CONNECTION_BYTES_MAX
            are_turns = 0 < began <= _TURN_MAX and (alive == 0 or began <= alive <= _TURN_MAX)
            return Life(boot, connection, began, alive) if is_one and are_turns else None
    return None
