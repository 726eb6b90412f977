"""A phone's link as cases need it: raw ATT requests, frames written in other ways, notifications
remembered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bumble import att
from bumble.core import UUID

from hubcore.phone import gatt
from hubcore.phone.framing import HEADER_BYTES, Flag, control_frame, decode_frame
from hubsim.phone.radio import BumbleLink

GONE_SECONDS = 8.0
ANSWER_SECONDS = 20.0
"""BlueZ fails a request that the application has not answered for 5 s."""


def handle(link: BumbleLink, uuid: str) -> int:
    """Return a value's handle."""
    return next(
        int(c.handle)
        for service in link.connection.gatt_client.services
        for c in service.characteristics
        if UUID(uuid) == c.uuid
    )


async def request(link: BumbleLink, pdu: att.ATT_PDU) -> att.ATT_PDU:
    async with asyncio.timeout(ANSWER_SECONDS):
        return await link.connection.gatt_client.send_request(pdu)


def error_of(answer: att.ATT_PDU) -> int:
    assert isinstance(answer, att.ATT_Error_Response), f"not refused: {answer}"
    return int(answer.error_code)


def write(link: BumbleLink, value: bytes) -> Awaitable[att.ATT_PDU]:
    return request(
        link, att.ATT_Write_Request(attribute_handle=handle(link, gatt.RX), attribute_value=value)
    )


def prepare(link: BumbleLink, offset: int, part: bytes) -> Awaitable[att.ATT_PDU]:
    rx = handle(link, gatt.RX)
    pdu = att.ATT_Prepare_Write_Request(
        attribute_handle=rx, value_offset=offset, part_attribute_value=part
    )
    return request(link, pdu)


async def gone(link: BumbleLink) -> None:
    """Wait until the hub has disconnected the phone."""
    if link.connection.handle in link.connection.device.connections:
        left = asyncio.Event()
        link.connection.on("disconnection", lambda _: left.set())
        async with asyncio.timeout(GONE_SECONDS):
            await left.wait()


class Otherwise:
    """A link whose writes are done in another way. Implements PhoneLink."""

    def __init__(self, link: BumbleLink, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._link = link
        self.write = write
        self.mtu = link.mtu
        self.notifications = link.notifications
        self.read_info = link.read_info
        self.pull = link.pull


class RecordingQueue(asyncio.Queue[bytes]):
    """A queue that remembers what it has been given."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[bytes] = []

    def put_nowait(self, item: bytes) -> None:
        self.all.append(item)
        super().put_nowait(item)


class Recut:
    """Writes the messages of a session in frames of another size."""

    def __init__(self, link: BumbleLink, size: int) -> None:
        self._link = link
        self._size = size
        self._message = b""
        self._seq = 0
        self.sizes: list[int] = []

    async def write(self, frame: bytes) -> None:
        """Take a frame; write all of its message with the last."""
        read = decode_frame(frame)
        if read.flags & Flag.ACK:
            await self._link.write(frame)
            return
        self._message += read.payload
        if read.flags & Flag.LAST:
            rest = self._message
            self._message = b""
            flags = int(Flag.FIRST)
            head = len(rest).to_bytes(2, "big")
            while rest:
                room = self._size - HEADER_BYTES - len(head)
                flags |= Flag.LAST if len(rest) <= room else 0
                await self._send(control_frame(flags, read.sid, self._seq) + head + rest[:room])
                rest = rest[room:]
                flags = 0
                head = b""

    async def _send(self, frame: bytes) -> None:
        self._seq += 1
        self.sizes.append(len(frame))
        await self._link.write(frame)
