"""A message as bytes and back, for every talk of a hub but those with phones.

Laws:
1. One message is one deterministic CBOR array `[type, field, ...]`.
2. A reader gives one message, or raises FrameError and nothing else.
3. Type, count of fields and size are looked at before anything is read. So a wrong message costs no
   more than its ceiling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from enum import IntEnum
from typing import Any, TypeVar

from hubcore.backend.uplink.fields import Message
from hubcore.codec import cbor
from hubcore.errors import FrameError

Names = Mapping[type[Message], Sequence[str]]
"""The fields of each message of a talk, in their order."""

_ARRAY_HEAD = 0x80
_ONE_BYTE_MORE = 24
"""A whole number from here on has its byte after this head (RFC 8949, section 3)."""


def names_of(kinds: Iterable[type[Message]]) -> Names:
    """Return the names of the fields of these messages."""
    return {kind: [field.name for field in fields(kind)] for kind in kinds}


def write(message: Message, names: Names) -> bytes:
    """Return the message's bytes, at most its type's CEILING."""
    values: list[Any] = [message.TYPE]
    for name in names[type(message)]:
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


def _type_of(data: bytes) -> int:
    """Return the type of a message, -1 where none is."""
    head = data[1:3]
    if len(head) == 2 and head[0] == _ONE_BYTE_MORE and head[1] >= _ONE_BYTE_MORE:
        return head[1]
    if head and head[0] < _ONE_BYTE_MORE:
        return head[0]
    return -1


_M = TypeVar("_M", bound=Message)


def read(data: bytes, registry: Mapping[int, type[_M]], names: Names) -> _M:
    """Read a message of one of these types. Raise FrameError."""
    kind = registry.get(_type_of(data))
    if kind is None:
        raise FrameError("uplink: no message of a known type")
    if len(data) > kind.CEILING:
        raise FrameError(f"uplink: {kind.__name__} of {len(data)} bytes, more than {kind.CEILING}")
    count = 1 + len(names[kind])
    if data[0] != _ARRAY_HEAD + count:
        raise FrameError(f"uplink: {kind.__name__} is an array of {count}")
    _, *values = cbor.decode(data, max_depth=kind.DEPTH, max_items=kind.ITEMS)
    return kind.read(values)
