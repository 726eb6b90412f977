"""PKOC's TLVs: a type, a length, a value; several in one message.

Laws:
1. A message is whole TLVs, one after the other, and nothing else.
2. A message has at most BYTES_MAX bytes and ITEMS_MAX TLVs, and no type twice.
3. A length is one byte. 0x81 says that one byte of length follows, 0x82 that two do.
4. Older phones write lengths above 127 as one byte. They are taken, too: no message of theirs has
   129 or 130 bytes in a TLV.

Source: ELATEC's fork of PSIA's apps (TLVProvider), PKOC BLE Transport Profile 2.0.1 §5.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from hubcore.errors import FrameError

BYTES_MAX = 512
"""An attribute has no more (Bluetooth Core, Vol 3, Part F, 3.2.9)."""
ITEMS_MAX = 8
_ONE_FOLLOWS = 0x81
_FOLLOWING = {_ONE_FOLLOWS: 1, 0x82: 2}
"""How many bytes of length follow such a one."""
_SHORT_MAX = 0x7F


class Tag(IntEnum):
    """The types that a reader says or understands."""

    PUBLIC_KEY = 0x01
    READER_KEY = 0x02
    SIGNATURE = 0x03
    RESPONSE = 0x04
    PHONE_KEY = 0x07
    LAST_UPDATE = 0x09
    VERSION = 0x0C
    LOCATION = 0x0D
    SITE = 0x0E
    CERTIFICATE = 0x10
    SEALED = 0x40


def encode(tag: Tag, value: bytes) -> bytes:
    """Return one TLV. Raise ValueError for a value of more than 255 bytes: a reader has none."""
    size = len(value)
    if size > 0xFF:
        raise ValueError(f"a value of {size} bytes, more than a reader says")
    head = bytes([tag, size]) if size <= _SHORT_MAX else bytes([tag, _ONE_FOLLOWS, size])
    return head + value


def decode(data: bytes) -> Mapping[int, bytes]:
    """Return the values of a message by their types. Raise FrameError."""
    if not 0 < len(data) <= BYTES_MAX:
        raise FrameError(f"pkoc: a message of {len(data)} bytes, not 1..{BYTES_MAX}")
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        tag = data[at]
        begins, size = _length(data, at + 1)
        at = begins + size
        if at > len(data):
            raise FrameError(f"pkoc: TLV {tag:#04x} ends after the message")
        if tag in found:
            raise FrameError(f"pkoc: TLV {tag:#04x} comes twice")
        if len(found) == ITEMS_MAX:
            raise FrameError(f"pkoc: more than {ITEMS_MAX} TLVs")
        found[tag] = data[begins:at]
    return found


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Return where a value begins and its size. Raise FrameError."""
    first = data[at] if at < len(data) else 0
    begins = at + 1 + _FOLLOWING.get(first, 0)
    if begins > len(data):
        raise FrameError("pkoc: the message ends within a TLV")
    if first in _FOLLOWING:
        return begins, int.from_bytes(data[at + 1 : begins], "big")
    return begins, first
