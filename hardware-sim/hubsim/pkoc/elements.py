"""The TLVs of PKOC over BLE, as three public apps read and write them.

Source of each fact: BLE_PacketType, TLVProvider and TLVEncoder of jaouellette/com-elatec-pkoc-aliro
at b4568a7 ("PKOC BLE Transport Profile 2.0.1", 5.3), and of psialliance-org/com-psia-pkoc at
5fe5b27 (android, ios).

Laws:
1. A length below 0x80 is one byte. Above it, 2.0.1 writes 0x81 and a byte, or 0x82 and two.
2. The apps of 1.x know one byte alone, up to 0xFF.
3. The iPhone's app of 1.x counts a type that it does not know as two bytes, whatever its length.
4. Bytes that are no TLVs end what both others read. They are never an element.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

_SHORT = 0x80
_ONE_BYTE = 0x81
_TWO_BYTES = 0x82
_BYTE_MAX = 0xFF
_HEAD_BYTES = 2


class Kind(IntEnum):
    """The types of elements."""

    CREDENTIAL = 0x01
    READER_POINT = 0x02
    SIGNATURE = 0x03
    ANSWER = 0x04
    REFUSAL = 0x06
    PHONE_POINT = 0x07
    LAST_UPDATE = 0x09
    VERSION = 0x0C
    LOCATION = 0x0D
    SITE = 0x0E
    CERTIFICATE = 0x10
    SEALED = 0x40
    MAKER = 0x80


_OF_1X = frozenset(Kind) - {Kind.CERTIFICATE, Kind.REFUSAL}


@dataclass(frozen=True, slots=True)
class Element:
    """One TLV; a type that the app does not know is None."""

    kind: Kind | None
    value: bytes


def write_long(kind: Kind, value: bytes) -> bytes:
    """Encode as the app of 2.0.1 does (law 1)."""
    length = len(value)
    if length < _SHORT:
        head = bytes([kind, length])
    elif length <= _BYTE_MAX:
        head = bytes([kind, _ONE_BYTE, length])
    else:
        head = bytes([kind, _TWO_BYTES]) + length.to_bytes(2, "big")
    return head + value


def write_byte(kind: Kind, value: bytes) -> bytes:
    """Encode as the apps of 1.x do (law 2). Raise ValueError for a longer value."""
    return bytes([kind, len(value)]) + value


def read_long(data: bytes) -> list[Element]:
    """Decode as the app of 2.0.1 does."""
    found: list[Element] = []
    at = 0
    while at + _HEAD_BYTES <= len(data):
        head = _head(data, at + 1)
        if head is None:
            break
        length, after = head
        if after + length > len(data):
            break
        found.append(Element(_known(data[at], frozenset(Kind)), data[after : after + length]))
        at = after + length
    return found


def _head(data: bytes, at: int) -> tuple[int, int] | None:
    """Return a length and where its value begins; None for no length."""
    first = data[at]
    if first < _SHORT:
        return first, at + 1
    size = {_ONE_BYTE: 1, _TWO_BYTES: 2}.get(first)
    if size is None or at + 1 + size > len(data):
        return None
    return int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size


def read_byte(data: bytes) -> list[Element]:
    """Decode as Android's app of 1.x does."""
    found: list[Element] = []
    at = 0
    while at + _HEAD_BYTES <= len(data):
        end = at + _HEAD_BYTES + data[at + 1]
        if end > len(data):
            break
        found.append(Element(_known(data[at], _OF_1X), data[at + _HEAD_BYTES : end]))
        at = end
    return found


def read_walk(data: bytes) -> list[Element]:
    """Decode as the iPhone's app of 1.x does (law 3)."""
    found: list[Element] = []
    at = 0
    while at + _HEAD_BYTES <= len(data):
        kind = _known(data[at], _OF_1X)
        end = at + _HEAD_BYTES + data[at + 1]
        if kind is None or end > len(data):
            found.append(Element(None, b""))
            at += _HEAD_BYTES
        else:
            found.append(Element(kind, data[at + _HEAD_BYTES : end]))
            at = end
    return found


def _known(byte: int, kinds: frozenset[Kind]) -> Kind | None:
    return Kind(byte) if byte in kinds else None
