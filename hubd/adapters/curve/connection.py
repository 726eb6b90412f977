"""One connection to the backend: a fresh libzmq socket, joined to one wire.

Law: libzmq never reconnects by itself here. After one refused key (ZAP 400 or 500) its own
reconnecting is dead for good, and a wrong server key makes it loop without a pause.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress

import zmq
import zmq.asyncio

from hubcore.backend.uplink.words import MAX_MESSAGE_BYTES, SEALED_BYTES
from hubd.adapters.curve.reasons import handshake_failure
from hubd.adapters.curve.sending import Sending
from hubd.adapters.curve.timings import Timings
from hubd.adapters.curve.wire import CLOSED, JOIN_SECONDS, Wire
from hubd.adapters.curve.zmtp import HandshakeProgress
from hubd.adapters.keys.uplinkkeys import OwnPair

SEND_QUEUE_MESSAGES = 128
"""Handed to libzmq and not yet on the wire; above it libzmq takes no more."""
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
_LOST = (zmq.EVENT_DISCONNECTED, zmq.EVENT_CLOSED)
_NOT_ABOUT_THE_KEY = (
    HandshakeProgress.NOTHING,
    HandshakeProgress.SIGNATURE,
    HandshakeProgress.WELCOME,
    HandshakeProgress.READY,
)
"""Nothing was said that the server key could have changed, or the key is proved."""
_BEFORE_HANDSHAKE = (zmq.EVENT_CONNECTED, zmq.EVENT_CONNECT_DELAYED)


class Connection:
    """One socket from birth to close. It says in a sentence why it is not up."""

    def __init__(
        self,
        context: zmq.asyncio.Context,
        wire: Wire,
        own: OwnPair,
        server_key: bytes,
        timings: Timings,
    ) -> None:
        self._wire = wire
        self._timings = timings
        self.socket = context.socket(zmq.DEALER)
        try:
            for option, value in _options(own, server_key, timings).items():
                self.socket.setsockopt(option, value)
            self._monitor = self.socket.get_monitor_socket(_EVENTS)
            self.sending = Sending(self.socket)
        except BaseException:
            self.socket.close(0)
            raise

    def close(self) -> None:
        """Give back the socket, its monitor and their descriptors, at once.

        What was queued is gone.
        """
        self.socket.disable_monitor()
        self._monitor.close(0)
        self.socket.close(0)

    async def shake_hands(self) -> bool:
        """Join the wire and tell whether the connection came up."""
        self.socket.connect(self._wire.address)
        limit_seconds = JOIN_SECONDS + 2 * self._timings.handshake_seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_seconds):
                event = await self._event()
                while event in _BEFORE_HANDSHAKE:
                    event = await self._event()
                return event == zmq.EVENT_HANDSHAKE_SUCCEEDED
        return False

    async def lost(self) -> None:
        """Wait until the connection that is up is down."""
        event = None
        while event not in _LOST:
            event = await self._event()

    async def _event(self) -> int:
        """Return the next event of the socket."""
        frames = await self._monitor.recv_multipart()
        (event,) = struct.unpack_from("=H", frames[0])
        return int(event)

    @property
    def same_for_every_key(self) -> bool:
        """Whether a failed handshake would have failed with any other server key, too."""
        return self._wire.inbound.progress in _NOT_ABOUT_THE_KEY

    def why_lost(self, endpoint: str) -> str:
        """Say what became of a connection that was up."""
        silent_seconds = self._timings.heartbeat_timeout_seconds
        did = self._wire.ended or f"was silent for {silent_seconds:g} s"
        return f"connection to {endpoint} lost: the backend {did}"

    def why_not_up(self, endpoint: str) -> str:
        """Say what a failed handshake means."""
        if self._wire.local_failure:
            return self._wire.local_failure
        ended = self._wire.ended
        if ended and ended != CLOSED:
            return f"what answers at {endpoint} {ended}"
        seen = self._wire.inbound
        has_closed = bool(ended)
        why = handshake_failure(seen.progress, seen.status, has_closed)
        return f"{endpoint}: {why}"


def _options(own: OwnPair, server_key: bytes, timings: Timings) -> dict[int, int | bytes]:
    """Return the socket's options.

    RECONNECT_IVL -1: never by itself. IMMEDIATE: nothing queues before the handshake.
    """
    return {
        zmq.LINGER: 0,
        zmq.CURVE_SECRETKEY: own.secret,
        zmq.CURVE_PUBLICKEY: own.public,
        zmq.CURVE_SERVERKEY: server_key,
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


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
