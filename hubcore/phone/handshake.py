"""The hub's side of one link as a state machine: messages and answers in, effects out.

Laws:
1. A challenge serves one request, whatever becomes of it.
2. One request is at work at a time, so that no result is taken for another's.
3. Nothing is decided here; what is not in the table is refused.
4. Every failed proof gets the same answer.
5. A request that took too long is answered with a timeout and moves nothing.
6. Each answer to an open is followed by one state in its session, yes and no alike; a session that
   is over gets none.
7. A request is no older than the challenge that it answers.
8. All is forgotten when the link ends.

Times are monotonic seconds, `wall` Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from hubcore.access.claim import Claim, ClaimOutcome, Strength
from hubcore.access.words import Action
from hubcore.codec.cose import IV_BYTES, KID_BYTES, VerifyKey
from hubcore.door.state import DoorState
from hubcore.errors import FrameError, PeerError, ProofError, SequenceError
from hubcore.phone import sealing
from hubcore.phone.answers import reason_of
from hubcore.phone.epochs import EpochRing
from hubcore.phone.messages import (
    NONCE_BYTES,
    SID_BYTES,
    TICKET_ID_BYTES,
    Challenge,
    EpochAnswer,
    Error,
    ErrorCode,
    GetEpoch,
    Open,
    Resume,
    State,
    ToHub,
    ToPhone,
    Verdict,
    decode_to_hub,
    encode_to_phone,
)
from hubcore.phone.sealing import Opened, OpenJob, SessionKeys
from hubcore.phone.tickets import Ticket, TicketTable
from hubcore.timing.budget import Budget

CHALLENGE_SECONDS = 30.0
WORKING_SECONDS = 3.0
SESSION_SECONDS = 30.0
EPOCHS_A_LINK = 2
FAILURES_A_LINK = 3


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Unseal:
    """Do `sealing.open_request` elsewhere, in `after_seconds`, and bring the result to
    `Handshake.unsealed`.
    """

    job: OpenJob
    after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Presented:
    """Decide on this claim and bring the outcome to `Handshake.answer`."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Bring the door's state to `Handshake.follow_up` when a release that began now would have
    ended.
    """

    session: int
    access_point: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Count and log the cause; the peer is told less."""

    cause: PeerError


@dataclass(frozen=True, slots=True)
class Drop:
    """End the link."""

    why: str


Effect = Send | Unseal | Presented | FollowUp | Refused | Drop


@dataclass(frozen=True, slots=True)
class HubSide:
    """What all links of a hub share. `chance(n)` gives n random bytes."""

    hub: str
    site: str
    identity_kid: bytes
    certificate: bytes
    issuer: VerifyKey
    epochs: EpochRing
    tickets: TicketTable
    budget: Budget
    chance: Callable[[int], bytes]


class HandshakePhase(Enum):
    """Where a link stands."""

    IDLE = "no live challenge"
    READY = "a challenge is live"
    WORKING = "a request is being opened or decided"
    ABANDONED = "a request is being opened or decided that its phone has taken back"
    SESSION = "answered; door states may follow"


_AT_WORK = (HandshakePhase.WORKING, HandshakePhase.ABANDONED)


class Handshake:
    """One link's machine. Every method returns the effects to perform, in order."""

    def __init__(self, side: HubSide, transport: str) -> None:
        self._side = side
        self._transport = transport
        self._phase = HandshakePhase.IDLE
        self._challenge = b""
        self._minted = 0.0
        self._epochs_sent = 0
        self._failures = 0
        self._out_of_turn = 0
        self._came = 0.0
        self._opened: Opened | None = None
        self._ticket: Ticket | None = None
        self._arrived = 0.0
        self._keys: SessionKeys | None = None
        self._session = 0
        self._states = 0
        self._allowed = False
        self._answered = 0.0

    @property
    def phase(self) -> HandshakePhase:
        """Where the link stands."""
        return self._phase

    @property
    def failures(self) -> int:
        """How many messages of this link have failed."""
        return self._failures

    def challenge(self, now: float) -> Challenge | None:
        """Mint a challenge, which voids the one before; None while a request is at work, also one
        taken back.
        """
        if self._phase in _AT_WORK:
            return None
        self.forget()
        side = self._side
        epoch = self._side.epochs.current
        kid = epoch.kid if epoch else bytes(KID_BYTES)
        challenge = Challenge(
            sid=side.chance(SID_BYTES),
            nonce=side.chance(NONCE_BYTES),
            hub=side.identity_kid,
            epoch=kid,
        )
        self._challenge = challenge.encode()
        self._minted = now
        self._phase = HandshakePhase.READY
        return challenge

    def receive(
        self, data: bytes, now: float, wall: float, came: float | None = None
    ) -> list[Effect]:
        """Take one whole message; `came` is the earliest moment at which its last byte may have
        come, if not `now`.
        """
        self._came = max(self._minted, now if came is None else came)
        if self._phase is HandshakePhase.READY and now - self._minted > CHALLENGE_SECONDS:
            self.forget()
        if self._phase in _AT_WORK:
            return self._while_working()
        try:
            message = decode_to_hub(data)
        except FrameError as error:
            self.forget()
            return self._fail(error, ErrorCode.BAD_FRAME)
        step = _STEPS.get((self._phase, type(message)))
        if step is None:
            return [Refused(SequenceError("no live challenge")), _send(Error(ErrorCode.TIMEOUT))]
        return step(self, message, data, now, wall)

    def unbegun(self) -> None:
        """Take it that an Unseal will not be done: its share of the budget comes back."""
        self._side.budget.spare()

    def unsealed(self, result: Opened | ProofError, now: float) -> list[Effect]:
        """Take what became of an Unseal."""
        self._side.budget.done()
        if self._phase is not HandshakePhase.WORKING:
            self._work_ended()
            return []
        if isinstance(result, ProofError):
            self.forget()
            return self._fail(result, ErrorCode.FAILED)
        if now - self._arrived > WORKING_SECONDS:
            return self._too_late()
        return self._present(result, Strength.FULL)

    def answer(self, outcome: ClaimOutcome, now: float, wall: float) -> list[Effect]:
        """Take what was decided and done about the claim presented."""
        if self._phase is not HandshakePhase.WORKING or self._opened is None:
            self._work_ended()
            return []
        if now - self._arrived > WORKING_SECONDS and not outcome.allowed:
            return self._too_late()
        opened = self._opened
        side = self._side
        new = None
        if outcome.allowed:
            began = self._ticket.chain_began if self._ticket else int(wall)
            keys = opened.keys
            new = side.tickets.issue(
                side.chance(TICKET_ID_BYTES),
                keys.ratchet,
                keys.aead,
                opened.grant,
                int(wall),
                began,
            )
        verdict = Verdict(
            op=opened.op,
            allowed=outcome.allowed,
            reason=reason_of(outcome),
            door=outcome.door,
            time=int(wall),
            ticket=new,
        )
        self._phase = HandshakePhase.SESSION
        self._keys = opened.keys
        self._answered = now
        self._states = 0
        self._allowed = outcome.allowed
        self._session += 1
        self._ticket = None
        effects: list[Effect] = [
            _send(sealing.seal_verdict(verdict, opened.keys, side.chance(IV_BYTES)))
        ]
        if opened.action is Action.OPEN:
            effects.append(FollowUp(self._session, opened.access_point))
        return effects

    def door(self, access_point: int, door: DoorState, now: float, wall: float) -> list[Effect]:
        """Tell the phone what the door did, if it asked to open it and was let in; nothing follows
        a question.
        """
        if self._phase is not HandshakePhase.SESSION or self._opened is None or not self._allowed:
            return []
        if self._opened.action is Action.QUERY:
            return []
        if self._opened.access_point != access_point or now - self._answered > SESSION_SECONDS:
            return []
        return self._tell(door, wall)

    def follow_up(self, session: int, door: DoorState, wall: float) -> list[Effect]:
        """Tell the one state that follows an answer to an open, if its session lasts; UNKNOWN after
        a denial.
        """
        if self._phase is not HandshakePhase.SESSION or session != self._session:
            return []
        return self._tell(door if self._allowed else DoorState.UNKNOWN, wall)

    def _tell(self, door: DoorState, wall: float) -> list[Effect]:
        assert self._opened is not None and self._keys is not None  # noqa: S101, PT018 - a session has both
        self._states += 1
        opened = self._opened
        state = State(
            seq=self._states,
            op=opened.op,
            access_point=opened.access_point,
            door=door,
            time=int(wall),
        )
        return [_send(sealing.seal_state(state, self._keys, self._side.chance(IV_BYTES)))]

    def bye(self) -> None:
        """The phone is done: forget; what is at work is answered to nobody, and nothing new begins
        before its end.
        """
        at_work = self._phase in _AT_WORK
        self.forget()
        self._phase = HandshakePhase.ABANDONED if at_work else HandshakePhase.IDLE

    def _work_ended(self) -> None:
        if self._phase is HandshakePhase.ABANDONED:
            self._phase = HandshakePhase.IDLE

    def forget(self) -> None:
        """Drop the challenge and every key of this link; counts stay."""
        self._phase = HandshakePhase.IDLE
        self._challenge = b""
        self._opened = self._ticket = self._keys = None

    def _get_epoch(self, _: ToHub, _data: bytes, _now: float, _wall: float) -> list[Effect]:
        self._epochs_sent += 1
        if self._epochs_sent > EPOCHS_A_LINK:
            self.forget()
            return [
                Refused(SequenceError("certificates asked for too often")),
                Drop("certificates asked too often"),
            ]
        epoch = self._side.epochs.current
        if epoch is None:
            return [_send(Error(ErrorCode.BUSY))]
        return [_send(EpochAnswer(self._side.certificate, epoch.certificate))]

    def _open(self, message: ToHub, data: bytes, now: float, wall: float) -> list[Effect]:
        assert isinstance(message, Open)  # noqa: S101 - the table's
        epoch = self._side.epochs.find(message.epoch, wall)
        if epoch is None:
            return [
                Refused(ProofError("open: sealed to an unknown epoch")),
                _send(Error(ErrorCode.UNKNOWN_EPOCH)),
            ]
        challenge = self._challenge
        self.forget()
        if message.aead not in epoch.aeads or 8 * len(message.encrypted_key) != epoch.key.key_size:
            return self._fail(
                ProofError("open: an AEAD or key size that the epoch does not offer"),
                ErrorCode.FAILED,
            )
        after_seconds = self._side.budget.take(now)
        if after_seconds is None:
            return [Refused(SequenceError("open: no RSA budget")), _send(Error(ErrorCode.BUSY))]
        self._phase = HandshakePhase.WORKING
        self._arrived = self._came
        side = self._side
        decoy = self._side.chance(message.aead.key_bytes)
        names = (side.issuer, side.site, side.hub)
        job = OpenJob(
            message, data, self._transport, challenge, epoch.key, epoch.digest, *names, decoy
        )
        return [Unseal(job, after_seconds)]

    def _resume(self, message: ToHub, data: bytes, now: float, wall: float) -> list[Effect]:
        assert isinstance(message, Resume)  # noqa: S101 - the table's
        challenge = self._challenge
        side = self._side
        self.forget()
        ticket = side.tickets.find(message.ticket, wall)
        if ticket is None or ticket.aead != message.aead:
            return self._fail(
                ProofError("resume: no such ticket, or with another AEAD"), ErrorCode.FAILED
            )
        key = sealing.resume_key(
            secret=ticket.secret,
            transport=self._transport,
            challenge=challenge,
            aead=message.aead,
            hub=side.hub,
        )
        try:
            request = sealing.open_resume(message, key)
        except ProofError as error:
            return self._fail(error, ErrorCode.FAILED)
        side.tickets.drop(ticket.id)
        keys = sealing.session_keys(
            secret=ticket.secret,
            transport=self._transport,
            challenge=challenge,
            message=data,
            aead=message.aead,
            hub=side.hub,
        )
        self._phase = HandshakePhase.WORKING
        self._arrived = self._came
        self._ticket = ticket
        opened = Opened(
            grant=ticket.grant,
            op=request.op,
            access_point=request.access_point,
            action=request.action,
            keys=keys,
        )
        return self._present(opened, Strength.SHORT)

    def _present(self, opened: Opened, strength: Strength) -> list[Effect]:
        self._opened = opened
        claim = Claim.under(
            opened.grant,
            access_point=opened.access_point,
            action=opened.action,
            op=opened.op,
            strength=strength,
            arrived=self._arrived,
        )
        return [Presented(claim)]

    def _while_working(self) -> list[Effect]:
        self._out_of_turn += 1
        refused = Refused(SequenceError("a message while another is at work"))
        return [refused] if self._out_of_turn == 1 else [refused, Drop("messages out of turn")]

    def _too_late(self) -> list[Effect]:
        self.forget()
        return [
            Refused(SequenceError("the decision came too late")),
            _send(Error(ErrorCode.TIMEOUT)),
        ]

    def _fail(self, cause: PeerError, code: ErrorCode) -> list[Effect]:
        self._failures += 1
        effects: list[Effect] = [Refused(cause), _send(Error(code))]
        if self._failures >= FAILURES_A_LINK:
            return [*effects, Drop("too many failures")]
        return effects


def _send(message: ToPhone) -> Send:
    return Send(encode_to_phone(message))


_Step = Callable[[Handshake, ToHub, bytes, float, float], list[Effect]]

_STEPS: dict[tuple[HandshakePhase, type[ToHub]], _Step] = {
    (HandshakePhase.IDLE, GetEpoch): Handshake._get_epoch,
    (HandshakePhase.READY, GetEpoch): Handshake._get_epoch,
    (HandshakePhase.READY, Open): Handshake._open,
    (HandshakePhase.READY, Resume): Handshake._resume,
    (HandshakePhase.SESSION, GetEpoch): Handshake._get_epoch,
}
