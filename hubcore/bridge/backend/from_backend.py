"""What a backend says to a bridge, beside the messages that a hub or a bridge's hub hears, too.

Law: no word here lets a record go. Only the signed receipt does, and it is proven by its mandate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from hubcore.backend.uplink.fields import Message, check_bytes, check_text, check_uint
from hubcore.backend.uplink.from_backend import NewPolicy, Pieces, Pong, TlsCertificate
from hubcore.backend.uplink.words import HASH_BYTES, MAX_DETAIL_BYTES, MAX_TEXT_BYTES, Cause
from hubcore.bridge.backend.ofhub import DocumentOfHub
from hubcore.bridge.backend.words import CERTIFICATE_MESSAGE_BYTES, ENDS_BYTES, check_hub
from hubcore.bridge.ends import ENDS_MAX, KEY_DIGEST_BYTES, Ends
from hubcore.bridge.from_bridge import CarriedMandate, RenewFirst
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
    """Backend: whom the site has ended; names and digests of keys, each list in its order."""

    TYPE: ClassVar[int] = 84
    CEILING: ClassVar[int] = ENDS_BYTES
    DEPTH: ClassVar[int] = 2
    ITEMS: ClassVar[int] = 8 + ENDS_MAX
    version: int
    hubs: tuple[str, ...]
    keys: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("version", self.version)
        if len(self.hubs) + len(self.keys) > ENDS_MAX:
            raise FrameError(f"uplink: more than {ENDS_MAX} names and keys")
        for hub in self.hubs:
            check_hub(hub)
        for key in self.keys:
            check_bytes("key", key, KEY_DIGEST_BYTES, KEY_DIGEST_BYTES)
        if list(self.hubs) != sorted(set(self.hubs)) or list(self.keys) != sorted(set(self.keys)):
            raise FrameError("uplink: names and keys are not in their order, each once")

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """See `Message.read`."""
        version, hubs, keys = values
        if type(hubs) is not list or type(keys) is not list:
            raise FrameError("uplink: names and keys are no lists")
        return cls(version, tuple(hubs), tuple(keys))

    @classmethod
    def of(cls, ends: Ends) -> Self:
        """Return the message of a list."""
        return cls(ends.version, tuple(sorted(ends.hubs)), tuple(sorted(ends.keys)))

    @property
    def ends(self) -> Ends:
        """The list. Raise TrustError for none."""
        return Ends(self.version, frozenset(self.hubs), frozenset(self.keys))


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
