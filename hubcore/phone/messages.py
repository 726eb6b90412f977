"""The messages between phone and hub: their shapes, sizes and exact bytes.

docs/protocol.cddl says the same.

Laws:
1. Every reader here takes bytes and gives a frozen value, or raises FrameError.
2. Sizes are checked before anything is built.
3. A message says nothing about who is asking, except inside a seal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

from hubcore.access.revocations import BYTES_MAX as REVOCATIONS_BYTES_MAX
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
_RSA_BYTES = (256, 384, 512)
"""Sizes of a content key encrypted with RSA."""


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
    """The value of INFO: a session id and a nonce of this link, unproven hints of hub and epoch."""

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
    """An error in the clear."""

    code: ErrorCode


@dataclass(frozen=True, slots=True)
class EpochAnswer:
    """The hub's certificate and its epoch's, undecoded."""

    hub_certificate: bytes
    epoch_certificate: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A verdict or state, sealed hub to phone: COSE_Encrypt with one direct+HKDF recipient."""

    aead: Aead
    iv: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class VerdictMessage(Sealed):
    """A sealed verdict: what was decided."""


@dataclass(frozen=True, slots=True)
class StateMessage(Sealed):
    """A sealed state: what the door did."""


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
            return _encode_encrypt(2, aead, iv, ciphertext, recipient)
        case Resume(aead, iv, ciphertext, ticket):
            recipient = [DIRECT, {4: ticket}, b""]
            return _encode_encrypt(3, aead, iv, ciphertext, recipient)


def decode_to_hub(data: bytes) -> ToHub:
    """Read a phone's message. Raise FrameError."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise FrameError(f"message: over {MESSAGE_BYTES_MAX} bytes")
    message: ToHub | None = None
    match cbor.decode(data):
        case [1]:
            message = GetEpoch()
        case [2, content]:
            message = _read_open(_read_encrypt(content))
        case [3, content]:
            sealed = _read_encrypt(content)
            if len(data) <= RESUME_BYTES_MAX:
                message = _read_resume(sealed)
    if message is None:
        raise FrameError("message: neither get-epoch, open nor resume of version 1")
    return message


def encode_to_phone(message: ToPhone) -> bytes:
    """Return the bytes of a hub's message."""
    match message:
        case Error(code):
            return cbor.encode_flat([0, int(code)])
        case EpochAnswer(hub_certificate, epoch_certificate):
            return cbor.encode_flat([1, hub_certificate, epoch_certificate])
        case VerdictMessage(aead, iv, ciphertext):
            return _encode_encrypt(2, aead, iv, ciphertext, _SESSION_RECIPIENT)
        case StateMessage(aead, iv, ciphertext):
            return _encode_encrypt(3, aead, iv, ciphertext, _SESSION_RECIPIENT)


def decode_to_phone(data: bytes) -> ToPhone:
    """Read a hub's message. Raise FrameError."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise FrameError(f"message: over {MESSAGE_BYTES_MAX} bytes")
    match cbor.decode(data):
        case [0, int() as code] if code in set(ErrorCode):
            return Error(ErrorCode(code))
        case [1, bytes() as hub_certificate, bytes() as epoch_certificate]:
            return EpochAnswer(hub_certificate, epoch_certificate)
        case [2 | 3 as number, content]:
            sealed = _read_encrypt(content)
            if sealed.recipient == _SESSION_RECIPIENT:
                kind = VerdictMessage if number == 2 else StateMessage
                return kind(sealed.aead, sealed.iv, sealed.ciphertext)
    raise FrameError("message: neither error, epoch, verdict nor state of version 1")


def decode_challenge(data: bytes) -> Challenge:
    """Read INFO's value. Raise FrameError, also for a challenge of another version."""
    match cbor.decode(data[: CHALLENGE_BYTES + 1], max_depth=1):
        case [1, bytes() as sid, bytes() as nonce, bytes() as hub, bytes() as epoch]:
            sizes = (len(sid), len(nonce), len(hub), len(epoch))
            if sizes == (SID_BYTES, NONCE_BYTES, KID_BYTES, KID_BYTES):
                return Challenge(sid=sid, nonce=nonce, hub=hub, epoch=epoch)
    raise FrameError("challenge: not of version 1")


_SESSION_RECIPIENT = [DIRECT, {}, b""]
"""The one recipient of what is sealed hub to phone: its key is the session's."""


class _Encrypt(NamedTuple):
    """A COSE_Encrypt with one recipient: what is not constant in it.

    `recipient` is [protected, unprotected, encrypted key].
    """

    aead: Aead
    iv: bytes
    ciphertext: bytes
    recipient: list[Any]


def _encode_encrypt(
    number: int,
    aead: Aead,
    iv: bytes,
    ciphertext: bytes,
    recipient: list[Any],
) -> bytes:
    """Return the message of that number, with a COSE_Encrypt for one recipient."""
    return cbor.encode_flat([number, [aead.protected, {5: iv}, ciphertext, [recipient]]])


def _read_encrypt(content: Any) -> _Encrypt:
    match content:
        case [
            bytes() as protected,
            {5: bytes() as iv} as unprotected,
            bytes() as ciphertext,
            [[bytes(), dict(), bytes()] as recipient],
        ]:
            aead = AEAD_BY_HEADER.get(protected)
            if aead is not None and len(unprotected) == 1 and len(iv) == IV_BYTES:
                return _Encrypt(aead, iv, ciphertext, recipient)
    raise FrameError("message: no COSE_Encrypt with the constant headers and one recipient")


def _read_open(sealed: _Encrypt) -> Open | None:
    """Read an open; None when its recipient is not an epoch's key."""
    match sealed.recipient:
        case [b"", {1: alg, 4: bytes() as epoch} as unprotected, key]:
            is_oaep = alg == RSAES_OAEP_SHA256 and len(unprotected) == 2
            if is_oaep and len(epoch) == KID_BYTES and len(key) in _RSA_BYTES:
                return Open(
                    aead=sealed.aead,
                    iv=sealed.iv,
                    ciphertext=sealed.ciphertext,
                    epoch=epoch,
                    encrypted_key=key,
                )
    return None


def _read_resume(sealed: _Encrypt) -> Resume | None:
    """Read a resume; None when its recipient is not a ticket."""
    match sealed.recipient:
        case [protected, {4: bytes() as ticket} as unprotected, b""]:
            is_direct = protected == DIRECT and len(unprotected) == 1
            if is_direct and len(ticket) == TICKET_ID_BYTES:
                return Resume(
                    aead=sealed.aead,
                    iv=sealed.iv,
                    ciphertext=sealed.ciphertext,
                    ticket=ticket,
                )
    return None


@dataclass(frozen=True, slots=True)
class Request:
    """Inside an open, inside the phone's signature."""

    grant: bytes
    op: bytes
    access_point: int
    action: Action
    secret: bytes
    revocations: bytes = b""
    """A signed list that the phone carries (`access.revocations`), undecoded; b"" for none."""

    def encode(self) -> dict[int, Any]:
        """Return the map without its padding (label 6)."""
        carried = {0: self.revocations} if self.revocations else {}
        return {
            **carried,
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
    """For the next short path: its id, and when it expires, in Unix seconds."""

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
    content = cbor.decode(data)
    match content:
        case {0: bytes() as revocations} if 1 <= len(revocations) <= REVOCATIONS_BYTES_MAX:
            del content[0]
        case _:
            revocations = b""
    match content:
        case {
            1: bytes() as grant,
            2: bytes() as op,
            3: int() as point,
            4: int() as action,
            5: bytes() as secret,
            6: bytes(),
        } as fields if len(fields) == 6 and len(secret) == SECRET_BYTES:
            return Request(
                grant=grant,
                op=_op(op),
                access_point=_uint(point),
                action=_enum(Action, action),
                secret=secret,
                revocations=revocations,
            )
    raise FrameError("request: not exactly grant, op, access point, action, secret and padding")


def encode_resume_request(request: ResumeRequest) -> bytes:
    """Return the padded plaintext, always 48 bytes."""
    fields = {2: request.op, 3: request.access_point, 4: int(request.action)}
    return pad(fields, 6, PAD_RESUME)


def decode_resume_request(data: bytes) -> ResumeRequest:
    """Read a resume's plaintext. Raise FrameError."""
    match cbor.decode(data):
        case {
            2: bytes() as op,
            3: int() as point,
            4: int() as action,
            6: bytes(),
        } as fields if len(fields) == 4 and len(data) == PAD_RESUME:
            return ResumeRequest(
                op=_op(op),
                access_point=_uint(point),
                action=_enum(Action, action),
            )
    raise FrameError("resume: not exactly op, access point, action and padding")


def encode_verdict(verdict: Verdict) -> bytes:
    """Return the padded plaintext, always 80 bytes, so that yes and no look alike."""
    ticket = None
    if verdict.ticket is not None:
        ticket = [verdict.ticket.id, verdict.ticket.expires]
    fields = {
        1: 0,
        2: verdict.op,
        3: int(verdict.allowed),
        4: int(verdict.reason),
        5: int(verdict.door),
        6: verdict.time,
        7: ticket,
    }
    return pad(fields, 8, PAD_VERDICT)


def decode_verdict(data: bytes) -> Verdict:
    """Read a verdict's plaintext. Raise FrameError."""
    match cbor.decode(data):
        case {
            1: 0,
            2: bytes() as op,
            3: 0 | 1 as allowed,
            4: int() as reason,
            5: int() as door,
            6: int() as time,
            7: ticket,
            8: bytes(),
        } as fields if len(fields) == 8 and len(data) == PAD_VERDICT:
            return Verdict(
                op=_op(op),
                allowed=bool(allowed),
                reason=_enum(Reason, reason),
                door=_enum(DoorState, door),
                time=_uint(time),
                ticket=_read_new_ticket(ticket),
            )
    raise FrameError("verdict: not exactly its members")


def _read_new_ticket(value: Any) -> NewTicket | None:
    match value:
        case None:
            return None
        case [bytes() as id_, int() as expires] if len(id_) == TICKET_ID_BYTES:
            return NewTicket(id_, _uint(expires))
    raise FrameError("verdict: no ticket")


def encode_state(state: State) -> bytes:
    """Return the padded plaintext, always 56 bytes."""
    fields = {
        1: state.seq,
        2: state.op,
        3: state.access_point,
        5: int(state.door),
        6: state.time,
    }
    return pad(fields, 8, PAD_STATE)


def decode_state(data: bytes) -> State:
    """Read a state's plaintext. Raise FrameError."""
    match cbor.decode(data):
        case {
            1: int() as seq,
            2: bytes() as op,
            3: int() as point,
            5: int() as door,
            6: int() as time,
            8: bytes(),
        } as fields if len(fields) == 6 and len(data) == PAD_STATE and 1 <= seq <= 0xFFFF:
            return State(
                seq=seq,
                op=_op(op),
                access_point=_uint(point),
                door=_enum(DoorState, door),
                time=_uint(time),
            )
    raise FrameError("state: not exactly its members")


def pad(fields: dict[int, Any], label: int, multiple: int) -> bytes:
    """Encode `fields` with zeros under `label`, to a size that is a multiple of `multiple` bytes.

    The labels of `fields` rise, and `label` is above them.
    """
    without_zeros = cbor.encode_flat({**fields, label: b""})[:-1]
    room = -len(without_zeros) % multiple
    for size in (room, room + multiple):
        zeros = _encode_zeros(size)
        if zeros is not None:
            return without_zeros + zeros
    raise AssertionError("one of two neighbouring multiples is always within reach")


def _encode_zeros(size: int) -> bytes | None:
    """Encode a string of zeros in `size` bytes; None when no string has that size.

    A longer string has a longer head, so a size may be out of reach.
    """
    for head_bytes in (1, 2, 3):
        zeros = size - head_bytes
        if zeros < 0:
            return None
        encoded = cbor.encode_flat(bytes(zeros))
        if len(encoded) == size:
            return encoded
    return None


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
