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
10. A Welcome while the hub speaks is how a backend says that it has lost records since. The hub
    says Hello at once, before it takes anything else, and all goes on from the next Welcome. A
    Welcome that agrees changes nothing.
11. While it speaks, the hub says Hello at most once in `Pace.greet_again_seconds`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from hubcore.backend.backendtime import BackendTime, Offset
from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import (
    Comparison,
    Effects,
    GiveUp,
    Greet,
    Moment,
    PhaseChanged,
    RefuseWaiting,
    Say,
    SendAgain,
    UplinkPhase,
)
from hubcore.backend.talk.halts import Halts
from hubcore.backend.talk.hellos import Hellos
from hubcore.backend.talk.silence import Silence
from hubcore.backend.talk.takes import Takeable, take
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
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
    TlsCertificate,
    Welcome,
)
from hubcore.backend.uplink.from_hub import ActResult, Alive, OrderResult, Result
from hubcore.backend.uplink.words import PROTOCOL, Cause
from hubcore.evidence.records import Head


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
        self._counters = counters
        self._backend_time = backend_time
        self._hellos = Hellos(pace)
        self._silence = Silence(pace, chance)
        self._halts = Halts(pace.halt_again_seconds, counters)
        self._welcome_after = float("-inf")
        """From then on a Welcome while the hub speaks is looked at again."""
        self._greet_after = float("-inf")
        """From then on it may say Hello while it speaks."""
        self.phase = UplinkPhase.DOWN
        self.why = "not connected yet"
        self.since = start.wall
        """When `phase` began, Unix seconds."""
        self.last_welcome: float | None = None
        """Unix seconds."""

    @property
    def halt(self) -> Halt | None:
        """The Halt that holds now."""
        return self._halts.standing

    def connected(self, at: Moment) -> Effects:
        """The uplink has come up."""
        effects = self._go(UplinkPhase.GREETING, "connected, no Welcome yet", at)
        self._hellos.next_at(at.monotonic)
        return effects

    def disconnected(self, why: str, at: Moment) -> Effects:
        """The uplink has gone down; `why` is a sentence."""
        effects = self._go(UplinkPhase.DOWN, why, at)
        self._hellos.next_at(None)
        return effects

    def received(self, message: BackendMessage, at: Moment) -> Effects | None:
        """The backend has said this. Return None for a message out of turn, which is counted."""
        step = _STEPS[self.phase].get(type(message))
        if step is None:
            self._counters["out_of_turn"] += 1
            return None
        self._silence.heard(at.monotonic)
        return step(self, message, at)

    def greeted(self, now: float) -> None:
        """The uplink has taken the Hello of a Greet. Otherwise it is due again soon."""
        self._hellos.said(now, halted=self.phase is UplinkPhase.HALTED)

    def refusal(self, order: Release | Order | Act) -> Result | OrderResult | ActResult:
        """Refuse an order because of the Halt."""
        return self._halts.refusal(order, self.why)

    def look(self, at: Moment) -> Effects:
        """Return what is due at this moment."""
        if self.phase is UplinkPhase.SPEAKING:
            return self._listen(at)
        if self._hellos.due is None or at.monotonic < self._hellos.due:
            return []
        return self._greet(at.monotonic)

    def due(self, now: float) -> float | None:
        """Return when `look` has something to do again, None when it never has."""
        if self.phase is not UplinkPhase.SPEAKING:
            return self._hellos.due
        return self._silence.due(now)

    def clock_offset(self, at: Moment) -> Offset | None:
        """Return the backend's time less the hub's, also when the hub's was set meanwhile."""
        return self._backend_time.offset(at.wall, at.monotonic)

    def _go(self, phase: UplinkPhase, why: str, at: Moment) -> Effects:
        changed = phase is not self.phase or why != self.why
        if phase is not self.phase:
            self.since = at.wall
        self.phase = phase
        self.why = why
        self._hellos.changed()
        self._silence.changed()
        return [PhaseChanged(phase, why)] if changed else []

    def _greet(self, now: float) -> Effects:
        if self._hellos.is_unanswered and self.phase is not UplinkPhase.HALTED:
            self._counters["no_welcome"] += 1
            self.why = (
                f"connected, but no Welcome within {self._pace.welcome_seconds:g} s: "
                "the backend is frozen, or knows neither this hub's id "
                f"nor version {PROTOCOL} of the uplink"
            )
            if self._hellos.are_enough:
                self._hellos.next_at(None)
                return [GiveUp(self.why)]
        self._hellos.try_again(now)
        return [Greet()]

    def _listen(self, at: Moment) -> Effects:
        """Say Ping to a backend that is quiet, and greet one that stays quiet."""
        quiet_seconds = self._silence.seconds(at.monotonic)
        if quiet_seconds is not None:
            self._counters["silences"] += 1
            why = f"connected, but nothing heard from the backend for {quiet_seconds:.0f} s"
            effects = self._go(UplinkPhase.SILENT, why, at)
            self._hellos.next_at(at.monotonic)
            return effects
        ping = self._silence.ask(at.monotonic)
        return [] if ping is None else [Say(ping)]

    def _on_welcome(self, message: Welcome, at: Moment) -> Effects:
        self.last_welcome = at.wall
        asked_at = self._hellos.first_at
        self._backend_time.answered(message.time_ms, asked_at, at.monotonic)
        self._silence.welcomed(asked_at, at.monotonic)
        durable = Head(message.durable, message.durable_hash)
        compared = self._compare(durable)
        cause = _DOUBTS[compared]
        if cause is not None:
            return self._doubt(cause, durable, at)
        self._halts.standing = None
        effects = self._go(UplinkPhase.SPEAKING, "", at)
        if compared is Comparison.LOST:
            effects.append(SendAgain(durable))
        return effects

    def _on_welcome_again(self, message: Welcome, at: Moment) -> Effects:
        """Greet a backend that does not have, or not any more, what it should have."""
        now = at.monotonic
        if now < max(self._welcome_after, self._greet_after):
            self._counters["welcomes_too_often"] += 1
            return []
        self._welcome_after = now + self._pace.retry_seconds
        if self._compare(Head(message.durable, message.durable_hash)) is Comparison.AGREES:
            return []
        return self.greet_again("the backend has other records than before", at)

    def greet_again(self, why: str, at: Moment) -> Effects:
        """Say Hello in the midst of the talk, for what it tells; nothing when it is too soon."""
        now = at.monotonic
        if self.phase is not UplinkPhase.SPEAKING or now < self._greet_after:
            return []
        self._greet_after = now + self._pace.greet_again_seconds
        effects = self._go(UplinkPhase.GREETING, f"connected; greeted again, for {why}", at)
        return [*effects, *self._greet(now)]

    def _doubt(self, cause: Cause, durable: Head, at: Moment) -> Effects:
        """Halt by this hub's own look: the backend's newest record is not in its log."""
        detail = f"its newest record {durable.number} is not this hub's"
        self._halts.standing = Halt(cause, durable.number, durable.hash, detail)
        why = f"halted by this hub ({cause.name.lower()}): {detail}"
        effects = self._go(UplinkPhase.HALTED, why, at)
        self._hellos.next_at(at.monotonic + self._pace.halted_seconds)
        return [*effects, RefuseWaiting()]

    def _on_halt(self, message: Halt, at: Moment) -> Effects:
        """Stop sending and obeying.

        A Halt that comes too soon is ignored, so that no backend fills the journal with them.
        """
        if not self._halts.comes(message, at.monotonic):
            return []
        cause = message.cause.name.lower()
        why = f"halted by the backend ({cause}): {message.detail}"
        effects = self._go(UplinkPhase.HALTED, why, at)
        self._hellos.next_at(at.monotonic + self._pace.halted_seconds)
        return [*effects, RefuseWaiting()]

    def _on_order_while_halted(self, message: Release | Order | Act, _at: Moment) -> Effects:
        return [Say(self.refusal(message))]

    def _take(self, message: Takeable, _at: Moment) -> Effects:
        return [take(message)]

    def _on_probe(self, message: Probe, _at: Moment) -> Effects:
        return [Say(Alive(message.nonce))]

    def _on_pong(self, message: Pong, at: Moment) -> Effects:
        asked_at = self._silence.answered(message)
        if asked_at is not None:
            self._backend_time.answered(message.time_ms, asked_at, at.monotonic)
        return []


_DOUBTS: Mapping[Comparison, Cause | None] = {
    Comparison.AGREES: None,
    Comparison.SHORTER: Cause.TAIL_CUT,
    Comparison.OTHER: Cause.FORK,
    Comparison.LOST: None,
}
"""What a comparison means that no record may go up after."""

_Step = Callable[[Talk, Any, Moment], Effects]
_BEFORE_WELCOME: dict[type[BackendMessage], _Step] = {
    Welcome: Talk._on_welcome,
    Acknowledge: Talk._take,
    Certificate: Talk._take,
    TlsCertificate: Talk._take,
    Halt: Talk._on_halt,
    Probe: Talk._on_probe,
}
_STEPS: dict[UplinkPhase, dict[type[BackendMessage], _Step]] = {
    UplinkPhase.DOWN: {},
    UplinkPhase.GREETING: _BEFORE_WELCOME,
    UplinkPhase.SPEAKING: {
        Welcome: Talk._on_welcome_again,
        Acknowledge: Talk._take,
        Held: Talk._take,
        Release: Talk._take,
        Order: Talk._take,
        Act: Talk._take,
        NewPolicy: Talk._take,
        Certificate: Talk._take,
        TlsCertificate: Talk._take,
        Pieces: Talk._take,
        Pong: Talk._on_pong,
        Halt: Talk._on_halt,
        Probe: Talk._on_probe,
        KeyTaken: Talk._take,
        RotateKey: Talk._take,
        CarriedMandate: Talk._take,
        CarriedEnds: Talk._take,
    },
    UplinkPhase.SILENT: _BEFORE_WELCOME,
    UplinkPhase.HALTED: {
        **_BEFORE_WELCOME,
        Release: Talk._on_order_while_halted,
        Order: Talk._on_order_while_halted,
        Act: Talk._on_order_while_halted,
        NewPolicy: Talk._take,
        Pieces: Talk._take,
        CarriedMandate: Talk._take,
        CarriedEnds: Talk._take,
    },
}
