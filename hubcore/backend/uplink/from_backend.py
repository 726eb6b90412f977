"""What a backend says to its hub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from hubcore.access.precedence import DoorOrder
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
from hubcore.backend.uplink.fields import Message, check_bytes, check_device, check_text, check_uint
from hubcore.backend.uplink.words import (
    HASH_BYTES,
    ID_BYTES,
    KEY_BYTES,
    KEYS_MAX,
    MAX_ACKNOWLEDGED,
    MAX_CERTIFICATE_BYTES,
    MAX_DETAIL_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_PIECE_BYTES,
    MAX_PIECES,
    MAX_POLICY_BYTES,
    MAX_RELEASE_SECONDS,
    MAX_TEXT_BYTES,
    MAX_TLS_CERTIFICATE_BYTES,
    NONCE_BYTES,
    ORDERS_OF_BACKENDS,
    UINT16_MAX,
    Cause,
)
from hubcore.device.command import Verb
from hubcore.errors import FrameError


@dataclass(frozen=True, slots=True)
class Welcome(Message):
    """Backend: I know you, speak. `time_ms` is its Unix time in milliseconds.

    `durable` and `durable_hash` are those of the newest record that its owner has on the disk, 0
    and zeros for none. `durable` is never below a number that was acknowledged, unless the backend
    has lost records.
    """

    TYPE: ClassVar[int] = 16
    time_ms: int
    durable: int
    durable_hash: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("time_ms", self.time_ms)
        check_uint("durable", self.durable)
        check_bytes("durable_hash", self.durable_hash, HASH_BYTES, HASH_BYTES)


@dataclass(frozen=True, slots=True)
class _Numbers(Message):
    """A message of 1 to 256 numbers of records."""

    DEPTH: ClassVar[int] = 2
    ITEMS: ClassVar[int] = 3 + MAX_ACKNOWLEDGED
    numbers: tuple[int, ...]

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        if type(self.numbers) is not tuple or not 1 <= len(self.numbers) <= MAX_ACKNOWLEDGED:
            raise FrameError(f"uplink: numbers is no list of 1..{MAX_ACKNOWLEDGED}")
        for number in self.numbers:
            check_uint("number", number, lowest=1)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the numbers come as a list."""
        (numbers,) = values
        if isinstance(numbers, list):
            numbers = tuple(numbers)
        return cls(numbers)


@dataclass(frozen=True, slots=True)
class Acknowledge(_Numbers):
    """Backend: I hold these records durably; each number is a receipt of its own."""

    TYPE: ClassVar[int] = 17


@dataclass(frozen=True, slots=True)
class Held(_Numbers):
    """Backend, or who carries for it: I have these records and bring them on.

    Nothing says that they are durable. The hub forgets none of them.
    """

    TYPE: ClassVar[int] = 26


@dataclass(frozen=True, slots=True)
class Release(Message):
    """Backend: release the strike of `access_point` once, until `expires_at` (Unix seconds).

    The same `id` again is the same release: it is answered again, never done again. `seconds` None
    leaves the time to the door's own setting. `by` is an opaque id of who ordered it, for the
    record.
    """

    TYPE: ClassVar[int] = 18
    id: bytes
    access_point: int
    expires_at: int
    seconds: int | None
    by: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("id", self.id, ID_BYTES, ID_BYTES)
        check_uint("access_point", self.access_point, UINT16_MAX)
        check_uint("expires_at", self.expires_at)
        if self.seconds is not None:
            check_uint("seconds", self.seconds, MAX_RELEASE_SECONDS, 1)
        check_text("by", self.by, MAX_TEXT_BYTES)


@dataclass(frozen=True, slots=True)
class NewPolicy(Message):
    """Backend: a signed policy document, as bytes; only its signature proves anything.

    It is the root, and as many pieces after it as come along.
    """

    TYPE: ClassVar[int] = 19
    CEILING: ClassVar[int] = MAX_MESSAGE_BYTES
    document: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("document", self.document, 1, MAX_POLICY_BYTES)


@dataclass(frozen=True, slots=True)
class Pong(Message):
    """Backend: the nonce of a Ping, and its Unix time in milliseconds."""

    TYPE: ClassVar[int] = 20
    nonce: bytes
    time_ms: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("nonce", self.nonce, NONCE_BYTES, NONCE_BYTES)
        check_uint("time_ms", self.time_ms)


@dataclass(frozen=True, slots=True)
class Halt(Message):
    """Backend: I take no record and give no order until somebody here has decided.

    `number` and `hash` are those of the newest record held here, 0 and zeros for none. `detail` is
    for a person. It comes in place of a Welcome, or at any time after it; a later Welcome ends it.
    """

    TYPE: ClassVar[int] = 21
    cause: Cause
    number: int
    hash: bytes
    detail: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        if type(self.cause) is not Cause:
            raise FrameError("uplink: cause is none of those known")
        check_uint("number", self.number)
        check_bytes("hash", self.hash, HASH_BYTES, HASH_BYTES)
        check_text("detail", self.detail, MAX_DETAIL_BYTES, 0)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the cause comes as its number."""
        cause, number, digest, detail = values
        check_uint("cause", cause, max(Cause), min(Cause))
        return cls(Cause(cause), number, digest, detail)


@dataclass(frozen=True, slots=True)
class Act(Message):
    """Backend: command a device, or all devices of a group, until `expires_at` (Unix seconds).

    `target` is a device's id, or a group's number in the policy. `verb` and `level` are those of
    `device.command`. The same `id` again is the same order: it is answered again, never done again.
    `by` is an opaque id of who ordered it, for the record. No order of this type opens a door.
    """

    TYPE: ClassVar[int] = 22
    id: bytes
    by: str
    target: str | int
    verb: Verb
    level: int | None
    expires_at: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("id", self.id, ID_BYTES, ID_BYTES)
        check_text("by", self.by, MAX_TEXT_BYTES)
        if type(self.target) is int:
            check_uint("target", self.target, UINT16_MAX, 1)
        else:
            check_device(self.target)
        if type(self.verb) is not Verb:
            raise FrameError("uplink: verb is none of those known")
        if self.level is not None:
            check_uint("level", self.level, UINT16_MAX)
        check_uint("expires_at", self.expires_at)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the verb comes as its number."""
        identity, by, target, verb, level, expires_at = values
        check_uint("verb", verb, max(Verb), min(Verb))
        return cls(identity, by, target, Verb(verb), level, expires_at)


@dataclass(frozen=True, slots=True)
class Order(Message):
    """Backend: an order that stands for a door from now on (`on` 1), or its end (0).

    `access_point` is one of the door; None: all doors of the hub. The hub must take it until
    `expires_at`. It ends by itself at `until`; None: only an order ends it. Both are Unix seconds.
    The same `id` again is the same order. `by` is an opaque id of who ordered it.
    """

    TYPE: ClassVar[int] = 23
    id: bytes
    by: str
    access_point: int | None
    order: DoorOrder
    on: int
    expires_at: int
    until: int | None

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("id", self.id, ID_BYTES, ID_BYTES)
        check_text("by", self.by, MAX_TEXT_BYTES)
        if self.access_point is not None:
            check_uint("access_point", self.access_point, UINT16_MAX)
        if type(self.order) is not DoorOrder or self.order not in ORDERS_OF_BACKENDS:
            raise FrameError("uplink: order is none of those that a backend gives")
        check_uint("on", self.on, 1)
        check_uint("expires_at", self.expires_at)
        if self.until is not None:
            check_uint("until", self.until)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the order comes as its number."""
        identity, by, access_point, order, on, expires_at, until = values
        check_uint("order", order, max(ORDERS_OF_BACKENDS), min(ORDERS_OF_BACKENDS))
        return cls(
            id=identity,
            by=by,
            access_point=access_point,
            order=DoorOrder(order),
            on=on,
            expires_at=expires_at,
            until=until,
        )


@dataclass(frozen=True, slots=True)
class Certificate(Message):
    """Backend: the newest certificate of this hub; only its issuer's signature proves anything."""

    TYPE: ClassVar[int] = 27
    CEILING: ClassVar[int] = MAX_CERTIFICATE_BYTES + 64
    document: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("document", self.document, 1, MAX_CERTIFICATE_BYTES)


@dataclass(frozen=True, slots=True)
class TlsCertificate(Message):
    """Backend: the newest TLS certificate of this hub, X.509 in DER; it proves itself."""

    TYPE: ClassVar[int] = 30
    document: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("document", self.document, 1, MAX_TLS_CERTIFICATE_BYTES)


@dataclass(frozen=True, slots=True)
class Pieces(Message):
    """Backend: pieces that the hub wants, in any order; each proves itself by its hash."""

    TYPE: ClassVar[int] = 24
    CEILING: ClassVar[int] = MAX_PIECES * (MAX_PIECE_BYTES + 8) + 64
    DEPTH: ClassVar[int] = 2
    ITEMS: ClassVar[int] = 3 + MAX_PIECES
    pieces: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        if type(self.pieces) is not tuple or not 1 <= len(self.pieces) <= MAX_PIECES:
            raise FrameError(f"uplink: pieces is no list of 1..{MAX_PIECES}")
        for piece in self.pieces:
            check_bytes("piece", piece, 1, MAX_PIECE_BYTES)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the list comes as a list."""
        (pieces,) = values
        return cls(tuple(pieces) if type(pieces) is list else pieces)


@dataclass(frozen=True, slots=True)
class KeyTaken(Message):
    """Backend: the answer to NewKey, and to RetireKey.

    `key` is that of the NewKey, or of the connection on which RetireKey came. `keys` says by how
    many keys the backend knows the hub from now on, durably: 2 with the new one beside the old, 1
    with `key` alone. `refused` says why it took nothing, or is empty.
    """

    TYPE: ClassVar[int] = 25
    key: bytes
    keys: int
    refused: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("key", self.key, KEY_BYTES, KEY_BYTES)
        check_uint("keys", self.keys, KEYS_MAX, 1)
        check_text("refused", self.refused, MAX_DETAIL_BYTES, 0)


@dataclass(frozen=True, slots=True)
class RotateKey(Message):
    """Backend: make yourself another key. `key` is the one that is to go.

    A hub that has another key by now has done it already.
    """

    TYPE: ClassVar[int] = 28
    key: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("key", self.key, KEY_BYTES, KEY_BYTES)


@dataclass(frozen=True, slots=True)
class Probe(Message):
    """Backend: is anybody there, on this connection? An Alive with this nonce says so."""

    TYPE: ClassVar[int] = 29
    nonce: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("nonce", self.nonce, NONCE_BYTES, NONCE_BYTES)


BackendMessage = (
    Welcome
    | Acknowledge
    | Held
    | Release
    | NewPolicy
    | Pong
    | Halt
    | Act
    | Order
    | Pieces
    | KeyTaken
    | RotateKey
    | Certificate
    | TlsCertificate
    | Probe
    | CarriedMandate
    | CarriedEnds
)
