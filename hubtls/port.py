"""A TLS port: who gets a connection, and when it is cut. What is said there is its user's.

How it works: each connection is a task. It makes its TLS handshake and is given to the talk with
the certificate that it showed. The talk says once it has proven enough (`proved`). A connection is
cut by the end of its task.

Laws:
1. A connection that has not proven itself lasts HANDSHAKE_SECONDS. At most `unproven_max` of them
   are there: a newcomer takes the place of the oldest, of the address that has most.
2. No connection ends the port, whatever it does.
3. A port without its address does not start: ConfigError, or LinkError for one that may come.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from hubcore.backend.callers import CallerLimits, Callers
from hubcore.errors import ConfigError, LinkError
from hubcore.ports.clock import Clock

BACKLOG = 64
BUFFER_BYTES = 65_536
ACCEPT_AGAIN_SECONDS = 0.5
"""Without a descriptor, until the next try: one that ends gives its own back."""


@dataclass(frozen=True, slots=True)
class PortTimes:
    """How long a peer may take, in seconds."""

    handshake_seconds: float = 5.0
    shutdown_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Caller:
    """One connection whose handshake is done; `certificate` is what it showed, in DER."""

    number: int
    address: str
    certificate: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Talk(Protocol):
    """What is done with connections."""

    async def meet(self, caller: Caller) -> None:
        """Talk until one of both ends it; the connection is closed afterwards. Raise nothing."""

    def gone(self, number: int) -> None:
        """A connection has ended, also one that was never met."""


class Refusals(Protocol):
    """Who is told of those that were not let in."""

    def refused(self, address: str, why: str) -> None:
        """Somebody was not let in."""


class TlsPort:
    """Listen at `address`:`port` (0: any). `context` is asked anew for each connection."""

    def __init__(
        self,
        address: str,
        port: int,
        context: Callable[[], ssl.SSLContext],
        talk: Talk,
        told: Refusals,
        clock: Clock,
        unproven_max: int = 64,
        times: PortTimes | None = None,
    ) -> None:
        self._address = address
        self.port = port
        self._context = context
        self._talk = talk
        self._told = told
        self._clock = clock
        self._times = times or PortTimes()
        self._unproven = Callers(CallerLimits(unproven_max, unread_bytes=0))
        self._numbers = count(1)
        self._visits: dict[int, asyncio.Task[None]] = {}
        self._begun: set[int] = set()
        """The connections that a transport has."""

    def proved(self, number: int) -> None:
        """A connection has proven who it is."""
        self._unproven.gone(number)

    def cut(self, number: int) -> None:
        """End a connection."""
        task = self._visits.get(number)
        if task is not None:
            task.cancel()

    async def serve(self, ready: asyncio.Event) -> None:
        """Serve until cancelled. Raise ConfigError or LinkError without the address (law 3)."""
        with contextlib.closing(_bound(self._address, self.port)) as listening:
            self.port = listening.getsockname()[1]
            async with asyncio.TaskGroup() as group:
                ready.set()
                while True:
                    connected, address = await self._next(listening)
                    self._begin(group, connected, address)

    async def say_goodbye(self, caller: Caller) -> None:
        """Close in order, so that what was said last arrives."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._times.shutdown_seconds):
                caller.writer.close()
                await caller.writer.wait_closed()

    async def _next(self, listening: socket.socket) -> tuple[socket.socket, str]:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, address = await loop.sock_accept(listening)
            except OSError as error:
                self._told.refused("", f"no connection is taken: {error.strerror}")
                await asyncio.sleep(ACCEPT_AGAIN_SECONDS)
            else:
                return connected, str(address[0])

    def _begin(self, group: asyncio.TaskGroup, connected: socket.socket, address: str) -> None:
        """Give a connection its task, and its place among those that have proven nothing."""
        number = next(self._numbers)
        one_too_many = self._unproven.came(number, address, self._clock.monotonic())
        task = group.create_task(self._visit(number, connected, address))
        self._visits[number] = task
        task.add_done_callback(lambda _: self._gone(number, connected))
        if one_too_many is not None:
            self.cut(one_too_many)

    def _gone(self, number: int, connected: socket.socket) -> None:
        """Leave nothing of a connection, also when its task never began."""
        self._visits.pop(number, None)
        self._unproven.gone(number)
        self._talk.gone(number)
        if number in self._begun:
            self._begun.discard(number)
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)  # its transport sees that, and closes it
        else:
            connected.close()

    async def _visit(self, number: int, connected: socket.socket, address: str) -> None:
        """Serve one connection from its first byte to its last (law 2)."""
        self._begun.add(number)
        try:
            async with asyncio.timeout(self._times.handshake_seconds):
                reader, writer = await self._shake_hands(connected)
        except (OSError, ssl.SSLError, TimeoutError) as error:
            self._told.refused(address, f"no handshake: {error or 'it took too long'}")
            return
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        try:
            await self._talk.meet(Caller(number, address, shown or b"", reader, writer))
        finally:
            writer.transport.abort()

    async def _shake_hands(
        self, connected: socket.socket
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(BUFFER_BYTES, loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            connected,
            ssl=self._context(),
            ssl_handshake_timeout=self._times.handshake_seconds,
            ssl_shutdown_timeout=self._times.shutdown_seconds,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        where = socket.getaddrinfo(
            address, port, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )[0][4]
        listening.bind(where)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        kind = LinkError if error.errno == errno.EADDRNOTAVAIL else ConfigError
        raise kind(f"cannot listen on {address} port {port}: {error.strerror}") from error
    listening.setblocking(False)
    return listening
