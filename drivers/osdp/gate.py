"""What may pass from a serial line to libosdp: whole, undamaged replies of a reader.

Laws:
1. A reply passes only when its length and its check bytes are right. Everything else on the line
   is dropped.
2. What a reader tells (cards, keys, status) passes only under a seal: in a frame of type SCS_16 or
   SCS_18, whose MAC libosdp checks.
3. Without a seal pass only the replies that a session begins and ends with.
4. What is kept of the line is bounded by FRAME_MAX.

Why law 2: libosdp 3.2.9 checks the MAC of types SCS_15 to SCS_18 only. A frame of type SCS_11 to
SCS_14 in the middle of a session is read as plain text. Who can reach the wire could put a card
into it. Why law 1: libosdp ends a session at the first damaged frame. A dropped one is asked again.

A frame (SIA OSDP 2.2, 5.9): 0x53, address (bit 7: a reply), length as u16 (little endian, the whole
frame), control (bit 2: CRC-16, else a checksum of one byte; bit 3: a security block follows),
[length and type of the security block, its data], code, data, check bytes.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field

FRAME_MAX = 256
"""Bytes of the longest frame that libosdp takes."""
HEADER_BYTES = 5
START = 0x53
REPLY_BIT = 0x80
CRC_BIT = 0x04
SECURITY_BIT = 0x08
CRC_SEED = 0x1D0F

SEALED = frozenset({0x16, 0x18})
ACK = 0x40
NAK = 0x41
PDID = 0x45
PDCAP = 0x46
CCRYPT = 0x76
RMAC_I = 0x78
BUSY = 0x79
PLAIN_CODES = frozenset({ACK, NAK, PDID, PDCAP, BUSY})
"""Replies without a security block: who the reader is, and that it could or could not obey."""
HANDSHAKE_CODES = {0x12: CCRYPT, 0x14: RMAC_I}
"""The replies of the handshake, by the type of their security block."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that may pass: the reader's address, its code, and the whole frame."""

    address: int
    code: int
    frame: bytes = field(repr=False)


class Gate:
    """Finds the replies among the bytes of one line."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self.dropped = 0
        """Whole frames that did not pass."""

    def feed(self, data: bytes) -> list[Reply]:
        """Take bytes as they come; return the replies that are whole now, in order."""
        self._bytes += data
        replies = []
        while (frame := self._next_frame()) is not None:
            reply = judge(frame)
            if reply is not None:
                replies.append(reply)
            elif frame[1] & REPLY_BIT:
                self.dropped += 1
        return replies

    def forget(self) -> None:
        """Drop the beginning of a frame: what comes next begins a new one."""
        self._bytes.clear()

    def _next_frame(self) -> bytes | None:
        """Return the next whole frame with right check bytes, None when there is none yet."""
        while True:
            start = self._bytes.find(START)
            if start < 0:
                self._bytes.clear()
                return None
            del self._bytes[:start]
            if len(self._bytes) < HEADER_BYTES:
                return None
            length = int.from_bytes(self._bytes[2:4], "little")
            if HEADER_BYTES + 2 <= length <= FRAME_MAX:
                if len(self._bytes) < length:
                    return None
                frame = bytes(self._bytes[:length])
                if is_whole(frame):
                    del self._bytes[:length]
                    return frame
            del self._bytes[:1]  # no frame began here


def is_whole(frame: bytes) -> bool:
    """Tell whether the check bytes at the end of a frame are right."""
    if frame[4] & CRC_BIT:
        return crc(frame[:-2]) == frame[-2:]
    return checksum(frame[:-1]) == frame[-1:]


def crc(data: bytes) -> bytes:
    """Return the CRC-16 of OSDP: CCITT with the seed 0x1D0F, little endian."""
    return binascii.crc_hqx(data, CRC_SEED).to_bytes(2, "little")


def checksum(data: bytes) -> bytes:
    """Return the checksum of OSDP: all bytes and it add up to 0."""
    return bytes([-sum(data) & 0xFF])


def judge(frame: bytes) -> Reply | None:
    """Return the reply in a whole frame, None for one that may not pass."""
    if not frame[1] & REPLY_BIT:
        return None  # a command: another panel, or an echo of our own
    address = frame[1] & ~REPLY_BIT
    check_bytes = 2 if frame[4] & CRC_BIT else 1
    body = frame[HEADER_BYTES : len(frame) - check_bytes]
    if not frame[4] & SECURITY_BIT:
        if not body or body[0] not in PLAIN_CODES:
            return None
        return Reply(address, body[0], frame)
    if len(body) < 3 or not 2 <= body[0] < len(body):
        return None
    kind = body[1]
    code = body[body[0]]
    if kind not in SEALED and HANDSHAKE_CODES.get(kind) != code:
        return None
    return Reply(address, code, frame)
