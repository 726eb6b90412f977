"""The link to the backend over CurveZMQ: a DEALER whose server key is pinned, one fresh socket for every visit.

Laws: libzmq never reconnects by itself here. After one refused key (ZAP 400 or 500) its own reconnecting is dead for
good, and a wrong server key makes it loop without a pause; so each connection gets a new socket, and this module alone
waits between them, with jitter, 0.5 s growing to 60 s, from the start again only after a link that stayed up longer
than that. `send` never waits and never queues for a link that is down. Every cause of a failure is told in a sentence.
"""

from __future__ import annotations

import asyncio
import errno
import random
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import zmq
import zmq.asyncio
from zmq.utils import z85

from hubd.core.uplink import MAX_MESSAGE_BYTES
from hubd.errors import ConfigError
from hubd.ports import UplinkListener

KEY_BYTES = 32
SEND_QUEUE_MESSAGES = 128
"""Handed to libzmq and not yet on the wire; `send` answers False above it."""
RECEIVE_QUEUE_MESSAGES = 8
"""Received and not yet read; with MAX_MESSAGE_BYTES the ceiling of the memory that the backend can occupy."""

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
    """How long the link waits, in seconds. `settled_seconds`: a link up longer than this starts the back-off anew."""

    connect_seconds: float = 10.0
    handshake_seconds: float = 5.0
    heartbeat_seconds: float = 5.0
    heartbeat_timeout_seconds: float = 15.0
    backoff_first_seconds: float = 0.5
    backoff_cap_seconds: float = 60.0
    settled_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class LinkKeys:
    """Curve25519 keys of 32 bytes: the hub's own pair and the backend's public key, pinned."""

    secret: bytes = field(repr=False)
    public: bytes
    backend: bytes

    def __post_init__(self) -> None:
        """Raise ConfigError for a key of another length, or a public key that is not the secret key's."""
        for name, key in (("own secret", self.secret), ("own public", self.public), ("backend's public", self.backend)):
            if len(key) != KEY_BYTES:
                raise ConfigError(f"uplink: the {name} key has {len(key)} bytes, expected {KEY_BYTES}")
        if z85.decode(zmq.curve_public(z85.encode(self.secret))) != self.public:
            raise ConfigError("uplink: the hub's public key does not belong to its secret key; write both files anew")


def key_from_text(text: str) -> bytes:
    """Return the 32 bytes of a key written in Z85, 40 characters. Raise ConfigError."""
    stripped = text.strip()
    try:
        key = z85.decode(stripped.encode("ascii")) if len(stripped) == 40 else b""
    except (KeyError, ValueError, struct.error) as error:
        raise ConfigError("uplink: a key is no Z85 text; write it as `curve_keypair` gives it") from error
    if len(key) != KEY_BYTES:
        raise ConfigError(f"uplink: a key has {len(stripped)} characters, expected 40 of Z85")
    return key


class Backoff:
    """The waits between visits: each drawn between half the first and a limit that doubles up to the cap."""

    def __init__(self, timings: Timings, chance: Callable[[], float]) -> None:
        self._timings = timings
        self._chance = chance
        self._limit = timings.backoff_first_seconds

    def after(self, up_seconds: float) -> float:
        """Return the seconds to wait after a visit whose link was up for `up_seconds`, 0 if it never was."""
        if up_seconds > self._timings.settled_seconds:
            self._limit = self._timings.backoff_first_seconds
        lowest, limit = self._timings.backoff_first_seconds / 2, self._limit
        self._limit = min(2 * limit, self._timings.backoff_cap_seconds)
        return lowest + self._chance() * (limit - lowest)


class _Visit:
    """One socket from birth to close: it connects once, and says in a sentence why it could not or why it ended."""

    def __init__(self, context: zmq.asyncio.Context, endpoint: str, keys: LinkKeys, timings: Timings) -> None:
        self._endpoint = endpoint
        self._timings = timings
        self.socket = context.socket(zmq.DEALER)
        try:
            for option, value in _options(endpoint, keys, timings).items():
                self.socket.setsockopt(option, value)
            self._monitor = self.socket.get_monitor_socket(_EVENTS)
        except BaseException:
            self.socket.close(0)
            raise

    def close(self) -> None:
        """Give back the socket, its monitor and their descriptors, at once; what was queued is gone."""
        self.socket.disable_monitor()
        self._monitor.close(0)
        self.socket.close(0)

    async def connect(self) -> str:
        """Connect and shake hands; return why it failed, '' when the link is up."""
        loop, timings = asyncio.get_running_loop(), self._timings
        reached_at = None
        self.socket.connect(self._endpoint)
        try:
            async with asyncio.timeout(timings.connect_seconds + 2 * timings.handshake_seconds):
                while True:
                    event, value = await self._event()
                    if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                        return ""
                    if event == zmq.EVENT_CONNECTED:
                        reached_at = loop.time()
                        continue
                    slow = reached_at is not None and loop.time() - reached_at >= 0.8 * timings.handshake_seconds
                    return self._why(event, value, slow)
        except TimeoutError:
            return f"{self._endpoint} not reachable: its name does not resolve, or the network does not lead there"

    async def lost(self) -> str:
        """Wait until the link that is up is down; return why."""
        while (await self._event())[0] not in (zmq.EVENT_DISCONNECTED, zmq.EVENT_CLOSED):
            pass
        return (
            f"connection to {self._endpoint} lost: the backend closed it, sent what was too large, "
            f"or was silent for {self._timings.heartbeat_timeout_seconds:g} s"
        )

    async def _event(self) -> tuple[int, int]:
        """The next event of the socket and its value: an errno, a ZAP status or nothing, by the kind of event."""
        frames = await self._monitor.recv_multipart()
        event, value = struct.unpack("=Hi", frames[0])
        return event, value

    def _why(self, event: int, value: int, slow: bool) -> str:
        """What a failure before the link was up means (measured with libzmq 4.3.5; docs/uplink.md)."""
        if event == zmq.EVENT_CLOSED:
            return f"{self._endpoint} not reachable: nothing accepts connections there; does the backend run?"
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH and value == 400:
            return "this hub's key is refused by the backend (ZAP 400): it is revoked there; enrol the hub anew"
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return f"the backend could not check this hub's key (ZAP {value}): look at the backend"
        if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            return f"what answers at {self._endpoint} speaks no CurveZMQ: wrong port, or a server without keys"
        if slow or (event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL and value == errno.EAGAIN):
            return (
                "the backend took the connection but did not finish the handshake: "
                "it is frozen, or it does not know this hub's key yet; enrol the hub"
            )
        return (
            "the backend closed the connection during the handshake: server key pin mismatch suspected; "
            "compare the backend's public key with the one configured"
        )


def _options(endpoint: str, keys: LinkKeys, timings: Timings) -> dict[int, int | bytes]:
    """The socket's options. RECONNECT_IVL -1: never by itself. IMMEDIATE: nothing queues before the handshake."""
    return {
        zmq.LINGER: 0,
        zmq.CURVE_SECRETKEY: keys.secret,
        zmq.CURVE_PUBLICKEY: keys.public,
        zmq.CURVE_SERVERKEY: keys.backend,
        zmq.RECONNECT_IVL: -1,
        zmq.IMMEDIATE: 1,
        zmq.CONNECT_TIMEOUT: _ms(timings.connect_seconds),
        zmq.HANDSHAKE_IVL: _ms(timings.handshake_seconds),
        zmq.HEARTBEAT_IVL: _ms(timings.heartbeat_seconds),
        zmq.HEARTBEAT_TIMEOUT: _ms(timings.heartbeat_timeout_seconds),
        zmq.HEARTBEAT_TTL: _ms(timings.heartbeat_timeout_seconds),
        zmq.SNDHWM: SEND_QUEUE_MESSAGES,
        zmq.RCVHWM: RECEIVE_QUEUE_MESSAGES,
        zmq.MAXMSGSIZE: MAX_MESSAGE_BYTES,
        zmq.IPV6: int("[" in endpoint),
    }


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


class CurveUplink:
    """`hubd.ports.Uplink` to `endpoint`, tcp://host:port. Raise ConfigError for an endpoint that cannot be one."""

    def __init__(self, endpoint: str, keys: LinkKeys, timings: Timings | None = None) -> None:
        match = _ENDPOINT.fullmatch(endpoint)
        if not match or not 1 <= int(match[2]) <= 65535:
            raise ConfigError(f"uplink: endpoint {endpoint!r} is not of the form tcp://host:port")
        self._endpoint = endpoint
        self._keys = keys
        self._timings = timings or Timings()
        self._backoff = Backoff(self._timings, random.SystemRandom().random)
        self._up: zmq.asyncio.Socket | None = None
        self.visits = 0
        """Sockets made since the start."""
        self.multipart_dropped = 0
        """Messages of more than one part, which no message of `core.uplink` is."""

    def send(self, message: bytes) -> bool:
        """Hand over one message; False when the link is down or its queue is full (nothing was queued)."""
        if self._up is None or len(message) > MAX_MESSAGE_BYTES:
            return False
        sent = cast("asyncio.Future[object]", self._up.send(message, zmq.DONTWAIT))  # done already, by DONTWAIT
        return sent.exception() is None

    async def serve(self, listener: UplinkListener) -> None:
        """Connect, and connect again, until cancelled; no failure of the link or of libzmq ends it."""
        with zmq.asyncio.Context() as context:
            while True:
                why, up_seconds = await self._visit(context, listener)
                listener.disconnected(why)
                await asyncio.sleep(self._backoff.after(up_seconds))

    async def _visit(self, context: zmq.asyncio.Context, listener: UplinkListener) -> tuple[str, float]:
        """One socket's life; return why it ended and for how many seconds its link was up."""
        self.visits += 1
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            visit = _Visit(context, self._endpoint, self._keys, self._timings)
        except zmq.ZMQError as error:
            return f"this machine gives no more sockets: {error}; raise LimitNOFILE or look for a leak", 0.0
        try:
            why = await visit.connect()
            if why:
                return why, 0.0
            began, self._up = loop.time(), visit.socket
            listener.connected()
            return await self._listen(visit, listener), loop.time() - began
        except zmq.ZMQError as error:
            return f"libzmq failed: {error}", 0.0
        finally:
            self._up = None
            visit.close()

    async def _listen(self, visit: _Visit, listener: UplinkListener) -> str:
        """Pass messages on while the link stays; return why it went."""
        why = ""
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read(visit.socket, listener))
                why = await visit.lost()
                reading.cancel()
        except* zmq.ZMQError as errors:
            why = f"libzmq failed: {errors.exceptions[0]}"
        task = asyncio.current_task()
        if task is not None and task.cancelling():  # before 3.13 a TaskGroup that fails just then swallows it
            raise asyncio.CancelledError
        return why

    async def _read(self, socket: zmq.asyncio.Socket, listener: UplinkListener) -> None:
        while True:
            parts = await socket.recv_multipart()
            if len(parts) == 1:
                listener.received(parts[0])
            else:
                self.multipart_dropped += 1
            await asyncio.sleep(0)  # a recv that is ready does not yield; a flood must not starve the doors
