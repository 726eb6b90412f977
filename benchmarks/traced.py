"""ATT requests and answers in a trace of the hub's radio. Pure.

Law: a packet is one H4 ACL packet that holds one whole ATT PDU (Bluetooth Core, Vol 3, Part F);
others are passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ATT_CHANNEL = b"\x04\x00"
WRITE_REQUEST = 0x12
_CHANNEL_AT = 7
_ATT_AT = 9


@dataclass(frozen=True, slots=True)
class Packet:
    """When (seconds), which way ("down" is to the hub), and its bytes."""

    at: float
    way: str
    data: bytes

    @property
    def att(self) -> bytes:
        """The ATT PDU, b"" when it holds none."""
        if self.data[_CHANNEL_AT:_ATT_AT] != ATT_CHANNEL:
            return b""
        return self.data[_ATT_AT:]


def last_request(packets: Sequence[Packet], before: float) -> float:
    """Return when the last write request to the hub came before that second.

    Raise ValueError when none did.
    """
    came: float | None = None
    for packet in packets:
        to_hub = packet.way == "down" and packet.at < before
        if to_hub and packet.att[:1] == bytes([WRITE_REQUEST]):
            came = packet.at
    if came is None:
        raise ValueError("no write request in the trace")
    return came


def answered(
    packets: Sequence[Packet],
    request: int,
    answer: int,
    handle: int,
) -> float:
    """Return the seconds from the first request of that kind for that handle to its answer.

    Raise ValueError.
    """
    wanted = bytes([request]) + handle.to_bytes(2, "little")
    began: float | None = None
    for packet in packets:
        if began is None:
            if packet.way == "down" and packet.att[:3] == wanted:
                began = packet.at
        elif packet.way == "up" and packet.at > began and packet.att[:1] == bytes([answer]):
            return packet.at - began
    raise ValueError("the trace holds no such request with its answer")
