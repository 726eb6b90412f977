"""The socket pair between an old and a new process of hubd: packets, with descriptors beside them.

Laws:
1. What is heard is a whole packet with exactly its descriptors, or an error. After an error every
   descriptor that came is closed.
2. Descriptors that are said stay the sender's: it holds copies until it closes them.
3. Every descriptor that is heard closes at the next exec: no child of the hub inherits one.
4. The end of the other process and a closed socket look alike here, and are LinkError. Neither
   proves that the other process has ended (hubcore.update.takeover, law 3).
5. Nothing waits without end: the caller bounds every wait.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from hubcore.errors import FrameError, LinkError
from hubcore.update.packets import DESCRIPTORS_MAX, PACKET_BYTES_MAX, Packet, decode, encode

_DESCRIPTOR_BYTES = array.array("i").itemsize
_BESIDE_BYTES = socket.CMSG_SPACE(DESCRIPTORS_MAX * _DESCRIPTOR_BYTES)
_CUT_OFF = socket.MSG_TRUNC | socket.MSG_CTRUNC


def pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends; neither survives an exec unless its starter says so."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Channel:
    """One end. One task at a time says, and one hears."""

    def __init__(self, end: socket.socket) -> None:
        """Take over the end of a pair."""
        end.setblocking(False)
        self._end = end

    async def say(self, packet: Packet, descriptors: Sequence[int] = ()) -> None:
        """Send a packet with the descriptors that it names, in that order.

        Raise LinkError when the other end is closed.
        """
        data = encode(packet)
        decode(data, len(descriptors))  # what the other end would refuse is never sent
        beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._end.sendmsg([data], beside if descriptors else [])
            except BlockingIOError:
                await _ready(self._end, loop.add_writer, loop.remove_writer)
            except OSError as error:
                raise LinkError(f"The other process of hubd cannot be told: {error}.") from error
            else:
                return

    async def hear(self) -> tuple[Packet, tuple[int, ...]]:
        """Return the next packet, and its descriptors, which are the caller's to close.

        Raise LinkError when the other end is closed, FrameError for anything that is no packet.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                return self._read()
            except BlockingIOError:
                await _ready(self._end, loop.add_reader, loop.remove_reader)

    def _read(self) -> tuple[Packet, tuple[int, ...]]:
        try:
            data, beside, flags, _ = self._end.recvmsg(
                PACKET_BYTES_MAX, _BESIDE_BYTES, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            raise
        except OSError as error:
            raise LinkError(f"The other process of hubd cannot be heard: {error}.") from error
        descriptors = _descriptors(beside)
        try:
            if flags & _CUT_OFF:
                raise FrameError("a packet, or what came beside it, is longer than any")
            if not data:
                raise LinkError("The other process of hubd has closed its socket.")
            packet = decode(data, len(descriptors))
        except BaseException:
            close_all(descriptors)
            raise
        return packet, descriptors

    def close(self) -> None:
        """Close this end. Whoever still waits for it is to be cancelled."""
        number = self._end.fileno()
        with suppress(RuntimeError):  # no loop runs: nobody waits
            loop = asyncio.get_running_loop()
            loop.remove_reader(number)
            loop.remove_writer(number)
        self._end.close()


def close_all(descriptors: Iterable[int]) -> None:
    """Close each, also when one of them is closed already."""
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)


def _descriptors(beside: list[tuple[int, int, bytes]]) -> tuple[int, ...]:
    """Return the descriptors of all parts that came beside a packet."""
    found = array.array("i")
    for level, kind, data in beside:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(data[: len(data) - len(data) % _DESCRIPTOR_BYTES])
    return tuple(found)


async def _ready(
    end: socket.socket,
    add: Callable[..., None],
    remove: Callable[[int], bool],
) -> None:
    """Wait until the socket can be read, or written; which of them, `add` and `remove` say."""
    ready = asyncio.get_running_loop().create_future()
    number = end.fileno()
    add(number, _set, ready)
    try:
        await ready
    finally:
        if end.fileno() == number:  # else it was closed, and the number may be somebody else's
            remove(number)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
