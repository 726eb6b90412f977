"""Messages of the uplink to bytes and back.

Laws:
1. One message is one deterministic CBOR array `[type, field, ...]`.
2. A reader gives one message, or raises FrameError and nothing else.
3. Type, count of fields and size are looked at before anything is read. So a wrong message costs no
   more than its ceiling.
4. What only one side may say, only the other side reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import IntEnum
from typing import Any, TypeVar

from hubcore.backend.uplink.fields import Message
from hubcore.backend.uplink.from_backend import (
    Acknowledge,
    Act,
    BackendMessage,
    Certificate,
    Halt,
    Held,
    KeyTaken,
    NewPolicy,
    Order,
    Pieces,
    Pong,
    Probe,
    Release,
    RotateKey,
    TlsCertificate,
    Welcome,
)
from hubcore.backend.uplink.from_hub import (
    ActResult,
    Alive,
    CertificateRequest,
    Evidence,
    Hello,
    HubMessage,
    NewKey,
    Notice,
    OrderResult,
    PiecesWanted,
    Ping,
    PolicyResult,
    Result,
    RetireKey,
    Telemetry,
)
from hubcore.codec import cbor
from hubcore.errors import FrameError

_ARRAY_HEAD = 0x80
_ONE_BYTE_MORE = 24
"""A whole number from here on has its byte after this head (RFC 8949, section 3)."""
FROM_HUB: Mapping[int, type[HubMessage]] = {
    kind.TYPE: kind
    for kind in (
        Hello,
        Evidence,
        Notice,
        Result,
        PolicyResult,
        Ping,
        ActResult,
        OrderResult,
        Telemetry,
        CertificateRequest,
        PiecesWanted,
        NewKey,
        RetireKey,
        Alive,
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
        Certificate,
        TlsCertificate,
        Held,
        Pieces,
        KeyTaken,
        RotateKey,
        Probe,
    )
}


_NAMES: Mapping[type[Message], Sequence[str]] = {
    kind: [field.name for field in fields(kind)]
    for kind in (*FROM_HUB.values(), *FROM_BACKEND.values())
}
"""The fields of each message, in their order."""


def encode(message: HubMessage | BackendMessage) -> bytes:
    """Return the message's bytes, at most its type's CEILING."""
    values: list[Any] = [message.TYPE]
    for name in _NAMES[type(message)]:
        value = getattr(message, name)
        values.append(value if type(value) is bytes else _plain(value))
    return cbor.encode_flat(values)  # no message has a map


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


def _type_of(data: bytes) -> int:
    """Return the type of a message, -1 where none is."""
    head = data[1:3]
    if len(head) == 2 and head[0] == _ONE_BYTE_MORE and head[1] >= _ONE_BYTE_MORE:
        return head[1]
    if head and head[0] < _ONE_BYTE_MORE:
        return head[0]
    return -1


_M = TypeVar("_M", bound=Message)


def _decode(data: bytes, registry: Mapping[int, type[_M]]) -> _M:
    kind = registry.get(_type_of(data))
    if kind is None:
        raise FrameError("uplink: no message of a known type")
    if len(data) > kind.CEILING:
        raise FrameError(f"uplink: {kind.__name__} of {len(data)} bytes, more than {kind.CEILING}")
    count = 1 + len(_NAMES[kind])
    if data[0] != _ARRAY_HEAD + count:
        raise FrameError(f"uplink: {kind.__name__} is an array of {count}")
    _, *values = cbor.decode(data, max_depth=kind.DEPTH, max_items=kind.ITEMS)
    return kind.read(values)
