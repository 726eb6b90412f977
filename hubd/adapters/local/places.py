"""Who has a place at the local socket, how fast it may ask, and who gives way to a newcomer.

Laws:
1. There are `clients` places. `root_places` of them are for root alone, and no user takes more than
   `user_places`.
2. At most `tails` places are taken by tails, at most `user_tails` of them by one user.
3. A newcomer who finds no place takes that of a client who only waits: the oldest tail, else who
   was idle longest.
4. Who is being answered keeps its place, and root gives way to root alone.
5. Where several users fill the common places, the one gives way who holds most of those that only
   wait.
6. A client is served `client_per_second` times a second, the clients of one user together
   `user_per_second` times; who asks faster waits, and is not refused. Who leaves while it waits
   gives its turn back, so that no wait is longer than the clients of one user who have a place.
7. A user comes `newcomers_per_second` times a second, all users but root together
   `all_newcomers_per_second` times; who comes faster is refused, and what one user has used up is
   no other's. Root's pace is its own.

"User" is a uid. Nothing here waits or knows a socket: moments are seconds of a monotonic clock and
come as arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

ROOT = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """The ceilings of the local socket.

    In hubd's unit all users but root and hubd are one, for it sees them so.
    """

    clients: int = 16
    root_places: int = 4
    user_places: int = 8
    tails: int = 10
    user_tails: int = 6
    client_per_second: float = 10.0
    client_burst: int = 20
    user_per_second: float = 20.0
    user_burst: int = 40
    newcomers_per_second: float = 50.0
    newcomers_burst: int = 50
    all_newcomers_per_second: float = 200.0
    all_newcomers_burst: int = 200

    def __post_init__(self) -> None:
        if not self.root_places < self.user_places <= self.clients - self.root_places:
            raise ValueError("a user has more places than are kept for root, and leaves those")
        if not self.user_tails < min(self.user_places, self.tails) or not self.tails < self.clients:
            raise ValueError("tails leave places for calls")


LIMITS: Final = Limits()


class Doing(Enum):
    """What a client does; only IDLE and TAILING give way."""

    ARRIVING = auto()
    IDLE = auto()
    ASKING = auto()
    TAILING = auto()


class Pace:
    """`per_second` turns a second, at most `burst` at once.

    Turns are given in the order of asking, none is refused.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._seconds_a_turn = 1 / per_second
        self._burst_seconds = (burst - 1) * self._seconds_a_turn
        self._next = float("-inf")

    def take(self, at: float) -> float:
        """Take the next turn; return the seconds until it comes."""
        turn = max(self._next, at - self._burst_seconds)
        self._next = turn + self._seconds_a_turn
        return max(0.0, turn - at)

    def free(self, at: float) -> bool:
        """Tell whether the next turn is now."""
        return self._next <= at

    def give_back(self) -> None:
        """Undo one `take` whose turn has not come; whoever waits already keeps its own."""
        self._next -= self._seconds_a_turn

    def rested(self, at: float) -> bool:
        """Tell whether this pace is as good as a new one."""
        return self._next <= at - self._burst_seconds


@dataclass(eq=False, slots=True)
class Place:
    """One client's place.

    `dismiss` is called when it must give way; after that the place is another's.
    """

    uid: int
    number: int
    pace: Pace
    doing: Doing = Doing.ARRIVING
    since: float = 0.0
    taken: bool = True
    waiting: bool = False
    """For a turn that it has taken."""
    dismiss: Callable[[], None] = field(default=lambda: None)

    def now(self, doing: Doing, at: float) -> None:
        """Begin to do something else."""
        self.doing = doing
        self.since = at


class Places:
    """All places of one socket."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._taken: list[Place] = []
        self._paces: dict[int, Pace] = {}
        self._newcomers: dict[int, Pace] = {}
        self._all_newcomers = Pace(limits.all_newcomers_per_second, limits.all_newcomers_burst)
        self._count = 0

    def __len__(self) -> int:
        return len(self._taken)

    def held(self) -> tuple[Place, ...]:
        """Return the places that are taken, in the order in which they were taken."""
        return tuple(self._taken)

    def may_come(self, uid: int, at: float) -> bool:
        """Take the user's next turn as a newcomer; False when it comes too early, and then none is
        taken.
        """
        if uid != ROOT and not self._all_newcomers.free(at):
            return False
        limits = self._limits
        own = _pace_of(
            self._newcomers, uid, at, limits.newcomers_per_second, limits.newcomers_burst
        )
        if not own.free(at):
            return False
        own.take(at)
        if uid != ROOT:
            self._all_newcomers.take(at)
        return True

    def enter(self, uid: int) -> Place | None:
        """Give a newcomer a place, if need be that of another; None when nobody can give way."""
        crowd = self._crowd(uid)
        if crowd is not None and not self._one_gives_way(crowd):
            return None
        self._count += 1
        pace = Pace(self._limits.client_per_second, self._limits.client_burst)
        place = Place(uid=uid, number=self._count, pace=pace)
        self._taken.append(place)
        return place

    def leave(self, place: Place) -> None:
        """Give a place back. Who has given way has done so."""
        if place.taken:
            place.taken = False
            self._taken.remove(place)
        if place.waiting:
            place.waiting = False
            if pace := self._paces.get(place.uid):
                pace.give_back()

    def tail(self, place: Place, at: float) -> None:
        """Let a client tail; an older tail gives way when there are enough."""
        tails = [other for other in self._taken if other.doing is Doing.TAILING]
        own = _of(tails, place.uid)
        if len(own) >= self._limits.user_tails:
            self._one_gives_way(own)
        elif len(tails) >= self._limits.tails:
            self._one_gives_way(_largest_share(_not_roots(tails)))
        place.now(Doing.TAILING, at)

    def wait_seconds(self, place: Place, at: float) -> float:
        """Take the client's next turn, until `served` or `leave`; return the seconds until it
        comes.
        """
        limits = self._limits
        user = _pace_of(self._paces, place.uid, at, limits.user_per_second, limits.user_burst)
        place.waiting = True
        return max(place.pace.take(at), user.take(at))

    def served(self, place: Place) -> None:
        """Say that the turn has come and is used."""
        place.waiting = False

    def _crowd(self, uid: int) -> list[Place] | None:
        """Return among whom one must give way to a newcomer; None when there is room."""
        limits = self._limits
        own = _of(self._taken, uid)
        if len(own) >= limits.user_places:
            return own
        others = _not_roots(self._taken)
        common_full = uid != ROOT and len(others) >= limits.clients - limits.root_places
        if common_full or len(self._taken) >= limits.clients:
            return _largest_share(_waiting(others))
        return None

    def _one_gives_way(self, crowd: Iterable[Place]) -> bool:
        waiting = _waiting(crowd)
        if not waiting:
            return False
        gone = min(
            waiting, key=lambda place: (place.doing is not Doing.TAILING, place.since, place.number)
        )
        self.leave(gone)
        gone.dismiss()
        return True


def _pace_of(paces: dict[int, Pace], uid: int, at: float, per_second: float, burst: int) -> Pace:
    """Return the user's pace; those of others who have rested are forgotten."""
    for rested in [user for user, pace in paces.items() if user != uid and pace.rested(at)]:
        del paces[rested]
    return paces.setdefault(uid, Pace(per_second, burst))


def _of(places: Iterable[Place], uid: int) -> list[Place]:
    return [place for place in places if place.uid == uid]


def _waiting(places: Iterable[Place]) -> list[Place]:
    return [place for place in places if place.doing in (Doing.TAILING, Doing.IDLE)]


def _not_roots(places: Iterable[Place]) -> list[Place]:
    return [place for place in places if place.uid != ROOT]


def _largest_share(places: list[Place]) -> list[Place]:
    """Return the places of the user who holds most of them."""
    if not places:
        return []
    uids = [place.uid for place in places]
    return _of(places, max(uids, key=uids.count))
