"""The lanes of all hubs on their way to the backend, and whose turn it is.

Laws:
1. A turn is one question, or the batches of one read. Between two turns of a hub that waits, no
   other hub has more than one.
2. All lanes together have at most WINDOW questions and batches unanswered.
3. There are at most `hubs_max` lanes.
4. A batch is a stretch: it ends with a head that its hub has signed, or it does not go.
"""

from __future__ import annotations

from collections.abc import Sequence

from hubcore.backend.uplink.evidence import message_of
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.backend.from_bridge import AskHub, Doubted, Forwarded
from hubcore.bridge.backend.lane import Lane, LanePace
from hubcore.bridge.backend.talk.effects import Effects, Read, Say, Tell
from hubcore.bridge.stretch import Stretch
from hubcore.errors import AuditError
from hubcore.evidence.records import Head, follows

WINDOW = 32
"""Questions and batches of all hubs together: 2 MiB."""


class Turns:
    """The lanes by the names of their hubs. Moments are monotonic seconds."""

    def __init__(self, pace: LanePace, hubs_max: int) -> None:
        self._pace = pace
        self._hubs_max = hubs_max
        self.lanes: dict[str, Lane] = {}
        self._waiting: dict[str, None] = {}
        """The hubs that wait for a turn; whose is next comes first (law 1)."""
        self._loaded: set[str] = set()

    def cut(self) -> None:
        """The connection has gone."""
        self._waiting.clear()
        self._loaded.clear()
        for lane in self.lanes.values():
            lane.cut()

    def lane_of(self, hub: str) -> Lane | None:
        """Return a hub's lane, a new one for a new hub; None where there are too many (law 3)."""
        lane = self.lanes.get(hub)
        if lane is None and len(self.lanes) < self._hubs_max:
            lane = self.lanes[hub] = Lane(self._pace)
        return lane

    def begin_again(self, hub: str) -> None:
        """Let a hub's lane know nothing. A late answer is none to a new question."""
        before = self.lanes.get(hub)
        if before is not None:
            self.lanes[hub] = Lane(self._pace, turn=before.turn)
            self._waiting.pop(hub, None)
            self._loaded.discard(hub)

    def touch(self, hub: str, lane: Lane, now: float) -> None:
        """Let a hub wait for a turn, if it has something to say."""
        if lane.load:
            self._loaded.add(hub)
        else:
            self._loaded.discard(hub)
        if lane.may_ask(now) or lane.may_read():
            self._waiting.setdefault(hub)

    def touch_all(self, now: float) -> None:
        """Let all hubs wait that have something to say."""
        for hub, lane in self.lanes.items():
            self.touch(hub, lane, now)

    def look(self, now: float) -> None:
        """Begin again where no answer came in time."""
        for hub, lane in self.lanes.items():
            lane.overdue(now)
            self.touch(hub, lane, now)

    def give(self, now: float) -> Effects:
        """Give turns as long as the window allows (laws 1 and 2)."""
        effects: Effects = []
        load = self._load()
        while self._waiting and load < WINDOW:
            hub = next(iter(self._waiting))
            del self._waiting[hub]
            lane = self.lanes[hub]
            if lane.may_ask(now):
                turn = lane.ask(now)
                effects.append(Say(AskHub(hub, turn, lane.seen.number, lane.seen.hash)))
            elif lane.may_read():
                most = lane.read(WINDOW - load)
                effects.append(Read(hub, lane.sent, most))
            else:
                continue
            self.touch(hub, lane, now)
            load = self._load()
        return effects

    def _load(self) -> int:
        return sum(self.lanes[hub].load for hub in self._loaded)

    def send(self, hub: str, lane: Lane, found: Sequence[Stretch], now: float) -> Effects:
        """Send batches, or find out that the backend has another log (law 4)."""
        if not found:
            lane.behind(now)
            return []
        effects: Effects = []
        for stretch in found[: lane.width - len(lane.flight)]:
            try:
                follows(lane.sent, stretch.records[0])
            except AuditError:
                return [*effects, *self.differ(hub, lane, lane.sent, now)]
            newest = stretch.records[-1]
            lane.was_sent(Head(newest.number, newest.hash), now)
            effects.append(Say(Forwarded(hub, _as_they_came(stretch), stretch.document)))
        return effects

    def differ(self, hub: str, lane: Lane, head: Head, now: float) -> Effects:
        """Stop a lane: the backend has another record there. Say so."""
        lane.halt(now)
        self.touch(hub, lane, now)
        said = Doubted(
            hub=hub,
            cause=Cause.FORK,
            told=head.number,
            told_hash=head.hash,
            seen=lane.seen.number,
            seen_hash=lane.seen.hash,
        )
        what = f"the backend has another record {head.number} of it than this bridge"
        return [Say(said), Tell(hub, what)]


def _as_they_came(stretch: Stretch) -> tuple[bytes, ...]:
    """Return the records as their hub has sent them."""
    return tuple(message_of(one.number, one.body, one.hash) for one in stretch.records)
