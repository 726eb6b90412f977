"""The phone's side of one attempt as a state machine: challenges and messages in, effects out.

Laws:
1. Nothing confidential leaves before both certificates verify, or a ticket's secret can prove the
   hub.
2. A ticket is deleted before it is used, and used only where and while its hub is certified.
3. All tries of one attempt carry one `op`, so that a door moves once.
4. An error in the clear is a hint for one more try and never an answer.
5. What does not belong to the phase changes nothing.
6. The first state after a verdict is the last thing heard, whatever it says.

`wall` is Unix seconds. The table of all this is "The phone, for each attempt" in docs/protocol.md.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from hubcore.access.words import Action
from hubcore.errors import FrameError, ProofError
from hubcore.phone import sealing
from hubcore.phone.certificates import read_epoch_certificate, read_hub_certificate
from hubcore.phone.messages import (
    OP_BYTES,
    VERSION,
    Challenge,
    EpochAnswer,
    Error,
    ErrorCode,
    GetEpoch,
    NewTicket,
    Reason,
    ResumeRequest,
    StateMessage,
    VerdictMessage,
    decode_challenge,
    decode_to_phone,
    encode_to_hub,
)
from hubcore.phone.sealing import SessionKeys
from hubsim.phone.effects import Decided, GaveUp, Moved, PhoneEffect, ReadInfo, SendMessage
from hubsim.phone.requests import Asked, CertifiedHub, by_full_path, by_ticket
from hubsim.phone.trust import ANOTHER_DOOR, distrust, is_of_another_version
from hubsim.phone.wallet import KeptTicket, KnownEpoch, Wallet

RETRIES_MAX = 1
BUSY_WAITS_MAX = 2
_BUSY_SECONDS = 0.5
"""A phone waits this long for a busy hub, and up to 1.5 s more by chance."""

_CHANCE_PER_SECOND = 170

Effects = list[PhoneEffect]


class AttemptPhase(Enum):
    """Where an attempt stands."""

    START = "start"
    EPOCH = "waiting for certificates"
    VERDICT = "waiting for the verdict"
    SESSION = "answered"
    END = "over"


class Attempt:
    """One attempt to do `action` at `access_point`.

    `chance(n)` gives n random bytes; without `op` it draws one.
    """

    def __init__(
        self,
        wallet: Wallet,
        access_point: int,
        action: Action,
        chance: Callable[[int], bytes],
        transport: str,
        op: bytes | None = None,
    ) -> None:
        self.action = action
        self.op = op or chance(OP_BYTES)
        self.phase = AttemptPhase.START
        self.round_trips = 0
        self.short = False
        self._wallet = wallet
        self._point = access_point
        self._chance = chance
        self._transport = transport
        self._retries = 0
        self._waits = 0
        self._full_only = False
        self._sent_request = False
        self._carries = False
        self._challenge = b""
        self._hints: Challenge | None = None
        self._certified: CertifiedHub | None = None
        self._keys: SessionKeys | None = None

    # What comes in.

    def challenge(self, info: bytes, wall: float) -> Effects:
        """Take what INFO read."""
        if self.phase is not AttemptPhase.START:
            return []
        if not info:
            return self._busy()
        try:
            hints = decode_challenge(info)
        except FrameError as error:
            if is_of_another_version(info):
                return self._give_up("the hub speaks another version: the app needs an update")
            return self._give_up(f"this is no hub of version {VERSION}: {error}")
        self._challenge = info
        self._hints = hints
        ticket = self._usable_ticket(hints.hub, wall)
        if ticket is not None:
            return self._resume(hints.hub, ticket, wall)
        known = self._wallet.epochs.get(hints.epoch)
        if known is not None and self._distrust(known, hints, wall) is None:
            return self._open(known, wall)
        self.phase = AttemptPhase.EPOCH
        return self._send(encode_to_hub(GetEpoch()))

    def receive(self, data: bytes, wall: float) -> Effects:
        """Take one whole message from the hub."""
        try:
            message = decode_to_phone(data)
        except FrameError:
            return []
        match self.phase, message:
            case AttemptPhase.EPOCH, EpochAnswer():
                return self._certificates(message, wall)
            case ((AttemptPhase.EPOCH | AttemptPhase.VERDICT), Error(code)):
                return self._hint(code)
            case AttemptPhase.VERDICT, VerdictMessage():
                return self._verdict(message)
            case AttemptPhase.SESSION, StateMessage():
                return self._state(message)
            case _:
                return []

    def silence(self) -> Effects:
        """Nothing came in time."""
        if self.phase is AttemptPhase.EPOCH:
            return self._give_up("the hub sent no certificates")
        if self.phase is AttemptPhase.VERDICT:
            return self._hint(ErrorCode.TIMEOUT)
        return []

    def lost(self, why: str) -> Effects:
        """The link has ended, or the hub said goodbye."""
        if self.phase is AttemptPhase.SESSION:
            self.phase = AttemptPhase.END
        if self.phase is AttemptPhase.END:
            return []
        return self._give_up(why)

    def leave(self) -> None:
        """The phone leaves: nothing counts any more."""
        self.phase = AttemptPhase.END

    # The way to a request.

    def _usable_ticket(self, kid: bytes, wall: float) -> KeptTicket | None:
        """Return the ticket for this hub if it may be used here and now; drop one that is over."""
        wallet = self._wallet
        ticket = wallet.tickets.get(kid)
        if ticket is None:
            return None
        if ticket.over(wall):
            del wallet.tickets[kid]
            return None
        usable = (
            not self._full_only
            and self._point not in wallet.full_path_at
            and self._point in ticket.access_points
            and ticket.aead in wallet.aeads
            and kid not in wallet.revoked_hubs
            and not wallet.revocations_for(ticket.hub)
        )
        return ticket if usable else None

    def _distrust(self, known: KnownEpoch, hints: Challenge, wall: float) -> str | None:
        return distrust(known, hints, self._wallet, self._point, wall)

    def _certificates(self, message: EpochAnswer, wall: float) -> Effects:
        assert self._hints is not None
        wallet = self._wallet
        try:
            hub = read_hub_certificate(message.hub_certificate, wallet.issuer)
            epoch = read_epoch_certificate(message.epoch_certificate, hub, wallet.rsa_sizes)
        except ProofError as error:
            return self._give_up(f"untrusted hub: {error}")
        known = KnownEpoch(
            hub=hub,
            epoch=epoch,
            hub_bytes=message.hub_certificate,
            epoch_bytes=message.epoch_certificate,
        )
        why = self._distrust(known, self._hints, wall)
        if why is not None:
            return self._give_up(f"untrusted hub: {why}", another_door=why == ANOTHER_DOOR)
        wallet.keep_epoch(known)
        if epoch.kid == self._hints.epoch:
            return self._open(known, wall)
        # A new epoch has begun, or the first one: the next challenge names it.
        if self._retries < RETRIES_MAX:
            self._retries += 1
            return self._again()
        return self._give_up(
            "untrusted hub: the certificate is of another epoch than the challenge's"
        )

    def _open(self, known: KnownEpoch, wall: float) -> Effects:
        """Send a request by the full path."""
        asked = by_full_path(
            wallet=self._wallet,
            known=known,
            op=self.op,
            access_point=self._point,
            action=self.action,
            revocations=self._carry_to(known.hub.hub),
            transport=self._transport,
            challenge=self._challenge,
            chance=self._chance,
        )
        self.short = False
        return self._send_request(asked, wall)

    def _carry_to(self, hub: str) -> bytes:
        """Return the revocations that this hub shall have; b"" for none."""
        revocations = self._wallet.revocations_for(hub)
        self._carries = bool(revocations)
        return revocations

    def _resume(self, kid: bytes, ticket: KeptTicket, wall: float) -> Effects:
        """Send a request by the short path."""
        del self._wallet.tickets[kid]
        asked = by_ticket(
            ticket=ticket,
            request=ResumeRequest(self.op, self._point, self.action),
            transport=self._transport,
            challenge=self._challenge,
            chance=self._chance,
        )
        self.short = True
        return self._send_request(asked, wall)

    def _send_request(self, asked: Asked, wall: float) -> Effects:
        self._wallet.asked(
            access_point=self._point,
            action=self.action,
            op=self.op,
            wall=wall,
        )
        raw = encode_to_hub(asked.message)
        self._keys = sealing.session_keys(
            secret=asked.secret,
            transport=self._transport,
            challenge=self._challenge,
            message=raw,
            aead=asked.aead,
            hub=asked.certified.hub,
        )
        self._certified = asked.certified
        self._sent_request = True
        self.phase = AttemptPhase.VERDICT
        return self._send(raw)

    def _send(self, raw: bytes) -> Effects:
        self.round_trips += 1
        return [SendMessage(raw)]

    # The answer.

    def _verdict(self, message: VerdictMessage) -> Effects:
        assert self._keys is not None
        try:
            verdict = sealing.open_verdict(message, self._keys)
        except ProofError:
            return []  # another session's, or forged
        if verdict.op != self.op:
            return []
        self._wallet.answered(self._point, self.action)
        if self._carries and not self.short and self._certified is not None:
            self._wallet.carried(self._certified.hub)
        if verdict.allowed and verdict.ticket:
            self._keep_ticket(verdict.ticket, self._keys)
        needs_full = not verdict.allowed and verdict.reason is Reason.NEED_FULL
        if needs_full and self.short:
            self._wallet.full_path_at.add(self._point)
            self.op = self._chance(OP_BYTES)
            return self._again()
        self.phase = AttemptPhase.SESSION
        return [Decided(verdict)]

    def _keep_ticket(self, new: NewTicket, keys: SessionKeys) -> None:
        """Keep a ticket with what is certified of its hub."""
        assert self._hints is not None
        assert self._certified is not None
        self._wallet.tickets[self._hints.hub] = KeptTicket(
            hub=self._certified.hub,
            id=new.id,
            secret=keys.ratchet,
            aead=keys.aead,
            expires=new.expires,
            access_points=self._certified.access_points,
            hub_expires=self._certified.expires,
        )

    def _state(self, message: StateMessage) -> Effects:
        assert self._keys is not None
        try:
            state = sealing.open_state(message, self._keys)
        except ProofError:
            return []
        if state.op != self.op:
            return []
        self.phase = AttemptPhase.END
        return [Moved(state)]

    # No answer.

    def _hint(self, code: ErrorCode) -> Effects:
        """Take an error in the clear, which anybody may have sent."""
        if code is ErrorCode.BUSY and self._waits < BUSY_WAITS_MAX:
            return self._busy()
        if self._retries >= RETRIES_MAX:
            return self._give_up(f"no answer, the last hint was {code.name.lower()}")
        self._retries += 1
        self._full_only = True
        if self._hints is not None and code is not ErrorCode.TIMEOUT:
            self._wallet.epochs.pop(self._hints.epoch, None)
        return self._again()

    def _busy(self) -> Effects:
        """The hub is at work: read INFO again after a while, at most BUSY_WAITS_MAX times."""
        self._waits += 1
        if self._waits > BUSY_WAITS_MAX:
            return self._give_up("the hub is busy")
        more_seconds = self._chance(1)[0] / _CHANCE_PER_SECOND
        return self._again(_BUSY_SECONDS + more_seconds)

    def _again(self, after_seconds: float = 0.0) -> Effects:
        """Begin again with a new challenge; until it is read, nothing that comes counts."""
        self.phase = AttemptPhase.START
        return [ReadInfo(after_seconds)]

    def _give_up(self, why: str, another_door: bool = False) -> Effects:
        self.phase = AttemptPhase.END
        if self._sent_request:
            return [GaveUp(f"{why}; the result is unknown", another_door=False)]
        return [GaveUp(why, another_door)]
