"""What a backend says to a bridge, beside the messages that a hub or a bridge's hub hears, too.

Law: no word here lets a record go. Only the signed receipt does, and it is proven by its mandate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from hubcore.backend.uplink.documents import CarriedMandate
from hubcore.backend.uplink.fields import Message, check_bytes, check_text, check_uint
from hubcore.backend.uplink.from_backend import NewPolicy, Pieces, Pong, TlsCertificate
from hubcore.backend.uplink.words import HASH_BYTES, MAX_DETAIL_BYTES, MAX_TEXT_BYTES, Cause
from hubcore.bridge.backend.ofhub import DocumentOfHub
from hubcore.bridge.backend.words import CERTIFICATE_MESSAGE_BYTES, ENDS_BYTES, check_hub
from hubcore.bridge.from_bridge import RenewFirst
from hubcore.bridge.words import FIRST_BYTES
from hubcore.errors import FrameError


@dataclass(frozen=True, slots=True)
class BackendWelcome(Message):
    """Backend: I know you, speak. `time_ms` is my clock, Unix time in milliseconds."""

    TYPE: ClassVar[int] = 80
    CEILING: ClassVar[int] = FIRST_BYTES
    protocol: int
    backend: str
    site: str
    time_ms: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("protocol", self.protocol, 255, 1)
        check_text("backend", self.backend, MAX_TEXT_BYTES)
        check_text("site", self.site, MAX_TEXT_BYTES)
        check_uint("time_ms", self.time_ms)


@dataclass(frozen=True, slots=True)
class HubKnown(Message):
    """Backend: the newest record that I have of this hub, with its hash; 0 and zeros for none.

    `turn` is that of the question. 0: records came that follow nothing here, so ask again.
    """

    TYPE: ClassVar[int] = 81
    CEILING: ClassVar[int] = 128
    hub: str
    turn: int
    number: int
    hash: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_hub(self.hub)
        check_uint("turn", self.turn)
        check_uint("number", self.number)
        check_bytes("hash", self.hash, HASH_BYTES, HASH_BYTES)


@dataclass(frozen=True, slots=True)
class HubReceipt(DocumentOfHub):
    """Backend: I have signed what I have of this hub durably (`bridge.signedhead`)."""

    TYPE: ClassVar[int] = 82


@dataclass(frozen=True, slots=True)
class HubHalted(Message):
    """Backend: I take no record of this hub now. `cause` None: it is not known here."""

    TYPE: ClassVar[int] = 83
    CEILING: ClassVar[int] = 512
    hub: str
    cause: Cause | None
    detail: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_hub(self.hub)
        if self.cause is not None and type(self.cause) is not Cause:
            raise FrameError("uplink: cause is none that is known")
        check_text("detail", self.detail, MAX_DETAIL_BYTES, 0)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """See `Message.read`."""
        hub, cause, detail = values
        if cause is None:
            return cls(hub, None, detail)
        if type(cause) is not int or cause not in set(Cause):
            raise FrameError("uplink: cause is none that is known")
        return cls(hub, Cause(cause), detail)


@dataclass(frozen=True, slots=True)
class EndsNow(Message):
    """Backend: the issuer has signed whom the site has ended, hubs or bridges (`bridge.ends`)."""

    TYPE: ClassVar[int] = 84
    CEILING: ClassVar[int] = ENDS_BYTES + 8
    document: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_bytes("document", self.document, 1, ENDS_BYTES)


@dataclass(frozen=True, slots=True)
class CertificateOfHub(Message):
    """Backend: bring a hub this Certificate or TlsCertificate, a message of the uplink as bytes."""

    TYPE: ClassVar[int] = 85
    CEILING: ClassVar[int] = CERTIFICATE_MESSAGE_BYTES + 64
    hub: str
    message: bytes

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_hub(self.hub)
        check_bytes("message", self.message, 1, CERTIFICATE_MESSAGE_BYTES)


FromBackend = (
    BackendWelcome
    | HubKnown
    | HubReceipt
    | HubHalted
    | EndsNow
    | CertificateOfHub
    | RenewFirst
    | TlsCertificate
    | CarriedMandate
    | NewPolicy
    | Pieces
    | Pong
)
