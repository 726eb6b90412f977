"""What orders and reports have in common: ceilings, keys, and how a packet is read."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TypeVar

READERS_MAX = 32
KEY_BYTES = 16
PACKET_MAX = 1024
BEAT_SECONDS = 1.0
DEFAULT_KEY = bytes(range(0x30, 0x40))
"""SCBK-D: printed in the standard, so it proves nothing."""

_T = TypeVar("_T")


def check_key(key: bytes) -> None:
    """Raise ValueError for what may not be a reader's key. The sentence does not tell the key."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a reader's key has {KEY_BYTES} bytes, not {len(key)}")
    if key == DEFAULT_KEY:
        raise ValueError("the default key (SCBK-D) is public; give the reader a key of its own")
    if len(set(key)) == 1:
        raise ValueError("a key of equal bytes is no secret; give the reader one by chance")


def check_number(number: int) -> None:
    """Raise ValueError for a number that no reader has."""
    if not 0 <= number < READERS_MAX:
        raise ValueError(f"reader {number} of at most {READERS_MAX}")


def read_packet(data: bytes, parsers: Mapping[int, Callable[[bytes], _T]]) -> _T | None:
    """Return what the parser of the first byte makes of a packet, None for what is none of them.

    A parser raises ValueError, also for bytes that are no text, or struct.error.
    """
    if not 1 <= len(data) <= PACKET_MAX or data[0] not in parsers:
        return None
    try:
        return parsers[data[0]](data)
    except (ValueError, struct.error):
        return None
