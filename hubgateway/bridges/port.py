"""The port where bridges come: TLS 1.3, by the site's authority and the directory of bridges.

Laws:
1. Only a bridge of this site whose very key is enrolled gets to the talk (`directory`). That is
   looked up again at each message: `BridgeVisit.may`.
2. A bridge's newer connection ends its older one.
3. A bridge whose certificate has ended gets there, too: it may only renew (`has_ended`).
4. No connection ends the port, whatever it does. People are told at a pace that no caller sets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hubcore.codec.tls import TlsRole
from hubcore.errors import HubError, TrustError
from hubcore.ports.clock import Clock
from hubgateway.bridges.directory import BridgeSessions
from hubgateway.bridges.place import BridgesPlace
from hubtls.peers import Peer, read_peer
from hubtls.port import Caller, PortTimes, TlsPort


@dataclass(frozen=True, slots=True)
class BridgeVisit:
    """One bridge's connection, for the talk. `may` and `has_ended` are asked at each message.

    `key` is that of its certificate, as SubjectPublicKeyInfo; `expires` the end, Unix seconds.
    """

    bridge: str
    key: bytes
    expires: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    may: Callable[[], bool]
    has_ended: Callable[[], bool]


class Talk(Protocol):
    """What is said between a bridge and the backend."""

    async def serve(self, visit: BridgeVisit) -> None:
        """Talk with a bridge until one of both ends it. Raise HubError for what ends it."""


class Told(Protocol):
    """Who is told what people should know."""

    def refused(self, address: str, why: str) -> None:
        """Somebody was not let in."""

    def trouble(self, source: str, what: str) -> None:
        """Something is wrong with a bridge or a hub."""


class BridgesPort:
    """The port of one gateway. `may_come` looks a bridge and its key up."""

    def __init__(
        self,
        place: BridgesPlace,
        may_come: Callable[[Peer], bool],
        talk: Talk,
        told: Told,
        clock: Clock,
        times: PortTimes | None = None,
    ) -> None:
        self._place = place
        self._may_come = may_come
        self._talk = talk
        self._told = told
        self._clock = clock
        self._sessions = BridgeSessions()
        self._port = TlsPort(
            address=place.address,
            port=place.port,
            context=lambda: place.identity.context,
            talk=self,
            told=told,
            clock=clock,
            times=times,
        )

    @property
    def port(self) -> int:
        """The number of the port."""
        return self._port.port

    @property
    def bridges(self) -> int:
        """How many bridges are connected."""
        return len(self._sessions)

    async def serve(self, ready: asyncio.Event) -> None:
        """Serve until cancelled. Raise ConfigError or LinkError without the address."""
        await self._port.serve(ready)

    def gone(self, number: int) -> None:
        """See `hubtls.port.Talk.gone`."""
        self._sessions.gone(number)

    async def meet(self, caller: Caller) -> None:
        """Give a connection that has made its handshake to the talk (law 1)."""
        identity = self._place.identity
        try:
            peer = read_peer(
                caller.certificate, identity.authority, self._place.site, TlsRole.BRIDGE
            )
        except TrustError as error:
            self._told.refused(caller.address, str(error))
            return
        bridge = peer.name.id
        if not self._may_come(peer):
            why = f"{peer.name.uri}: its key is not enrolled"
            self._told.refused(caller.address, why)
            return
        has_place, before = self._sessions.came(bridge, caller.number)
        if not has_place:
            self._told.refused(caller.address, f"{peer.name.uri}: there is no place for it")
            return
        self._port.proved(caller.number)
        if before is not None:
            self._port.cut(before)
        visit = BridgeVisit(
            bridge=bridge,
            key=peer.key,
            expires=peer.expires,
            reader=caller.reader,
            writer=caller.writer,
            may=lambda: self._sessions.speaks(bridge, caller.number) and self._may_come(peer),
            has_ended=lambda: self._clock.wall() > peer.expires,
        )
        try:
            await self._talk.serve(visit)
            await self._port.say_goodbye(caller)
        except (HubError, OSError, EOFError) as error:
            self._told.trouble(f"bridge {bridge}", f"its connection has ended: {error}")
        except Exception as error:
            what = f"a fault of the gateway: {type(error).__name__}: {error}"
            self._told.trouble(f"bridge {bridge}", what)
