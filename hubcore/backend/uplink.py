"""The messages between hub and backend: their shapes, sizes and exact bytes.

docs/uplink.md has the table.

Laws:
1. One message is one deterministic CBOR array `[type, field, ...]`.
2. A message object that exists is checked, whoever made it.
3. A reader gives one message, or raises FrameError and nothing else.
4. Type, count of fields and size are looked at before anything is read. So a wrong message costs no
   more than its ceiling.
5. What only one side may say, only the other side reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from hubcore.access.precedence import DoorOrder
from hubcore.codec import cbor
from hubcore.device.command import DEVICE_ID, Verb
from hubcore.device.state import Quantity
from hubcore.errors import FrameError
from hubcore.evidence.records import BODY_BYTES
from hubcore.policy import document as policies

PROTOCOL = 1

MAX_POLICY_BYTES = policies.MAX_BYTES
"""One signed policy document.

A larger one needs pieces, which this version of the protocol does not have.
"""
MAX_MESSAGE_BYTES = MAX_POLICY_BYTES + 64
"""The largest message of all, NewPolicy; a transport refuses what is longer."""
MAX_RECORD_BYTES = BODY_BYTES
MAX_SMALL_BYTES = 4096
"""The ceiling of every message that carries neither a policy nor a record."""
MAX_ACKNOWLEDGED = 256
MAX_TEXT_BYTES = 32
MAX_DETAIL_BYTES = 200
ID_BYTES = 16
HASH_BYTES = 32
NONCE_BYTES = 8
UINT16_MAX = 0xFFFF
INT64_MAX = 2**63 - 1
MAX_RELEASE_SECONDS = 3600
MAX_DEVICES = 64
"""The devices that one Act may reach at a hub, and the values of one Telemetry."""

_ARRAY_HEAD = 0x80
_QUANTITIES = frozenset(map(int, Quantity))


class ReleaseOutcome(IntEnum):
    """How a remote release ended. The evidence is the record, not this answer."""

    RELEASED = 0
    LATE = 1
    REFUSED = 2
    FAILED = 3
    BUSY = 4


class OrderOutcome(IntEnum):
    """What became of an order for a door. The evidence is the record, not this answer."""

    TAKEN = 0
    LATE = 1
    REFUSED = 2
    FAILED = 3
    BUSY = 4


ORDERS_OF_BACKENDS = (DoorOrder.HOLD_OPEN, DoorOrder.NO_ENTRY, DoorOrder.LOCKDOWN)
"""What a backend may order. A grant comes as a Release; fire is an input of the hub."""


class ActOutcome(IntEnum):
    """What became of a command to one device. Only the device's own proof makes CONFIRMED."""

    CONFIRMED = 0
    FAILED = 1
    """It was not done."""
    TIMEOUT = 2
    """No answer came in time; it may have been done."""
    UNKNOWN = 3
    """Nobody can tell; it may have been done."""
    REFUSED = 4
    """It was not given to the device."""


class Cause(IntEnum):
    """Why a backend takes no records and gives no orders, until somebody has decided."""

    TWO_HUBS = 1
    """Two machines speak as this hub, at once or by turns."""
    FORK = 2
    """It holds other records under numbers that the hub has given out."""
    GAP = 3
    """A record is missing there that the hub does not send."""


def _uint(name: str, value: object, highest: int = INT64_MAX, lowest: int = 0) -> None:
    if type(value) is not int or not lowest <= value <= highest:
        raise FrameError(f"uplink: {name} is no whole number within {lowest}..{highest}")


def _bytes(name: str, value: object, shortest: int, longest: int) -> None:
    if type(value) is not bytes or not shortest <= len(value) <= longest:
        raise FrameError(f"uplink: {name} is no string of {shortest}..{longest} bytes")


def _text(name: str, value: object, longest: int, shortest: int = 1) -> None:
    """Accept only what a terminal prints: no control characters, no lone surrogates."""
    match value:
        case str() if value.isprintable() and shortest <= len(value.encode()) <= longest:
            return
    raise FrameError(f"uplink: {name} is no printable text of {shortest}..{longest} bytes")


def _device(value: object) -> None:
    if type(value) is not str or not DEVICE_ID.fullmatch(value):
        raise FrameError("uplink: device is no id of a device")


def _rows(name: str, value: object, width: int) -> list[list[Any]]:
    """Return a list of lists of one width, as CBOR gives them. Raise FrameError."""
    match value:
        case list() if len(value) <= MAX_DEVICES and all(
            type(row) is list and len(row) == width for row in value
        ):
            return value
    raise FrameError(f"uplink: {name} is no list of at most {MAX_DEVICES} lists of {width}")


@dataclass(frozen=True, slots=True)
class Message:
    """What all messages share.

    `TYPE` is below 24: one byte on the wire. `CEILING` bounds the bytes, `ITEMS` the CBOR heads,
    `DEPTH` the nesting with the outer array.
    """

    TYPE: ClassVar[int] = 0
    CEILING: ClassVar[int] = MAX_SMALL_BYTES
    DEPTH: ClassVar[int] = 1
    ITEMS: ClassVar[int] = 16

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make the message from its fields as CBOR gives them; their count is right.

        Raise FrameError.
        """
        return cls(*values)


@dataclass(frozen=True, slots=True)
class Hello(Message):
    """Hub: who I am and what I hold.

    First on each connection, and again when the backend has fallen silent.
    """

    TYPE: ClassVar[int] = 1
    protocol: int
    hub: str
    site: str
    boot_id: bytes
    software: str
    policy_version: int
    last_record: int
    waiting: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        _uint("protocol", self.protocol, 255, 1)
        _text("hub", self.hub, MAX_TEXT_BYTES)
        _text("site", self.site, MAX_TEXT_BYTES)
        _bytes("boot_id", self.boot_id, ID_BYTES, ID_BYTES)
        _text("software", self.software, MAX_TEXT_BYTES)
        _uint("policy_version", self.policy_version)
        _uint("last_record", self.last_record)
        _uint("waiting", self.waiting)


@dataclass(frozen=True, slots=True)
class Evidence(Message):
    """Hub: one record; `hash` is the chain's, up to and with it (`evidence.records`)."""

    TYPE: ClassVar[int] = 2
    CEILING: ClassVar[int] = MAX_RECORD_BYTES + 64
    number: int
    body: bytes
    hash: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        _uint("number", self.number, lowest=1)
        _bytes("body", self.body, 1, MAX_RECORD_BYTES)
        _bytes("hash", self.hash, HASH_BYTES, HASH_BYTES)


@dataclass(frozen=True, slots=True)
class Result(Message):
    """Hub: how the release of this `id` ended; `detail` is a sentence for a person, or empty."""

    TYPE: ClassVar[int] = 3
    id: bytes
    outcome: ReleaseOutcome
    detail: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        _bytes("id", self.id, ID_BYTES, ID_BYTES)
        if type(self.outcome) is not ReleaseOutcome:
            raise FrameError("uplink: outcome is none of those known")
        _text("detail", self.detail, MAX_DETAIL_BYTES, 0)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the outcome comes as its number."""
        identity, outcome, detail = values
        _uint("outcome", outcome, max(ReleaseOutcome))
        return cls(identity, ReleaseOutcome(outcome), detail)


@dataclass(frozen=True, slots=True)
class PolicyResult(Message):
    """Hub: the `version` now in force; `refused` says why not the offered one, or is empty."""

    TYPE: ClassVar[int] = 4
    version: int
    refused: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        _uint("version", self.version)
        _text("refused", self.refused, MAX_DETAIL_BYTES, 0)


@dataclass(frozen=True, slots=True)
class Ping(Message):
    """Hub: is anybody there behind the socket?

    The transport's own heartbeat does not notice a frozen program.
    """

    TYPE: ClassVar[int] = 5
    nonce: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        _bytes("nonce", self.nonce, NONCE_BYTES, NONCE_BYTES)


class DeviceOutcome(NamedTuple):
    """What became of a command to one device."""

    device: str
    outcome: ActOutcome


@dataclass(frozen=True, slots=True)
class ActResult(Message):
    """Hub: what became of the Act of this `id`, for each device that it names.

    `outcomes` is empty when nothing was done: `detail` says why, in a sentence for a person.
    """

    TYPE: ClassVar[int] = 6
    DEPTH: ClassVar[int] = 3
    ITEMS: ClassVar[int] = 5 + 3 * MAX_DEVICES
    id: bytes
    outcomes: tuple[DeviceOutcome, ...]
    detail: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        _bytes("id", self.id, ID_BYTES, ID_BYTES)
        if type(self.outcomes) is not tuple or len(self.outcomes) > MAX_DEVICES:
            raise FrameError(f"uplink: outcomes is no list of at most {MAX_DEVICES}")
        for device, outcome in self.outcomes:
            _device(device)
            if type(outcome) is not ActOutcome:
                raise FrameError("uplink: outcome is none of those known")
        _text("detail", self.detail, MAX_DETAIL_BYTES, 0)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; each outcome comes as its number."""
        identity, rows, detail = values
        outcomes = []
        for device, outcome in _rows("outcomes", rows, 2):
            _uint("outcome", outcome, max(ActOutcome))
            outcomes.append(DeviceOutcome(device, ActOutcome(outcome)))
        return cls(identity, tuple(outcomes), detail)


class Measured(NamedTuple):
    """One value of one device, said so many seconds ago (`device.telemetry`, law 5)."""

    device: str
    quantity: Quantity
    value: int
    age_seconds: int


@dataclass(frozen=True, slots=True)
class Telemetry(Message):
    """Hub: what devices say of themselves. It is never kept, never acknowledged, and may be lost.

    It goes only while no record waits.
    """

    TYPE: ClassVar[int] = 8
    DEPTH: ClassVar[int] = 3
    ITEMS: ClassVar[int] = 3 + 5 * MAX_DEVICES
    values: tuple[Measured, ...]

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        if type(self.values) is not tuple or not 1 <= len(self.values) <= MAX_DEVICES:
            raise FrameError(f"uplink: values is no list of 1..{MAX_DEVICES}")
        for device, quantity, value, age_seconds in self.values:
            _device(device)
            if type(quantity) is not Quantity:
                raise FrameError("uplink: quantity is none of those known")
            _uint("value", value, lowest=-INT64_MAX)
            _uint("age", age_seconds)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; each quantity comes as its number."""
        (rows,) = values
        measured = []
        for device, quantity, value, age_seconds in _rows("values", rows, 4):
            if type(quantity) is not int or quantity not in _QUANTITIES:
                raise FrameError("uplink: quantity is none of those known")
            measured.append(Measured(device, Quantity(quantity), value, age_seconds))
        return cls(tuple(measured))


@dataclass(frozen=True, slots=True)
class OrderResult(Message):
    """Hub: what became of the order of this `id`; `detail` is a sentence for a person, or empty."""

    TYPE: ClassVar[int] = 7
    id: bytes
    outcome: OrderOutcome
    detail: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        _bytes("id", self.id, ID_BYTES, ID_BYTES)
        if type(self.outcome) is not OrderOutcome:
            raise FrameError("uplink: outcome is none of those known")
        _text("detail", self.detail, MAX_DETAIL_BYTES, 0)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the outcome comes as its number."""
        identity, outcome, detail = values
        _uint("outcome", outcome, max(OrderOutcome))
        return cls(identity, OrderOutcome(outcome), detail)


@dataclass(frozen=True, slots=True)
class Welcome(Message):
    """Backend: I know you, speak. `time_ms` is its Unix time in milliseconds."""

    TYPE: ClassVar[int] = 16
    time_ms: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        _uint("time_ms", self.time_ms)


@dataclass(frozen=True, slots=True)
class Acknowledge(Message):
    """Backend: I hold these 1 to 256 records durably; each number is a receipt of its own."""

    TYPE: ClassVar[int] = 17
    DEPTH: ClassVar[int] = 2
    ITEMS: ClassVar[int] = 3 + MAX_ACKNOWLEDGED
    numbers: tuple[int, ...]

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        if type(self.numbers) is not tuple or not 1 <= len(self.numbers) <= MAX_ACKNOWLEDGED:
            raise FrameError(f"uplink: numbers is no list of 1..{MAX_ACKNOWLEDGED}")
        for number in self.numbers:
            _uint("number", number, lowest=1)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the numbers come as a list."""
        (numbers,) = values
        if isinstance(numbers, list):
            numbers = tuple(numbers)
        return cls(numbers)


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
        _bytes("id", self.id, ID_BYTES, ID_BYTES)
        _uint("access_point", self.access_point, UINT16_MAX)
        _uint("expires_at", self.expires_at)
        if self.seconds is not None:
            _uint("seconds", self.seconds, MAX_RELEASE_SECONDS, 1)
        _text("by", self.by, MAX_TEXT_BYTES)


@dataclass(frozen=True, slots=True)
class NewPolicy(Message):
    """Backend: a signed policy document, as bytes; only its signature proves anything."""

    TYPE: ClassVar[int] = 19
    CEILING: ClassVar[int] = MAX_MESSAGE_BYTES
    document: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        _bytes("document", self.document, 1, MAX_POLICY_BYTES)


@dataclass(frozen=True, slots=True)
class Pong(Message):
    """Backend: the nonce of a Ping, and its Unix time in milliseconds."""

    TYPE: ClassVar[int] = 20
    nonce: bytes
    time_ms: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        _bytes("nonce", self.nonce, NONCE_BYTES, NONCE_BYTES)
        _uint("time_ms", self.time_ms)


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
        _uint("number", self.number)
        _bytes("hash", self.hash, HASH_BYTES, HASH_BYTES)
        _text("detail", self.detail, MAX_DETAIL_BYTES, 0)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the cause comes as its number."""
        cause, number, digest, detail = values
        _uint("cause", cause, max(Cause), min(Cause))
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
        _bytes("id", self.id, ID_BYTES, ID_BYTES)
        _text("by", self.by, MAX_TEXT_BYTES)
        if type(self.target) is int:
            _uint("target", self.target, UINT16_MAX, 1)
        else:
            _device(self.target)
        if type(self.verb) is not Verb:
            raise FrameError("uplink: verb is none of those known")
        if self.level is not None:
            _uint("level", self.level, UINT16_MAX)
        _uint("expires_at", self.expires_at)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the verb comes as its number."""
        identity, by, target, verb, level, expires_at = values
        _uint("verb", verb, max(Verb), min(Verb))
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
        _bytes("id", self.id, ID_BYTES, ID_BYTES)
        _text("by", self.by, MAX_TEXT_BYTES)
        if self.access_point is not None:
            _uint("access_point", self.access_point, UINT16_MAX)
        if type(self.order) is not DoorOrder or self.order not in ORDERS_OF_BACKENDS:
            raise FrameError("uplink: order is none of those that a backend gives")
        _uint("on", self.on, 1)
        _uint("expires_at", self.expires_at)
        if self.until is not None:
            _uint("until", self.until)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the order comes as its number."""
        identity, by, access_point, order, on, expires_at, until = values
        _uint("order", order, max(ORDERS_OF_BACKENDS), min(ORDERS_OF_BACKENDS))
        return cls(
            id=identity,
            by=by,
            access_point=access_point,
            order=DoorOrder(order),
            on=on,
            expires_at=expires_at,
            until=until,
        )


HubMessage = Hello | Evidence | Result | PolicyResult | Ping | ActResult | OrderResult | Telemetry
BackendMessage = Welcome | Acknowledge | Release | NewPolicy | Pong | Halt | Act | Order

FROM_HUB: Mapping[int, type[HubMessage]] = {
    kind.TYPE: kind
    for kind in (
        Hello,
        Evidence,
        Result,
        PolicyResult,
        Ping,
        ActResult,
        OrderResult,
        Telemetry,
    )
}
FROM_BACKEND: Mapping[int, type[BackendMessage]] = {
    kind.TYPE: kind
    for kind in (
        Welcome,
        Acknowledge,
        Release,
        NewPolicy,
        Pong,
        Halt,
        Act,
        Order,
    )
}


def encode(message: HubMessage | BackendMessage) -> bytes:
    """Return the message's bytes, at most its type's CEILING."""
    values: list[Any] = [message.TYPE]
    for field in fields(message):
        values.append(_plain(getattr(message, field.name)))
    return cbor.encode(values)


def _plain(value: Any) -> Any:
    """Return what CBOR takes: an enum's number, and a list for a tuple."""
    match value:
        case IntEnum():
            return int(value)
        case tuple():
            return [_plain(item) for item in value]
    return value


def decode_from_hub(data: bytes) -> HubMessage:
    """Read what a hub says, in the backend. Raise FrameError."""
    return _decode(data, FROM_HUB)


def decode_from_backend(data: bytes) -> BackendMessage:
    """Read what the backend says, in the hub. Raise FrameError."""
    return _decode(data, FROM_BACKEND)


_M = TypeVar("_M", bound=Message)


def _decode(data: bytes, registry: Mapping[int, type[_M]]) -> _M:
    kind = registry.get(data[1]) if len(data) >= 2 else None
    if kind is None:
        raise FrameError("uplink: no message of a known type")
    if len(data) > kind.CEILING:
        raise FrameError(f"uplink: {kind.__name__} of {len(data)} bytes, more than {kind.CEILING}")
    count = 1 + len(fields(kind))
    if data[0] != _ARRAY_HEAD + count:
        raise FrameError(f"uplink: {kind.__name__} is an array of {count}")
    _, *values = cbor.decode(data, max_depth=kind.DEPTH, max_items=kind.ITEMS)
    return kind.read(values)


def sentence(text: str) -> str:
    """Cut a person's sentence to what a `detail` holds: printable, at most 200 bytes."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    data = plain.encode("utf-8", "replace")
    return data[:MAX_DETAIL_BYTES].decode("utf-8", "ignore")
