"""What a hub says to its bridge, beside the messages that it says to a backend, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hubcore.backend.uplink.documents import Document
from hubcore.backend.uplink.fields import Message, check_bytes, check_text, check_uint
from hubcore.backend.uplink.from_hub import (
    Alive,
    Evidence,
    Notice,
    OrderResult,
    PiecesWanted,
    Ping,
    PolicyResult,
    Telemetry,
)
from hubcore.backend.uplink.words import HASH_BYTES, ID_BYTES, MAX_TEXT_BYTES
from hubcore.bridge.words import FIRST_BYTES
from hubcore.errors import FrameError


@dataclass(frozen=True, slots=True)
class HubHello(Message):
    """Hub: who I am, what I hold, and what of it the backend has.

    `durable` is the last of the records that the backend has without a gap, as far as the hub
    knows, with the chain's hash; 0 and zeros for none. `last_record` and `head_hash` are its
    newest. `time_ms` is its clock, Unix time in milliseconds.
    """

    TYPE: ClassVar[int] = 32
    CEILING: ClassVar[int] = FIRST_BYTES
    protocol: int
    hub: str
    site: str
    boot_id: bytes
    software: str
    policy_version: int
    policy_digest: bytes
    durable: int
    durable_hash: bytes
    last_record: int
    head_hash: bytes
    time_ms: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("protocol", self.protocol, 255, 1)
        check_text("hub", self.hub, MAX_TEXT_BYTES)
        check_text("site", self.site, MAX_TEXT_BYTES)
        check_bytes("boot_id", self.boot_id, ID_BYTES, ID_BYTES)
        check_text("software", self.software, MAX_TEXT_BYTES)
        check_uint("policy_version", self.policy_version)
        check_bytes("policy_digest", self.policy_digest, HASH_BYTES, HASH_BYTES)
        check_uint("durable", self.durable)
        check_bytes("durable_hash", self.durable_hash, HASH_BYTES, HASH_BYTES)
        check_uint("last_record", self.last_record)
        check_bytes("head_hash", self.head_hash, HASH_BYTES, HASH_BYTES)
        check_uint("time_ms", self.time_ms)
        if self.durable > self.last_record:
            raise FrameError("uplink: durable is above last_record")


@dataclass(frozen=True, slots=True)
class OwnHead(Document):
    """Hub: I have made all my records up to this head, signed (`bridge.signedhead`).

    The bridge has said before that it holds that record.
    """

    TYPE: ClassVar[int] = 33


@dataclass(frozen=True, slots=True)
class CarriedRequest(Document):
    """Hub: bring this to the backend, and me my newest certificates (`backend.renewal`)."""

    TYPE: ClassVar[int] = 34


FromHub = (
    HubHello
    | OwnHead
    | Evidence
    | Notice
    | PolicyResult
    | Ping
    | OrderResult
    | Telemetry
    | PiecesWanted
    | CarriedRequest
    | Alive
)
