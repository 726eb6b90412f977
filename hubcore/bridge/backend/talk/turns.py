"""The lanes of all hubs on their way to the backend, and whose turn it is.

Laws:
1. A turn is one question or one batch. Between two turns of a hub that waits, no other hub has more
   than one.
2. All lanes together have at most WINDOW questions and batches unanswered.
3. There are at most `hubs_max` lanes.
4. A batch is a stretch: it ends with a head that its hub has signed, or it does not go.
"""

from __future__ import annotations

from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_hub import Evidence
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.backend.from_bridge import AskHub, Doubted, Forwarded
from hubcore.bridge.backend.lane import Lane, LanePace
from hubcore.bridge.backend.talk.effects import Effects, Read, Say, Tell
from hubcore.bridge.stretch import Stretch
from hubcore.errors import AuditError
from hubcore.evidence.records import Head, follows

WINDOW = 16
"""Questions and batches of all hubs together: 1 MiB."""


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
        load = sum(self.lanes[hub].load for hub in self._loaded)
        while self._waiting and load < WINDOW:
            hub = next(iter(self._waiting))
            del self._waiting[hub]
            lane = self.lanes[hub]
            if lane.may_ask(now):
                turn = lane.ask(now)
                effects.append(Say(AskHub(hub, turn, lane.seen.number, lane.seen.hash)))
            elif lane.may_read():
                lane.reading = True
                effects.append(Read(hub, lane.sent))
            else:
                continue
            load += 1
            self.touch(hub, lane, now)
        return effects

    def send(self, hub: str, lane: Lane, stretch: Stretch | None, now: float) -> Effects:
        """Send one batch, or find out that the backend has another log (law 4)."""
        if stretch is None:
            lane.behind(now)
            return []
        try:
            follows(lane.sent, stretch.records[0])
        except AuditError:
            return self.differ(hub, lane, lane.sent, now)
        batch = tuple(
            uplink.encode(Evidence(one.number, one.body, one.hash)) for one in stretch.records
        )
        newest = stretch.records[-1]
        lane.was_sent(Head(newest.number, newest.hash), now)
        return [Say(Forwarded(hub, batch, stretch.document))]

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
