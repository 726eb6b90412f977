"""A connection to D-Bus with which another process can go on, as if nothing had been.

How it works: dbus-fast connects. Once everything has come that the bus says to a newcomer, this
module reads in its place. It cuts the stream into messages by their heads, and so has what is no
whole message yet in its own hands. Whoever has the socket, the unique name, the serial of the last
message and those bytes is the same client to the bus and to everybody on it.

dbus-fast has no public way to do so. What is used of its inside: `_sock`, `_stream`, `_fd`,
`_writer` with `messages` and `buf`, `_serial`, `_disconnected`, `_user_disconnect`, `_finalize`,
`_process_message`, and `Unmarshaller` on a stream. So setup.cfg names one version, and
tests/unit/test_openbus.py hands connections of that one over.

Laws:
1. Nothing is read after `settle`, and nothing before `listen`.
2. What was let go ends here, and for nobody else: the socket is closed, and not shut down.
3. What is sent is whole: `drain` comes before `let_go`.
4. A message longer than MESSAGE_BYTES_MAX, or one of no known form, ends the connection.
"""

from __future__ import annotations

import io
import os
import socket
import struct
from collections.abc import Iterator

from dbus_fast import BusType, Message
from dbus_fast._private.unmarshaller import Unmarshaller
from dbus_fast.aio import MessageBus
from dbus_fast.aio.message_bus import _MessageWriter

from hubcore.errors import FrameError, LinkError

MESSAGE_BYTES_MAX = 4 << 20
"""BlueZ's longest tells of all its objects: some hundred bytes for each device it has seen."""
READ_BYTES = 1 << 16
_HEAD_BYTES = 16
_ORDERS = {ord("l"): "<", ord("B"): ">"}


def message_bytes(head: bytes | bytearray) -> int:
    """Return how long a message is, by its first 16 bytes (D-Bus Specification, Message Format).

    Raise FrameError for what begins no message.
    """
    order = _ORDERS.get(head[0])
    if order is None:
        raise FrameError("a message of no known byte order")
    body, _serial, fields = struct.unpack_from(f"{order}3I", head, 4)
    length = _HEAD_BYTES + (fields + 7) // 8 * 8 + body
    if length > MESSAGE_BYTES_MAX:
        raise FrameError(f"a message of {length} bytes")
    return int(length)


class OpenBus(MessageBus):
    """A connection to the system bus, or to the one at `address`."""

    def __init__(self, address: str | None) -> None:
        super().__init__(bus_address=address, bus_type=BusType.SYSTEM)
        self.unread = bytearray()
        """What was read and is no whole message yet."""
        self._reads = False

    async def open(self) -> None:
        """Connect. Raise what dbus-fast raises."""
        await self.connect()
        question = Message(
            destination="org.freedesktop.DBus",
            path="/org/freedesktop/DBus",
            interface="org.freedesktop.DBus",
            member="GetId",
        )
        try:
            # what the bus says to a newcomer comes before this answer, and nothing else is his yet
            await self.call(question)
        except BaseException:
            self.disconnect()
            raise
        self.listen()

    def adopt(self, descriptor: int, unique_name: str, serial: int, unread: bytes) -> None:
        """Go on with the connection of another process; nothing is read before `listen`.

        Take over the descriptor. Raise LinkError when it is no socket.
        """
        try:
            sock = socket.socket(fileno=descriptor)
        except OSError as error:
            raise LinkError(f"the connection to D-Bus is none: {error}") from error
        sock.setblocking(False)
        self._sock = sock
        self._stream = sock.makefile("rwb")
        self._fd = sock.fileno()
        self._writer = _MessageWriter(self)
        self._serial = serial
        self.unique_name = unique_name
        self.unread += unread

    def listen(self) -> None:
        """Read from now on."""
        if not self._disconnected:
            self._reads = True
            self._loop.add_reader(self._socket(), self._read)
            self._loop.call_soon(self._process_unread)

    @property
    def serial(self) -> int:
        """The serial of the last message that was sent."""
        return int(self._serial)

    def settle(self) -> None:
        """Read nothing more."""
        if self._reads:
            self._reads = False
            self._loop.remove_reader(self._socket())

    async def drain(self) -> None:
        """Write what is to be sent. Raise LinkError when the connection ends."""
        writer = self._writer
        while writer is not None and (writer.messages or writer.buf is not None):
            await self._writable()
            writer.write_callback()
        self._socket()

    def let_go(self) -> int:
        """End this object, and not the connection; return its socket, which is the caller's."""
        descriptor = os.dup(self._socket().fileno())
        self._user_disconnect = True
        self._finalize(None)
        return descriptor

    async def _writable(self) -> None:
        ready = self._loop.create_future()

        def is_ready() -> None:
            if not ready.done():
                ready.set_result(None)

        sock = self._socket()
        self._loop.add_writer(sock, is_ready)
        try:
            await ready
        finally:
            self._loop.remove_writer(sock)

    def _socket(self) -> socket.socket:
        """Return the socket. Raise LinkError when there is none."""
        if self._sock is None or self._disconnected:
            raise LinkError("the connection to D-Bus has ended")
        return self._sock

    def _read(self) -> None:
        try:
            data = self._socket().recv(READ_BYTES)
            if not data:
                raise EOFError("the bus has closed the connection")
            self.unread += data
        except BlockingIOError:
            return
        except Exception as error:
            self._finalize(error)
        else:
            self._process_unread()

    def _process_unread(self) -> None:
        try:
            for message in self._messages():
                self._process_message(message)
        except Exception as error:
            self._finalize(error)

    def _messages(self) -> Iterator[Message]:
        """Cut off whole messages. Raise FrameError."""
        while self._reads and len(self.unread) >= _HEAD_BYTES:
            length = message_bytes(self.unread)
            if len(self.unread) < length:
                return
            whole = bytes(self.unread[:length])
            del self.unread[:length]
            message = Unmarshaller(io.BytesIO(whole)).unmarshall()  # type: ignore[arg-type]
            if message is None:
                raise FrameError("a message that ends before its end")
            yield message
