"""The messages between phone and hub: their shapes, sizes and exact bytes (docs/protocol.cddl says
the same).

Laws: every reader here takes bytes and gives a frozen value or raises FrameError; sizes are checked
before anything is built; a message says nothing about who is asking except inside a seal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from hubcore.access.words import Action
from hubcore.codec import cbor
from hubcore.codec.cose import AEAD_BY_HEADER, DIRECT, IV_BYTES, KID_BYTES, RSAES_OAEP_SHA256, Aead
from hubcore.door.state import DoorState
from hubcore.errors import FrameError

VERSION = 1
MESSAGE_BYTES_MAX = 4096
RESUME_BYTES_MAX = 160
SID_BYTES = 4
NONCE_BYTES = 16
OP_BYTES = 8
TICKET_ID_BYTES = 16
SECRET_BYTES = 32
CHALLENGE_BYTES = 42
PAD_REQUEST = 256
PAD_RESUME = 48
PAD_VERDICT = 80
PAD_STATE = 56
UINT32_MAX = 0xFFFFFFFF


class ErrorCode(IntEnum):
    """Errors in the clear: hints for a retry, forgeable, never a verdict."""

    BAD_FRAME = 1
    VERSION = 2
    UNKNOWN_EPOCH = 3
    BUSY = 4
    TIMEOUT = 5
    FAILED = 6


class Reason(IntEnum):
    """Why, inside the seal."""

    OK = 0
    NO_RIGHT = 1
    SCHEDULE = 2
    GRANT_TIME = 3
    REVOKED = 4
    NEED_FULL = 5
    CLOCK = 6
    FAULT = 7
    BUSY = 8
    OP_CONFLICT = 9
    LOCKED = 10


@dataclass(frozen=True, slots=True)
class Challenge:
    """What INFO reads: a session id and nonce of this link, and unproven hints of hub and epoch."""

    sid: bytes
    nonce: bytes
    hub: bytes
    epoch: bytes

    def encode(self) -> bytes:
        """Return the challenge's 42 bytes."""
        return cbor.encode_flat([VERSION, self.sid, self.nonce, self.hub, self.epoch])


@dataclass(frozen=True, slots=True)
class GetEpoch:
    """Ask for the certificates."""


@dataclass(frozen=True, slots=True)
class Open:
    """A sealed request: COSE_Encrypt with exactly one RSAES-OAEP-SHA256 recipient."""

    aead: Aead
    iv: bytes
    ciphertext: bytes
    epoch: bytes
    encrypted_key: bytes


@dataclass(frozen=True, slots=True)
class Resume:
    """A sealed request under a ticket: COSE_Encrypt with one direct+HKDF recipient."""

    aead: Aead
    iv: bytes
    ciphertext: bytes
    ticket: bytes


@dataclass(frozen=True, slots=True)
class Error:
    """A clear error."""

    code: ErrorCode


@dataclass(frozen=True, slots=True)
class EpochAnswer:
    """The hub's certificate and its epoch's, undecoded."""

    hub_certificate: bytes
    epoch_certificate: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """Verdict or state, sealed hub to phone: COSE_Encrypt with one direct+HKDF recipient, its key
    implicit.
    """

    aead: Aead
    iv: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class VerdictMessage(Sealed):
    """What was decided."""


@dataclass(frozen=True, slots=True)
class StateMessage(Sealed):
    """What the door did."""


ToHub = GetEpoch | Open | Resume
ToPhone = Error | EpochAnswer | VerdictMessage | StateMessage

GET_EPOCH = cbor.encode([1])


def encode_to_hub(message: ToHub) -> bytes:
    """Return the bytes of a phone's message."""
    match message:
        case GetEpoch():
            return GET_EPOCH
        case Open(aead, iv, ciphertext, epoch, key):
            recipient = [b"", {1: RSAES_OAEP_SHA256, 4: epoch}, key]
            return cbor.encode([2, [aead.protected, {5: iv}, ciphertext, [recipient]]])
        case Resume(aead, iv, ciphertext, ticket):
            return cbor.encode_flat(
                [3, [aead.protected, {5: iv}, ciphertext, [[DIRECT, {4: ticket}, b""]]]]
            )


def decode_to_hub(data: bytes) -> ToHub:
    """Read a phone's message. Raise FrameError."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise FrameError(f"message: over {MESSAGE_BYTES_MAX} bytes")
    match cbor.decode(data):
        case [1]:
            return GetEpoch()
        case [2, content]:
            aead, iv, ciphertext, (protected, unprotected, key) = _encrypt(content)
            match unprotected:
                case {1: alg, 4: bytes(kid)} if (protected, alg, len(kid)) == (
                    b"",
                    RSAES_OAEP_SHA256,
                    KID_BYTES,
                ):
                    if len(unprotected) == 2 and len(key) in (256, 384, 512):
                        return Open(
                            aead=aead,
                            iv=iv,
                            ciphertext=ciphertext,
                            epoch=kid,
                            encrypted_key=key,
                        )
        case [3, content]:
            aead, iv, ciphertext, (protected, unprotected, key) = _encrypt(content)
            match unprotected:
                case {4: bytes(ticket)} if (protected, key, len(ticket)) == (
                    DIRECT,
                    b"",
                    TICKET_ID_BYTES,
                ):
                    if len(unprotected) == 1 and len(data) <= RESUME_BYTES_MAX:
                        return Resume(
                            aead=aead,
                            iv=iv,
                            ciphertext=ciphertext,
                            ticket=ticket,
                        )
    raise FrameError("message: neither get-epoch, open nor resume of version 1")


def encode_to_phone(message: ToPhone) -> bytes:
    """Return the bytes of a hub's message."""
    match message:
        case Error(code):
            return cbor.encode_flat([0, int(code)])
        case EpochAnswer(hub_certificate, epoch_certificate):
            return cbor.encode_flat([1, hub_certificate, epoch_certificate])
        case VerdictMessage(aead, iv, ciphertext):
            return cbor.encode_flat([2, [aead.protected, {5: iv}, ciphertext, [[DIRECT, {}, b""]]]])
        case StateMessage(aead, iv, ciphertext):
            return cbor.encode_flat([3, [aead.protected, {5: iv}, ciphertext, [[DIRECT, {}, b""]]]])


def decode_to_phone(data: bytes) -> ToPhone:
    """Read a hub's message. Raise FrameError."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise FrameError(f"message: over {MESSAGE_BYTES_MAX} bytes")
    match cbor.decode(data):
        case [0, int(code)] if code in set(ErrorCode):
            return Error(ErrorCode(code))
        case [1, bytes(hub_certificate), bytes(epoch_certificate)]:
            return EpochAnswer(hub_certificate, epoch_certificate)
        case [2 | 3 as kind, content]:
            aead, iv, ciphertext, recipient = _encrypt(content)
            if recipient == [DIRECT, {}, b""]:
                return (VerdictMessage if kind == 2 else StateMessage)(aead, iv, ciphertext)
    raise FrameError("message: neither error, epoch, verdict nor state of version 1")


def decode_challenge(data: bytes) -> Challenge:
    """Read INFO's value. Raise FrameError, also for a challenge of another version."""
    match cbor.decode(data[: CHALLENGE_BYTES + 1], max_depth=1):
        case [1, bytes(sid), bytes(nonce), bytes(hub), bytes(epoch)]:
            if (len(sid), len(nonce), len(hub), len(epoch)) == (
                SID_BYTES,
                NONCE_BYTES,
                KID_BYTES,
                KID_BYTES,
            ):
                return Challenge(
                    sid=sid,
                    nonce=nonce,
                    hub=hub,
                    epoch=epoch,
                )
    raise FrameError("challenge: not of version 1")


def _encrypt(content: Any) -> tuple[Aead, bytes, bytes, list[Any]]:
    """Read a COSE_Encrypt of one recipient: (AEAD, IV, ciphertext, [protected, unprotected,
    encrypted key]).
    """
    match content:
        case [
            bytes(protected),
            {5: bytes(iv)} as unprotected,
            bytes(ciphertext),
            [[bytes(), dict(), bytes()] as one],
        ]:
            aead = AEAD_BY_HEADER.get(protected)
            if aead is not None and len(unprotected) == 1 and len(iv) == IV_BYTES:
                return aead, iv, ciphertext, one
    raise FrameError("message: no COSE_Encrypt with the constant headers and one recipient")


@dataclass(frozen=True, slots=True)
class Request:
    """Inside an open, inside the phone's signature."""

    grant: bytes
    op: bytes
    access_point: int
    action: Action
    secret: bytes

    def encode(self) -> dict[int, Any]:
        """Return the map without its padding (label 6)."""
        return {
            1: self.grant,
            2: self.op,
            3: self.access_point,
            4: int(self.action),
            5: self.secret,
        }


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """Inside a resume."""

    op: bytes
    access_point: int
    action: Action


@dataclass(frozen=True, slots=True)
class NewTicket:
    """For the next short path: its id, and until when in Unix seconds."""

    id: bytes
    expires: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Inside a verdict. `time` is the hub's Unix time, for display only."""

    op: bytes
    allowed: bool
    reason: Reason
    door: DoorState
    time: int
    ticket: NewTicket | None


@dataclass(frozen=True, slots=True)
class State:
    """Inside a state message; `seq` rises from 1 within a session."""

    seq: int
    op: bytes
    access_point: int
    door: DoorState
    time: int


def decode_request(data: bytes) -> Request:
    """Read a request. Raise FrameError."""
    match cbor.decode(data):
        case {
            1: bytes(grant),
            2: bytes(op),
            3: int(point),
            4: int(action),
            5: bytes(secret),
            6: bytes(),
        } as fields:
            if len(fields) == 6 and len(secret) == SECRET_BYTES:
                return Request(
                    grant=grant,
                    op=_op(op),
                    access_point=_uint(point),
                    action=_enum(Action, action),
                    secret=secret,
                )
    raise FrameError("request: not exactly grant, op, access point, action, secret and padding")


def encode_resume_request(request: ResumeRequest) -> bytes:
    """Return the padded plaintext, always 48 bytes."""
    return pad({2: request.op, 3: request.access_point, 4: int(request.action)}, 6, PAD_RESUME)


def decode_resume_request(data: bytes) -> ResumeRequest:
    """Read a resume's plaintext. Raise FrameError."""
    match cbor.decode(data):
        case {2: bytes(op), 3: int(point), 4: int(action), 6: bytes()} as fields:
            if len(fields) == 4 and len(data) == PAD_RESUME:
                return ResumeRequest(_op(op), _uint(point), _enum(Action, action))
    raise FrameError("resume: not exactly op, access point, action and padding")


def encode_verdict(verdict: Verdict) -> bytes:
    """Return the padded plaintext, always 80 bytes, so that yes and no look alike."""
    v = verdict
    ticket = None if v.ticket is None else [v.ticket.id, v.ticket.expires]
    fields = {
        1: 0,
        2: v.op,
        3: int(v.allowed),
        4: int(v.reason),
        5: int(v.door),
        6: v.time,
        7: ticket,
    }
    return pad(fields, 8, PAD_VERDICT)


def decode_verdict(data: bytes) -> Verdict:
    """Read a verdict's plaintext. Raise FrameError."""
    match cbor.decode(data):
        case {
            1: 0,
            2: bytes(op),
            3: 0 | 1 as yes,
            4: int(why),
            5: int(door),
            6: int(time),
            7: new,
            8: bytes(),
        } as all_:
            if len(all_) == 8 and len(data) == PAD_VERDICT:
                match new:
                    case None:
                        ticket = None
                    case [bytes(id_), int(expires)] if len(id_) == TICKET_ID_BYTES:
                        ticket = NewTicket(id_, _uint(expires))
                    case _:
                        raise FrameError("verdict: no ticket")
                reason = _enum(Reason, why)
                state = _enum(DoorState, door)
                return Verdict(
                    op=_op(op),
                    allowed=bool(yes),
                    reason=reason,
                    door=state,
                    time=_uint(time),
                    ticket=ticket,
                )
    raise FrameError("verdict: not exactly its members")


def encode_state(state: State) -> bytes:
    """Return the padded plaintext, always 56 bytes."""
    fields = {1: state.seq, 2: state.op, 3: state.access_point, 5: int(state.door), 6: state.time}
    return pad(fields, 8, PAD_STATE)


def decode_state(data: bytes) -> State:
    """Read a state's plaintext. Raise FrameError."""
    match cbor.decode(data):
        case {
            1: int(seq),
            2: bytes(op),
            3: int(point),
            5: int(door),
            6: int(time),
            8: bytes(),
        } as fields:
            if len(fields) == 6 and len(data) == PAD_STATE and 1 <= seq <= 0xFFFF:
                return State(
                    seq=seq,
                    op=_op(op),
                    access_point=_uint(point),
                    door=_enum(DoorState, door),
                    time=_uint(time),
                )
    raise FrameError("state: not exactly its members")


def pad(fields: dict[int, Any], label: int, multiple: int) -> bytes:
    """Encode `fields` with zeros under `label` so that the size is a multiple of `multiple` bytes.

    `label` comes after all labels of `fields`.
    """
    # `label` is the last key: the zeros are the end of the encoding
    head = cbor.encode({**fields, label: b""})[:-1]
    least = -len(head) % multiple
    for most in (
        least,
        least + multiple,
    ):  # a longer string has a longer head, so a size may be out of reach
        for zeros in range(max(0, most - 3), most):
            encoded = head + cbor.encode_flat(bytes(zeros))
            if len(encoded) % multiple == 0:
                return encoded
    raise AssertionError("one of two neighbouring multiples is always within reach")


_Member = TypeVar("_Member", bound=IntEnum)


def _enum(kind: type[_Member], value: int) -> _Member:
    try:
        return kind(value)
    except ValueError:
        raise FrameError(f"{kind.__name__}: {value} is not one") from None


def _uint(value: int) -> int:
    if not 0 <= value <= UINT32_MAX:
        raise FrameError("number: not within 0..2^32-1")
    return value


def _op(value: bytes) -> bytes:
    if len(value) != OP_BYTES:
        raise FrameError("op: not 8 bytes")
    return value
