"""The bridge's side of the talk with the backend: what it says and takes, and when.

How it works: on each connection the bridge says BridgeHello and waits for the Welcome. Then each
hub of which it holds something has a lane (`lane`): the bridge asks what the backend has of it, and
sends what follows, up to the newest head that the hub has signed. Lanes take turns (`turns`). The
backend answers with receipts, which go to the store and to the hub.

Laws:
1. The talk is pure: messages and moments go in, effects come out, and nothing waits.
2. `_STEPS` says which message is taken in which phase. Any other is counted and has no effect.
3. Only a receipt that the mandate proves lets records go (`LetGo`), and each head once.
4. Where bridge and backend know different records of a hub, the bridge says so and sends nothing of
   that hub for `LanePace.halted_seconds`. The other lanes go on.
5. What the disk did not take was never said: the backend is asked again (`not_kept`).
6. A backend that names itself or its site otherwise than its certificate, speaks another version,
   or says nothing is left.
7. A backend that has no Welcome because this certificate has ended is asked for a newer one.
   Nothing else is said or taken then, but for what shows that somebody is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import Moment
from hubcore.backend.talk.silence import Silence
from hubcore.backend.uplink.documents import CarriedMandate
from hubcore.backend.uplink.from_backend import NewPolicy, Pieces, Pong, TlsCertificate
from hubcore.backend.uplink.from_hub import Notice
from hubcore.bridge.backend.from_backend import (
    BackendWelcome,
    CertificateOfHub,
    EndsNow,
    FromBackend,
    HubHalted,
    HubKnown,
    HubReceipt,
)
from hubcore.bridge.backend.from_bridge import FromBridge
from hubcore.bridge.backend.lane import Lane, LanePace, LanePhase
from hubcore.bridge.backend.talk.apart import SaidApart
from hubcore.bridge.backend.talk.effects import (
    BackendPhase,
    Effects,
    Leave,
    LetGo,
    PhaseChanged,
    Say,
    SayHello,
    Take,
    Takeable,
    Tell,
)
from hubcore.bridge.backend.talk.receipts import ReceiptProof
from hubcore.bridge.backend.talk.turns import Turns
from hubcore.bridge.backend.words import PROTOCOL
from hubcore.bridge.from_bridge import RenewFirst
from hubcore.bridge.mandate import Mandate
from hubcore.bridge.stretch import Stretch
from hubcore.bridge.witness import Doubt
from hubcore.evidence.records import Head


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
        self._receipts = ReceiptProof(site, mandate, counters)
        self._counters = counters
        self._pace = pace or Pace()
        self._turns = Turns(lane_pace or LanePace(), hubs_max)
        self._apart = SaidApart(hubs_max, counters)
        self._silence = Silence(self._pace, chance)
        self._backend = ""
        self._greet_until: float | None = None
        self.phase = BackendPhase.DOWN
        self.why = "not connected yet"
        self.ahead_seconds: float | None = None
        """How far the backend's clock was ahead at the last Welcome: for people."""

    @property
    def lanes(self) -> dict[str, Lane]:
        """The lanes of all hubs."""
        return self._turns.lanes

    # The connection.

    def connected(self, backend: str, at: Moment) -> Effects:
        """The connection is up, and its certificate is that of this backend."""
        self._backend = backend
        self._greet_until = at.monotonic + self._pace.welcome_seconds
        return [*self._go(BackendPhase.GREETING, "connected, no Welcome yet"), SayHello()]

    def disconnected(self, why: str) -> Effects:
        """The connection is gone; `why` is a sentence."""
        self._greet_until = None
        self._turns.cut()
        return self._go(BackendPhase.DOWN, why)

    def received(self, message: FromBackend, at: Moment) -> Effects:
        """The backend has said this. A message out of turn is counted."""
        step = _STEPS[self.phase].get(type(message))
        if step is None:
            self._counters["out_of_turn"] += 1
            return []
        self._silence.heard(at.monotonic)
        return [*step(self, message, at), *self._turns.give(at.monotonic)]

    def look(self, at: Moment) -> Effects:
        """Return what is due at this moment; call it some times a second."""
        now = at.monotonic
        if self.phase is BackendPhase.GREETING:
            late = self._greet_until is not None and now >= self._greet_until
            return self._leave("no answer to the Hello") if late else []
        if self.phase not in (BackendPhase.SPEAKING, BackendPhase.RENEWING):
            return []
        quiet_seconds = self._silence.seconds(now)
        if quiet_seconds is not None:
            return self._leave(f"nothing heard from the backend for {quiet_seconds:.0f} s")
        effects: Effects = []
        ping = self._silence.ask(now)
        if ping is not None:
            effects.append(Say(ping))
        if self.phase is BackendPhase.RENEWING:
            return effects
        self._turns.look(now)
        return [*effects, *self._turns.give(now)]

    # What the bridge has of its hubs.

    def grew(self, hub: str, seen: Head, signed: int, at: Moment) -> Effects:
        """The bridge holds records of a hub up to this one, up to `signed` under its own heads."""
        lane = self._turns.lane_of(hub)
        if lane is None:
            return []
        lane.grew(seen, signed)
        return self._go_on(hub, lane, at)

    def was_read(self, hub: str, after: Head, found: Sequence[Stretch], at: Moment) -> Effects:
        """A `Read` is done: this is held behind `after`; none for nothing that has its head.

        Call it or `not_read` for each `Read`, also after the connection has gone.
        """
        lane = self.lanes[hub]
        lane.reading = 0
        effects: Effects = []
        if lane.phase is LanePhase.SENDS and lane.sent == after:
            effects = self._turns.send(hub, lane, found, at.monotonic)
        return [*effects, *self._go_on(hub, lane, at)]

    def not_read(self, hub: str, at: Moment) -> Effects:
        """The disk failed at a `Read`."""
        lane = self.lanes[hub]
        lane.reading = 0
        lane.behind(at.monotonic)
        return self._go_on(hub, lane, at)

    def differs(self, hub: str, head: Head, at: Moment) -> Effects:
        """The bridge holds another record than a signed head names (law 4)."""
        lane = self.lanes[hub]
        if lane.phase is LanePhase.STOPPED:
            return []
        return self._turns.differ(hub, lane, head, at.monotonic)

    def not_kept(self, hub: str, at: Moment) -> Effects:
        """The disk did not take a `LetGo` of a hub: ask for its receipt again (law 5)."""
        lane = self.lanes[hub]
        lane.forget_receipt(at.monotonic)
        return self._go_on(hub, lane, at)

    def ahead(self, hub: str, notice: Notice, now: float) -> Effects:
        """A hub has told an alarm ahead of its record. Without a backend it is lost."""
        lane = self.lanes.get(hub)
        is_known = lane is not None and notice.number <= lane.durable
        if self.phase is not BackendPhase.SPEAKING or is_known:
            return []
        return self._say(self._apart.ahead(hub, notice, now))

    def testify(self, hub: str, document: bytes) -> Effects:
        """The bridge has borne witness of a hub."""
        return self._say(self._apart.testimony(hub, document))

    def doubt(self, hub: str, doubt: Doubt, seen: Head) -> Effects:
        """The bridge doubts a hub."""
        return self._say(self._apart.doubt(hub, doubt, seen))

    def request(self, hub: str, document: bytes) -> Effects:
        """A hub asks for its newest certificates."""
        return self._say(self._apart.request(hub, document))

    def accepted(self, hub: str) -> None:
        """The doubt of a hub was ended: its lane begins again. Call `grew` then."""
        self._apart.forget(hub)
        self._turns.begin_again(hub)

    def _say(self, message: FromBridge | None) -> Effects:
        """Say what waits for no turn; without a backend it is said on the next connection."""
        is_heard = message is not None and self.phase is BackendPhase.SPEAKING
        return [Say(message)] if message is not None and is_heard else []

    def _go_on(self, hub: str, lane: Lane, at: Moment) -> Effects:
        """Let a hub wait for its turn, and give turns."""
        if self.phase is not BackendPhase.SPEAKING:
            return []
        self._turns.touch(hub, lane, at.monotonic)
        return self._turns.give(at.monotonic)

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
            return self._leave(f"the backend speaks version {message.protocol}, not {PROTOCOL}")
        if (message.backend, message.site) != (self._backend, self._site):
            return self._leave("the backend names itself otherwise than its certificate")
        self.ahead_seconds = message.time_ms / 1000 - at.wall
        self._silence.welcomed(None, at.monotonic)
        self._greet_until = None
        effects = self._go(BackendPhase.SPEAKING, "")
        effects += [Say(one) for one in self._apart.again()]
        self._turns.touch_all(at.monotonic)
        return effects

    def _on_renew_first(self, message: RenewFirst, at: Moment) -> Effects:
        """The bridge's certificate has ended (law 7)."""
        self.ahead_seconds = message.time_ms / 1000 - at.wall
        self._silence.welcomed(None, at.monotonic)
        self._greet_until = None
        return self._go(BackendPhase.RENEWING, "this bridge's certificate has ended")

    def _on_known(self, message: HubKnown, at: Moment) -> Effects:
        lane = self.lanes.get(message.hub)
        if lane is None:
            return []
        head = Head(message.number, message.hash)
        if message.turn == 0:
            lane.behind(at.monotonic)
        elif lane.known(message.turn, head) and lane.is_other(head):
            return self._turns.differ(message.hub, lane, head, at.monotonic)
        self._turns.touch(message.hub, lane, at.monotonic)
        return []

    def _on_receipt(self, message: HubReceipt, at: Moment) -> Effects:
        """Take a receipt, if it proves itself (law 3)."""
        lane = self.lanes.get(message.hub)
        head = self._receipts.read(message)
        if lane is None or head is None:
            return []
        if lane.is_other(head):
            return self.differs(message.hub, head, at)
        is_more = lane.receipt(head, at.monotonic)
        self._turns.touch(message.hub, lane, at.monotonic)
        return [LetGo(message.hub, head, message.document)] if is_more else []

    def _on_halted(self, message: HubHalted, at: Moment) -> Effects:
        lane = self.lanes.get(message.hub)
        if lane is None:
            return []
        was_stopped = lane.phase is LanePhase.STOPPED
        lane.halt(at.monotonic)
        self._turns.touch(message.hub, lane, at.monotonic)
        if was_stopped:
            return []
        why = message.detail or "it does not say why"
        return [Tell(message.hub, f"the backend takes none of its records: {why}")]

    def _on_pong(self, message: Pong, _at: Moment) -> Effects:
        self._silence.answered(message)
        return []

    def _take(self, message: Takeable, _at: Moment) -> Effects:
        return [Take(message)]


_Step = Callable[[BackendTalk, Any, Moment], Effects]
_STEPS: dict[BackendPhase, dict[type[FromBackend], _Step]] = {
    BackendPhase.DOWN: {},
    BackendPhase.GREETING: {
        BackendWelcome: BackendTalk._on_welcome,
        RenewFirst: BackendTalk._on_renew_first,
    },
    BackendPhase.RENEWING: {
        Pong: BackendTalk._on_pong,
        TlsCertificate: BackendTalk._take,
    },
    BackendPhase.SPEAKING: {
        HubKnown: BackendTalk._on_known,
        HubReceipt: BackendTalk._on_receipt,
        HubHalted: BackendTalk._on_halted,
        Pong: BackendTalk._on_pong,
        TlsCertificate: BackendTalk._take,
        CertificateOfHub: BackendTalk._take,
        EndsNow: BackendTalk._take,
        CarriedMandate: BackendTalk._take,
        NewPolicy: BackendTalk._take,
        Pieces: BackendTalk._take,
    },
}
