"""The link to the backend over CurveZMQ: a DEALER whose server key is pinned, one fresh socket for
every visit.

Laws:
1. libzmq never reconnects by itself here. After one refused key (ZAP 400 or 500) its own
   reconnecting is dead for good, and a wrong server key makes it loop without a pause. So each
   connection gets a new socket, and this module alone waits between them: with jitter, 0.5 s
   growing to 60 s, from the start again only after a link that stayed up longer.
2. libzmq never meets the network: `curve_wire` finds the backend, carries the bytes and bounds
   them.
3. `send` never waits and never queues for a link that is down.
4. Every cause of a failure is told in a sentence, by what the backend was heard to say. What
   nothing seals is told as unproven, and none of its bytes gets into a sentence but digits.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import zmq
import zmq.asyncio

from hubcore.backend.uplink import MAX_MESSAGE_BYTES
from hubcore.errors import ConfigError, LinkError
from hubcore.ports.uplink import UplinkListener
from hubd.adapters.curve.names import Names, Resolve
from hubd.adapters.curve.wire import CLOSED, JOIN_SECONDS, Dialer, Wire, WireLimits
from hubd.adapters.curve.zmtp import SEALED_BYTES, HandshakeProgress
from hubd.adapters.host.uplinkkeys import UplinkKeys
from hubd.aside import Start, start_thread

SEND_QUEUE_MESSAGES = 128
"""Handed to libzmq and not yet on the wire; `send` answers False above it."""
RECEIVE_QUEUE_MESSAGES = 8
"""Whole messages received and not yet read.

What they and their parts may weigh is bounded by `WireLimits`.
"""

_EVENTS = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_CLOSED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
_ENDPOINT = re.compile(r"tcp://(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Timings:
    """How long the link waits, in seconds.

    `settled_seconds`: a link up longer than this starts the back-off anew.
    """

    resolve_seconds: float = 5.0
    connect_seconds: float = 10.0
    """For each of the backend's addresses."""
    handshake_seconds: float = 5.0
    heartbeat_seconds: float = 5.0
    heartbeat_timeout_seconds: float = 15.0
    backoff_first_seconds: float = 0.5
    backoff_cap_seconds: float = 60.0
    settled_seconds: float = 60.0


class Backoff:
    """The waits between visits: each drawn between half the first and a limit that doubles up to
    the cap.
    """

    def __init__(self, timings: Timings, chance: Callable[[], float]) -> None:
        self._timings = timings
        self._chance = chance
        self._limit = timings.backoff_first_seconds

    def after(self, up_seconds: float) -> float:
        """Return the seconds to wait after a visit whose link was up for `up_seconds`, 0 if it
        never was.
        """
        if up_seconds > self._timings.settled_seconds:
            self._limit = self._timings.backoff_first_seconds
        lowest = self._timings.backoff_first_seconds / 2
        limit = self._limit
        self._limit = min(2 * limit, self._timings.backoff_cap_seconds)
        return lowest + self._chance() * (limit - lowest)


class _Visit:
    """One socket from birth to close, joined to one wire.

    It says in a sentence why it is not up.
    """

    def __init__(
        self, context: zmq.asyncio.Context, wire: Wire, keys: UplinkKeys, timings: Timings
    ) -> None:
        self._wire = wire
        self._timings = timings
        self.socket = context.socket(zmq.DEALER)
        try:
            for option, value in _options(keys, timings).items():
                self.socket.setsockopt(option, value)
            self._monitor = self.socket.get_monitor_socket(_EVENTS)
        except BaseException:
            self.socket.close(0)
            raise

    def close(self) -> None:
        """Give back the socket, its monitor and their descriptors, at once; what was queued is
        gone.
        """
        self.socket.disable_monitor()
        self._monitor.close(0)
        self.socket.close(0)

    async def shake_hands(self) -> bool:
        """Join the wire and tell whether the link came up."""
        self.socket.connect(self._wire.address)
        with suppress(TimeoutError):
            async with asyncio.timeout(JOIN_SECONDS + 2 * self._timings.handshake_seconds):
                while (event := await self._event()) in (
                    zmq.EVENT_CONNECTED,
                    zmq.EVENT_CONNECT_DELAYED,
                ):
                    pass
                return event == zmq.EVENT_HANDSHAKE_SUCCEEDED
        return False

    async def lost(self) -> None:
        """Wait until the link that is up is down."""
        while await self._event() not in (zmq.EVENT_DISCONNECTED, zmq.EVENT_CLOSED):
            pass

    async def _event(self) -> int:
        """The next event of the socket."""
        frames = await self._monitor.recv_multipart()
        (event,) = struct.unpack_from("=H", frames[0])
        return int(event)

    def why_lost(self, endpoint: str) -> str:
        """Say what became of a link that was up."""
        did = self._wire.ended or f"was silent for {self._timings.heartbeat_timeout_seconds:g} s"
        return f"connection to {endpoint} lost: the backend {did}"

    def why_not_up(self, endpoint: str) -> str:
        """Say what a failed handshake means (docs/uplink.md has the table)."""
        heard = self._wire.listener.heard
        ended = self._wire.ended
        if self._wire.here:
            return self._wire.here
        if ended and ended != CLOSED:
            return f"what answers at {endpoint} {ended}"
        if heard is HandshakeProgress.REFUSED:
            return f"{endpoint}: {_refused(self._wire.listener.status)}"
        return f"{endpoint}: {_NOT_UP[heard, bool(ended)]}"


def _refused(status: str) -> str:
    """Say what an ERROR means.

    Nothing proves who sent it (RFC 26), so no key is changed by its word alone.
    """
    said = f"ZAP {status}" if status else "an ERROR without a status"
    who = f"the backend, or somebody on the way, says ({said}, which nothing proves) that"
    if status == "400":
        return (
            f"{who} this hub's key is refused. Ask at the backend: only if the key is revoked "
            "there, enrol the hub "
            "again; else look at the network between"
        )
    return (
        f"{who} this hub's key could not be checked: look at the backend, then at the "
        "network between"
    )


_NOT_PROVEN = (
    "what answers did not prove the configured backend's key: it is another server, or "
    "somebody on the way; check host "
    "and port, then compare the backend's public key with the one configured"
)
_NOT_UP: Mapping[tuple[HandshakeProgress, bool], str] = {
    (
        HandshakeProgress.NOTHING,
        True,
    ): "it closed the connection without a word: it is no backend, or something in between "
    "lets nobody through; check host and port",
    (
        HandshakeProgress.NOTHING,
        False,
    ): "it took the connection and said nothing: the backend is frozen, or it is another kind of "
    "server (one for web pages waits like this); check host and port, then the backend",
    (
        HandshakeProgress.SIGNATURE,
        True,
    ): "it closed the connection while it greeted: it speaks no CurveZMQ, as a backend without "
    "keys does not; check host and port",
    (
        HandshakeProgress.SIGNATURE,
        False,
    ): "it began to greet and then said nothing: the backend is frozen; look at the backend",
    (
        HandshakeProgress.GREETING,
        True,
    ): "it closed the connection at this hub's first word: server key pin mismatch suspected; "
    "compare the backend's public key with the one configured",
    (
        HandshakeProgress.GREETING,
        False,
    ): "the backend greeted and then said nothing: it is frozen; look at the backend",
    (HandshakeProgress.UNPROVEN, True): _NOT_PROVEN,
    (HandshakeProgress.UNPROVEN, False): _NOT_PROVEN,
    (
        HandshakeProgress.WELCOME,
        True,
    ): "the backend proved its key and then closed the connection; look at the backend's own log",
    (
        HandshakeProgress.WELCOME,
        False,
    ): "the backend proved its key but lets this hub wait: it does not know this hub's key yet; "
    "enrol the hub, or look whether the backend's directory of hubs is away",
    (
        HandshakeProgress.READY,
        True,
    ): "the backend closed the connection at the end of the handshake; look at the backend's "
    "own log",
    (
        HandshakeProgress.READY,
        False,
    ): "the handshake with the backend did not come to an end; look at the backend",
}
"""By how far the backend came in the handshake, and whether it closed the connection."""


def _options(keys: UplinkKeys, timings: Timings) -> dict[int, int | bytes]:
    """The socket's options.

    RECONNECT_IVL -1: never by itself. IMMEDIATE: nothing queues before the handshake.
    """
    return {
        zmq.LINGER: 0,
        zmq.CURVE_SECRETKEY: keys.secret,
        zmq.CURVE_PUBLICKEY: keys.public,
        zmq.CURVE_SERVERKEY: keys.backend,
        zmq.RECONNECT_IVL: -1,
        zmq.IMMEDIATE: 1,
        zmq.HANDSHAKE_IVL: _ms(timings.handshake_seconds),
        zmq.HEARTBEAT_IVL: _ms(timings.heartbeat_seconds),
        zmq.HEARTBEAT_TIMEOUT: _ms(timings.heartbeat_timeout_seconds),
        zmq.HEARTBEAT_TTL: _ms(timings.heartbeat_timeout_seconds),
        zmq.SNDHWM: SEND_QUEUE_MESSAGES,
        zmq.RCVHWM: RECEIVE_QUEUE_MESSAGES,
        zmq.MAXMSGSIZE: MAX_MESSAGE_BYTES + SEALED_BYTES,
    }


async def _first_of(*tasks: asyncio.Task[Any]) -> None:
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


class CurveUplink:
    """`ports.uplink.Uplink` to `endpoint`, tcp://host:port.

    Raise ConfigError for an endpoint that cannot be one.
    """

    def __init__(
        self,
        endpoint: str,
        keys: UplinkKeys,
        timings: Timings | None = None,
        *,
        limits: WireLimits | None = None,
        resolve: Resolve = socket.getaddrinfo,
        start: Start = start_thread,
        sockets: Path | None = None,
    ) -> None:
        """`sockets`: below it the socket for libzmq is made, in a directory of its own; see
        `Wire`.
        """
        match = _ENDPOINT.fullmatch(endpoint)
        if not match or not 1 <= int(match[2]) <= 65535:
            raise ConfigError(f"uplink: endpoint {endpoint!r} is not of the form tcp://host:port")
        self._endpoint = endpoint
        self._keys = keys
        self._timings = timings or Timings()
        self._limits = limits or WireLimits()
        names = Names(
            host=match[1].strip("[]"),
            port=int(match[2]),
            resolve=resolve,
            start=start,
        )
        self._sockets = sockets
        self._dialer = Dialer(
            names=names,
            endpoint=endpoint,
            resolve_seconds=self._timings.resolve_seconds,
            connect_seconds=self._timings.connect_seconds,
        )
        self._backoff = Backoff(self._timings, random.SystemRandom().random)
        self._up: zmq.asyncio.Socket | None = None
        self.visits = 0
        """Attempts since the start."""
        self.multipart_dropped = 0
        """Messages of more than one part, which no message of `backend.uplink` is."""
        self.no_memory = 0
        """Messages for which there was no memory."""

    def send(self, message: bytes) -> bool:
        """Hand over one message; False when the link is down or its queue is full (nothing was
        queued).
        """
        if self._up is None or len(message) > MAX_MESSAGE_BYTES:
            return False
        # done already, by DONTWAIT
        sent = cast("asyncio.Future[object]", self._up.send(message, zmq.DONTWAIT))
        return sent.exception() is None

    async def serve(self, listener: UplinkListener) -> None:
        """Connect, and connect again, until cancelled; no failure of the link or of libzmq
        ends it.
        """
        with zmq.asyncio.Context() as context:
            while True:
                why, up_seconds = await self._attempt(context, listener)
                listener.disconnected(why)
                await asyncio.sleep(self._backoff.after(up_seconds))

    async def _attempt(
        self, context: zmq.asyncio.Context, listener: UplinkListener
    ) -> tuple[str, float]:
        """Find the backend and live through one visit; return why it ended and for how many seconds
        its link was up.
        """
        self.visits += 1
        try:
            async with Wire(await self._dialer.dial(), self._limits, under=self._sockets) as wire:
                visit = _Visit(context, wire, self._keys, self._timings)
                try:
                    return await self._visit(visit, wire, listener)
                finally:
                    self._up = None
                    visit.close()
        except LinkError as error:
            return str(error), 0.0
        except (zmq.ZMQError, OSError) as error:
            return (
                f"this machine gives no more sockets: {error}; raise LimitNOFILE or look for "
                "a leak",
                0.0,
            )

    async def _visit(
        self, visit: _Visit, wire: Wire, listener: UplinkListener
    ) -> tuple[str, float]:
        """Shake hands and pass messages on while the link stays."""
        loop = asyncio.get_running_loop()
        why = ""
        up_seconds = 0.0
        try:
            async with asyncio.TaskGroup() as group:
                carrying = group.create_task(wire.carry())
                shaking = group.create_task(visit.shake_hands())
                await _first_of(carrying, shaking)
                if shaking.done() and shaking.result():
                    began = loop.time()
                    self._up = visit.socket
                    self._dialer.worked()
                    listener.connected()
                    reading = group.create_task(self._read(visit.socket, wire, listener))
                    losing = group.create_task(visit.lost())
                    await _first_of(carrying, reading, losing)
                    reading.cancel()
                    losing.cancel()
                    why = visit.why_lost(self._endpoint)
                    up_seconds = loop.time() - began
                else:
                    if not wire.here:
                        self._dialer.failed()
                    why = visit.why_not_up(self._endpoint)
                carrying.cancel()
                shaking.cancel()
        except* zmq.ZMQError as errors:
            why = f"libzmq failed: {errors.exceptions[0]}"
        current = asyncio.current_task()
        if (
            current is not None and current.cancelling()
        ):  # before 3.13 a TaskGroup that fails just then swallows it
            raise asyncio.CancelledError
        return why, up_seconds

    async def _read(self, dealer: zmq.asyncio.Socket, wire: Wire, listener: UplinkListener) -> None:
        while True:
            try:
                parts = await dealer.recv_multipart()
            except MemoryError:
                self.no_memory += 1  # libzmq has let go of the message; the next may be smaller
                continue
            for part in parts:
                wire.handed_over(len(part))
            if len(parts) == 1:
                listener.received(parts[0])
            else:
                self.multipart_dropped += 1
            del parts  # or the last message stays until the next one comes
            # a recv that is ready does not yield; a flood must not starve the doors
            await asyncio.sleep(0)
