"""Where a site's server comes to have something signed: a unix socket, or TLS.

Laws:
1. On the unix socket the kernel says who asks. Whoever is no user of the configuration is closed at
   once, and so is one more where WAITING_MAX are there.
2. By TLS 1.3 only a certificate of the site's authority counts, for a server of the site (`site`)
   whose name the configuration has, and whose certificate has not ended.
3. No connection ends a port, whatever it does.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from hubcore.codec.tls import TlsRole
from hubcore.errors import TrustError
from hubcore.ports.clock import Clock
from hubgateway.issuer.signing.talk import CONNECTIONS_MAX, Talks, Told
from hublocal.accepting import accept
from hublocal.owner import Owner
from hublocal.peer import peer_of
from hublocal.sockets import SocketFile
from hubtls.identity import Identity
from hubtls.peers import Peer, read_peer
from hubtls.port import Caller, PortTimes, TlsPort

ACCEPT_AGAIN_SECONDS = 0.5
WAITING_MAX = 2 * CONNECTIONS_MAX
"""Connections of one port: those beyond CONNECTIONS_MAX are only told to come again."""
BACKLOG = 64
_MODE = 0o666
"""Anybody may knock: the kernel's word decides (law 1)."""
_OWNER = Owner(program="hubissuer", setting="[unix] socket", readers="", actors="")


class UnixPort:
    """The socket of a machine. `callers` are the users who may ask: their names by number."""

    def __init__(self, path: Path, callers: Mapping[int, str], talks: Talks, told: Told) -> None:
        self._path = path
        self._file = SocketFile(path, _MODE, _OWNER)
        self._callers = callers
        self._talks = talks
        self._told = told
        self._here: set[asyncio.Task[None]] = set()

    async def serve(self, ready: asyncio.Event) -> None:
        """Serve until cancelled. Raise ConfigError without the socket's file."""
        with closing(self._file):
            listening = self._file.bind(BACKLOG)
            async with asyncio.TaskGroup() as group:
                ready.set()
                while True:
                    connected = await self._next(listening)
                    uid = _uid_of(connected)
                    if not self._may_come(uid):
                        connected.close()
                        continue
                    task = group.create_task(self._visit(connected, self._callers[uid]))
                    self._here.add(task)
                    task.add_done_callback(self._here.discard)

    def _may_come(self, uid: int) -> bool:
        """Keep law 1."""
        if uid not in self._callers:
            self._told.tell(f"uid {uid}", f"{self._path}: user {uid} may not ask")
            return False
        if len(self._here) >= WAITING_MAX:
            self._told.tell(f"uid {uid}", f"{self._path}: too many connections")
            return False
        return True

    async def _next(self, listening: socket.socket) -> socket.socket:
        while True:
            try:
                return await accept(listening)
            except OSError as error:
                self._told.tell("", f"{self._path}: no connection is taken: {error.strerror}")
                await asyncio.sleep(ACCEPT_AGAIN_SECONDS)

    async def _visit(self, connected: socket.socket, user: str) -> None:
        try:
            reader, writer = await asyncio.open_connection(sock=connected)
        except OSError:
            connected.close()
            return
        try:
            await self._talks.serve(reader, writer, f"user {user}")
        finally:
            writer.close()


def _uid_of(connected: socket.socket) -> int:
    """Return whose connection it is, -1 where the kernel does not say."""
    try:
        return peer_of(connected).uid
    except OSError:
        return -1


class TlsTalks:
    """Gives who has proven itself by TLS to the talk. `servers` are the names that may ask."""

    def __init__(
        self, identity: Identity, servers: frozenset[str], talks: Talks, told: Told, clock: Clock
    ) -> None:
        self._identity = identity
        self._servers = servers
        self._talks = talks
        self._told = told
        self._clock = clock
        self._port: TlsPort | None = None

    def port(self, address: str, port: int, times: PortTimes | None = None) -> TlsPort:
        """Return the port that is served with these talks."""
        self._port = TlsPort(
            address=address,
            port=port,
            context=lambda: self._identity.context,
            talk=self,
            told=self,
            clock=self._clock,
            times=times,
        )
        return self._port

    async def meet(self, caller: Caller) -> None:
        """See `hubtls.port.Talk.meet`; law 2."""
        try:
            peer = self._proven(caller.certificate)
        except TrustError as error:
            self.refused(caller.address, str(error))
            return
        if self._port is not None:
            self._port.proved(caller.number)
        await self._talks.serve(caller.reader, caller.writer, peer.name.uri)
        if self._port is not None:
            await self._port.say_goodbye(caller)

    def gone(self, number: int) -> None:
        """See `hubtls.port.Talk.gone`."""

    def refused(self, address: str, why: str) -> None:
        """See `hubtls.port.Refusals`."""
        self._told.tell(address, f"refused {address or 'a connection'}: {why}")

    def _proven(self, certificate: bytes) -> Peer:
        identity = self._identity
        peer = read_peer(certificate, identity.authority, identity.name.site, TlsRole.SITE)
        if peer.name.id not in self._servers:
            raise TrustError(f"{peer.name.uri} is not in servers of the configuration")
        if peer.expires < self._clock.wall():
            raise TrustError(f"{peer.name.uri}: its certificate has ended")
        return peer
