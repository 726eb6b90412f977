"""The messages of an enrolment: their shapes, sizes and exact bytes.

Laws:
1. One message is one deterministic CBOR array `[type, field, ...]`, of at most CEILING bytes.
2. A reader gives one message, or raises FrameError and nothing else.
3. What only one side may say, only the other side reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any, ClassVar, Self, TypeVar

from hubcore.backend.enrolment.token import KEY_BYTES, SECRET_BYTES
from hubcore.backend.uplink.fields import Message, check_bytes, check_text, check_uint
from hubcore.backend.uplink.words import MAX_DETAIL_BYTES, MAX_TEXT_BYTES, UINT16_MAX
from hubcore.codec import cbor, tls
from hubcore.errors import FrameError

CEILING = 16_384
IDENTITY_BYTES_MAX = 128
SIGNATURE_BYTES = 64
CERTIFICATE_BYTES_MAX = 4096
ISSUER_BYTES_MAX = 512
ENDPOINTS_MAX = 4
ENDPOINT_BYTES_MAX = 270
SERVER_KEYS_MAX = 2
DOORS_MAX = 32
NAME_BYTES_MAX = 64
BEACON_BYTES = 16
CARD_KEY_BYTES = 32
ZONE_BYTES_MAX = 64
ANY_HOST = "tcp://*:"
"""How an endpoint begins that is on the host where the hub has found the backend."""
VERSION = 2

_ARRAY_HEAD = 0x80
_ARRAY = _ARRAY_HEAD >> 5
_ONE_BYTE_MORE = 24
"""A whole number below it is one byte (RFC 8949, section 3)."""


class RefusedCause(IntEnum):
    """Why a hub is not enrolled."""

    UNKNOWN = 1
    """No such token, or it has ended."""
    USED = 2
    """Another hub has used it."""
    BUSY = 3
    """Too many ask; it may ask again."""
    VERSION = 4
    """This backend speaks another version."""
    PROOF = 5
    """The hub did not prove its key."""
    REFUSED = 6
    """An operator said no."""


@dataclass(frozen=True, slots=True)
class Ask(Message):
    """Hub: enrol me.

    `identity` is its public COSE_Key, `proof` its signature, `request` that for a TLS certificate
    (`hubcore.backend.enrolment.proofs`).
    """

    TYPE: ClassVar[int] = 1
    version: int
    secret: bytes = field(repr=False)
    identity: bytes
    proof: bytes
    request: bytes
    software: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("version", self.version)
        check_bytes("secret", self.secret, SECRET_BYTES, SECRET_BYTES)
        check_bytes("identity", self.identity, 1, IDENTITY_BYTES_MAX)
        check_bytes("proof", self.proof, SIGNATURE_BYTES, SIGNATURE_BYTES)
        check_bytes("request", self.request, 1, tls.REQUEST_BYTES_MAX)
        check_text("software", self.software, MAX_TEXT_BYTES)


@dataclass(frozen=True, slots=True)
class Waiting(Message):
    """Backend: an operator must approve; ask again in some seconds."""

    TYPE: ClassVar[int] = 17
    site: str
    hub: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_text("site", self.site, MAX_TEXT_BYTES)
        check_text("hub", self.hub, MAX_TEXT_BYTES)


@dataclass(frozen=True, slots=True)
class EnrolledDoor:
    """A door of the certificate: its access point, and what people call it."""

    access_point: int
    name: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_uint("access point", self.access_point, UINT16_MAX, 1)
        check_text("name", self.name, NAME_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class Enrolled(Message):
    """Backend: this is who you are, and whom you believe.

    `tls_certificate` is signed by `tls_authority`; both are X.509 in DER. `endpoints` are
    tcp://HOST:PORT in order (`ANY_HOST`), `server_keys` the backend's CURVE keys.
    `beacon` and `card_key` are empty where the site has none.
    """

    TYPE: ClassVar[int] = 18
    CEILING: ClassVar[int] = CEILING
    DEPTH: ClassVar[int] = 3
    ITEMS: ClassVar[int] = 16 + ENDPOINTS_MAX + SERVER_KEYS_MAX + 3 * DOORS_MAX
    site: str
    hub: str
    time_zone: str
    certificate: bytes
    issuer: bytes
    tls_certificate: bytes
    tls_authority: bytes
    endpoints: tuple[str, ...]
    server_keys: tuple[bytes, ...]
    beacon: bytes = field(repr=False)
    card_key: bytes = field(repr=False)
    doors: tuple[EnrolledDoor, ...]

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_text("site", self.site, MAX_TEXT_BYTES)
        check_text("hub", self.hub, MAX_TEXT_BYTES)
        check_text("time_zone", self.time_zone, ZONE_BYTES_MAX)
        check_bytes("certificate", self.certificate, 1, CERTIFICATE_BYTES_MAX)
        check_bytes("issuer", self.issuer, 1, ISSUER_BYTES_MAX)
        check_bytes("tls_certificate", self.tls_certificate, 1, tls.CERTIFICATE_BYTES_MAX)
        check_bytes("tls_authority", self.tls_authority, 1, tls.CERTIFICATE_BYTES_MAX)
        _check_count("endpoints", self.endpoints, ENDPOINTS_MAX)
        for endpoint in self.endpoints:
            check_text("endpoint", endpoint, ENDPOINT_BYTES_MAX)
        _check_count("server_keys", self.server_keys, SERVER_KEYS_MAX)
        for key in self.server_keys:
            check_bytes("server key", key, KEY_BYTES, KEY_BYTES)
        if self.beacon != b"":
            check_bytes("beacon", self.beacon, BEACON_BYTES, BEACON_BYTES)
        if self.card_key != b"":
            check_bytes("card_key", self.card_key, CARD_KEY_BYTES, CARD_KEY_BYTES)
        _check_count("doors", self.doors, DOORS_MAX)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; its lists come as lists."""
        site, hub, zone, certificate, issuer, *rest = values
        tls_certificate, tls_authority, endpoints, keys, beacon, card_key, doors = rest
        return cls(
            site=site,
            hub=hub,
            time_zone=zone,
            certificate=certificate,
            issuer=issuer,
            tls_certificate=tls_certificate,
            tls_authority=tls_authority,
            endpoints=_tuple("endpoints", endpoints),
            server_keys=_tuple("server_keys", keys),
            beacon=beacon,
            card_key=card_key,
            doors=tuple(_door(row) for row in _tuple("doors", doors)),
        )


@dataclass(frozen=True, slots=True)
class Refused(Message):
    """Backend: no. `detail` is for a person."""

    TYPE: ClassVar[int] = 19
    cause: RefusedCause
    detail: str

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        if type(self.cause) is not RefusedCause:
            raise FrameError("enrolment: cause is none of those known")
        check_text("detail", self.detail, MAX_DETAIL_BYTES, 0)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; the cause comes as its number."""
        cause, detail = values
        check_uint("cause", cause, max(RefusedCause), min(RefusedCause))
        return cls(RefusedCause(cause), detail)


FromHub = Ask
FromBackend = Waiting | Enrolled | Refused
FROM_HUB: Mapping[int, type[FromHub]] = {Ask.TYPE: Ask}
FROM_BACKEND: Mapping[int, type[FromBackend]] = {
    kind.TYPE: kind for kind in (Waiting, Enrolled, Refused)
}


def encode(message: FromHub | FromBackend) -> bytes:
    """Return the message's bytes."""
    values: list[Any] = [message.TYPE]
    for one in fields(message):
        values.append(_plain(getattr(message, one.name)))
    return cbor.encode(values)


def decode_from_hub(data: bytes) -> FromHub:
    """Read what a hub says, in the backend. Raise FrameError."""
    return _decode(data, FROM_HUB)


def read_ask(data: bytes) -> Ask | Refused | None:
    """Read what a machine asks: its question, why it is refused, or None for what is none."""
    if version_asked(data) not in (None, VERSION):
        return Refused(RefusedCause.VERSION, "")
    try:
        return decode_from_hub(data)
    except FrameError:
        return None


def version_asked(data: bytes) -> int | None:
    """Return the version of a hub's question, whatever else is in it; None for other bytes."""
    is_ask = len(data) > 2 and data[0] >> 5 == _ARRAY and data[1] == Ask.TYPE
    return data[2] if is_ask and data[2] < _ONE_BYTE_MORE else None


def decode_from_backend(data: bytes) -> FromBackend:
    """Read what a backend says, in the hub. Raise FrameError."""
    return _decode(data, FROM_BACKEND)


def _check_count(name: str, value: object, most: int) -> None:
    if type(value) is not tuple or not 1 <= len(value) <= most:
        raise FrameError(f"enrolment: {name} is no list of 1..{most}")


def _tuple(name: str, value: object) -> tuple[Any, ...]:
    if type(value) is not list:
        raise FrameError(f"enrolment: {name} is no list")
    return tuple(value)


def _door(row: Any) -> EnrolledDoor:
    match row:
        case [point, name]:
            return EnrolledDoor(point, name)
    raise FrameError("enrolment: a door is an access point and a name")


def _plain(value: Any) -> Any:
    match value:
        case IntEnum():
            return int(value)
        case EnrolledDoor():
            return [value.access_point, value.name]
        case tuple():
            return [_plain(item) for item in value]
    return value


_M = TypeVar("_M", bound=Message)


def _decode(data: bytes, registry: Mapping[int, type[_M]]) -> _M:
    kind = registry.get(data[1]) if len(data) >= 2 else None
    if kind is None:
        raise FrameError("enrolment: no message of a known type")
    if len(data) > kind.CEILING:
        raise FrameError(f"enrolment: {kind.__name__} has more than {kind.CEILING} bytes")
    count = 1 + len(fields(kind))
    if data[0] != _ARRAY_HEAD + count:
        raise FrameError(f"enrolment: {kind.__name__} is an array of {count}")
    _, *values = cbor.decode(data, max_depth=kind.DEPTH, max_items=kind.ITEMS)
    return kind.read(values)
