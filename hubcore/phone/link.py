"""One radio link from the hub's side: frames in, frames and effects out, with a deadline on
everything.

Laws: this is the whole receive path, and it is pure; whatever bytes come, the result is effects,
never an exception; a frame that breaks the rules ends the link; a stranger costs at most one
message of memory and a few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from hubcore.access.claim import ClaimOutcome
from hubcore.door.state import DoorState
from hubcore.errors import PeerError, ProofError, SequenceError
from hubcore.phone.framing import MTU_MIN, Flag, Inbound, Outbound, control_frame, decode_frame
from hubcore.phone.handshake import (
    Drop,
    Effect,
    FollowUp,
    Handshake,
    HandshakePhase,
    HubSide,
    Presented,
    Refused,
    Send,
    Unseal,
)
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
    """Who makes room first. A request at work counts for nothing: anybody can send one.

    Nor does an answer: who keeps a place by it would show which answer it was, and an ended grant
    gets one as well.
    """

    OVER = 0
    FAILED = 1
    NOT_FAILED = 2


LinkEffect = Notify | Unseal | Presented | FollowUp | Refused | Drop


class HubLink:
    """The state of one link. Times are monotonic seconds, `wall` Unix seconds."""

    def __init__(self, side: HubSide, transport: str, now: float) -> None:
        self._handshake = Handshake(side, transport)
        self._opened = self._active = now
        self._read = False
        self._in: Inbound | None = None
        self._out: Outbound | None = None
        self._mtu = MTU_MIN
        self._assembly_began = 0.0
        self._over = False

    @property
    def standing(self) -> LinkStanding:
        """Tell what speaks for keeping this link when there is room for fewer."""
        if self._over:
            return LinkStanding.OVER
        return LinkStanding.FAILED if self._handshake.failures else LinkStanding.NOT_FAILED

    @property
    def at_work(self) -> bool:
        """Tell whether a request is at work that its peer still waits for."""
        return self._handshake.phase is HandshakePhase.WORKING

    @property
    def over(self) -> bool:
        """Tell whether the link has ended, so that nothing is taken any more."""
        return self._over

    def challenge(self, now: float) -> bytes:
        """Answer a read of INFO: a new session; b'' while a request is at work, or when the link is
        over.
        """
        challenge = None if self._over else self._handshake.challenge(now)
        if challenge is None:
            return b""
        self._in = Inbound(challenge.sid)
        self._out = Outbound(challenge.sid)
        self._read = True
        self._active = now
        return challenge.encode()

    def frame(
        self, data: bytes, mtu: int, now: float, wall: float, came: float | None = None
    ) -> list[LinkEffect]:
        """Take one write to RX; `came` is the earliest moment at which it may have come, if that is
        not `now`.
        """
        if self._over:
            return []
        self._mtu = mtu
        self._active = now
        try:
            return self._take(data, now, wall, now if came is None else came)
        except PeerError as error:
            return self._end(error)

    def pull(self, mtu: int) -> bytes:
        """Answer a read of TXR with the oldest frame the peer may lack, or b''."""
        return self._out.pull(mtu) if self._out else b""

    def unbegun(self) -> None:
        """Say that an Unseal will not be done; its result, whatever, is still to be brought to
        `unsealed`.
        """
        self._handshake.unbegun()

    def unsealed(self, result: Opened | ProofError, now: float) -> list[LinkEffect]:
        """Take what became of an Unseal; call it once for each, even when the link is over."""
        return self._perform(self._handshake.unsealed(result, now))

    def answer(self, outcome: ClaimOutcome, now: float, wall: float) -> list[LinkEffect]:
        """Take what became of a Presented."""
        self._active = now
        return self._perform(self._handshake.answer(outcome, now, wall))

    def door(self, access_point: int, door: DoorState, now: float, wall: float) -> list[LinkEffect]:
        """Take a change of a door."""
        return self._perform(
            self._handshake.door(access_point=access_point, door=door, now=now, wall=wall)
        )

    def follow_up(self, session: int, door: DoorState, wall: float) -> list[LinkEffect]:
        """Take the state that follows an answer."""
        return self._perform(self._handshake.follow_up(session, door, wall))

    def expired(self, now: float) -> str | None:
        """Say which deadline has passed, if any; the link is then to be dropped."""
        if now - self._opened > LINK_SECONDS:
            return "the link is a minute old"
        if not self._read and now - self._opened > FIRST_READ_SECONDS:
            return "nothing was asked"
        if self._in and self._in.assembling:
            limit = ASSEMBLY_SMALL_MTU_SECONDS if self._mtu < SMALL_MTU else ASSEMBLY_SECONDS
            if now - self._assembly_began > limit:
                return "a message was never finished"
        return "idle" if now - self._active > IDLE_SECONDS else None

    def close(self) -> None:
        """Forget every key and buffer: the peer is gone."""
        self._over = True
        self._handshake.forget()
        self._in = self._out = None

    def _take(self, data: bytes, now: float, wall: float, came: float) -> list[LinkEffect]:
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
        effects: list[LinkEffect] = [Notify(ack)] if ack else []
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
        return [Notify(frame) for frame in self._out.due(self._mtu)] if self._out else []

    def _end(self, cause: PeerError) -> list[LinkEffect]:
        return [Refused(cause), *self._bye(str(cause))]

    def _bye(self, why: str) -> list[LinkEffect]:
        bye: list[LinkEffect] = (
            [Notify(control_frame(Flag.BYE, self._in.sid, 0))] if self._in else []
        )
        self.close()
        return [*bye, Drop(why)]
