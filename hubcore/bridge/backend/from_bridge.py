"""What a bridge says to its backend, beside Ping and PiecesWanted, which a hub says, too.

Law: what a hub has said goes on in the very bytes that came. Nothing here makes it another one's:
the backend holds each record against the hub's chain, and against the head that the hub has signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from hubcore.backend.uplink.fields import Message, check_bytes, check_text, check_uint
from hubcore.backend.uplink.from_hub import PiecesWanted, Ping
from hubcore.backend.uplink.words import HASH_BYTES, ID_BYTES, MAX_TEXT_BYTES, Cause
from hubcore.bridge.backend.ofhub import DocumentOfHub
from hubcore.bridge.backend.words import (
    BATCH_BYTES,
    BATCH_RECORDS,
    CARRIED_BYTES,
    FROM_BRIDGE_BYTES,
    check_hub,
)
from hubcore.bridge.words import DOCUMENT_BYTES, FIRST_BYTES
from hubcore.errors import FrameError


@dataclass(frozen=True, slots=True)
class BridgeHello(Message):
    """Bridge: who I am, and what I have of yours. `time_ms` is my clock, Unix milliseconds."""

    TYPE: ClassVar[int] = 64
    CEILING: ClassVar[int] = FIRST_BYTES
    protocol: int
    bridge: str
    site: str
    boot_id: bytes
    software: str
    policy_version: int
    policy_digest: bytes
    ends_version: int
    time_ms: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("protocol", self.protocol, 255, 1)
        check_text("bridge", self.bridge, MAX_TEXT_BYTES)
        check_text("site", self.site, MAX_TEXT_BYTES)
        check_bytes("boot_id", self.boot_id, ID_BYTES, ID_BYTES)
        check_text("software", self.software, MAX_TEXT_BYTES)
        check_uint("policy_version", self.policy_version)
        check_bytes("policy_digest", self.policy_digest, HASH_BYTES, HASH_BYTES)
        check_uint("ends_version", self.ends_version)
        check_uint("time_ms", self.time_ms)


@dataclass(frozen=True, slots=True)
class AskHub(Message):
    """Bridge: what have you of this hub? `number` and `hash` are the newest that I have seen.

    `turn` comes back with the answer; it is never 0.
    """

    TYPE: ClassVar[int] = 65
    CEILING: ClassVar[int] = 128
    hub: str
    turn: int
    number: int
    hash: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_hub(self.hub)
        check_uint("turn", self.turn, lowest=1)
        check_uint("number", self.number)
        check_bytes("hash", self.hash, HASH_BYTES, HASH_BYTES)


@dataclass(frozen=True, slots=True)
class Forwarded(Message):
    """Bridge: records of a hub, each an Evidence as it came, in the order of their numbers.

    `head` is that of the last one, as the hub has signed it (`bridge.signedhead`).
    """

    TYPE: ClassVar[int] = 66
    CEILING: ClassVar[int] = FROM_BRIDGE_BYTES
    DEPTH: ClassVar[int] = 2
    ITEMS: ClassVar[int] = 5 + BATCH_RECORDS
    hub: str
    records: tuple[bytes, ...]
    head: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_hub(self.hub)
        if not 1 <= len(self.records) <= BATCH_RECORDS:
            raise FrameError(f"uplink: records are no list of 1..{BATCH_RECORDS}")
        for one in self.records:
            check_bytes("record", one, 1, CARRIED_BYTES)
        if sum(map(len, self.records)) > BATCH_BYTES:
            raise FrameError(f"uplink: records of more than {BATCH_BYTES} bytes together")
        check_bytes("head", self.head, 1, DOCUMENT_BYTES)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """See `Message.read`."""
        hub, records, head = values
        if type(records) is not list:
            raise FrameError("uplink: records are no list")
        return cls(hub, tuple(records), head)


@dataclass(frozen=True, slots=True)
class Ahead(Message):
    """Bridge: an alarm of a hub ahead of its record, a Notice as it came."""

    TYPE: ClassVar[int] = 67
    CEILING: ClassVar[int] = CARRIED_BYTES + 64
    hub: str
    notice: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_hub(self.hub)
        check_bytes("notice", self.notice, 1, CARRIED_BYTES)


@dataclass(frozen=True, slots=True)
class BornWitness(DocumentOfHub):
    """Bridge: I have seen this hub's chain up to there, signed (`bridge.signedhead`)."""

    TYPE: ClassVar[int] = 68


@dataclass(frozen=True, slots=True)
class Doubted(Message):
    """Bridge: this hub is doubted. `told` is what does not agree with the newest that was `seen`.

    `told` is of the hub, or of the backend; people look at both logs.
    """

    TYPE: ClassVar[int] = 69
    CEILING: ClassVar[int] = 192
    hub: str
    cause: Cause
    told: int
    told_hash: bytes
    seen: int
    seen_hash: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_hub(self.hub)
        if type(self.cause) is not Cause:
            raise FrameError("uplink: cause is none that is known")
        check_uint("told", self.told)
        check_bytes("told_hash", self.told_hash, HASH_BYTES, HASH_BYTES)
        check_uint("seen", self.seen)
        check_bytes("seen_hash", self.seen_hash, HASH_BYTES, HASH_BYTES)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """See `Message.read`."""
        hub, cause, *rest = values
        if type(cause) is not int or cause not in set(Cause):
            raise FrameError("uplink: cause is none that is known")
        return cls(hub, Cause(cause), *rest)


@dataclass(frozen=True, slots=True)
class RequestOfHub(DocumentOfHub):
    """Bridge: a hub asks for its newest certificates, by its own signature (`backend.renewal`)."""

    TYPE: ClassVar[int] = 70


@dataclass(frozen=True, slots=True)
class OwnRequest(Message):
    """Bridge: I want a certificate for my next key, by my own signature (`backend.ownrequest`)."""

    TYPE: ClassVar[int] = 71
    CEILING: ClassVar[int] = DOCUMENT_BYTES + 64
    document: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("document", self.document, 1, DOCUMENT_BYTES)


@dataclass(frozen=True, slots=True)
class OnlyKey(Message):
    """Bridge: the key of this connection is durable here; know me by no other one."""

    TYPE: ClassVar[int] = 72
    CEILING: ClassVar[int] = 8


FromBridge = (
    BridgeHello
    | AskHub
    | Forwarded
    | Ahead
    | BornWitness
    | Doubted
    | RequestOfHub
    | OwnRequest
    | OnlyKey
    | PiecesWanted
    | Ping
)
