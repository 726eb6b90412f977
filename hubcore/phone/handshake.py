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

How it works: a read of INFO makes a challenge (READY). An open goes to the RSA thread (`Unseal`)
and comes back by `unsealed`; a resume is unsealed here. Either is then presented as a claim, and
its outcome comes back by `answer` (WORKING until then). The verdict begins a session, in which the
phone learns what the door does (SESSION). What a phase needs is in its state, and goes with it.

Times are monotonic seconds, `wall` Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, NamedTuple

from hubcore.access.claim import Claim, ClaimOutcome, Strength
from hubcore.access.words import Action, HubName
from hubcore.codec.cose import IV_BYTES, KID_BYTES, VerifyKey
from hubcore.door.state import DoorState
from hubcore.errors import FrameError, PeerError, ProofError, SequenceError
from hubcore.phone import sealing
from hubcore.phone.answers import reason_of
from hubcore.phone.certificates import CertificateInForce
from hubcore.phone.effects import Carried, Drop, Effect, FollowUp, Presented, Refused, Send, Unseal
from hubcore.phone.epochs import Epoch, EpochRing
from hubcore.phone.messages import (
    NONCE_BYTES,
    SID_BYTES,
    TICKET_ID_BYTES,
    Challenge,
    EpochAnswer,
    Error,
    ErrorCode,
    GetEpoch,
    NewTicket,
    Open,
    Resume,
    State,
    ToHub,
    ToPhone,
    Verdict,
    decode_to_hub,
    encode_to_phone,
)
from hubcore.phone.sealing import Opened, OpenJob
from hubcore.phone.tickets import Ticket, TicketTable
from hubcore.timing.budget import Budget

CHALLENGE_SECONDS = 30.0
WORKING_SECONDS = 3.0
SESSION_SECONDS = 30.0
EPOCHS_A_LINK = 2
FAILURES_A_LINK = 3
Guests = Callable[[], Mapping[bytes, VerifyKey]]
"""Returns the grants that the site itself has given: SHA-256 of each, and the key behind it."""


@dataclass(frozen=True, slots=True)
class HubSide:
    """What all links of a hub share; `chance(n)` gives n random bytes."""

    name: HubName
    identity_kid: bytes
    certificate: CertificateInForce
    issuer: VerifyKey
    epochs: EpochRing
    tickets: TicketTable
    budget: Budget
    chance: Callable[[int], bytes]
    guests: Guests = dict


class HandshakePhase(Enum):
    """Where a link stands."""

    IDLE = "no live challenge"
    READY = "a challenge is live"
    WORKING = "a request is being opened or decided"
    ABANDONED = "a request is being opened or decided that its phone has taken back"
    SESSION = "answered; door states may follow"


@dataclass(frozen=True, slots=True)
class _Idle:
    phase: ClassVar = HandshakePhase.IDLE


@dataclass(frozen=True, slots=True)
class _Ready:
    """`challenge` is the whole value of INFO, made at `minted`."""

    phase: ClassVar = HandshakePhase.READY
    challenge: bytes
    minted: float


@dataclass(frozen=True, slots=True)
class _Unsealing:
    """An open is on the RSA thread; its last byte came at `arrived`."""

    phase: ClassVar = HandshakePhase.WORKING
    arrived: float


@dataclass(frozen=True, slots=True)
class _Deciding:
    """A claim is presented; `ticket` is the one that it came by, None on the full path."""

    phase: ClassVar = HandshakePhase.WORKING
    arrived: float
    opened: Opened
    ticket: Ticket | None


@dataclass(frozen=True, slots=True)
class _Abandoned:
    phase: ClassVar = HandshakePhase.ABANDONED


@dataclass(slots=True)
class _Session:
    """A request was answered at `answered`; `states` is how many states followed."""

    phase: ClassVar = HandshakePhase.SESSION
    number: int
    opened: Opened
    allowed: bool
    answered: float
    states: int = 0


_LinkState = _Idle | _Ready | _Unsealing | _Deciding | _Abandoned | _Session
_AT_WORK = (HandshakePhase.WORKING, HandshakePhase.ABANDONED)


class _Received(NamedTuple):
    """One message, its bytes, the two times now, and the earliest moment at which it came."""

    message: ToHub
    data: bytes
    now: float
    wall: float
    came: float


class Handshake:
    """One link's machine. Every method returns the effects to perform, in order."""

    def __init__(self, side: HubSide, transport: str) -> None:
        self._side = side
        self._transport = transport
        self._state: _LinkState = _Idle()
        self._sessions = 0
        self._epochs_sent = 0
        self._failures = 0
        self._out_of_turn = 0

    @property
    def access_point(self) -> int | None:
        """Where the phone has proven itself, None before."""
        state = self._state
        return state.opened.access_point if isinstance(state, _Deciding | _Session) else None

    @property
    def phase(self) -> HandshakePhase:
        """Where the link stands."""
        return self._state.phase

    @property
    def failures(self) -> int:
        """How many messages of this link have failed."""
        return self._failures

    def challenge(self, now: float) -> Challenge | None:
        """Make a challenge, which voids the one before.

        None while a request is at work, also one that its phone has taken back.
        """
        if self._state.phase in _AT_WORK:
            return None
        side = self._side
        epoch = side.epochs.current
        challenge = Challenge(
            sid=side.chance(SID_BYTES),
            nonce=side.chance(NONCE_BYTES),
            hub=side.identity_kid,
            epoch=bytes(KID_BYTES) if epoch is None else epoch.kid,
        )
        self._state = _Ready(challenge.encode(), now)
        return challenge

    def receive(
        self,
        data: bytes,
        now: float,
        wall: float,
        came: float | None = None,
    ) -> list[Effect]:
        """Take one whole message.

        `came` is the earliest moment at which its last byte may have come, if not `now`.
        """
        state = self._state
        if isinstance(state, _Ready) and now - state.minted > CHALLENGE_SECONDS:
            self.forget()
        if state.phase in _AT_WORK:
            return self._while_working()
        try:
            message = decode_to_hub(data)
        except FrameError as error:
            self.forget()
            return self._fail(error, ErrorCode.BAD_FRAME)
        step = _STEPS.get((self._state.phase, type(message)))
        if step is None:
            return [Refused(SequenceError("no live challenge")), _send(Error(ErrorCode.TIMEOUT))]
        came = now if came is None else came
        return step(self, _Received(message, data, now, wall, came))

    def unseal_cancelled(self) -> None:
        """An Unseal will not be done: give its token back."""
        self._side.budget.return_token()

    def unsealed(self, result: Opened | ProofError, now: float) -> list[Effect]:
        """Take the result of an Unseal."""
        self._side.budget.done()
        work = self._state
        if not isinstance(work, _Unsealing):
            self._work_ended()
            return []
        if isinstance(result, ProofError):
            self.forget()
            return self._fail(result, ErrorCode.FAILED)
        if now - work.arrived > WORKING_SECONDS:
            return self._too_late()
        carried = _take_carried(result)
        return [*carried, *self._present(_Deciding(work.arrived, result, None), Strength.FULL)]

    def answer(self, outcome: ClaimOutcome, now: float, wall: float) -> list[Effect]:
        """Take the outcome of the claim that was presented."""
        work = self._state
        if not isinstance(work, _Deciding):
            self._work_ended()
            return []
        if now - work.arrived > WORKING_SECONDS and not outcome.allowed:
            return self._too_late()
        opened = work.opened
        verdict = Verdict(
            op=opened.op,
            allowed=outcome.allowed,
            reason=reason_of(outcome),
            door=outcome.door,
            time=int(wall),
            ticket=self._issue_ticket(work, int(wall)) if outcome.allowed else None,
        )
        self._sessions += 1
        self._state = _Session(self._sessions, opened, outcome.allowed, now)
        iv = self._side.chance(IV_BYTES)
        effects: list[Effect] = [_send(sealing.seal_verdict(verdict, opened.keys, iv))]
        if opened.action is Action.OPEN:
            effects.append(FollowUp(self._sessions, opened.access_point))
        return effects

    def _issue_ticket(self, work: _Deciding, at: int) -> NewTicket | None:
        side = self._side
        opened = work.opened
        return side.tickets.issue(
            id_=side.chance(TICKET_ID_BYTES),
            secret=opened.keys.ratchet,
            aead=opened.keys.aead,
            grant=opened.grant,
            at=at,
            chain_began=at if work.ticket is None else work.ticket.chain_began,
        )

    def door(
        self,
        access_point: int,
        door: DoorState,
        now: float,
        wall: float,
    ) -> list[Effect]:
        """Tell the phone what the door did, if it asked to open this door and was let in."""
        session = self._state
        if not isinstance(session, _Session) or not session.allowed:
            return []
        if session.opened.action is Action.QUERY or session.opened.access_point != access_point:
            return []
        if now - session.answered > SESSION_SECONDS:
            return []
        return self._tell(session, door, wall)

    def follow_up(self, session: int, door: DoorState, wall: float) -> list[Effect]:
        """Tell the one state that follows an answer to an open; UNKNOWN after a denial.

        Nothing is told when that session is over.
        """
        now_live = self._state
        if not isinstance(now_live, _Session) or now_live.number != session:
            return []
        return self._tell(now_live, door if now_live.allowed else DoorState.UNKNOWN, wall)

    def _tell(self, session: _Session, door: DoorState, wall: float) -> list[Effect]:
        session.states += 1
        opened = session.opened
        state = State(
            seq=session.states,
            op=opened.op,
            access_point=opened.access_point,
            door=door,
            time=int(wall),
        )
        iv = self._side.chance(IV_BYTES)
        return [_send(sealing.seal_state(state, opened.keys, iv))]

    def bye(self) -> None:
        """The phone is done: forget.

        A request at work is answered to nobody, and nothing new begins before it has ended.
        """
        at_work = self._state.phase in _AT_WORK
        self._state = _Abandoned() if at_work else _Idle()

    def _work_ended(self) -> None:
        if isinstance(self._state, _Abandoned):
            self.forget()

    def forget(self) -> None:
        """Drop the challenge and every key of this link; counts stay."""
        self._state = _Idle()

    def _get_epoch(self, _: _Received) -> list[Effect]:
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
        return [_send(EpochAnswer(self._side.certificate.document, epoch.certificate))]

    def _open(self, received: _Received) -> list[Effect]:
        message = received.message
        ready = self._state
        assert isinstance(message, Open)  # noqa: S101 - the table's
        assert isinstance(ready, _Ready)  # noqa: S101 - the table's
        epoch = self._side.epochs.find(message.epoch, received.wall)
        if epoch is None:
            return [
                Refused(ProofError("open: sealed to an unknown epoch")),
                _send(Error(ErrorCode.UNKNOWN_EPOCH)),
            ]
        self.forget()
        if not _offers(epoch, message):
            cause = ProofError("open: an AEAD or key size that the epoch does not offer")
            return self._fail(cause, ErrorCode.FAILED)
        after_seconds = self._side.budget.take(received.now)
        if after_seconds is None:
            return [Refused(SequenceError("open: no RSA budget")), _send(Error(ErrorCode.BUSY))]
        self._state = _Unsealing(max(ready.minted, received.came))
        job = OpenJob(
            message=message,
            raw=received.data,
            transport=self._transport,
            challenge=ready.challenge,
            epoch_key=epoch.key,
            epoch_digest=epoch.digest,
            issuer=self._side.issuer,
            guests=self._side.guests(),
            name=self._side.name,
            decoy=self._side.chance(message.aead.key_bytes),
        )
        return [Unseal(job, after_seconds)]

    def _resume(self, received: _Received) -> list[Effect]:
        message = received.message
        ready = self._state
        assert isinstance(message, Resume)  # noqa: S101 - the table's
        assert isinstance(ready, _Ready)  # noqa: S101 - the table's
        self.forget()
        tickets = self._side.tickets
        ticket = tickets.find(message.ticket, received.wall)
        if ticket is None or ticket.aead != message.aead:
            cause = ProofError("resume: no such ticket, or with another AEAD")
            return self._fail(cause, ErrorCode.FAILED)
        try:
            opened = self._open_resume(message, received.data, ticket, ready.challenge)
        except ProofError as error:
            return self._fail(error, ErrorCode.FAILED)
        tickets.drop(ticket.id)
        arrived = max(ready.minted, received.came)
        return self._present(_Deciding(arrived, opened, ticket), Strength.SHORT)

    def _open_resume(
        self,
        message: Resume,
        data: bytes,
        ticket: Ticket,
        challenge: bytes,
    ) -> Opened:
        """Unseal a resume under its ticket. Raise ProofError."""
        key = sealing.resume_key(
            secret=ticket.secret,
            transport=self._transport,
            challenge=challenge,
            aead=message.aead,
            hub=self._side.name.hub,
        )
        request = sealing.open_resume(message, key)
        keys = sealing.session_keys(
            secret=ticket.secret,
            transport=self._transport,
            challenge=challenge,
            message=data,
            aead=message.aead,
            hub=self._side.name.hub,
        )
        return Opened(
            grant=ticket.grant,
            op=request.op,
            access_point=request.access_point,
            action=request.action,
            keys=keys,
        )

    def _present(self, work: _Deciding, strength: Strength) -> list[Effect]:
        self._state = work
        opened = work.opened
        claim = Claim.under(
            opened.grant,
            access_point=opened.access_point,
            action=opened.action,
            op=opened.op,
            strength=strength,
            arrived=work.arrived,
        )
        return [Presented(claim)]

    def _while_working(self) -> list[Effect]:
        self._out_of_turn += 1
        refused = Refused(SequenceError("a message while another is at work"))
        if self._out_of_turn == 1:
            return [refused]
        return [refused, Drop("messages out of turn")]

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
            effects.append(Drop("too many failures"))
        return effects


def _take_carried(opened: Opened) -> list[Effect]:
    """Take the revocations of a request. Bad ones are counted: the request holds without them."""
    if opened.carried is None:
        return []
    if isinstance(opened.carried, ProofError):
        return [Refused(opened.carried)]
    return [Carried(opened.carried)]


def _offers(epoch: Epoch, message: Open) -> bool:
    """Tell whether an open uses an AEAD and a key size of its epoch."""
    key_bits = 8 * len(message.encrypted_key)
    return message.aead in epoch.aeads and key_bits == epoch.key.key_size


def _send(message: ToPhone) -> Send:
    return Send(encode_to_phone(message))


_Step = Callable[[Handshake, _Received], list[Effect]]

_STEPS: dict[tuple[HandshakePhase, type[ToHub]], _Step] = {
    (HandshakePhase.IDLE, GetEpoch): Handshake._get_epoch,
    (HandshakePhase.READY, GetEpoch): Handshake._get_epoch,
    (HandshakePhase.READY, Open): Handshake._open,
    (HandshakePhase.READY, Resume): Handshake._resume,
    (HandshakePhase.SESSION, GetEpoch): Handshake._get_epoch,
}
