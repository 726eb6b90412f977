"""The hub's side of the talk with one bridge: what it says and takes, and when.

How it works: on each connection the hub says HubHello and waits. A BridgeWelcome names the record
after which the bridge wants records. If the hub's log has that record, records go from there on. If
it has not, the hub was turned back or the bridge holds another log: the hub shows its own record of
that number, so that the bridge sees it, too. No other record goes over this bridge, and the hub
says Hello again now and then. The same follows a Halt of the bridge.

Laws:
1. The talk is pure: messages and moments go in, effects come out, and nothing waits.
2. `_STEPS` says which message is taken in which phase. Any other is counted and has no effect.
3. Records go only in the phase SPEAKING, but for the one that shows a fork. In DOUBTED all is taken
   that proves itself.
4. A doubt stops the way over this bridge alone. It ends with the connection, or with a Welcome that
   names a record of this hub's log.
5. A bridge that speaks another version, or names itself or its site otherwise than its certificate,
   is left.
6. A bridge that says nothing is left: after `Pace.hellos` Hellos without an answer, or
   `Pace.silent_seconds` without a word while it speaks.
7. A bridge's time is measured like a backend's, and told apart from it.
8. A hub whose TLS certificate has ended asks for a newer one, with each Hello, and says nothing
   else. Certificates are taken in every phase of a connection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hubcore.access.words import HubName
from hubcore.backend.backendtime import BackendTime
from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import Comparison, Moment
from hubcore.backend.talk.hellos import Hellos
from hubcore.backend.talk.silence import Silence
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
from hubcore.backend.uplink.from_backend import (
    Certificate,
    Halt,
    Held,
    NewPolicy,
    Pieces,
    Pong,
    Probe,
    TlsCertificate,
)
from hubcore.backend.uplink.from_hub import Alive, Ping
from hubcore.bridge.from_bridge import (
    BridgeWelcome,
    CarriedOrder,
    CarriedReceipt,
    FromBridge,
    Full,
    RenewFirst,
    Witnessed,
)
from hubcore.bridge.words import PROTOCOL
from hubcore.evidence.records import Head

RENEW = "this hub's TLS certificate has ended: the bridge takes its request for a newer one alone"


class WayPhase(StrEnum):
    """How far the talk with a bridge is."""

    DOWN = "down"
    """There is no connection."""
    GREETING = "greeting"
    """The connection is up; the bridge has not answered the Hello."""
    SPEAKING = "speaking"
    """Records go."""
    DOUBTED = "doubted"
    """Bridge and hub know different records: none goes."""
    RENEWING = "renewing"
    """The hub's TLS certificate has ended: the bridge takes its request for a newer one alone."""


Takeable = (
    Held
    | NewPolicy
    | Pieces
    | Certificate
    | TlsCertificate
    | CarriedReceipt
    | CarriedOrder
    | CarriedMandate
    | CarriedEnds
    | Witnessed
    | Full
)


@dataclass(frozen=True, slots=True)
class WayChanged:
    """The talk is in another phase, or in the same one for another reason."""

    phase: WayPhase
    why: str


@dataclass(frozen=True, slots=True)
class SayHello:
    """Say HubHello; call `BridgeTalk.greeted` when the connection has taken it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Say this."""

    message: Ping | Alive


@dataclass(frozen=True, slots=True)
class SendAfter:
    """Send the records after this one, in order, and each new one: the bridge holds it.

    It needs no head of this hub for records up to the number `signed`.
    """

    held: Head
    signed: int


@dataclass(frozen=True, slots=True)
class Show:
    """Send this hub's own record of this number, and none after it: the bridge has another one."""

    number: int


@dataclass(frozen=True, slots=True)
class Take:
    """Take this when its turn comes; but for Held and Full it proves itself or is nothing."""

    message: Takeable


@dataclass(frozen=True, slots=True)
class Leave:
    """Close this connection, and try again later or elsewhere."""

    why: str


@dataclass(frozen=True, slots=True)
class AskForCertificates:
    """Ask for the newest certificates now: nothing else is taken before."""


WayEffects = list[
    WayChanged | SayHello | Answer | SendAfter | Show | Take | Leave | AskForCertificates
]


class BridgeTalk:
    """The state of the talk. Perform the effects in their order, before the next call."""

    def __init__(
        self,
        pace: Pace,
        hub: HubName,
        chance: Callable[[int], bytes],
        counters: Counter[str],
        bridge_time: BackendTime,
        compare: Callable[[Head], Comparison],
    ) -> None:
        """Begin without a connection. `chance` returns so many random bytes.

        `compare` holds this hub's log against the record that a Welcome names.
        """
        self._pace = pace
        self._site = hub.site
        self._counters = counters
        self._bridge_time = bridge_time
        self._compare = compare
        self._hellos = Hellos(pace)
        self._silence = Silence(pace, chance)
        self._bridge = ""
        self.phase = WayPhase.DOWN
        self.why = "not connected yet"

    def connected(self, bridge: str, at: Moment) -> WayEffects:
        """The connection is up, and its certificate is that of this bridge."""
        self._bridge = bridge
        effects = self._go(WayPhase.GREETING, "connected, no Welcome yet")
        self._hellos.next_at(at.monotonic)
        return effects

    def disconnected(self, why: str) -> WayEffects:
        """The connection is gone; `why` is a sentence."""
        effects = self._go(WayPhase.DOWN, why)
        self._hellos.next_at(None)
        return effects

    def received(self, message: FromBridge, at: Moment) -> WayEffects | None:
        """The bridge has said this. Return None for a message out of turn, which is counted."""
        step = _STEPS[self.phase].get(type(message))
        if step is None:
            self._counters["out_of_turn"] += 1
            return None
        self._silence.heard(at.monotonic)
        return step(self, message, at)

    def greeted(self, now: float) -> None:
        """The connection has taken a HubHello; `now` in monotonic seconds."""
        self._hellos.said(now, halted=self.phase in (WayPhase.DOUBTED, WayPhase.RENEWING))

    def look(self, at: Moment) -> WayEffects:
        """Return what is due at this moment."""
        if self.phase is WayPhase.SPEAKING:
            return self._listen(at.monotonic)
        if self._hellos.due is None or at.monotonic < self._hellos.due:
            return []
        if self._hellos.are_enough:
            return self._leave(f"no answer to {self._pace.hellos} Hellos")
        self._hellos.try_again(at.monotonic)
        return [SayHello()]

    def due(self, now: float) -> float | None:
        """Return when `look` has something to do again, None when it never has."""
        return self._silence.due(now) if self.phase is WayPhase.SPEAKING else self._hellos.due

    def _go(self, phase: WayPhase, why: str) -> WayEffects:
        changed = phase is not self.phase or why != self.why
        self.phase = phase
        self.why = why
        self._hellos.changed()
        self._silence.changed()
        return [WayChanged(phase, why)] if changed else []

    def _leave(self, why: str) -> WayEffects:
        """Leave once: nothing is due until the connection has gone."""
        self._hellos.next_at(None)
        return [*self._go(WayPhase.DOWN, why), Leave(why)]

    def _listen(self, now: float) -> WayEffects:
        quiet_seconds = self._silence.seconds(now)
        if quiet_seconds is not None:
            return self._leave(f"nothing heard from the bridge for {quiet_seconds:.0f} s")
        ping = self._silence.ask(now)
        return [] if ping is None else [Answer(ping)]

    def _on_welcome(self, message: BridgeWelcome, at: Moment) -> WayEffects:
        if message.protocol != PROTOCOL:
            return self._leave(f"the bridge speaks version {message.protocol}, expected {PROTOCOL}")
        if (message.bridge, message.site) != (self._bridge, self._site):
            return self._leave("the bridge names itself otherwise than its certificate")
        asked_at = self._hellos.first_at
        self._bridge_time.answered(message.time_ms, asked_at, at.monotonic)
        self._silence.welcomed(asked_at, at.monotonic)
        held = Head(message.held, message.held_hash)
        compared = self._compare(held)
        if compared in (Comparison.SHORTER, Comparison.OTHER):
            why = f"doubted by this hub: the bridge's record {held.number} is not in its log"
            shown = [Show(held.number)] if compared is Comparison.OTHER else []
            return [*self._doubt(why, at), *shown]
        self._hellos.next_at(None)
        return [*self._go(WayPhase.SPEAKING, ""), SendAfter(held, message.signed)]

    def _doubt(self, why: str, at: Moment) -> WayEffects:
        effects = self._go(WayPhase.DOUBTED, why)
        self._hellos.next_at(at.monotonic + self._pace.halted_seconds)
        return effects

    def _on_halt(self, message: Halt, at: Moment) -> WayEffects:
        cause = message.cause.name.lower()
        return self._doubt(f"doubted by the bridge ({cause}): {message.detail}", at)

    def _on_renew_first(self, message: RenewFirst, at: Moment) -> WayEffects:
        """Wait with the Hellos, and ask for a newer certificate (law 8)."""
        self._bridge_time.answered(message.time_ms, self._hellos.first_at, at.monotonic)
        effects = self._go(WayPhase.RENEWING, RENEW)
        self._hellos.next_at(at.monotonic + self._pace.halted_seconds)
        return [*effects, AskForCertificates()]

    def _take(self, message: Takeable, _at: Moment) -> WayEffects:
        return [Take(message)]

    def _on_probe(self, message: Probe, _at: Moment) -> WayEffects:
        return [Answer(Alive(message.nonce))]

    def _on_pong(self, message: Pong, at: Moment) -> WayEffects:
        asked_at = self._silence.answered(message)
        if asked_at is not None:
            self._bridge_time.answered(message.time_ms, asked_at, at.monotonic)
        return []


_Step = Callable[[BridgeTalk, Any, Moment], WayEffects]
_FIRST: dict[type[FromBridge], _Step] = {
    BridgeWelcome: BridgeTalk._on_welcome,
    Halt: BridgeTalk._on_halt,
    Probe: BridgeTalk._on_probe,
    RenewFirst: BridgeTalk._on_renew_first,
    Certificate: BridgeTalk._take,
    TlsCertificate: BridgeTalk._take,
}
_PROVES_ITSELF: dict[type[FromBridge], _Step] = {
    NewPolicy: BridgeTalk._take,
    Pieces: BridgeTalk._take,
    CarriedReceipt: BridgeTalk._take,
    CarriedOrder: BridgeTalk._take,
    CarriedMandate: BridgeTalk._take,
    CarriedEnds: BridgeTalk._take,
}
_STEPS: dict[WayPhase, dict[type[FromBridge], _Step]] = {
    WayPhase.DOWN: {},
    WayPhase.GREETING: _FIRST,
    WayPhase.SPEAKING: {
        **_PROVES_ITSELF,
        Certificate: BridgeTalk._take,
        TlsCertificate: BridgeTalk._take,
        Held: BridgeTalk._take,
        Witnessed: BridgeTalk._take,
        Full: BridgeTalk._take,
        Pong: BridgeTalk._on_pong,
        Probe: BridgeTalk._on_probe,
        Halt: BridgeTalk._on_halt,
    },
    WayPhase.DOUBTED: {**_FIRST, **_PROVES_ITSELF},
    WayPhase.RENEWING: _FIRST,
}
