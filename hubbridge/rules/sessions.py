"""Which connection speaks as each hub.

Laws:
1. A hub has one session: the newest connection that has proven to be it. The one before is cut.
   But a certificate that has ended takes the place of none that has not: it may be of a machine
   that was replaced.
2. Who may nothing has no session. That is looked up when it comes, and again at each message.
3. A newer list of ends cuts all sessions of those that it names.
4. There are at most `sessions_max`. One more is refused, unless it takes its own hub's place.
5. A hub whose sessions replace each other faster than CHANGES is contested: two machines may have
   its key. It is told, and served on; the backend judges by both chains.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubbridge.rules.peers import May, may
from hubcore.bridge.ends import Ends
from hubcore.timing.pace import Paces, Rate
from hubtls.peers import Peer

SESSIONS_MAX = 256
CHANGES = Rate(burst=6, per_second=1 / 30)
"""A hub on a bad line comes again some times a minute."""
_ANY = Rate(burst=1e12, per_second=1e12)


@dataclass(frozen=True, slots=True)
class Came:
    """What a newcomer's coming means."""

    may: May
    cut: int | None = None
    """The session that has to go."""
    contested: bool = False


class Sessions:
    """The sessions of one bridge, by the numbers of their connections."""

    def __init__(self, ends: Ends, sessions_max: int = SESSIONS_MAX) -> None:
        self.ends = ends
        self._sessions_max = sessions_max
        self._peers: dict[int, Peer] = {}
        self._numbers: dict[str, int] = {}
        """The session of each hub, by its id."""
        self._changes = Paces(each=CHANGES, whole=_ANY, sources_max=sessions_max)

    def __len__(self) -> int:
        return len(self._peers)

    def of(self, hub: str) -> int | None:
        """Return the session that speaks as a hub."""
        return self._numbers.get(hub)

    def came(self, number: int, peer: Peer, wall: float, now: float) -> Came:
        """A connection has proven who it is; `wall` is Unix time, `now` monotonic, in seconds."""
        allowed = may(peer, self.ends, wall)
        hub = peer.name.id
        before = self._numbers.get(hub)
        if allowed is May.NOTHING:
            return Came(May.NOTHING)
        if before is None and len(self._peers) >= self._sessions_max:
            return Came(May.NOTHING)
        is_spoken_for = before is not None and self.may(before, wall) is May.SPEAK
        if allowed is May.RENEW and is_spoken_for:
            return Came(May.NOTHING)
        contested = False
        if before is not None:
            contested = not self._changes.take(hub, now)
            del self._peers[before]
        self._peers[number] = peer
        self._numbers[hub] = number
        return Came(allowed, cut=before, contested=contested)

    def gone(self, number: int) -> None:
        """A connection is gone."""
        peer = self._peers.pop(number, None)
        if peer is not None:
            del self._numbers[peer.name.id]

    def may(self, number: int, wall: float) -> May:
        """Return what the next message of a connection may be."""
        peer = self._peers.get(number)
        return May.NOTHING if peer is None else may(peer, self.ends, wall)

    def take_ends(self, offered: Ends) -> tuple[int, ...]:
        """Take a list of ends; return the sessions that are to be cut. Raise RollbackError."""
        self.ends = self.ends.newer(offered)
        ended = tuple(
            number
            for number, peer in self._peers.items()
            if offered.include(peer.name.id, peer.key_digest)
        )
        for number in ended:
            self.gone(number)
        return ended
