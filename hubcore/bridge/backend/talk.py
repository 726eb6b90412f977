"""The bridge's side of the talk with the backend: what it says and takes, and when.

How it works: on each connection the bridge says BridgeHello and waits for the Welcome. Then each
hub of which it holds something has a lane (`lane`): the bridge asks what the backend has of it, and
sends what follows. Lanes take turns. A turn is one question, or one batch of records. The backend
answers with receipts, which go to the store and to the hub.

Laws:
1. The talk is pure: messages and moments go in, effects come out, and nothing waits.
2. `_STEPS` says which message is taken in which phase. Any other is counted and has no effect.
3. Only a receipt that the mandate proves lets records go (`LetGo`), and each head once.
4. Between two turns of a hub that waits, no other hub has more than one. All together have at most
   WINDOW questions and batches unanswered.
5. Where bridge and backend know different records of a hub, the bridge says so and sends nothing of
   that hub for `LanePace.halted_seconds`. The other lanes go on.
6. There are at most `hubs_max` lanes. What is kept of each is its newest testimony, doubt and
   request for certificates. Each is said once on each connection.
7. No hub sets a pace: of each at most AHEAD_EACH's alarms go ahead, of all at most AHEAD_WHOLE's.
   What is beyond comes with its record.
8. What the disk did not take was never said: the backend is asked again (`not_kept`).
9. A backend that names itself or its site otherwise than its certificate, speaks another version,
   or says nothing is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hubcore.access.words import HubName
from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import Moment
from hubcore.backend.talk.silence import Silence
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_backend import NewPolicy, Pieces, Pong
from hubcore.backend.uplink.from_hub import Evidence, Notice
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.backend.from_backend import (
    BackendWelcome,
    CertificateOfHub,
    EndsNow,
    FromBackend,
    HubHalted,
    HubKnown,
    HubReceipt,
)
from hubcore.bridge.backend.from_bridge import (
    Ahead,
    AskHub,
    BornWitness,
    Doubted,
    Forwarded,
    FromBridge,
    RequestOfHub,
)
from hubcore.bridge.backend.lane import Lane, LanePace, LanePhase
from hubcore.bridge.backend.words import BATCH_BYTES, BATCH_RECORDS, PROTOCOL
from hubcore.bridge.from_bridge import CarriedMandate
from hubcore.bridge.mandate import Mandate
from hubcore.bridge.signedhead import HeadKind, prove_head
from hubcore.bridge.witness import Doubt
from hubcore.errors import AuditError, ProofError
from hubcore.evidence.records import Head, StoredRecord, follows
from hubcore.timing.pace import Paces, Rate

WINDOW = 16
"""Questions and batches of all hubs together: 1 MiB."""
AHEAD_EACH = Rate(burst=16, per_second=0.2)
AHEAD_WHOLE = Rate(burst=256, per_second=8.0)
"""256 of the longest alarms are 1 MiB."""


class BackendPhase(StrEnum):
    """How far the talk is."""

    DOWN = "down"
    GREETING = "greeting"
    SPEAKING = "speaking"


Takeable = CertificateOfHub | EndsNow | CarriedMandate | NewPolicy | Pieces


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The talk is in another phase, or in the same one for another reason."""

    phase: BackendPhase
    why: str


@dataclass(frozen=True, slots=True)
class SayHello:
    """Say BridgeHello."""


@dataclass(frozen=True, slots=True)
class Say:
    """Say this."""

    message: FromBridge


@dataclass(frozen=True, slots=True)
class Read:
    """Read at most BATCH_RECORDS of a hub behind this one; then call `was_read`."""

    hub: str
    after: Head


@dataclass(frozen=True, slots=True)
class LetGo:
    """The backend has signed that it has all up to this one; the hub is to hear it, too."""

    hub: str
    head: Head
    document: bytes


@dataclass(frozen=True, slots=True)
class Take:
    """Take this; it proves itself, or is the backend's to say."""

    message: Takeable


@dataclass(frozen=True, slots=True)
class Tell:
    """People should know."""

    hub: str
    what: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Close this connection, and try again later or elsewhere."""

    why: str


Effect = PhaseChanged | SayHello | Say | Read | LetGo | Take | Tell | Leave
Effects = list[Effect]


class BackendTalk:
    """The state of the talk. Perform the effects in their order, before the next call."""

    def __init__(
        self,
        *,
        site: str,
        mandate: Callable[[], Mandate | None],
        chance: Callable[[int], bytes],
        counters: Counter[str],
        hubs_max: int,
        pace: Pace | None = None,
        lane_pace: LanePace | None = None,
    ) -> None:
        """Begin without a connection. `mandate` returns the one for receipts that is known."""
        self._site = site
        self._mandate = mandate
        self._counters = counters
        self._hubs_max = hubs_max
        self._pace = pace or Pace()
        self._lane_pace = lane_pace or LanePace()
        self._silence = Silence(self._pace, chance)
        self._backend = ""
        self._greet_until: float | None = None
        self.phase = BackendPhase.DOWN
        self.why = "not connected yet"
        self.lanes: dict[str, Lane] = {}
        self.ahead_seconds: float | None = None
        """How far the backend's clock was ahead at the last Welcome: for people."""
        self._waiting: dict[str, None] = {}
        """The hubs that wait for a turn; whose is next comes first (law 4)."""
        self._loaded: set[str] = set()
        self._ahead = Paces(each=AHEAD_EACH, whole=AHEAD_WHOLE, sources_max=hubs_max)
        self._testimonies: dict[str, bytes] = {}
        self._doubts: dict[str, Doubted] = {}
        self._requests: dict[str, bytes] = {}

    # The connection.

    def connected(self, backend: str, at: Moment) -> Effects:
        """The connection is up, and its certificate is that of this backend."""
        self._backend = backend
        self._greet_until = at.monotonic + self._pace.welcome_seconds
        return [*self._go(BackendPhase.GREETING, "connected, no Welcome yet"), SayHello()]

    def disconnected(self, why: str) -> Effects:
        """The connection is gone; `why` is a sentence."""
        self._greet_until = None
        self._waiting.clear()
        self._loaded.clear()
        for lane in self.lanes.values():
            lane.cut()
        return self._go(BackendPhase.DOWN, why)

    def received(self, message: FromBackend, at: Moment) -> Effects:
        """The backend has said this. A message out of turn is counted."""
        step = _STEPS[self.phase].get(type(message))
        if step is None:
            self._counters["out_of_turn"] += 1
            return []
        self._silence.heard(at.monotonic)
        return [*step(self, message, at), *self._turns(at.monotonic)]

    def look(self, at: Moment) -> Effects:
        """Return what is due at this moment; call it some times a second."""
        now = at.monotonic
        if self.phase is BackendPhase.GREETING:
            late = self._greet_until is not None and now >= self._greet_until
            return self._leave("no answer to the Hello") if late else []
        if self.phase is not BackendPhase.SPEAKING:
            return []
        quiet_seconds = self._silence.seconds(now)
        if quiet_seconds is not None:
            return self._leave(f"nothing heard from the backend for {quiet_seconds:.0f} s")
        effects: Effects = []
        ping = self._silence.ask(now)
        if ping is not None:
            effects.append(Say(ping))
        for hub, lane in self.lanes.items():
            lane.overdue(now)
            self._touch(hub, lane, now)
        return [*effects, *self._turns(now)]

    # What the bridge has of its hubs.

    def grew(self, hub: str, seen: Head, at: Moment) -> Effects:
        """The bridge holds records of a hub up to this one."""
        lane = self.lanes.get(hub)
        if lane is None:
            if len(self.lanes) >= self._hubs_max:
                return []
            lane = self.lanes[hub] = Lane(self._lane_pace)
        lane.grew(seen)
        if self.phase is not BackendPhase.SPEAKING:
            return []
        self._touch(hub, lane, at.monotonic)
        return self._turns(at.monotonic)

    def was_read(
        self, hub: str, after: Head, records: Sequence[StoredRecord] | None, at: Moment
    ) -> Effects:
        """A `Read` is done: these are held behind `after`, without a gap; maybe none.

        Call it for each `Read`, also after the connection has gone. None: the disk failed.
        """
        lane = self.lanes[hub]
        lane.reading = False
        effects: Effects = []
        if records is None:
            lane.behind(at.monotonic)
        elif lane.phase is LanePhase.SENDS and lane.sent == after:
            effects = self._send(hub, lane, records, at.monotonic)
        if self.phase is not BackendPhase.SPEAKING:
            return effects
        self._touch(hub, lane, at.monotonic)
        return [*effects, *self._turns(at.monotonic)]

    def differs(self, hub: str, head: Head, at: Moment) -> Effects:
        """The bridge holds another record than a signed head names (law 5)."""
        lane = self.lanes[hub]
        return [] if lane.phase is LanePhase.STOPPED else self._differ(hub, lane, head, at)

    def not_kept(self, hub: str, at: Moment) -> Effects:
        """The disk did not take a `LetGo` of a hub: ask for its receipt again (law 8)."""
        lane = self.lanes[hub]
        lane.forget_receipt(at.monotonic)
        self._touch(hub, lane, at.monotonic)
        return self._turns(at.monotonic)

    def ahead(self, hub: str, notice: Notice, now: float) -> Effects:
        """A hub has told an alarm ahead of its record. Without a backend it is lost (law 7)."""
        lane = self.lanes.get(hub)
        is_known = lane is not None and notice.number <= lane.durable
        if self.phase is not BackendPhase.SPEAKING or is_known:
            return []
        if not self._ahead.take(hub, now):
            self._counters["ahead_left_out"] += 1
            return []
        return [Say(Ahead(hub, uplink.encode(notice)))]

    def testify(self, hub: str, document: bytes) -> Effects:
        """The bridge has borne witness of a hub."""
        return self._keep_and_say(self._testimonies, hub, document, BornWitness(hub, document))

    def doubt(self, hub: str, doubt: Doubt, seen: Head) -> Effects:
        """The bridge doubts a hub."""
        said = Doubted(
            hub=hub,
            cause=doubt.cause,
            told=doubt.told.number,
            told_hash=doubt.told.hash,
            seen=seen.number,
            seen_hash=seen.hash,
        )
        return self._keep_and_say(self._doubts, hub, said, said)

    def request(self, hub: str, document: bytes) -> Effects:
        """A hub asks for its newest certificates."""
        said = RequestOfHub(hub, document)
        return self._keep_and_say(self._requests, hub, document, said)

    def _keep_and_say(
        self, kept: dict[str, Any], hub: str, value: object, message: FromBridge
    ) -> Effects:
        """Keep what is said again on each connection (law 6)."""
        if kept.get(hub) == value or (hub not in kept and len(kept) >= self._hubs_max):
            return []
        kept[hub] = value
        return [Say(message)] if self.phase is BackendPhase.SPEAKING else []

    # Turns.

    def _touch(self, hub: str, lane: Lane, now: float) -> None:
        """Let a hub wait for a turn, if it has something to say."""
        if lane.load:
            self._loaded.add(hub)
        else:
            self._loaded.discard(hub)
        if lane.may_ask(now) or lane.may_read():
            self._waiting.setdefault(hub)

    def _turns(self, now: float) -> Effects:
        """Give turns as long as the window allows (law 4)."""
        effects: Effects = []
        if self.phase is not BackendPhase.SPEAKING:
            return effects
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
            self._touch(hub, lane, now)
        return effects

    def _send(self, hub: str, lane: Lane, records: Sequence[StoredRecord], now: float) -> Effects:
        """Send one batch, or find out that the backend has another log (law 5)."""
        if not records:
            lane.dry = True
            return []
        try:
            follows(lane.sent, records[0])
        except AuditError:
            return self._differ(hub, lane, lane.sent, Moment(now, 0.0))
        batch: list[bytes] = []
        size_bytes = 0
        last = lane.sent
        for record in records[:BATCH_RECORDS]:
            said = uplink.encode(Evidence(record.number, record.body, record.hash))
            if size_bytes + len(said) > BATCH_BYTES:
                break
            batch.append(said)
            size_bytes += len(said)
            last = Head(record.number, record.hash)
        lane.was_sent(last, now)
        return [Say(Forwarded(hub, tuple(batch)))]

    def _differ(self, hub: str, lane: Lane, head: Head, at: Moment) -> Effects:
        lane.halt(at.monotonic)
        self._touch(hub, lane, at.monotonic)
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

    # What the backend says.

    def _go(self, phase: BackendPhase, why: str) -> Effects:
        changed = phase is not self.phase or why != self.why
        self.phase = phase
        self.why = why
        self._silence.changed()
        return [PhaseChanged(phase, why)] if changed else []

    def _leave(self, why: str) -> Effects:
        return [*self.disconnected(why), Leave(why)]

    def _on_welcome(self, message: BackendWelcome, at: Moment) -> Effects:
        if message.protocol != PROTOCOL:
            return self._leave(
                f"the backend speaks version {message.protocol}, expected {PROTOCOL}"
            )
        if (message.backend, message.site) != (self._backend, self._site):
            return self._leave("the backend names itself otherwise than its certificate")
        self.ahead_seconds = message.time_ms / 1000 - at.wall
        self._silence.welcomed(None, at.monotonic)
        self._greet_until = None
        effects = self._go(BackendPhase.SPEAKING, "")
        effects += [Say(BornWitness(hub, one)) for hub, one in self._testimonies.items()]
        effects += [Say(one) for one in self._doubts.values()]
        effects += [Say(RequestOfHub(hub, one)) for hub, one in self._requests.items()]
        for hub, lane in self.lanes.items():
            self._touch(hub, lane, at.monotonic)
        return effects

    def _on_known(self, message: HubKnown, at: Moment) -> Effects:
        lane = self.lanes.get(message.hub)
        if lane is None:
            return []
        head = Head(message.number, message.hash)
        if message.turn == 0:
            lane.behind(at.monotonic)
        elif lane.known(message.turn, head) and _is_other(lane.seen, head):
            return self._differ(message.hub, lane, head, at)
        self._touch(message.hub, lane, at.monotonic)
        return []

    def _on_receipt(self, message: HubReceipt, at: Moment) -> Effects:
        """Take a receipt, if it proves itself (law 3)."""
        lane = self.lanes.get(message.hub)
        mandate = self._mandate()
        if lane is None or mandate is None:
            self._counters["receipts_without_mandate"] += 1
            return []
        name = HubName(self._site, message.hub)
        try:
            head = prove_head(HeadKind.RECEIPT, message.document, name, mandate).head
        except ProofError:
            self._counters["receipts_unproven"] += 1
            return []
        if _is_other(lane.seen, head):
            return self.differs(message.hub, head, at)
        is_more = lane.receipt(head, at.monotonic)
        self._touch(message.hub, lane, at.monotonic)
        return [LetGo(message.hub, head, message.document)] if is_more else []

    def _on_halted(self, message: HubHalted, at: Moment) -> Effects:
        lane = self.lanes.get(message.hub)
        if lane is None:
            return []
        was_stopped = lane.phase is LanePhase.STOPPED
        lane.halt(at.monotonic)
        self._touch(message.hub, lane, at.monotonic)
        if was_stopped:
            return []
        cause = "it is not known there" if message.cause is None else message.cause.name.lower()
        return [Tell(message.hub, f"the backend takes none of its records: {cause}")]

    def _on_pong(self, message: Pong, _at: Moment) -> Effects:
        self._silence.answered(message)
        return []

    def _take(self, message: Takeable, _at: Moment) -> Effects:
        return [Take(message)]


def _is_other(seen: Head, head: Head) -> bool:
    """Tell whether a head names another record than the newest that was seen."""
    return head.number == seen.number and head.hash != seen.hash


_Step = Callable[[BackendTalk, Any, Moment], Effects]
_STEPS: dict[BackendPhase, dict[type[FromBackend], _Step]] = {
    BackendPhase.DOWN: {},
    BackendPhase.GREETING: {BackendWelcome: BackendTalk._on_welcome},
    BackendPhase.SPEAKING: {
        HubKnown: BackendTalk._on_known,
        HubReceipt: BackendTalk._on_receipt,
        HubHalted: BackendTalk._on_halted,
        Pong: BackendTalk._on_pong,
        CertificateOfHub: BackendTalk._take,
        EndsNow: BackendTalk._take,
        CarriedMandate: BackendTalk._take,
        NewPolicy: BackendTalk._take,
        Pieces: BackendTalk._take,
    },
}
