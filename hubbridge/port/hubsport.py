"""The port where hubs come: who gets a connection, who keeps it, and when it is cut.

How it works: each connection that has made its handshake (`hubtls.port`) is asked who it is, gets
its hub's session and is given to the talk. What the talk may say or hear is asked of `Visit.may` at
each message.

Laws:
1. The port is bound to one address of this machine, never to all of them. Where it cannot be had
   there is no start. An address that is not there yet may come: that is a LinkError.
2. Only a hub of this site that was not ended gets to the talk. What it may is looked up at each
   message.
3. A hub's newer connection ends its older one. A newer list of ends ends all that it names, at
   once.
4. No connection ends the port, whatever it does.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hubbridge.rules.peers import May
from hubbridge.rules.sessions import SESSIONS_MAX, Sessions
from hubcore.bridge.ends import Ends
from hubcore.codec.tls import TlsRole
from hubcore.errors import ConfigError, HubError, TrustError
from hubcore.ports.clock import Clock
from hubtls.identity import Identity
from hubtls.peers import Peer, read_peer
from hubtls.port import Caller, PortTimes, TlsPort


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
        self._identity = identity
        self._talk = talk
        self._told = told
        self._clock = clock
        self._sessions = Sessions(ends, sessions_max)
        self._port = TlsPort(
            address=_one_address(address),
            port=port,
            context=lambda: self._identity.context,
            talk=self,
            told=told,
            clock=clock,
            unproven_max=unproven_max,
            times=times,
        )

    @property
    def port(self) -> int:
        """The number of the port."""
        return self._port.port

    @property
    def hubs(self) -> int:
        """How many hubs are connected."""
        return len(self._sessions)

    def renew(self, identity: Identity) -> None:
        """Show another certificate to those that come from now on. Raise ConfigError."""
        if identity.name != self._identity.name or identity.authority != self._identity.authority:
            raise ConfigError("a renewed certificate is for the same name and authority")
        self._identity = identity

    def take_ends(self, ends: Ends) -> None:
        """Cut all that a newer list names. Raise RollbackError for an older one."""
        for number in self._sessions.take_ends(ends):
            self._port.cut(number)

    async def serve(self, ready: asyncio.Event) -> None:
        """Serve until cancelled. Raise ConfigError or LinkError without the address (law 1)."""
        await self._port.serve(ready)

    def gone(self, number: int) -> None:
        """See `hubtls.port.Talk.gone`."""
        self._sessions.gone(number)

    async def meet(self, caller: Caller) -> None:
        """Give a connection that has made its handshake to the talk (laws 2 and 4)."""
        site = self._identity.name.site
        try:
            peer = read_peer(caller.certificate, self._identity.authority, site, TlsRole.HUB)
        except TrustError as error:
            self._told.refused(caller.address, str(error))
            return
        came = self._sessions.came(caller.number, peer, self._clock.wall(), self._clock.monotonic())
        if came.may is May.NOTHING:
            why = f"{peer.name.uri} was ended, or there is no place"
            self._told.refused(caller.address, why)
            return
        self._port.proved(caller.number)
        if came.cut is not None:
            self._port.cut(came.cut)
        if came.contested:
            self._told.contested(peer.name.id)
        visit = Visit(peer, caller.reader, caller.writer, lambda: self._may(caller.number))
        try:
            await self._talk.serve(visit)
            await self._port.say_goodbye(caller)
        except (HubError, OSError, EOFError) as error:
            self._told.hurt(peer.name.id, str(error))
        except Exception as error:
            self._told.hurt(peer.name.id, f"a fault of the bridge: {type(error).__name__}: {error}")

    def _may(self, number: int) -> May:
        return self._sessions.may(number, self._clock.wall())


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
