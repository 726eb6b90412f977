"""The connection to a bridge: TLS 1.3, a certificate on each side, frames.

How it works: the bridges of the configuration are tried one after the other. Each attempt reads the
hub's certificate again, so a renewed one is shown from the next connection on.

Laws:
1. The other end is a bridge of this site by its certificate alone: the whole name is compared. An
   address proves nothing.
2. The date of a bridge's certificate is not judged: what a bridge brings proves itself, and a site
   may be without its backend for longer than a certificate lives. People see the date.
3. Whatever comes is cut into messages of at most FROM_BRIDGE_BYTES; the first one has FIRST_BYTES.
4. Sending never waits. Once UNSENT_BYTES wait, nothing more is taken.
5. After a failure the next bridge is tried; after a round of failures there is a pause, which grows
   to PAUSE_SECONDS_MAX.
6. After each MESSAGES_AT_ONCE messages all others have their turn, however fast they come.
7. A failure is told in a sentence and by a word, until the same bridge is reached again. A bridge
   that ends a connection before its first message counts as one that does not let this hub in.
8. A bridge that is searched for is tried at each place that has answered, at most PLACES_MAX. Who
   has answered proves nothing (law 1).
9. What is sent in one turn of the loop goes in one write: a record costs less than a system call.
   Where turns that follow one another send more and more, they share one, until WRITE_BYTES wait.
10. A bridge that the site has ended, by its name or its key, is told nothing and not heard. That is
    looked up before the first message and at each one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256

from hubcore.bridge.frames import Frames, frame
from hubcore.bridge.words import FIRST_BYTES, FROM_BRIDGE_BYTES
from hubcore.codec.tls import TlsName, TlsRole, read_certificate
from hubcore.errors import FrameError, HubError, LinkError, TrustError
from hubcore.ports.bridge import BridgeListener, BridgePlace, LineFault
from hubd.adapters.bridge.faults import fault_of, is_alert
from hubd.adapters.bridge.search import Place, Sought, search

READ_BYTES = 65_536
UNSENT_BYTES = 1 << 18
WRITE_BYTES = 32_768
MESSAGES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a bridge listens: its name in TLS, and its address."""

    name: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class LineTimes:
    """How long an attempt may take, and how long the next one waits, in seconds."""

    connect_seconds: float = 5.0
    pause_seconds: float = 1.0
    pause_seconds_max: float = 30.0


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    bridge: str
    key_digest: bytes
    messages: int = 0
    unsent: list[bytes] = field(default_factory=list)
    """Frames that go at the end of this turn of the loop."""
    unsent_bytes: int = 0

    @property
    def waiting_bytes(self) -> int:
        """What was sent, and no socket has yet."""
        return self.unsent_bytes + self.writer.transport.get_write_buffer_size()

    def send(self, *frames: bytes) -> None:
        """Let frames go (law 9)."""
        size_bytes = sum(map(len, frames))
        if not self.unsent:
            asyncio.get_running_loop().call_soon(self._flush, size_bytes)
        self.unsent += frames
        self.unsent_bytes += size_bytes

    def _flush(self, before_bytes: int) -> None:
        """Write what waits, unless there is more of it than a turn before and room for more."""
        if before_bytes < self.unsent_bytes < WRITE_BYTES:
            asyncio.get_running_loop().call_soon(self._flush, self.unsent_bytes)
            return
        data = b"".join(self.unsent)
        self.unsent.clear()
        self.unsent_bytes = 0
        if not self.writer.is_closing():
            self.writer.write(data)


class _NotReached(LinkError):
    """A bridge was not reached, and the word for why."""

    def __init__(self, fault: LineFault, why: str) -> None:
        super().__init__(why)
        self.fault = fault


class TlsBridgeLine:
    """`hubcore.ports.bridge.BridgeLine` over TLS."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint | Sought],
        site: str,
        authority: bytes,
        context: Callable[[], ssl.SSLContext],
        times: LineTimes | None = None,
        searching: Callable[[Sought], Awaitable[list[Place]]] = search,
    ) -> None:
        """`authority` is the site's, in DER. `context` makes what shows the hub's certificate.

        It raises HubError when it cannot be read.
        """
        self._endpoints = list(endpoints)
        self._site = site
        self._authority = authority
        self._context = context
        self._times = times or LineTimes()
        self._searching = searching
        self._connection: _Connection | None = None
        self._left = ""
        self._at = BridgePlace()
        self._expires: dict[str, int] = {}
        self._failures: dict[str, tuple[LineFault, str]] = {}

    def place(self) -> BridgePlace:
        """See `ports.bridge.BridgeLine.place`."""
        return BridgePlace(
            name=self._at.name,
            endpoint=self._at.endpoint,
            expires=self._expires.get(self._at.name, 0),
            failures=tuple(f"{name}: {why}" for name, (_, why) in self._failures.items()),
            faults={name: fault for name, (fault, _) in self._failures.items()},
        )

    def send(self, message: bytes) -> bool:
        """See `ports.bridge.BridgeLine.send`."""
        return self.send_all((message,)) == 1

    def send_all(self, messages: Sequence[bytes]) -> int:
        """See `ports.bridge.BridgeLine.send_all` (law 4)."""
        connection = self._connection
        if connection is None or connection.writer.is_closing():
            return 0
        room_bytes = UNSENT_BYTES - connection.waiting_bytes
        frames: list[bytes] = []
        size_bytes = 0
        for message in messages:
            if size_bytes > room_bytes:
                break
            framed = frame(message)
            frames.append(framed)
            size_bytes += len(framed)
        if frames:
            connection.send(*frames)
        return len(frames)

    def leave(self, why: str) -> None:
        """See `ports.bridge.BridgeLine.leave`."""
        self._left = why
        if self._connection is not None:
            self._connection.writer.transport.abort()

    async def serve(self, listener: BridgeListener) -> None:
        """See `ports.bridge.BridgeLine.serve` (law 5)."""
        pause_seconds = self._times.pause_seconds
        while True:
            for endpoint in self._endpoints:
                if await self._try(endpoint, listener):
                    pause_seconds = self._times.pause_seconds
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, self._times.pause_seconds_max)

    async def _try(self, bridge: Endpoint | Sought, listener: BridgeListener) -> bool:
        """Visit a bridge, wherever it is; tell whether it was reached (law 8)."""
        if isinstance(bridge, Endpoint):
            return await self._visit(bridge, listener)
        self._at = BridgePlace(bridge.name, f"searched for from {bridge.own_address}")
        why = f"nobody answers the search for it from {bridge.own_address}"
        places: list[Place] = []
        try:
            places = await self._searching(bridge)
        except LinkError as error:
            why = str(error)
        if not places:
            self._failures[bridge.name] = LineFault.SILENT, why
            listener.disconnected(why)
        was_reached = False
        for place in places:
            endpoint = Endpoint(bridge.name, place.host, place.port)
            was_reached |= await self._visit(endpoint, listener)
        return was_reached

    async def _visit(self, endpoint: Endpoint, listener: BridgeListener) -> bool:
        """Connect to one bridge and read until that ends; tell whether it was reached."""
        self._at = BridgePlace(endpoint.name, str(endpoint))
        self._left = ""
        try:
            connection = await self._connect(endpoint, listener)
        except _NotReached as error:
            self._failures[endpoint.name] = error.fault, str(error)
            listener.disconnected(str(error))
            return False
        self._connection = connection
        try:
            listener.connected(endpoint.name)
            await self._read(connection, listener)
            fault, why = _ended(connection, None)
        except (FrameError, OSError) as error:
            fault, why = _ended(connection, error)
        finally:
            self._connection = None
            connection.writer.transport.abort()
        if _is_ended(connection, listener):
            fault = LineFault.ENDED
            why = _ended_sentence(endpoint)
        elif self._left:
            fault = LineFault.BROKEN
            why = self._left
        self._failures[endpoint.name] = fault, why
        listener.disconnected(why)
        return True

    async def _connect(self, endpoint: Endpoint, listener: BridgeListener) -> _Connection:
        """Return a connection whose other end has proven itself. Raise _NotReached (laws 1, 10)."""
        name = TlsName(self._site, TlsRole.BRIDGE, endpoint.name)
        try:
            context = self._context()
        except HubError as error:
            raise _NotReached(LineFault.OWN_KEYS, str(error)) from error
        try:
            async with asyncio.timeout(self._times.connect_seconds):
                reader, writer = await asyncio.open_connection(
                    endpoint.host,
                    endpoint.port,
                    ssl=context,
                    server_hostname=name.dns,
                    limit=READ_BYTES,
                )
        except TimeoutError:
            raise _NotReached(LineFault.SILENT, f"{endpoint} does not answer") from None
        except OSError as error:
            raise _NotReached(fault_of(error), f"{endpoint}: {error}") from error
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        try:
            certified = read_certificate(shown or b"", self._authority, name)
        except TrustError as error:
            writer.transport.abort()
            raise _NotReached(
                LineFault.OTHER_NAME, f"{endpoint} is not {name.uri}: {error}"
            ) from error
        connection = _Connection(reader, writer, endpoint.name, sha256(certified.key).digest())
        if _is_ended(connection, listener):
            writer.transport.abort()
            raise _NotReached(LineFault.ENDED, _ended_sentence(endpoint))
        self._expires[endpoint.name] = certified.expires
        self._failures.pop(endpoint.name, None)
        return connection

    async def _read(self, connection: _Connection, listener: BridgeListener) -> None:
        """Hand messages on until the end. Raise FrameError or OSError (law 3)."""
        frames = Frames(FIRST_BYTES)
        while data := await connection.reader.read(READ_BYTES):
            frames.feed(data)
            while (message := frames.next()) is not None:
                if connection.messages == 0:
                    frames.allow(FROM_BRIDGE_BYTES)
                connection.messages += 1
                if _is_ended(connection, listener):
                    return
                listener.received(message)
                if connection.messages % MESSAGES_AT_ONCE == 0:
                    await asyncio.sleep(0)
        with suppress(OSError):
            connection.writer.close()


def _is_ended(connection: _Connection, listener: BridgeListener) -> bool:
    """Tell whether the site has ended who is at the other end (law 10)."""
    return listener.is_ended(connection.bridge, connection.key_digest)


def _ended_sentence(endpoint: Endpoint) -> str:
    return f"the site has ended the bridge {endpoint.name} at {endpoint}"


def _ended(connection: _Connection, error: Exception | None) -> tuple[LineFault, str]:
    """Say how a connection ended that the other end has ended, or that broke (law 7)."""
    if isinstance(error, FrameError):
        return LineFault.BROKEN, str(error)
    if error is not None and is_alert(error):
        return LineFault.NOT_LET_IN, f"the bridge does not let this hub in: {error}"
    if connection.messages == 0:
        why = (
            "the bridge has ended the connection without a message, as to one that it does not know"
        )
        return LineFault.NOT_LET_IN, why
    if error is not None:
        return LineFault.BROKEN, f"the connection broke: {error}"
    return LineFault.BROKEN, "the bridge has closed the connection"
