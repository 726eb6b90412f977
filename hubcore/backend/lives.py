"""Whether one machine speaks as a hub, or two. Who answers tells it, never what comes late.

How it works: each connection of a hub gets a turn at its first Hello, a number that only grows.
From then on whoever listens says Probe, now and then and after each new turn, on every connection
that may still be open. An Alive with the Probe's nonce proves that somebody was there after the
newest turn at which the Probe was said. So each boot, and each connection of a boot, has a life:
from the turn at which it began to the newest turn after which it has answered.

Laws:
1. A machine has one boot at a time, and a boot has one connection at a time: it closes one before
   it opens the next. So of two lives of one machine one is over before the other begins, and they
   never overlap.
2. Two lives that overlap are two machines: each has answered after the other had begun.
3. No time is measured, and nothing counts but a Hello and an Alive with a nonce that was said.
   However late anything comes, it makes no second machine of one.
4. Two machines that are there at once are known by the first answers after both said Hello. Two
   that come by turns are known when the first one answers again.
5. What is known only grows, and does not depend on the order in which it is told. So several who
   listen can tell each other.
6. At most LIVES_MAX boots, and as many connections, are remembered. What is forgotten can hide a
   second machine, and never makes one.
7. Of the Probes of a connection the newest NONCES_MAX may be answered, however late.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hubcore.backend.uplink.words import NONCE_BYTES

LIVES_MAX = 64
NONCES_MAX = 8

_Name = TypeVar("_Name", bound=Hashable)


class Lives:
    """The lives of one hub. Turns are above 0, and no two connections begin at the same one."""

    def __init__(self) -> None:
        self._boots = _Known[bytes]()
        self._connections = _Known[tuple[bytes, bytes]]()

    def began(self, boot: bytes, connection: bytes, turn: int) -> None:
        """This connection of this boot has said its first Hello, and that was this turn."""
        self._boots.learn(boot, turn, 0)
        self._connections.learn((boot, connection), turn, 0)

    def answered(self, boot: bytes, connection: bytes, turn: int) -> None:
        """It has answered a Probe, and `turn` was the newest when that was said."""
        self._boots.learn(boot, turn, turn)
        self._connections.learn((boot, connection), turn, turn)

    def two(self) -> tuple[bytes, ...]:
        """Return the boots of two machines, () while there may be one.

        It is one boot twice for a machine that was copied while it ran.
        """
        boots = self._boots.overlapping()
        if boots:
            return boots
        return tuple(boot for boot, _ in self._connections.overlapping())

    @property
    def boots(self) -> tuple[bytes, ...]:
        """The boots that are known, the one that began last first."""
        return self._boots.newest_first()


class Probes:
    """The Probes of one connection that may be answered: one for each of the newest turns."""

    def __init__(self) -> None:
        self._turns: dict[bytes, int] = {}
        """The newest turn when each was said, by nonce."""

    def __len__(self) -> int:
        return len(self._turns)

    def nonce(self, turn: int, chance: Callable[[int], bytes]) -> bytes:
        """Return the nonce for this turn; `chance` returns so many random bytes for a new one."""
        for nonce, said_at in self._turns.items():
            if said_at == turn:
                return nonce
        nonce = chance(NONCE_BYTES)
        self._turns[nonce] = turn
        while len(self._turns) > NONCES_MAX:
            del self._turns[next(iter(self._turns))]
        return nonce

    def turn_of(self, nonce: bytes) -> int | None:
        """Return the turn for which this nonce was said, None for one that was not, or is old."""
        return self._turns.get(nonce)


@dataclass(frozen=True, slots=True)
class _Life:
    """Both are turns; `alive` 0: it has not answered."""

    began: int
    alive: int

    @property
    def last(self) -> int:
        return max(self.began, self.alive)


class _Known(Generic[_Name]):
    """Lives of one sort, by name."""

    def __init__(self) -> None:
        self._lives: dict[_Name, _Life] = {}

    def learn(self, name: _Name, began: int, alive: int) -> None:
        """It began at this turn at the latest, and was alive after that one."""
        before = self._lives.get(name)
        if before is not None:
            began = min(began, before.began)
            alive = max(alive, before.alive)
        self._lives[name] = _Life(began, alive)
        while len(self._lives) > LIVES_MAX:
            oldest = min(self._lives, key=lambda known: self._lives[known].last)
            del self._lives[oldest]

    def overlapping(self) -> tuple[_Name, ...]:
        """Return two that overlap, else ()."""
        longest: _Name | None = None
        for name, life in self._by_beginning():
            if not life.alive:
                continue
            if longest is None:
                longest = name
                continue
            if life.began <= self._lives[longest].alive:
                return (longest, name)
            longest = name
        return ()

    def newest_first(self) -> tuple[_Name, ...]:
        """Return the names, the one that began last first."""
        return tuple(name for name, _ in reversed(self._by_beginning()))

    def _by_beginning(self) -> list[tuple[_Name, _Life]]:
        return sorted(self._lives.items(), key=lambda known: known[1].began)
