"""The talk with the backend: what the hub says and obeys, and when.

How it works: when the uplink comes up, the hub says Hello and waits for Welcome. After Welcome it
sends records and takes orders. When it hears nothing for a while, it says Ping. When it still hears
nothing, the backend counts as silent and gets a Hello again. After a Halt the hub keeps its
records, refuses orders, and says Hello more slowly, until it hears Welcome.

Laws:
1. The talk is pure: messages and moments go in, effects come out, and nothing waits.
2. `_STEPS` says which message is taken in which phase. Any other is counted and has no effect.
3. Only in the phase SPEAKING are orders carried out.
4. A Halt outlasts the uplink. Only a Welcome ends it.
5. Of Halts of one cause that come soon after each other, the first counts.
6. The hub asks for the backend's time by itself, with a Ping: when the last measure is old, and
   after a Welcome that came too late after its Hello to measure anything.
7. An uplink on which nobody answers is given up after `Pace.hellos` Hellos: behind another endpoint
   somebody may. A Halt is an answer.
8. A Welcome names the newest record that the backend has durably. If this hub's log has less, or
   another record there, that counts as a Halt: no record goes up. If the backend has less than it
   once acknowledged, it has lost records, and they go again.
9. A Probe is answered at once, in each phase in which the uplink is up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from hubcore.backend.backendtime import BackendTime, Offset
from hubcore.backend.pace import Pace
from hubcore.backend.uplink.fields import sentence
from hubcore.backend.uplink.from_backend import (
    Acknowledge,
    Act,
    BackendMessage,
    Certificate,
    Halt,
    Held,
    KeyTaken,
    NewPolicy,
    Order,
    Pieces,
    Pong,
    Probe,
    Release,
    RotateKey,
    Welcome,
)
from hubcore.backend.uplink.from_hub import (
    ActResult,
    Alive,
    HubMessage,
    OrderResult,
    Ping,
    Result,
)
from hubcore.backend.uplink.words import NONCE_BYTES, PROTOCOL, Cause, OrderOutcome, ReleaseOutcome
from hubcore.evidence.records import Head


class Comparison(Enum):
    """How this hub's log stands to the newest record that the backend has durably."""

    AGREES = "agrees"
    SHORTER = "shorter"
    """The log ends before that record."""
    OTHER = "other"
    """The log has another record under that number."""
    LOST = "lost"
    """The backend has acknowledged newer records than it has."""


MEASURE_SECONDS_MAX = 2.0
"""A Welcome that came later after its Hello is no good measure of the backend's time."""


class UplinkPhase(StrEnum):
    """How far the talk is."""

    DOWN = "down"
    """There is no uplink."""
    GREETING = "greeting"
    """The uplink is up; the backend has not said Welcome on it yet."""
    SPEAKING = "speaking"
    """Records go up, and orders are taken."""
    SILENT = "silent"
    """The backend has said Welcome on this uplink, but has stopped answering."""
    HALTED = "halted"
    """The backend takes no records and may give no orders (`backend.uplink.words.Cause`)."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment by both clocks: monotonic seconds and Unix seconds."""

    monotonic: float
    wall: float


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The talk is in another phase, or in the same one for another reason."""

    phase: UplinkPhase
    why: str


@dataclass(frozen=True, slots=True)
class Greet:
    """Say Hello; call `Talk.greeted` when the uplink has taken it."""


@dataclass(frozen=True, slots=True)
class Say:
    """Say this."""

    message: HubMessage


@dataclass(frozen=True, slots=True)
class TakeReceipts:
    """The backend holds the records of these numbers."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TakeHeld:
    """A carrier has the records of these numbers."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SendAgain:
    """The backend has lost the records after this one: all of them wait again."""

    durable: Head


@dataclass(frozen=True, slots=True)
class TakeRelease:
    """Carry out this release when its turn comes."""

    order: Release


@dataclass(frozen=True, slots=True)
class TakeOrder:
    """Carry out this order for a door when its turn comes."""

    order: Order


@dataclass(frozen=True, slots=True)
class TakeAct:
    """Carry out this command of devices when its turn comes."""

    order: Act


@dataclass(frozen=True, slots=True)
class RefuseWaiting:
    """Refuse each order that still waits for its turn, with `Talk.refusal`."""


@dataclass(frozen=True, slots=True)
class TakePolicy:
    """Look at this policy when its turn comes."""

    document: bytes


@dataclass(frozen=True, slots=True)
class TakeCertificate:
    """Look at this certificate of the hub when its turn comes; it proves itself."""

    document: bytes


@dataclass(frozen=True, slots=True)
class TakePieces:
    """Look at these pieces of a policy when their turn comes."""

    pieces: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class TakeAboutKeys:
    """The backend says something about the hub's own keys."""

    message: KeyTaken | RotateKey


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Leave this uplink, and look for another one."""

    why: str


TalkEffect = (
    PhaseChanged
    | Greet
    | Say
    | TakeReceipts
    | TakeHeld
    | SendAgain
    | TakeRelease
    | TakeOrder
    | TakeAct
    | RefuseWaiting
    | TakePolicy
    | TakeCertificate
    | TakePieces
    | TakeAboutKeys
    | GiveUp
)
Effects = list[TalkEffect]


@dataclass(frozen=True, slots=True)
class _SentPing:
    """A Ping without a Pong yet; `at` in monotonic seconds."""

    nonce: bytes
    at: float


class Talk:
    """The state of the talk. Perform the effects in their order, before the next call."""

    def __init__(
        self,
        pace: Pace,
        start: Moment,
        chance: Callable[[int], bytes],
        counters: Counter[str],
        backend_time: BackendTime,
        compare: Callable[[Head], Comparison],
    ) -> None:
        """Begin without an uplink. `chance` returns so many random bytes.

        `backend_time` learns from each answer that tells the backend's time. `compare` holds the
        log against the newest record that the backend has durably.
        """
        self._pace = pace
        self._compare = compare
        self._chance = chance
        self._counters = counters
        self._backend_time = backend_time
        self.phase = UplinkPhase.DOWN
        self.why = "not connected yet"
        self.since = start.wall
        """When `phase` began, Unix seconds."""
        self.halt: Halt | None = None
        """The Halt that holds now."""
        self.last_welcome: float | None = None
        """Unix seconds."""
        self._greet_at: float | None = None
        """When the next Hello is due; None when none is."""
        self._hello_at: float | None = None
        """When the last Hello of this phase went."""
        self._first_hello_at: float | None = None
        """When the first one went: a Welcome may answer any of them."""
        self._ask_time_at = 0.0
        """When the next Ping is due for the sake of the time alone."""
        self._hellos = 0
        """Said in this phase."""
        self._heard_at = 0.0
        self._ping: _SentPing | None = None
        self._halted_at: dict[Cause, float] = {}
        """When the last Halt of each cause came."""

    def connected(self, at: Moment) -> Effects:
        """The uplink has come up."""
        effects = self._go(UplinkPhase.GREETING, "connected, no Welcome yet", at)
        self._greet_at = at.monotonic
        return effects

    def disconnected(self, why: str, at: Moment) -> Effects:
        """The uplink has gone down; `why` is a sentence."""
        effects = self._go(UplinkPhase.DOWN, why, at)
        self._greet_at = None
        return effects

    def received(self, message: BackendMessage, at: Moment) -> Effects | None:
        """The backend has said this. Return None for a message out of turn, which is counted."""
        step = _STEPS[self.phase].get(type(message))
        if step is None:
            self._counters["out_of_turn"] += 1
            return None
        self._heard_at = at.monotonic
        return step(self, message, at)

    def greeted(self, now: float) -> None:
        """The uplink has taken the Hello of a Greet. Otherwise it is due again soon."""
        self._hello_at = now
        if self._first_hello_at is None:
            self._first_hello_at = now
        self._hellos += 1
        if self.phase is UplinkPhase.HALTED:
            self._greet_at = now + self._pace.halted_seconds
        else:
            self._greet_at = now + self._pace.welcome_seconds

    def refusal(self, order: Release | Order | Act) -> Result | OrderResult | ActResult:
        """Refuse an order because of the Halt."""
        why = sentence(self.why)
        if isinstance(order, Order):
            self._counters["orders_halted"] += 1
            return OrderResult(order.id, OrderOutcome.REFUSED, why)
        if isinstance(order, Act):
            self._counters["acts_halted"] += 1
            return ActResult(order.id, (), why)
        self._counters["releases_halted"] += 1
        return Result(order.id, ReleaseOutcome.REFUSED, why)

    def look(self, at: Moment) -> Effects:
        """Return what is due at this moment."""
        if self.phase is UplinkPhase.SPEAKING:
            return self._listen(at)
        if self._greet_at is None or at.monotonic < self._greet_at:
            return []
        return self._greet(at.monotonic)

    def due(self, now: float) -> float | None:
        """Return when `look` has something to do again, None when it never has."""
        if self.phase is not UplinkPhase.SPEAKING:
            return self._greet_at
        listen_at = self._ping_at if now < self._ping_at else self._silent_at
        return min(listen_at, self._ask_time_at)

    def clock_offset(self, at: Moment) -> Offset | None:
        """Return the backend's time less the hub's, also when the hub's was set meanwhile."""
        return self._backend_time.offset(at.wall, at.monotonic)

    @property
    def _ping_at(self) -> float:
        return self._heard_at + self._pace.ping_seconds

    @property
    def _silent_at(self) -> float:
        return self._heard_at + self._pace.silent_seconds

    def _go(self, phase: UplinkPhase, why: str, at: Moment) -> Effects:
        changed = phase is not self.phase or why != self.why
        if phase is not self.phase:
            self.since = at.wall
        self.phase = phase
        self.why = why
        self._hello_at = None
        self._first_hello_at = None
        self._hellos = 0
        self._ping = None
        return [PhaseChanged(phase, why)] if changed else []

    def _greet(self, now: float) -> Effects:
        if self._hello_at is not None and self.phase is not UplinkPhase.HALTED:
            self._counters["no_welcome"] += 1
            self.why = (
                f"connected, but no Welcome within {self._pace.welcome_seconds:g} s: "
                "the backend is frozen, or knows neither this hub's id "
                f"nor version {PROTOCOL} of the uplink"
            )
            if self._hellos >= self._pace.hellos:
                self._greet_at = None
                return [GiveUp(self.why)]
        self._greet_at = now + self._pace.retry_seconds
        return [Greet()]

    def _listen(self, at: Moment) -> Effects:
        """Say Ping to a backend that is quiet, and greet one that stays quiet."""
        now = at.monotonic
        if now >= self._silent_at:
            self._counters["silences"] += 1
            quiet_seconds = now - self._heard_at
            why = f"connected, but nothing heard from the backend for {quiet_seconds:.0f} s"
            effects = self._go(UplinkPhase.SILENT, why, at)
            self._greet_at = now
            return effects
        pinged = self._ping is not None and self._ping.at >= self._heard_at
        is_quiet = now >= self._ping_at and not pinged
        if not is_quiet and now < self._ask_time_at:
            return []
        self._ask_time_at = now + self._pace.measure_seconds
        self._ping = _SentPing(self._chance(NONCE_BYTES), now)
        return [Say(Ping(self._ping.nonce))]

    def _on_welcome(self, message: Welcome, at: Moment) -> Effects:
        self.last_welcome = at.wall
        now = at.monotonic
        asked_at = self._first_hello_at
        self._backend_time.answered(message.time_ms, asked_at, now)
        measured = asked_at is not None and now - asked_at <= MEASURE_SECONDS_MAX
        self._ask_time_at = now + self._pace.measure_seconds if measured else now
        durable = Head(message.durable, message.durable_hash)
        compared = self._compare(durable)
        cause = _DOUBTS[compared]
        if cause is not None:
            return self._doubt(cause, durable, at)
        self.halt = None
        effects = self._go(UplinkPhase.SPEAKING, "", at)
        if compared is Comparison.LOST:
            effects.append(SendAgain(durable))
        return effects

    def _doubt(self, cause: Cause, durable: Head, at: Moment) -> Effects:
        """Halt by this hub's own look: the backend's newest record is not in its log."""
        detail = f"its newest record {durable.number} is not this hub's"
        self.halt = Halt(cause, durable.number, durable.hash, detail)
        why = f"halted by this hub ({cause.name.lower()}): {detail}"
        effects = self._go(UplinkPhase.HALTED, why, at)
        self._greet_at = at.monotonic + self._pace.halted_seconds
        return [*effects, RefuseWaiting()]

    def _on_halt(self, message: Halt, at: Moment) -> Effects:
        """Stop sending and obeying.

        A Halt that comes too soon is ignored, so that no backend fills the journal with them.
        """
        now = at.monotonic
        before = self._halted_at.get(message.cause)
        if before is not None and now - before < self._pace.halt_again_seconds:
            self._counters["halts_too_often"] += 1
            return []
        self.halt = message
        self._halted_at[message.cause] = now
        cause = message.cause.name.lower()
        why = f"halted by the backend ({cause}): {message.detail}"
        effects = self._go(UplinkPhase.HALTED, why, at)
        self._greet_at = now + self._pace.halted_seconds
        return [*effects, RefuseWaiting()]

    def _on_acknowledge(self, message: Acknowledge, _at: Moment) -> Effects:
        return [TakeReceipts(message.numbers)]

    def _on_held(self, message: Held, _at: Moment) -> Effects:
        return [TakeHeld(message.numbers)]

    def _on_release(self, message: Release, _at: Moment) -> Effects:
        return [TakeRelease(message)]

    def _on_order(self, message: Order, _at: Moment) -> Effects:
        return [TakeOrder(message)]

    def _on_act(self, message: Act, _at: Moment) -> Effects:
        return [TakeAct(message)]

    def _on_order_while_halted(self, message: Release | Order | Act, _at: Moment) -> Effects:
        return [Say(self.refusal(message))]

    def _on_about_keys(self, message: KeyTaken | RotateKey, _at: Moment) -> Effects:
        return [TakeAboutKeys(message)]

    def _on_policy(self, message: NewPolicy, _at: Moment) -> Effects:
        return [TakePolicy(message.document)]

    def _on_certificate(self, message: Certificate, _at: Moment) -> Effects:
        return [TakeCertificate(message.document)]

    def _on_pieces(self, message: Pieces, _at: Moment) -> Effects:
        return [TakePieces(message.pieces)]

    def _on_probe(self, message: Probe, _at: Moment) -> Effects:
        return [Say(Alive(message.nonce))]

    def _on_pong(self, message: Pong, at: Moment) -> Effects:
        if self._ping is not None and self._ping.nonce == message.nonce:
            self._backend_time.answered(message.time_ms, self._ping.at, at.monotonic)
            self._ping = None
        return []


_DOUBTS: Mapping[Comparison, Cause | None] = {
    Comparison.AGREES: None,
    Comparison.SHORTER: Cause.TAIL_CUT,
    Comparison.OTHER: Cause.FORK,
    Comparison.LOST: None,
}
"""What a comparison means that no record may go up after."""

_Step = Callable[[Talk, Any, Moment], Effects]
_STEPS: dict[UplinkPhase, dict[type[BackendMessage], _Step]] = {
    UplinkPhase.DOWN: {},
    UplinkPhase.GREETING: {
        Welcome: Talk._on_welcome,
        Acknowledge: Talk._on_acknowledge,
        Certificate: Talk._on_certificate,
        Halt: Talk._on_halt,
        Probe: Talk._on_probe,
    },
    UplinkPhase.SPEAKING: {
        Acknowledge: Talk._on_acknowledge,
        Held: Talk._on_held,
        Release: Talk._on_release,
        Order: Talk._on_order,
        Act: Talk._on_act,
        NewPolicy: Talk._on_policy,
        Certificate: Talk._on_certificate,
        Pieces: Talk._on_pieces,
        Pong: Talk._on_pong,
        Halt: Talk._on_halt,
        Probe: Talk._on_probe,
        KeyTaken: Talk._on_about_keys,
        RotateKey: Talk._on_about_keys,
    },
    UplinkPhase.SILENT: {
        Welcome: Talk._on_welcome,
        Acknowledge: Talk._on_acknowledge,
        Certificate: Talk._on_certificate,
        Halt: Talk._on_halt,
        Probe: Talk._on_probe,
    },
    UplinkPhase.HALTED: {
        Welcome: Talk._on_welcome,
        Acknowledge: Talk._on_acknowledge,
        Release: Talk._on_order_while_halted,
        Order: Talk._on_order_while_halted,
        Act: Talk._on_order_while_halted,
        NewPolicy: Talk._on_policy,
        Certificate: Talk._on_certificate,
        Pieces: Talk._on_pieces,
        Halt: Talk._on_halt,
        Probe: Talk._on_probe,
    },
}
