"""One attempt on one link as a state machine: values read, frames and time in, effects out.

Laws:
1. A frame that is broken, of another session or out of place changes nothing.
2. The phone reads TXR to get a missing frame, and to get everything when no notification comes.
3. A wait for the hub begins when the last frame of a message is written. What is ignored never
   prolongs it.
4. When a phone leaves depends on nothing that verdict or state says: it stays after both, until the
   first state.

How it works: `Listening` joins frames into messages and says when TXR is to be read. `OnLink`
brings the messages to an `Attempt` and keeps its time. Whoever performs the effects reports back:
- `info`: what INFO read;
- `written`: a message is written;
- `pulled`: what TXR read;
- `notified`: each notification;
- `passed`: `due` has come;
- `lost`: the link has ended.

Times are monotonic seconds, `wall` is Unix seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubcore.access.words import Action
from hubcore.errors import FrameError, SequenceError
from hubcore.phone.framing import Flag, Frame, Inbound, decode_frame
from hubcore.phone.messages import decode_challenge
from hubsim.phone.effects import (
    Decided,
    Leave,
    LinkPhoneEffect,
    PhoneEffect,
    ReadInfo,
    ReadTxr,
    SendMessage,
    WriteFrame,
)
from hubsim.phone.machine import Attempt, AttemptPhase

EPOCH_SECONDS = 8.0
VERDICT_SECONDS = 6.0
PULL_AFTER_SECONDS = 1.0
PULL_EVERY_SECONDS = 0.1
PULL_SOON_SECONDS = 0.03
SOON_SECONDS = 1.0
"""How long a phone that hears no notification reads TXR often: a verdict comes within it."""
STAY_SECONDS = 30.0
"""A phone stays after the verdict until the first state, and no longer than this."""

GOODBYE = "phone: the hub said goodbye"

_PATIENCE_SECONDS = {
    AttemptPhase.EPOCH: EPOCH_SECONDS,
    AttemptPhase.VERDICT: VERDICT_SECONDS,
}
Effects = list[LinkPhoneEffect]

_FRAME_NUMBERS = 256
_BEHIND_MAX = 128


@dataclass(frozen=True, slots=True)
class FrameOutcome:
    """What a frame led to.

    `ours`: it is of this session; `message`: it made one whole; `ack`: what to write; `bye`: the
    hub's goodbye; `gap`: frames are missing before it.
    """

    ours: bool = False
    message: bytes | None = None
    ack: bytes | None = None
    bye: bool = False
    gap: bool = False


class Listening:
    """The frames of one session, and when to read TXR.

    A phone that does not subscribe to TX lives on TXR alone.
    """

    def __init__(self, sid: bytes, subscribed: bool) -> None:
        self.sid = sid
        self._subscribed = subscribed
        self._in = Inbound(sid, repeats=True)
        self._listens = False
        self._pulling = False
        self._began = 0.0
        self.pull_at: float | None = None
        """When to read TXR next; None during a read, or while nothing is waited for."""

    def begin(self, now: float) -> None:
        """A message was written: wait for what comes."""
        self._listens = True
        self._began = now
        self.pull_at = now + PULL_AFTER_SECONDS if self._subscribed else now

    def rest(self) -> None:
        """Nothing is waited for."""
        self._listens = False
        self.pull_at = None

    def pulls(self) -> None:
        """TXR is read now."""
        self._pulling = True
        self.pull_at = None

    def notified(self, data: bytes, now: float) -> FrameOutcome:
        """Take a notification."""
        outcome = self._take(data)
        waits_for_more = self._subscribed and self._listens and not self._pulling
        if outcome.ours and waits_for_more:
            self.pull_at = now if outcome.gap else now + PULL_AFTER_SECONDS
        return outcome

    def pulled(self, value: bytes, now: float) -> FrameOutcome:
        """Take what TXR read; after a frame it is read again at once."""
        self._pulling = False
        if self._listens:
            self.pull_at = now if value else now + self._pause_seconds(now)
        if not value:
            return FrameOutcome()
        return self._take(value)

    def _pause_seconds(self, now: float) -> float:
        """Say how long to wait after an empty read."""
        if self._subscribed:
            return PULL_AFTER_SECONDS
        is_soon = now - self._began < SOON_SECONDS
        return PULL_SOON_SECONDS if is_soon else PULL_EVERY_SECONDS

    def _take(self, data: bytes) -> FrameOutcome:
        try:
            frame = decode_frame(data)
        except FrameError:
            return FrameOutcome()
        if frame.sid != self.sid:
            return FrameOutcome()
        if frame.flags & (Flag.ACK | Flag.BYE):
            is_bye = bool(frame.flags & Flag.BYE)
            return FrameOutcome(ours=True, bye=is_bye)
        return self._join(frame)

    def _join(self, frame: Frame) -> FrameOutcome:
        behind = (self._in.due - frame.seq) % _FRAME_NUMBERS
        if behind > _BEHIND_MAX:  # it is ahead: numbers go round
            return FrameOutcome(ours=True, gap=True)
        try:
            message, ack = self._in.accept(frame)
        except (FrameError, SequenceError):
            return FrameOutcome(ours=True)
        return FrameOutcome(ours=True, message=message, ack=ack)


class OnLink:
    """An attempt on a link. Its methods return the effects to perform, in order."""

    def __init__(self, attempt: Attempt, subscribed: bool) -> None:
        self.attempt = attempt
        self.goodbye = False
        self._subscribed = subscribed
        self._listening: Listening | None = None
        self._patience_ends: float | None = None
        self._stay_ends: float | None = None

    @property
    def due(self) -> float | None:
        """When `passed` is to be called, if nothing comes before."""
        pull_at = self._listening.pull_at if self._listening else None
        moments = (self._patience_ends, self._stay_ends, pull_at)
        known = [moment for moment in moments if moment is not None]
        return min(known, default=None)

    def info(self, value: bytes, now: float, wall: float) -> Effects:
        """Take what INFO read: a new session."""
        try:
            challenge = decode_challenge(value)
            self._listening = Listening(challenge.sid, self._subscribed)
        except FrameError:
            self._listening = None
        effects = self.attempt.challenge(value, wall)
        return self._after(effects, now)

    def written(self, now: float) -> Effects:
        """The last frame of a message is written: its answer is waited for from now on."""
        assert self._listening is not None
        self._patience_ends = now + _PATIENCE_SECONDS[self.attempt.phase]
        self._listening.begin(now)
        return self._reads_txr_if_due(now)

    def notified(self, data: bytes, now: float, wall: float) -> Effects:
        """Take a notification of TX."""
        if self._listening is None:
            return []
        frame = self._listening.notified(data, now)
        return self._heard(frame, now, wall)

    def pulled(self, value: bytes, now: float, wall: float) -> Effects:
        """Take what TXR read."""
        if self._listening is None:
            return []
        frame = self._listening.pulled(value, now)
        return self._heard(frame, now, wall)

    def passed(self, now: float) -> Effects:
        """Say that `due` has come."""
        if self._stay_ends is not None and now >= self._stay_ends:
            return self._leave()
        if self._patience_ends is not None and now >= self._patience_ends:
            return self._after(self.attempt.silence(), now)
        return self._reads_txr_if_due(now)

    def lost(self, why: str) -> Effects:
        """The link has ended."""
        self._rest()
        return list(self.attempt.lost(why))

    def _heard(self, frame: FrameOutcome, now: float, wall: float) -> Effects:
        if frame.bye:
            self.goodbye = True
            return self.lost(GOODBYE) + self._leave()
        effects: Effects = []
        if frame.ack:
            effects.append(WriteFrame(frame.ack))
        if frame.message is not None:
            received = self.attempt.receive(frame.message, wall)
            effects += self._after(received, now)
        return effects + self._reads_txr_if_due(now)

    def _reads_txr_if_due(self, now: float) -> Effects:
        listening = self._listening
        if listening is None or listening.pull_at is None or now < listening.pull_at:
            return []
        listening.pulls()
        return [ReadTxr()]

    def _after(self, effects: Sequence[PhoneEffect], now: float) -> Effects:
        """Keep the time that goes with what the attempt does."""
        out = list[LinkPhoneEffect](effects)
        if self.attempt.phase is AttemptPhase.END:
            return out + self._leave()
        for effect in effects:
            match effect:
                case SendMessage() | ReadInfo():
                    self._rest()
                case Decided() if self.attempt.action is Action.QUERY:
                    out += self._leave()
                case Decided():
                    self._patience_ends = None
                    self._stay_ends = now + STAY_SECONDS
        return out

    def _leave(self) -> Effects:
        self._rest()
        self.attempt.leave()
        return [Leave()]

    def _rest(self) -> None:
        self._patience_ends = None
        self._stay_ends = None
        if self._listening is not None:
            self._listening.rest()
