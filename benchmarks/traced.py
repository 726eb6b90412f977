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
        return self.data[_ATT_AT:] if self.data[_CHANNEL_AT:_ATT_AT] == ATT_CHANNEL else b""


def last_request(packets: Sequence[Packet], before: float) -> float:
    """Return when the last write request to the hub came before that second.

    Raise ValueError when none did.
    """
    came = [
        one.at
        for one in packets
        if one.way == "down" and one.at < before and one.att[:1] == bytes([WRITE_REQUEST])
    ]
    if not came:
        raise ValueError("no write request in the trace")
    return came[-1]


def answered(packets: Sequence[Packet], request: int, answer: int, handle: int) -> float:
    """Return the seconds from the first request of that kind for that handle to its answer.

    Raise ValueError.
    """
    wanted = bytes([request]) + handle.to_bytes(2, "little")
    began = next((one.at for one in packets if one.way == "down" and one.att[:3] == wanted), None)
    if began is not None:
        for one in packets:
            if one.way == "up" and one.at > began and one.att[:1] == bytes([answer]):
                return one.at - began
    raise ValueError("the trace holds no such request with its answer")
