"""The phone's side of one attempt as a state machine: challenges and messages in, effects out.

Laws:
1. Nothing confidential leaves before both certificates verify, or a ticket's secret can prove the
   hub.
2. A ticket is deleted before it is used, and used only where and while its hub is certified.
3. All tries of one attempt carry one `op`, so that a door moves once.
4. An error in the clear is a hint for one more try and never an answer.
5. What is not for the stage changes nothing.
6. The first state after a verdict is the last thing heard, whatever it says.

`wall` is Unix seconds. The table of all this is "The phone, for each attempt" in docs/protocol.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from hubcore.access.words import Action
from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import IV_BYTES, Aead
from hubcore.errors import FrameError, ProofError
from hubcore.phone import sealing
from hubcore.phone.certificates import (
    EpochCertificate,
    read_epoch_certificate,
    read_hub_certificate,
)
from hubcore.phone.messages import (
    OP_BYTES,
    PAD_REQUEST,
    SECRET_BYTES,
    VERSION,
    Challenge,
    EpochAnswer,
    Error,
    ErrorCode,
    GetEpoch,
    NewTicket,
    Open,
    Reason,
    Request,
    ResumeRequest,
    State,
    StateMessage,
    ToHub,
    Verdict,
    VerdictMessage,
    decode_challenge,
    decode_to_phone,
    encode_to_hub,
)
from hubcore.phone.sealing import SessionKeys
from hubsim.phone.wallet import KeptTicket, KnownEpoch, Wallet

EPOCH_LEEWAY_SECONDS = 300
RETRIES_MAX = 1
BUSY_WAITS_MAX = 2

_ANOTHER_DOOR = "the hub is not certified for this access point"


@dataclass(frozen=True, slots=True)
class ReadInfo:
    """Read INFO and bring its value to `Attempt.challenge`, after `after_seconds`."""

    after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send this message, then bring what comes to `Attempt.receive`."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Decided:
    """The hub has decided."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Moved:
    """The hub tells what the door did."""

    state: State


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The attempt ends without an answer; the door may have opened if a request was sent.

    `another_door`: the hub may be an honest one of the site, which stands at another door.
    """

    why: str
    another_door: bool = False


PhoneEffect = ReadInfo | SendMessage | Decided | Moved | GaveUp


class Stage(Enum):
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
        self._wallet = wallet
        self._point = access_point
        self._action = action
        self._chance = chance
        self._transport = transport
        self._scope: frozenset[int] = frozenset()
        self._hub_expires = 0
        self.op = op or chance(OP_BYTES)
        self.stage = Stage.START
        self.round_trips = 0
        self.short = False
        self._retries = 0
        self._waits = 0
        self._full_only = False
        self._challenge = b""
        self._hints: Challenge | None = None
        self._keys: SessionKeys | None = None
        self._hub = ""
        self._sent = False

    @property
    def action(self) -> Action:
        """What is asked for."""
        return self._action

    def challenge(self, info: bytes, wall: float) -> list[PhoneEffect]:
        """Take what INFO read."""
        if self.stage is not Stage.START:
            return []
        if not info:
            return self._busy()
        try:
            hints = decode_challenge(info)
        except FrameError as error:
            if _of_another_version(info):
                return self._give_up("the hub speaks another version: the app needs an update")
            return self._give_up(f"this is no hub of version {VERSION}: {error}")
        self._challenge = info
        self._hints = hints
        ticket = self._usable_ticket(hints.hub, wall)
        if ticket is not None:
            return self._resume(hints.hub, ticket, wall)
        known = self._wallet.epochs.get(hints.epoch)
        if known and self._distrusted(known, hints, wall) is None:
            return self._open(known, wall)
        self.stage = Stage.EPOCH
        return self._send(GetEpoch())

    def receive(self, data: bytes, wall: float) -> list[PhoneEffect]:
        """Take one whole message from the hub."""
        try:
            message = decode_to_phone(data)
        except FrameError:
            return []
        match self.stage, message:
            case Stage.EPOCH, EpochAnswer():
                return self._certificates(message, wall)
            case ((Stage.EPOCH | Stage.VERDICT), Error(code)):
                return self._hint(code)
            case Stage.VERDICT, VerdictMessage():
                return self._verdict(message)
            case Stage.SESSION, StateMessage():
                return self._state(message)
            case _:
                return []

    def lost(self, why: str) -> list[PhoneEffect]:
        """The link has ended, or the hub said goodbye."""
        if self.stage is Stage.SESSION:
            self.stage = Stage.END
        return [] if self.stage is Stage.END else self._give_up(why)

    def leave(self) -> None:
        """The phone leaves: nothing counts any more."""
        self.stage = Stage.END

    def silence(self) -> list[PhoneEffect]:
        """Nothing came in time."""
        if self.stage is Stage.EPOCH:
            return self._give_up("the hub sent no certificates")
        return self._hint(ErrorCode.TIMEOUT) if self.stage is Stage.VERDICT else []

    def _usable_ticket(self, kid: bytes, wall: float) -> KeptTicket | None:
        """Return the ticket for this hub if it may be used now, here; one whose time is
        over goes.
        """
        ticket = self._wallet.tickets.get(kid)
        if ticket is None:
            return None
        if ticket.over(wall):
            del self._wallet.tickets[kid]
            return None
        usable = (
            not self._full_only
            and self._point not in self._wallet.full_path_at
            and self._point in ticket.access_points
            and ticket.aead in self._wallet.aeads
            and kid not in self._wallet.revoked_hubs
        )
        return ticket if usable else None

    def _distrusted(self, known: KnownEpoch, hints: Challenge, wall: float) -> str | None:
        """Say why these certificates must not be used now for this access point, or None."""
        hub = known.hub
        epoch = known.epoch
        if hub.site != self._wallet.site:
            return "the hub is another site's"
        if hub.key.kid != hints.hub:
            return "the certificate is another hub's than the challenge's"
        if not hub.not_before <= wall <= hub.expires:
            return "the hub's certificate is not valid at this time"
        if hub.key.kid in self._wallet.revoked_hubs:
            return "the hub is revoked"
        if self._point not in hub.access_points:
            return _ANOTHER_DOOR
        if (
            not epoch.not_before - EPOCH_LEEWAY_SECONDS
            <= wall
            <= epoch.expires + EPOCH_LEEWAY_SECONDS
        ):
            return "the epoch's certificate is not valid at this time: check both clocks"
        return None if self._aead(epoch.aeads) else "the hub offers no AEAD that this site allows"

    def _aead(self, offered: tuple[Aead, ...]) -> Aead | None:
        return next((aead for aead in self._wallet.aeads if aead in offered), None)

    def _certificates(self, message: EpochAnswer, wall: float) -> list[PhoneEffect]:
        assert self._hints is not None
        try:
            hub = read_hub_certificate(message.hub_certificate, self._wallet.issuer)
            epoch = read_epoch_certificate(message.epoch_certificate, hub, self._wallet.rsa_sizes)
        except ProofError as error:
            return self._give_up(f"untrusted hub: {error}")
        known = KnownEpoch(
            hub=hub,
            epoch=epoch,
            hub_bytes=message.hub_certificate,
            epoch_bytes=message.epoch_certificate,
        )
        why = self._distrusted(known, self._hints, wall)
        if why is not None:
            return self._give_up(f"untrusted hub: {why}", another_door=why == _ANOTHER_DOOR)
        self._wallet.keep_epoch(known)
        if epoch.kid == self._hints.epoch:
            return self._open(known, wall)
        if (
            self._retries < RETRIES_MAX
        ):  # a new epoch began, or the first one: the next challenge names it
            self._retries += 1
            return self._again()
        return self._give_up(
            "untrusted hub: the certificate is of another epoch than the challenge's"
        )

    def _open(self, known: KnownEpoch, wall: float) -> list[PhoneEffect]:
        aead = self._aead(known.epoch.aeads)
        assert aead is not None
        wallet = self._wallet
        secret = self._chance(SECRET_BYTES)
        digest = hashlib.sha256(known.epoch_bytes).digest()
        bound = sealing.binding(
            transport=self._transport, challenge=self._challenge, epoch_digest=digest, aead=aead
        )
        request = Request(
            grant=wallet.grant,
            op=self.op,
            access_point=self._point,
            action=self._action,
            secret=secret,
        )
        message = seal_open(
            request=request,
            key=wallet.key,
            epoch=known.epoch,
            bound=bound,
            means=(aead, self._chance),
        )
        self._hub = known.hub.hub
        self.short = False
        self.stage = Stage.VERDICT
        self._scope = frozenset(known.hub.access_points)
        self._hub_expires = known.hub.expires
        return self._send_request(message, secret, aead, wall)

    def _resume(self, kid: bytes, ticket: KeptTicket, wall: float) -> list[PhoneEffect]:
        del self._wallet.tickets[kid]
        key = sealing.resume_key(
            secret=ticket.secret,
            transport=self._transport,
            challenge=self._challenge,
            aead=ticket.aead,
            hub=ticket.hub,
        )
        request = ResumeRequest(self.op, self._point, self._action)
        message = sealing.seal_resume(
            request=request, key=key, aead=ticket.aead, iv=self._chance(IV_BYTES), ticket=ticket.id
        )
        self._hub = ticket.hub
        self.short = True
        self.stage = Stage.VERDICT
        self._scope = ticket.access_points
        self._hub_expires = ticket.hub_expires
        return self._send_request(message, ticket.secret, ticket.aead, wall)

    def _send_request(
        self, message: ToHub, secret: bytes, aead: Aead, wall: float
    ) -> list[PhoneEffect]:
        self._wallet.asked(access_point=self._point, action=self._action, op=self.op, wall=wall)
        raw = encode_to_hub(message)
        self._keys = sealing.session_keys(
            secret=secret,
            transport=self._transport,
            challenge=self._challenge,
            message=raw,
            aead=aead,
            hub=self._hub,
        )
        self._sent = True
        self.round_trips += 1
        return [SendMessage(raw)]

    def _send(self, message: ToHub) -> list[PhoneEffect]:
        self.round_trips += 1
        return [SendMessage(encode_to_hub(message))]

    def _verdict(self, message: VerdictMessage) -> list[PhoneEffect]:
        assert self._keys is not None
        assert self._hints is not None
        try:
            verdict = sealing.open_verdict(message, self._keys)
        except ProofError:
            return []  # another session's, or forged
        if verdict.op != self.op:
            return []
        self._wallet.answered(self._point, self._action)
        if verdict.allowed and verdict.ticket:
            self._keep_ticket(verdict.ticket, self._keys)
        if not verdict.allowed and verdict.reason is Reason.NEED_FULL and self.short:
            self._wallet.full_path_at.add(self._point)
            self.op = self._chance(OP_BYTES)
            return self._again()
        self.stage = Stage.SESSION
        return [Decided(verdict)]

    def _keep_ticket(self, new: NewTicket, keys: SessionKeys) -> None:
        """Keep it with what the hub's certificate said, now or on the full path that began the
        chain.
        """
        assert self._hints is not None
        self._wallet.tickets[self._hints.hub] = KeptTicket(
            hub=self._hub,
            id=new.id,
            secret=keys.ratchet,
            aead=keys.aead,
            expires=new.expires,
            access_points=self._scope,
            hub_expires=self._hub_expires,
        )

    def _state(self, message: StateMessage) -> list[PhoneEffect]:
        assert self._keys is not None
        try:
            state = sealing.open_state(message, self._keys)
        except ProofError:
            return []
        if state.op != self.op:
            return []
        self.stage = Stage.END
        return [Moved(state)]

    def _hint(self, code: ErrorCode) -> list[PhoneEffect]:
        """Take an error in the clear, which anybody may have sent."""
        if code is ErrorCode.BUSY and self._waits < BUSY_WAITS_MAX:
            return self._busy()
        if self._retries < RETRIES_MAX:
            self._retries += 1
            self._full_only = True
            if self._hints and code is not ErrorCode.TIMEOUT:
                self._wallet.epochs.pop(self._hints.epoch, None)
            return self._again()
        return self._give_up(f"no answer, the last hint was {code.name.lower()}")

    def _busy(self) -> list[PhoneEffect]:
        """The hub is at work: read INFO again after a while, at most BUSY_WAITS_MAX times."""
        self._waits += 1
        if self._waits > BUSY_WAITS_MAX:
            return self._give_up("the hub is busy")
        return self._again(0.5 + self._chance(1)[0] / 170)

    def _again(self, after_seconds: float = 0.0) -> list[PhoneEffect]:
        """Begin again with a new challenge; until it is read, nothing that comes is for this
        attempt.
        """
        self.stage = Stage.START
        return [ReadInfo(after_seconds)]

    def _give_up(self, why: str, another_door: bool = False) -> list[PhoneEffect]:
        self.stage = Stage.END
        return [
            GaveUp(
                f"{why}; the result is unknown" if self._sent else why,
                another_door and not self._sent,
            )
        ]


def _of_another_version(info: bytes) -> bool:
    """Tell whether INFO holds a challenge of another version: an array that begins with another
    whole number.
    """
    try:
        value = cbor.decode(info)
    except FrameError:
        return False
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], int)
        and value[0] != VERSION
    )


def seal_open(
    request: Request,
    key: cose.SigningKey,
    epoch: EpochCertificate,
    bound: bytes,
    means: tuple[Aead, Callable[[int], bytes]],
) -> Open:
    """Sign a request and seal it to the epoch key; `means` are the AEAD and a source of chance."""
    aead, chance = means
    plaintext = signed_request(request, key, bound)
    content_key = chance(aead.key_bytes)
    iv = chance(IV_BYTES)
    ciphertext = cose.seal(aead=aead, key=content_key, iv=iv, plaintext=plaintext, aad=bound)
    public = cose.rsa_public(epoch.modulus, b"\x01\x00\x01", (len(epoch.modulus),))
    return Open(
        aead=aead,
        iv=iv,
        ciphertext=ciphertext,
        epoch=epoch.kid,
        encrypted_key=cose.wrap_key(public, content_key),
    )


def signed_request(request: Request, key: cose.SigningKey, bound: bytes) -> bytes:
    """Return the COSE_Sign1 inside an open, its size padded to a multiple of PAD_REQUEST.

    The padding is inside the signature, so that nobody can put bytes of their own there.
    """
    protected = cwt.header(key.alg, sealing.REQUEST_TYPE)
    signature_bytes = (
        64 if key.alg == cose.ES256 else len(cose.write_key(key.private.public_key())[-1])
    )
    fields = request.encode()

    def size(zeros: int) -> int:
        payload = cbor.encode({**fields, 6: bytes(zeros)})
        return len(cbor.encode([protected, {}, payload, bytes(signature_bytes)]))

    least = -size(0) % PAD_REQUEST  # longer strings have longer heads, up to three of them here
    tries = [z for most in (least, least + PAD_REQUEST) for z in range(max(0, most - 6), most + 1)]
    zeros = next(z for z in tries if size(z) % PAD_REQUEST == 0)
    payload = cbor.encode({**fields, 6: bytes(zeros)})
    return cbor.encode(cose.sign1(protected=protected, payload=payload, key=key, aad=bound))
