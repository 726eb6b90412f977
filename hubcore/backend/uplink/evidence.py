"""A record's message, read and written by its one shape: nothing comes as often.

Laws:
1. `record_of` takes what the reader of all shapes takes for an Evidence, and nothing else.
2. `message_of` writes the very bytes that `record_of` reads.
"""

from __future__ import annotations

from hubcore.backend.uplink.words import HASH_BYTES, INT64_MAX, MAX_RECORD_BYTES
from hubcore.codec import cbor
from hubcore.errors import FrameError
from hubcore.evidence.records import StoredRecord

EVIDENCE_HEAD = b"\x84\x02"
"""How each record's message begins, and no other."""
MESSAGE_BYTES = MAX_RECORD_BYTES + 64
_HASH_HEAD = b"\x58\x20"


def record_of(data: bytes) -> StoredRecord:
    """Read a message. Raise FrameError for one that is no record's."""
    if len(data) > MESSAGE_BYTES or data[:2] != EVIDENCE_HEAD:
        raise FrameError("uplink: no record of a length that is read")
    number, at = cbor.read_head(data, 2, cbor.UINT)
    size, at = cbor.read_head(data, at, cbor.BYTES)
    end = at + size
    hash_at = end + 2
    if len(data) != hash_at + HASH_BYTES or data[end:hash_at] != _HASH_HEAD:
        raise FrameError("uplink: a record's message is a number, its bytes and a hash")
    if not (1 <= number <= INT64_MAX and 1 <= size <= MAX_RECORD_BYTES):
        raise FrameError("uplink: a record's number or its bytes are out of bounds")
    return StoredRecord(number, data[at:end], data[hash_at:])


def message_of(number: int, body: bytes, digest: bytes) -> bytes:
    """Write the message of a record that was checked."""
    count = cbor.write_head(cbor.UINT, number)
    size = cbor.write_head(cbor.BYTES, len(body))
    return b"".join((EVIDENCE_HEAD, count, size, body, _HASH_HEAD, digest))
