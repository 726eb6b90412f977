"""What a bridge says to a hub, beside the messages that a backend says, too.

Law: a bridge orders nothing by its word. What moves a door, ends a wait or changes a key comes as a
document that somebody else has signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate, Document
from hubcore.backend.uplink.fields import Message, check_bytes, check_text, check_uint
from hubcore.backend.uplink.from_backend import (
    Certificate,
    Halt,
    Held,
    NewPolicy,
    Pieces,
    Pong,
    Probe,
    TlsCertificate,
)
from hubcore.backend.uplink.words import HASH_BYTES, MAX_TEXT_BYTES
from hubcore.bridge.words import (
    AGE_SECONDS_MAX,
    FIRST_BYTES,
    FULL_SECONDS_MAX,
)
from hubcore.errors import FrameError


@dataclass(frozen=True, slots=True)
class BridgeWelcome(Message):
    """Bridge: I know you, speak. `time_ms` is its clock, Unix time in milliseconds.

    `held` is the record after which it wants this hub's, with the chain's hash; 0 and zeros for
    none. It is the newest on its disk, or an earlier one where its disk has lost some.
    `backend_age` tells how many seconds ago it heard the backend; None: not since it started.
    Nothing here says what is durable at the backend: a `CarriedReceipt` proves that.
    `signed` is the newest record that needs no head of this hub any more: its head is here, or the
    backend has it, or it never came here (`bridge.stretch`).
    """

    TYPE: ClassVar[int] = 48
    CEILING: ClassVar[int] = FIRST_BYTES
    protocol: int
    bridge: str
    site: str
    time_ms: int
    held: int
    held_hash: bytes
    backend_age: int | None
    signed: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("protocol", self.protocol, 255, 1)
        check_text("bridge", self.bridge, MAX_TEXT_BYTES)
        check_text("site", self.site, MAX_TEXT_BYTES)
        check_uint("time_ms", self.time_ms)
        check_uint("held", self.held)
        check_bytes("held_hash", self.held_hash, HASH_BYTES, HASH_BYTES)
        if self.backend_age is not None:
            check_uint("backend_age", self.backend_age, AGE_SECONDS_MAX)
        check_uint("signed", self.signed)
        if self.signed > self.held:
            raise FrameError("uplink: signed is above held")


@dataclass(frozen=True, slots=True)
class CarriedReceipt(Document):
    """Bridge: the backend has signed what it has durably (`bridge.receipt`)."""

    TYPE: ClassVar[int] = 49


@dataclass(frozen=True, slots=True)
class CarriedOrder(Document):
    """Bridge: an order that the site's own key has signed (`bridge.site.order`)."""

    TYPE: ClassVar[int] = 50


@dataclass(frozen=True, slots=True)
class Witnessed(Document):
    """Bridge: I have seen your chain up to there (`bridge.testimony`)."""

    TYPE: ClassVar[int] = 52


@dataclass(frozen=True, slots=True)
class Full(Message):
    """Bridge: I have no room; send no record for so many seconds. Nothing is lost: you have them.

    Records that are under way and get no Held go again after it.
    """

    TYPE: ClassVar[int] = 53
    seconds: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("seconds", self.seconds, FULL_SECONDS_MAX, 1)


@dataclass(frozen=True, slots=True)
class RenewFirst(Message):
    """Bridge: your TLS certificate has ended at `ended`: I take your request for a newer one alone.

    `ended` in Unix seconds; `time_ms` is my clock, Unix time in milliseconds.
    """

    TYPE: ClassVar[int] = 54
    CEILING: ClassVar[int] = FIRST_BYTES
    ended: int
    time_ms: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("ended", self.ended)
        check_uint("time_ms", self.time_ms)


FromBridge = (
    BridgeWelcome
    | Held
    | NewPolicy
    | Pieces
    | Pong
    | Probe
    | Halt
    | Certificate
    | TlsCertificate
    | CarriedReceipt
    | CarriedOrder
    | CarriedMandate
    | CarriedEnds
    | Witnessed
    | Full
    | RenewFirst
)
