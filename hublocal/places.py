"""Who has a place at the local socket, how fast it may ask, and who gives way to a newcomer.

Laws:
1. There are `clients` places. `root_places` of them are for root alone, and no user takes more than
   `user_places`.
2. At most `tails` places are taken by tails, at most `user_tails` of them by one user.
3. A newcomer who finds no place takes that of a client who only waits: the oldest tail, else the
   one that was idle longest.
4. A client that is being answered keeps its place, and root gives way to root alone.
5. Where several users fill the common places, the user gives way who holds most of those that only
   wait.
6. A client is served `client_per_second` times a second, the clients of one user together
   `user_per_second` times. A client that asks faster waits, and is not refused. One that leaves
   while it waits gives its turn back: no wait is longer than the clients of one user with a place.
7. A user comes `newcomers_per_second` times a second, all users but root together
   `all_newcomers_per_second` times. A user who comes faster is refused, and uses up no other's
   share. Root's pace is its own.

"User" is a uid. Nothing here waits or knows a socket: moments are seconds of a monotonic clock and
come as arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from hubcore.timing.credit import Credit
from hubcore.timing.pace import Bucket, Paces, Rate

ROOT = 0
USERS_MAX = 256
"""Users whose newcomers have a pace of their own; of more, the longest away is forgotten."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The ceilings of the local socket."""

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
        common_places = self.clients - self.root_places
        if not self.root_places < self.user_places <= common_places:
            raise ValueError("a user has more places than are kept for root, and leaves those")
        if self.tails >= self.clients:
            raise ValueError("tails leave places for calls")
        if self.user_tails >= min(self.user_places, self.tails):
            raise ValueError("tails leave places for calls")


LIMITS: Final = Limits()


class Doing(Enum):
    """What a client does; only IDLE and TAILING give way."""

    ARRIVING = auto()
    IDLE = auto()
    ASKING = auto()
    TAILING = auto()


_ONLY_WAITS = (Doing.TAILING, Doing.IDLE)


@dataclass(eq=False, slots=True)
class Place:
    """One client's place.

    `dismiss` is called when it must give way; after that the place is another's.
    """

    uid: int
    number: int
    pace: Credit
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
        newcomers = Rate(
            burst=limits.newcomers_burst,
            per_second=limits.newcomers_per_second,
        )
        all_newcomers = Rate(
            burst=limits.all_newcomers_burst,
            per_second=limits.all_newcomers_per_second,
        )
        self._limits = limits
        self._client_rate = Rate(
            burst=limits.client_burst,
            per_second=limits.client_per_second,
        )
        self._user_rate = Rate(
            burst=limits.user_burst,
            per_second=limits.user_per_second,
        )
        self._taken: list[Place] = []
        self._user_paces: dict[int, Credit] = {}
        self._root_newcomers = Bucket(newcomers)
        self._newcomers = Paces(
            each=newcomers,
            whole=all_newcomers,
            sources_max=USERS_MAX,
        )
        self._count = 0

    def __len__(self) -> int:
        return len(self._taken)

    def held(self) -> tuple[Place, ...]:
        """Return the places that are taken, in the order in which they were taken."""
        return tuple(self._taken)

    def may_come(self, uid: int, at: float) -> bool:
        """Take a user's turn as a newcomer; False when it comes too early."""
        if uid == ROOT:
            return self._root_newcomers.take(at)
        return self._newcomers.take(uid, at)

    def enter(self, uid: int) -> Place | None:
        """Give a newcomer a place, if need be that of another; None when nobody can give way."""
        crowd = self._crowd(uid)
        if crowd is not None and not self._one_gives_way(crowd):
            return None
        self._count += 1
        place = Place(
            uid=uid,
            number=self._count,
            pace=Credit(self._client_rate),
        )
        self._taken.append(place)
        return place

    def leave(self, place: Place) -> None:
        """Give a place back. A client that has given way has done so already."""
        if place.taken:
            place.taken = False
            self._taken.remove(place)
        if place.waiting:
            place.waiting = False
            pace = self._user_paces.get(place.uid)
            if pace is not None:
                pace.give_back()

    def tail(self, place: Place, at: float) -> None:
        """Let a client tail; an older tail gives way when there are enough."""
        tails = [other for other in self._taken if other.doing is Doing.TAILING]
        own = _of_user(tails, place.uid)
        if len(own) >= self._limits.user_tails:
            self._one_gives_way(own)
        elif len(tails) >= self._limits.tails:
            self._one_gives_way(_largest_share(_without_root(tails)))
        place.now(Doing.TAILING, at)

    def wait_seconds(self, place: Place, at: float) -> float:
        """Take the client's next turn; return the seconds until it comes.

        It ends with `served` or `leave`.
        """
        user_pace = self._user_pace(place.uid, at)
        place.waiting = True
        own_seconds = place.pace.take(at)
        user_seconds = user_pace.take(at)
        return max(own_seconds, user_seconds)

    def served(self, place: Place) -> None:
        """Say that the turn has come and is used."""
        place.waiting = False

    def _user_pace(self, uid: int, at: float) -> Credit:
        """Return the user's pace; those of others who have rested are forgotten."""
        for user, pace in list(self._user_paces.items()):
            if user != uid and pace.is_full(at):
                del self._user_paces[user]
        return self._user_paces.setdefault(uid, Credit(self._user_rate))

    def _crowd(self, uid: int) -> list[Place] | None:
        """Return the places of which one must give way to a newcomer; None when there is room."""
        limits = self._limits
        own = _of_user(self._taken, uid)
        if len(own) >= limits.user_places:
            return own
        others = _without_root(self._taken)
        common_places = limits.clients - limits.root_places
        is_common_full = uid != ROOT and len(others) >= common_places
        is_full = len(self._taken) >= limits.clients
        if is_common_full or is_full:
            return _largest_share(_that_only_wait(others))
        return None

    def _one_gives_way(self, crowd: Iterable[Place]) -> bool:
        candidates = _that_only_wait(crowd)
        if not candidates:
            return False
        gone = min(candidates, key=_turn_to_give_way)
        self.leave(gone)
        gone.dismiss()
        return True


def _turn_to_give_way(place: Place) -> tuple[bool, float, int]:
    """Order places: tails first, then by how long each has done what it does."""
    is_no_tail = place.doing is not Doing.TAILING
    return (is_no_tail, place.since, place.number)


def _of_user(places: Iterable[Place], uid: int) -> list[Place]:
    return [place for place in places if place.uid == uid]


def _that_only_wait(places: Iterable[Place]) -> list[Place]:
    return [place for place in places if place.doing in _ONLY_WAITS]


def _without_root(places: Iterable[Place]) -> list[Place]:
    return [place for place in places if place.uid != ROOT]


def _largest_share(places: list[Place]) -> list[Place]:
    """Return the places of the user who holds most of them."""
    if not places:
        return []
    uids = [place.uid for place in places]
    largest = max(uids, key=uids.count)
    return _of_user(places, largest)
