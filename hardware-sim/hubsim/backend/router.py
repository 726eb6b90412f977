"""The backend's socket for hubs: a ROUTER with its own ZAP handler."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import cast

import zmq
import zmq.asyncio

from hubcore.backend.callers import CallerLimits
from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.backend.uplink.words import SEALED_BYTES
from hubcore.errors import ConfigError
from hubgateway.callers import CallerWatch, Tell, descriptors_for_callers, port_of
from hubsim.backend.admission.zap import Gate

FROM_HUB_BYTES_MAX = from_hub.Evidence.CEILING + SEALED_BYTES
BATCH_MESSAGES = 256
SEND_QUEUE_MESSAGES = 256
HEARTBEAT_SECONDS = 5.0
HEARTBEAT_TIMEOUT_SECONDS = 15.0
UNREAD_BYTES_MAX = 4 << 20
"""Of one connection: four times what a hub sends without an answer."""

_ZAP_ENDPOINT = "inproc://zeromq.zap.01"
_ZAP_DOMAIN = b"hub"


class Sent(Enum):
    """What became of a message for a connection."""

    HANDED_OVER = "handed over"
    NOT_NOW = "not now"  # its queue is full, or the backend does not serve
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Listening:
    """An endpoint (tcp://ADDRESS:PORT), and the Curve secret key that is proved there, in Z85."""

    endpoint: str
    secret: bytes


class Router:
    """The socket; `gate` says who may connect.

    `tell` tells people of a connection that was ended.
    """

    def __init__(self, gate: Gate, tell: Tell) -> None:
        self._gate = gate
        self._tell = tell
        self._watch: CallerWatch | None = None
        self._router: zmq.asyncio.Socket | None = None
        self._zap: zmq.asyncio.Socket | None = None

    @contextlib.contextmanager
    def bound(
        self, places: Sequence[Listening], handshake_seconds: float
    ) -> Iterator[tuple[str, ...]]:
        """Bind and yield the endpoints, with their true ports. Raise ConfigError.

        Each bind takes the options as they are then, so each has a server key of its own.
        """
        with contextlib.ExitStack() as stack:
            context = stack.enter_context(zmq.asyncio.Context())
            zap = stack.enter_context(context.socket(zmq.REP))
            router = stack.enter_context(context.socket(zmq.ROUTER))
            stack.callback(self._forget_sockets)
            zap.bind(_ZAP_ENDPOINT)
            for option, value in self._options(handshake_seconds).items():
                router.setsockopt(option, value)
            endpoints = [_bind(router, place) for place in places]
            self._zap = zap
            self._router = router
            limits = CallerLimits(descriptors_for_callers(), UNREAD_BYTES_MAX)
            ports = [port_of(endpoint) for endpoint in endpoints]
            self._watch = CallerWatch(router, ports, limits, self._tell)
            yield tuple(endpoints)

    def _options(self, handshake_seconds: float) -> dict[int, int | bytes]:
        return {
            zmq.LINGER: 0,
            zmq.CURVE_SERVER: 1,
            zmq.ZAP_DOMAIN: _ZAP_DOMAIN,
            zmq.ZAP_ENFORCE_DOMAIN: 1,
            zmq.HANDSHAKE_IVL: round(1000 * handshake_seconds),
            zmq.HEARTBEAT_IVL: round(1000 * HEARTBEAT_SECONDS),
            zmq.HEARTBEAT_TIMEOUT: round(1000 * HEARTBEAT_TIMEOUT_SECONDS),
            zmq.ROUTER_MANDATORY: 1,
            zmq.SNDHWM: SEND_QUEUE_MESSAGES,
            zmq.RCVHWM: BATCH_MESSAGES,
            zmq.MAXMSGSIZE: FROM_HUB_BYTES_MAX,
        }

    def _forget_sockets(self) -> None:
        self._watch = None
        self._router = None
        self._zap = None

    async def answer_handshakes(self) -> None:
        """Answer ZAP requests until cancelled."""
        assert self._zap is not None
        while True:
            request = await self._zap.recv_multipart()
            await self._zap.send_multipart(self._gate.answer(request))

    async def watch(self) -> None:
        """End connections that cost too much, until cancelled."""
        assert self._watch is not None
        await self._watch.run()

    async def receive(self) -> list[list[zmq.Frame]]:
        """Wait for a message; return it with all that have come, at most BATCH_MESSAGES."""
        assert self._router is not None
        assert self._watch is not None
        batch = [await self._router.recv_multipart(copy=False)]
        with contextlib.suppress(zmq.Again):
            while len(batch) < BATCH_MESSAGES:
                more = await self._router.recv_multipart(zmq.DONTWAIT, copy=False)
                batch.append(more)
        for frames in batch:
            self._watch.proved(self._watch.handed_over(frames))
        return batch

    def send(self, route: bytes, message: from_backend.BackendMessage) -> Sent:
        """Hand a message over to a connection."""
        if self._router is None:
            return Sent.NOT_NOW
        parts = [route, codec.encode(message)]
        sending = cast(
            "asyncio.Future[object]",
            self._router.send_multipart(parts, zmq.DONTWAIT),
        )
        error = sending.exception()
        if error is None:
            return Sent.HANDED_OVER
        if isinstance(error, zmq.ZMQError) and error.errno == zmq.EHOSTUNREACH:
            return Sent.CLOSED
        return Sent.NOT_NOW


def _bind(router: zmq.asyncio.Socket, place: Listening) -> str:
    """Listen at a place; return its endpoint, with its true port. Raise ConfigError."""
    router.setsockopt(zmq.CURVE_SECRETKEY, place.secret)
    try:
        router.bind(place.endpoint)
    except zmq.ZMQError as error:
        raise ConfigError(
            f"backend: cannot listen on {place.endpoint}: {error}; is the port in use?"
        ) from error
    return router.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
