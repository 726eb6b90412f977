"""Watches the connections of a listening ZeroMQ socket, and ends those that cost too much.

How it works: libzmq tells by its monitor which descriptor a connection has, and each message tells
from which it came. The kernel counts the bytes that have come at a descriptor. What they mean is
`hubcore.backend.callers`'s.

Laws:
1. A connection is looked at and ended by a copy of its descriptor, never by its number: that may be
   another one's by then. The copy is closed as soon as libzmq tells that the connection is gone.
   One that is not at a port of this socket is no caller's: it is left alone.
2. A look at all connections lets others have their turn after LOOKS_A_TURN.
3. People are told at the pace TELLS, however many connections are ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence

import zmq
import zmq.asyncio

from hubcore.backend.callers import CallerLimits, Callers
from hubcore.timing.pace import Bucket, Rate

LOOK_SECONDS = 0.2
TELLS = Rate(burst=1, per_second=0.1)
LOOKS_A_TURN = 256
DESCRIPTORS_MAX = 65_536
DESCRIPTORS_A_CALLER = 2
RESERVED_DESCRIPTORS = 256
"""For what the process itself opens: files, the engine, operators."""
FLOODED = "sends parts of messages and never the last one"
CROWDED = "had to make room: too many connections"

_FD_PROPERTY = "__fd"
_EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED
_INFO_BYTES = 136
_RECEIVED_AT = 128
"""Where `struct tcp_info` of linux/tcp.h has tcpi_bytes_received; its first byte is the state."""
_ESTABLISHED = 1

Tell = Callable[[str], None]
"""Tells people."""


class CallerWatch:
    """The watch over one socket. Call `run` once, after the socket is bound."""

    def __init__(
        self,
        listening: zmq.asyncio.Socket,
        ports: Collection[int],
        limits: CallerLimits,
        tell: Tell,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """`ports` are those that the socket is bound to."""
        self._ports = frozenset(ports)
        self._callers = Callers(limits)
        self._tell = tell
        self._tells = Bucket(TELLS)
        self._look_seconds = look_seconds
        self._copies: dict[int, socket.socket] = {}
        """By the number of the descriptor that libzmq has."""
        self._listening = listening
        self._monitor = listening.get_monitor_socket(_EVENTS)
        self.ended: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._callers)

    def handed_over(self, message: Sequence[zmq.Frame]) -> int:
        """Note what the socket gave, its route first; return the number of its connection."""
        number = int(str(message[-1].get(_FD_PROPERTY)))
        for part in message[1:]:
            self._callers.handed_over(number, len(part))
        return number

    def proved(self, number: int) -> None:
        """This connection has proven who it is."""
        self._callers.proved(number)

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hear())
                group.create_task(self._look())
        finally:
            self._listening.disable_monitor()
            self._monitor.close(0)
            for number in self._callers.numbers:
                self._forget(number)

    async def _hear(self) -> None:
        while True:
            head, *_ = await self._monitor.recv_multipart()
            event, number = struct.unpack("=HI", head)
            self._forget(number)
            if event == zmq.EVENT_ACCEPTED:
                self._came(number)

    def _came(self, number: int) -> None:
        copy = copy_of(number, self._ports)
        if copy is None:
            return
        self._copies[number] = copy
        leaving = self._callers.came(number, _address_of(copy), time.monotonic())
        if leaving is not None:
            self._end(leaving, CROWDED)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._look_seconds)
            for count, number in enumerate(self._callers.numbers, start=1):
                self._look_at(number)
                if count % LOOKS_A_TURN == 0:
                    await asyncio.sleep(0)

    def _look_at(self, number: int) -> None:
        copy = self._copies.get(number)
        if copy is None:
            return  # it went during this look
        received = _received_bytes(copy)
        if received is None:
            self._forget(number)
        elif not self._callers.sent(number, received, time.monotonic()):
            self._end(number, FLOODED)

    def _end(self, number: int, why: str) -> None:
        """End a connection; libzmq notices, and lets go of all that it has kept of it."""
        copy = self._copies[number]
        address = _address_of(copy)
        with contextlib.suppress(OSError):
            copy.shutdown(socket.SHUT_RDWR)
        self._forget(number)
        self.ended[why] += 1
        if self._tells.take(time.monotonic()):
            so_far = sum(self.ended.values())
            self._tell(f"a connection of {address} was ended: it {why} ({so_far} so far)")

    def _forget(self, number: int) -> None:
        self._callers.gone(number)
        copy = self._copies.pop(number, None)
        if copy is not None:
            copy.close()


def descriptors_for_callers() -> int:
    """Let this process have the descriptors that it may; return how many callers can have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    descriptors = DESCRIPTORS_MAX if soft == resource.RLIM_INFINITY else min(soft, DESCRIPTORS_MAX)
    return max(descriptors - RESERVED_DESCRIPTORS, descriptors // 2) // DESCRIPTORS_A_CALLER


def port_of(endpoint: str) -> int:
    """Return the port of an endpoint `tcp://HOST:PORT`."""
    return int(endpoint.rpartition(":")[2])


def copy_of(number: int, ports: Collection[int]) -> socket.socket | None:
    """Return a copy of the descriptor of a connection at one of these ports, None for no such."""
    try:
        copy = os.dup(number)
    except OSError:
        return None
    try:
        connection = socket.socket(fileno=copy)
    except OSError:  # it is something else by now
        os.close(copy)
        return None
    if _own_port(connection) in ports:
        return connection
    connection.close()
    return None


def _own_port(connection: socket.socket) -> int | None:
    """Return the port of this end, None for what has none."""
    match connection.getsockname():
        case (_, int(port), *_):
            return port
    return None


def _address_of(connection: socket.socket) -> str:
    """Return the address of the other end, "" when it is gone."""
    try:
        end = connection.getpeername()
    except OSError:
        return ""
    return str(end[0]).removeprefix("::ffff:") if isinstance(end, tuple) else ""


def _received_bytes(connection: socket.socket) -> int | None:
    """Return how many bytes have come, as the kernel counts them; None when it has ended."""
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except OSError:
        return None
    if len(info) < _INFO_BYTES or info[0] != _ESTABLISHED:
        return None
    (received,) = struct.unpack_from("=Q", info, _RECEIVED_AT)
    return int(received)
