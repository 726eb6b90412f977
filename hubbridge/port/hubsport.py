"""The port where hubs come: who gets a connection, who keeps it, and when it is cut.

How it works: each connection is a task. It makes its TLS handshake, is asked who it is, gets its
hub's session and is given to the talk. What the talk may say or hear is asked of `Visit.may` at
each message. A session is cut by the end of its task.

Laws:
1. The port is bound to one address of this machine, never to all of them. Where it cannot be had
   there is no start. An address that is not there yet may come: that is a LinkError.
2. A connection that has not proven itself lasts HANDSHAKE_SECONDS. At most `unproven_max` of them
   are there: a newcomer takes the place of the oldest, of the address that has most.
3. Only a hub of this site that was not ended gets to the talk. What it may is looked up at each
   message.
4. A hub's newer connection ends its older one. A newer list of ends ends all that it names, at
   once.
5. No connection ends the port, whatever it does.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from hubbridge.port.identity import Identity
from hubbridge.rules.peers import Ends, May, Peer, read_peer
from hubbridge.rules.sessions import SESSIONS_MAX, Sessions
from hubcore.backend.callers import CallerLimits, Callers
from hubcore.errors import ConfigError, HubError, LinkError, TrustError
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
class Visit:
    """One hub's connection, for the talk. `may` is asked at each message."""

    peer: Peer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    may: Callable[[], May]


class Talk(Protocol):
    """What is said between a hub and the bridge."""

    async def serve(self, visit: Visit) -> None:
        """Talk with a hub until one of both ends it; the connection is closed afterwards.

        Raise PeerError for what a hub must not say, another HubError for what does not let it go
        on. Either ends this connection alone.
        """


class Told(Protocol):
    """Who is told what people should know of the port."""

    def refused(self, address: str, why: str) -> None:
        """Somebody was not let in."""

    def contested(self, hub: str) -> None:
        """A hub's connections take each other's place: two machines may have its key."""

    def hurt(self, hub: str, why: str) -> None:
        """A hub's connection ended by what it said."""


class HubsPort:
    """Listen at `address`:`port` (0: any) for the hubs of the identity's site."""

    def __init__(
        self,
        address: str,
        port: int,
        identity: Identity,
        ends: Ends,
        talk: Talk,
        told: Told,
        clock: Clock,
        unproven_max: int = 64,
        sessions_max: int = SESSIONS_MAX,
        times: PortTimes | None = None,
    ) -> None:
        self._address = _one_address(address)
        self.port = port
        self._identity = identity
        self._talk = talk
        self._told = told
        self._clock = clock
        self._times = times or PortTimes()
        self._sessions = Sessions(ends, sessions_max)
        self._unproven = Callers(CallerLimits(unproven_max, unread_bytes=0))
        self._numbers = count(1)
        self._visits: dict[int, asyncio.Task[None]] = {}
        self._begun: set[int] = set()
        """The connections that a transport has."""

    @property
    def hubs(self) -> int:
        """How many hubs are connected."""
        return len(self._sessions)

    def renew(self, identity: Identity) -> None:
        """Show another certificate to those that come from now on. Raise ConfigError."""
        if identity.name != self._identity.name or identity.authority != self._identity.authority:
            raise ConfigError("hubbridge: a renewed certificate is for the same name and authority")
        self._identity = identity

    def take_ends(self, ends: Ends) -> None:
        """Cut all that a newer list names. Raise RollbackError for an older one."""
        for number in self._sessions.take_ends(ends):
            self._cut(number)

    async def serve(self, ready: asyncio.Event) -> None:
        """Serve until cancelled. Raise ConfigError or LinkError without the address (law 1)."""
        with contextlib.closing(_bound(self._address, self.port)) as listening:
            self.port = listening.getsockname()[1]
            async with asyncio.TaskGroup() as group:
                ready.set()
                while True:
                    connected, address = await self._next(listening)
                    self._begin(group, connected, address)

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
            self._cut(one_too_many)

    def _gone(self, number: int, connected: socket.socket) -> None:
        """Leave nothing of a connection, also when its task never began."""
        self._visits.pop(number, None)
        self._unproven.gone(number)
        self._sessions.gone(number)
        if number in self._begun:
            self._begun.discard(number)
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)  # its transport sees that, and closes it
        else:
            connected.close()

    def _cut(self, number: int) -> None:
        task = self._visits.get(number)
        if task is not None:
            task.cancel()

    async def _visit(self, number: int, connected: socket.socket, address: str) -> None:
        """Serve one connection from its first byte to its last (law 5)."""
        self._begun.add(number)
        try:
            async with asyncio.timeout(self._times.handshake_seconds):
                reader, writer = await self._shake_hands(connected)
        except (OSError, ssl.SSLError, TimeoutError) as error:
            self._told.refused(address, f"no handshake: {error or 'it took too long'}")
            return
        try:
            await self._let_in(number, reader, writer, address)
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
            ssl=self._identity.context,
            ssl_handshake_timeout=self._times.handshake_seconds,
            ssl_shutdown_timeout=self._times.shutdown_seconds,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _let_in(
        self,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        address: str,
    ) -> None:
        """Give a connection that has made its handshake to the talk (law 3)."""
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        try:
            peer = read_peer(shown or b"", self._identity.authority, self._identity.name.site)
        except TrustError as error:
            self._told.refused(address, str(error))
            return
        came = self._sessions.came(number, peer, self._clock.wall(), self._clock.monotonic())
        if came.may is May.NOTHING:
            self._told.refused(address, f"{peer.name.uri} was ended, or there is no place")
            return
        self._unproven.gone(number)
        if came.cut is not None:
            self._cut(came.cut)
        if came.contested:
            self._told.contested(peer.name.id)
        visit = Visit(peer, reader, writer, lambda: self._may(number))
        try:
            await self._talk.serve(visit)
            await self._say_goodbye(writer)
        except (HubError, OSError, EOFError) as error:
            self._told.hurt(peer.name.id, str(error))
        except Exception as error:
            self._told.hurt(peer.name.id, f"a fault of the bridge: {type(error).__name__}: {error}")

    def _may(self, number: int) -> May:
        return self._sessions.may(number, self._clock.wall())

    async def _say_goodbye(self, writer: asyncio.StreamWriter) -> None:
        """Close in order, so that what was said last arrives."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._times.shutdown_seconds):
                writer.close()
                await writer.wait_closed()


def _one_address(address: str) -> str:
    """Return an address of one interface. Raise ConfigError for a name, or for all (law 1)."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError as error:
        raise ConfigError(f"hubbridge: listen: {address!r} is no IP address") from error
    if parsed.is_unspecified or parsed.is_multicast:
        raise ConfigError(
            f"hubbridge: listen: {address} is no address of one network: give the address that "
            "this machine has in the hubs' own network"
        )
    return address


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
        raise kind(f"hubbridge: cannot listen on {address} port {port}: {error.strerror}") from (
            error
        )
    listening.setblocking(False)
    return listening
