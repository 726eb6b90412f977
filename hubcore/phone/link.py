"""The hub's side of one BLE link: frames in, frames and effects out, a deadline on everything.

Laws:
1. This is the whole receive path, and it is pure.
2. Whatever bytes come, the result is effects, never an exception.
3. A frame that breaks the rules ends the link.
4. A stranger costs at most one message of memory and a few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from hubcore.access.claim import ClaimOutcome
from hubcore.door.state import DoorState
from hubcore.errors import PeerError, ProofError, SequenceError
from hubcore.phone.effects import Carried, Drop, Effect, FollowUp, Presented, Refused, Send, Unseal
from hubcore.phone.framing import MTU_MIN, Flag, Inbound, Outbound, control_frame, decode_frame
from hubcore.phone.handshake import Handshake, HandshakePhase, HubSide
from hubcore.phone.sealing import Opened

FIRST_READ_SECONDS = 5.0
ASSEMBLY_SECONDS = 5.0
ASSEMBLY_SMALL_MTU_SECONDS = 15.0
SMALL_MTU = 64
IDLE_SECONDS = 30.0
LINK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Notify:
    """Send this frame to the peer."""

    frame: bytes


class LinkStanding(IntEnum):
    """Which link makes room first: the lowest.

    A request at work counts for nothing: anybody can send one. An answer counts for nothing either:
    the place that it keeps would show which answer it was, and an ended grant gets one as well.
    """

    OVER = 0
    FAILED = 1
    NOT_FAILED = 2


LinkEffect = Notify | Unseal | Carried | Presented | FollowUp | Refused | Drop


class HubLink:
    """The state of one link. Times are monotonic seconds, `wall` Unix seconds."""

    def __init__(self, side: HubSide, transport: str, now: float) -> None:
        self._handshake = Handshake(side, transport)
        self._opened = now
        self._active = now
        self._info_read = False
        self._in: Inbound | None = None
        self._out: Outbound | None = None
        self._mtu = MTU_MIN
        self._assembly_began = 0.0
        self._over = False

    @property
    def standing(self) -> LinkStanding:
        """How much this link deserves its place when there is room for fewer."""
        if self._over:
            return LinkStanding.OVER
        if self._handshake.failures:
            return LinkStanding.FAILED
        return LinkStanding.NOT_FAILED

    @property
    def phase(self) -> HandshakePhase:
        """Where the handshake stands."""
        return self._handshake.phase

    @property
    def access_point(self) -> int | None:
        """Where the phone has proven itself, None before."""
        return self._handshake.access_point

    @property
    def at_work(self) -> bool:
        """Whether a request is at work that its peer still waits for."""
        return self._handshake.phase is HandshakePhase.WORKING

    @property
    def over(self) -> bool:
        """Whether the link has ended: it takes nothing any more."""
        return self._over

    def challenge(self, now: float) -> bytes:
        """Answer a read of INFO with a new challenge.

        b'' while a request is at work, or when the link is over.
        """
        if self._over:
            return b""
        challenge = self._handshake.challenge(now)
        if challenge is None:
            return b""
        self._in = Inbound(challenge.sid)
        self._out = Outbound(challenge.sid)
        self._info_read = True
        self._active = now
        return challenge.encode()

    def frame(
        self,
        data: bytes,
        mtu: int,
        now: float,
        wall: float,
        came: float | None = None,
    ) -> list[LinkEffect]:
        """Take one write to RX.

        `came` is the earliest moment at which it may have come, if that is not `now`.
        """
        if self._over:
            return []
        self._mtu = mtu
        self._active = now
        came = now if came is None else came
        try:
            return self._take(data, now, wall, came)
        except PeerError as error:
            return self._end(error)

    def pull(self, mtu: int) -> bytes:
        """Answer a read of TXR: the oldest frame that the peer may not have yet, or b''."""
        if self._out is None:
            return b""
        return self._out.pull(mtu)

    def unseal_cancelled(self) -> None:
        """An Unseal will not be done; a result is still to be brought to `unsealed`."""
        self._handshake.unseal_cancelled()

    def unsealed(self, result: Opened | ProofError, now: float) -> list[LinkEffect]:
        """Take the result of an Unseal; call it once for each, even when the link is over."""
        return self._perform(self._handshake.unsealed(result, now))

    def answer(self, outcome: ClaimOutcome, now: float, wall: float) -> list[LinkEffect]:
        """Take the outcome of a Presented."""
        self._active = now
        return self._perform(self._handshake.answer(outcome, now, wall))

    def door(
        self,
        access_point: int,
        door: DoorState,
        now: float,
        wall: float,
    ) -> list[LinkEffect]:
        """Take a change of a door."""
        return self._perform(self._handshake.door(access_point, door, now, wall))

    def follow_up(self, session: int, door: DoorState, wall: float) -> list[LinkEffect]:
        """Take the state that follows an answer."""
        return self._perform(self._handshake.follow_up(session, door, wall))

    def expired(self, now: float) -> str | None:
        """Say which deadline has passed, if any; the link is then to be dropped."""
        if now - self._opened > LINK_SECONDS:
            return "the link is a minute old"
        if not self._info_read and now - self._opened > FIRST_READ_SECONDS:
            return "nothing was asked"
        if self._in is not None and self._in.assembling:
            limit = ASSEMBLY_SMALL_MTU_SECONDS if self._mtu < SMALL_MTU else ASSEMBLY_SECONDS
            if now - self._assembly_began > limit:
                return "a message was never finished"
        if now - self._active > IDLE_SECONDS:
            return "idle"
        return None

    def close(self) -> None:
        """Forget every key and buffer: the peer is gone."""
        self._over = True
        self._handshake.forget()
        self._in = None
        self._out = None

    def _take(
        self,
        data: bytes,
        now: float,
        wall: float,
        came: float,
    ) -> list[LinkEffect]:
        frame = decode_frame(data)
        if self._in is None or self._out is None or frame.sid != self._in.sid:
            raise SequenceError("frame: of no session of this link")
        if frame.flags == Flag.BYE:
            self._handshake.bye()
            return []
        if frame.flags == Flag.ACK:
            self._out.acknowledged(frame.seq)
            return self._notify()
        if not self._in.assembling:
            self._assembly_began = now
        message, ack = self._in.accept(frame)
        effects: list[LinkEffect] = []
        if ack is not None:
            effects.append(Notify(ack))
        if message is not None:
            self._out.answered()
            effects += self._perform(self._handshake.receive(message, now, wall, came))
        return effects

    def _perform(self, effects: list[Effect]) -> list[LinkEffect]:
        """Turn messages into the frames that may leave now; pass the rest on."""
        out: list[LinkEffect] = []
        for effect in effects:
            match effect:
                case Send(message):
                    if self._out is None or self._over:
                        continue
                    try:
                        self._out.load(message)
                    except SequenceError as error:
                        return [*out, *self._end(error)]
                    out += self._notify()
                case Drop(why):
                    out += self._bye(why)
                case _:
                    out.append(effect)
        return out

    def _notify(self) -> list[LinkEffect]:
        if self._out is None:
            return []
        return [Notify(frame) for frame in self._out.due(self._mtu)]

    def _end(self, cause: PeerError) -> list[LinkEffect]:
        return [Refused(cause), *self._bye(str(cause))]

    def _bye(self, why: str) -> list[LinkEffect]:
        effects: list[LinkEffect] = []
        if self._in is not None:
            effects.append(Notify(control_frame(Flag.BYE, self._in.sid, 0)))
        effects.append(Drop(why))
        self.close()
        return effects
