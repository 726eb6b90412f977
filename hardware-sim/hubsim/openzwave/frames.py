"""Frames of the Z-Wave serial API (INS12350), as a stick reads and writes them."""

from __future__ import annotations

from dataclasses import dataclass

SOF = 0x01
ACK = b"\x06"
NAK = b"\x15"
CAN = b"\x18"
REQUEST = 0
RESPONSE = 1
FRAME_MAX = 257


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: a request or a response, its function and its data."""

    kind: int
    function: int
    data: bytes = b""

    def encode(self) -> bytes:
        """Return the frame with its length and its checksum."""
        body = bytes([len(self.data) + 3, self.kind, self.function]) + self.data
        return bytes([SOF]) + body + bytes([checksum(body)])


def checksum(body: bytes) -> int:
    """Return the checksum of a frame's bytes between SOF and itself."""
    result = 0xFF
    for byte in body:
        result ^= byte
    return result


def take(buffer: bytearray) -> Frame | bytes | None:
    """Take one frame or one control byte off the buffer; None when it holds no whole one.

    NAK is also what a frame with a wrong checksum is worth.
    """
    if not buffer:
        return None
    if buffer[0] != SOF:
        control = bytes(buffer[:1])
        del buffer[:1]
        return control
    if len(buffer) < 2 or len(buffer) < buffer[1] + 2:
        return None
    whole = bytes(buffer[: buffer[1] + 2])
    del buffer[: len(whole)]
    if len(whole) < 5 or checksum(whole[1:-1]) != whole[-1]:
        return NAK
    return Frame(kind=whole[2], function=whole[3], data=whole[4:-1])
