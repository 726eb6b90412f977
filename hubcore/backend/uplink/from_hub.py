"""What a hub says to its backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

from hubcore.backend.uplink.evidence import MESSAGE_BYTES, message_of, record_of
from hubcore.backend.uplink.fields import (
    Message,
    check_bytes,
    check_device,
    check_text,
    check_uint,
    rows_of,
)
from hubcore.backend.uplink.health import HealthState
from hubcore.backend.uplink.updates import UpdateState
from hubcore.backend.uplink.words import (
    HASH_BYTES,
    ID_BYTES,
    INT64_MAX,
    KEY_BYTES,
    MAX_DETAIL_BYTES,
    MAX_DEVICES,
    MAX_RECORD_BYTES,
    MAX_TEXT_BYTES,
    MAX_WANTED,
    NONCE_BYTES,
    ActOutcome,
    OrderOutcome,
    ReleaseOutcome,
)
from hubcore.device.state import Quantity
from hubcore.errors import FrameError

_QUANTITIES = frozenset(map(int, Quantity))


@dataclass(frozen=True, slots=True)
class Hello(Message):
    """Hub: who I am and what I hold.

    First on each connection, and again when the backend has fallen silent. `head_hash` is the
    chain's hash with `last_record`, zeros for none.
    """

    TYPE: ClassVar[int] = 1
    protocol: int
    hub: str
    site: str
    boot_id: bytes
    software: str
    policy_version: int
    policy_digest: bytes
    last_record: int
    head_hash: bytes
    waiting: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("protocol", self.protocol, 255, 1)
        check_text("hub", self.hub, MAX_TEXT_BYTES)
        check_text("site", self.site, MAX_TEXT_BYTES)
        check_bytes("boot_id", self.boot_id, ID_BYTES, ID_BYTES)
        check_text("software", self.software, MAX_TEXT_BYTES)
        check_uint("policy_version", self.policy_version)
        check_bytes("policy_digest", self.policy_digest, HASH_BYTES, HASH_BYTES)
        check_uint("last_record", self.last_record)
        check_bytes("head_hash", self.head_hash, HASH_BYTES, HASH_BYTES)
        check_uint("waiting", self.waiting)


@dataclass(frozen=True, slots=True)
class Evidence(Message):
    """Hub: one record; `hash` is the chain's, up to and with it (`evidence.records`)."""

    TYPE: ClassVar[int] = 2
    CEILING: ClassVar[int] = MESSAGE_BYTES
    number: int
    body: bytes
    hash: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("number", self.number, lowest=1)
        check_bytes("body", self.body, 1, MAX_RECORD_BYTES)
        check_bytes("hash", self.hash, HASH_BYTES, HASH_BYTES)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read its bytes by their one shape. Raise FrameError."""
        read = record_of(data)
        return cls(read.number, read.body, read.hash)

    def encode(self) -> bytes:
        """Return its bytes."""
        return message_of(self.number, self.body, self.hash)


@dataclass(frozen=True, slots=True)
class Notice(Message):
    """Hub: an alarm, whose record waits behind many others and comes in its order.

    The fields are those of its Evidence. It proves nothing and is not acknowledged.
    """

    TYPE: ClassVar[int] = 14
    CEILING: ClassVar[int] = MESSAGE_BYTES
    number: int
    body: bytes
    hash: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("number", self.number, lowest=1)
        check_bytes("body", self.body, 1, MAX_RECORD_BYTES)
        check_bytes("hash", self.hash, HASH_BYTES, HASH_BYTES)


@dataclass(frozen=True, slots=True)
class Result(Message):
    """Hub: how the release of this `id` ended; `detail` is a sentence for a person, or empty."""

    TYPE: ClassVar[int] = 3
    id: bytes
    outcome: ReleaseOutcome
    detail: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("id", self.id, ID_BYTES, ID_BYTES)
        if type(self.outcome) is not ReleaseOutcome:
            raise FrameError("uplink: outcome is none of those known")
        check_text("detail", self.detail, MAX_DETAIL_BYTES, 0)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the outcome comes as its number."""
        identity, outcome, detail = values
        check_uint("outcome", outcome, max(ReleaseOutcome))
        return cls(identity, ReleaseOutcome(outcome), detail)


@dataclass(frozen=True, slots=True)
class PolicyResult(Message):
    """Hub: the `version` now in force; `refused` says why not the offered one, or is empty."""

    TYPE: ClassVar[int] = 4
    version: int
    refused: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("version", self.version)
        check_text("refused", self.refused, MAX_DETAIL_BYTES, 0)


@dataclass(frozen=True, slots=True)
class Ping(Message):
    """Hub: is anybody there behind the socket?

    The transport's own heartbeat does not notice a frozen program.
    """

    TYPE: ClassVar[int] = 5
    nonce: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("nonce", self.nonce, NONCE_BYTES, NONCE_BYTES)


@dataclass(frozen=True, slots=True)
class Alive(Message):
    """Hub: I have heard the Probe with this nonce, on this connection."""

    TYPE: ClassVar[int] = 13
    nonce: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("nonce", self.nonce, NONCE_BYTES, NONCE_BYTES)


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
        check_bytes("id", self.id, ID_BYTES, ID_BYTES)
        if type(self.outcomes) is not tuple or len(self.outcomes) > MAX_DEVICES:
            raise FrameError(f"uplink: outcomes is no list of at most {MAX_DEVICES}")
        for device, outcome in self.outcomes:
            check_device(device)
            if type(outcome) is not ActOutcome:
                raise FrameError("uplink: outcome is none of those known")
        check_text("detail", self.detail, MAX_DETAIL_BYTES, 0)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; each outcome comes as its number."""
        identity, rows, detail = values
        outcomes = []
        for device, outcome in rows_of("outcomes", rows, 2):
            check_uint("outcome", outcome, max(ActOutcome))
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
            check_device(device)
            if type(quantity) is not Quantity:
                raise FrameError("uplink: quantity is none of those known")
            check_uint("value", value, lowest=-INT64_MAX)
            check_uint("age", age_seconds)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; each quantity comes as its number."""
        (rows,) = values
        measured = []
        for device, quantity, value, age_seconds in rows_of("values", rows, 4):
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
        check_bytes("id", self.id, ID_BYTES, ID_BYTES)
        if type(self.outcome) is not OrderOutcome:
            raise FrameError("uplink: outcome is none of those known")
        check_text("detail", self.detail, MAX_DETAIL_BYTES, 0)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the outcome comes as its number."""
        identity, outcome, detail = values
        check_uint("outcome", outcome, max(OrderOutcome))
        return cls(identity, OrderOutcome(outcome), detail)


@dataclass(frozen=True, slots=True)
class CertificateRequest(Message):
    """Hub: my certificate ends at `expires` (Unix seconds); have I a newer one than this?

    `digest` is the SHA-256 of the one in force.
    """

    TYPE: ClassVar[int] = 12
    digest: bytes
    expires: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("digest", self.digest, HASH_BYTES, HASH_BYTES)
        check_uint("expires", self.expires)


@dataclass(frozen=True, slots=True)
class PiecesWanted(Message):
    """Hub: bring these pieces of the policy that was offered; `names` are their hashes."""

    TYPE: ClassVar[int] = 9
    DEPTH: ClassVar[int] = 2
    ITEMS: ClassVar[int] = 3 + MAX_WANTED
    names: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        if type(self.names) is not tuple or not 1 <= len(self.names) <= MAX_WANTED:
            raise FrameError(f"uplink: names is no list of 1..{MAX_WANTED}")
        for name in self.names:
            check_bytes("name", name, HASH_BYTES, HASH_BYTES)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the list comes as a list."""
        (names,) = values
        return cls(tuple(names) if type(names) is list else names)


@dataclass(frozen=True, slots=True)
class NewKey(Message):
    """Hub: I want to come with this public key, beside the one of this connection.

    `proof` shows that the hub has the key's secret (`codec.keyproof`).
    """

    TYPE: ClassVar[int] = 10
    key: bytes
    proof: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("key", self.key, KEY_BYTES, KEY_BYTES)
        check_bytes("proof", self.proof, HASH_BYTES, HASH_BYTES)


@dataclass(frozen=True, slots=True)
class RetireKey(Message):
    """Hub: know me by the key of this connection alone.

    `key` is the one before it, or this one where there was none. It comes on every connection of a
    hub that is not about to change its key, so that nothing is left of a change that was cut off.
    """

    TYPE: ClassVar[int] = 11
    key: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("key", self.key, KEY_BYTES, KEY_BYTES)


HubMessage = (
    Hello
    | Evidence
    | Notice
    | Result
    | PolicyResult
    | Ping
    | ActResult
    | OrderResult
    | Telemetry
    | CertificateRequest
    | PiecesWanted
    | NewKey
    | RetireKey
    | Alive
    | UpdateState
    | HealthState
)
