"""The connection to a gateway of the backend: TLS 1.3, a certificate on each side, frames.

How it works: the gateways of the configuration are called one after the other, with a pause after
each, which grows and is never the same.

Laws:
1. The other end is a gateway of this site by its certificate alone: the whole name is compared. An
   address proves nothing.
2. The date of its certificate is not judged: the bridge's clock decides nothing.
3. The pause doubles up to `pause_seconds_max`, and some chance is in it, so that many bridges do
   not come back at once. It is the shortest again once a connection has lasted for that long.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hubcore.bridge.backend import codec
from hubcore.bridge.backend.from_backend import FromBackend
from hubcore.bridge.backend.from_bridge import FromBridge
from hubcore.bridge.backend.words import FROM_BACKEND_BYTES
from hubcore.codec.tls import TlsName, TlsRole
from hubcore.errors import LinkError, TrustError
from hubtls.identity import Identity
from hubtls.line import Line, Wire
from hubtls.peers import read_peer

READ_BYTES = 65_536
BackendLine = Line[FromBackend, FromBridge]
WIRE: Wire[FromBackend, FromBridge] = Wire(
    decode=codec.decode_from_backend,
    encode=codec.encode,
    longest=FROM_BACKEND_BYTES,
    unsent_bytes=4 << 20,
)


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where a gateway listens: its name in TLS, and its host."""

    name: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.name} at {host}:{self.port}"


@dataclass(frozen=True, slots=True)
class CallTimes:
    """How long a call may take, and how long the next one waits, in seconds."""

    connect_seconds: float = 10.0
    silent_seconds: float = 120.0
    pause_seconds: float = 1.0
    pause_seconds_max: float = 60.0


class Pauses:
    """How long to wait before the next call (law 3). `chance` returns a number from 0 to 1."""

    def __init__(self, times: CallTimes, chance: Callable[[], float]) -> None:
        self._times = times
        self._chance = chance
        self._seconds = times.pause_seconds

    def after(self, lasted_seconds: float) -> float:
        """Return the pause after a connection that has lasted so long; 0 for none."""
        if lasted_seconds >= self._times.pause_seconds_max:
            self._seconds = self._times.pause_seconds
        pause_seconds = self._seconds * (0.5 + self._chance() / 2)
        self._seconds = min(2 * self._seconds, self._times.pause_seconds_max)
        return pause_seconds


@dataclass(frozen=True, slots=True)
class Called:
    """A connection to a gateway that has proven itself."""

    gateway: Gateway
    line: BackendLine
    writer: asyncio.StreamWriter


async def call(gateway: Gateway, identity: Identity, times: CallTimes) -> Called:
    """Return a connection whose other end has proven itself. Raise LinkError (law 1)."""
    name = TlsName(identity.name.site, TlsRole.BACKEND, gateway.name)
    try:
        async with asyncio.timeout(times.connect_seconds):
            reader, writer = await asyncio.open_connection(
                gateway.host,
                gateway.port,
                ssl=identity.calling,
                server_hostname=name.dns,
                limit=READ_BYTES,
            )
    except TimeoutError:
        raise LinkError(f"{gateway} does not answer") from None
    except (OSError, ssl.SSLError) as error:
        raise LinkError(f"{gateway}: {error}") from error
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    try:
        peer = read_peer(shown or b"", identity.authority, name.site, TlsRole.BACKEND)
        if peer.name != name:
            raise TrustError(f"TLS: it is {peer.name.uri}")
    except TrustError as error:
        writer.transport.abort()
        raise LinkError(f"{gateway} is not {name.uri}: {error}") from error
    return Called(gateway, Line(reader, writer, WIRE, times.silent_seconds), writer)


def in_turn(gateways: tuple[Gateway, ...]) -> Iterator[Gateway]:
    """Yield the gateways for ever, in their order."""
    while True:
        yield from gateways
