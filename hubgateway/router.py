"""The gateway's socket for hubs: a CurveZMQ ROUTER with its own ZAP handler."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import cast

import zmq
import zmq.asyncio

from hubcore.backend.callers import CallerLimits
from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.backend.uplink.words import SEALED_BYTES
from hubcore.errors import ConfigError
from hubgateway.callers import CallerWatch, Tell, descriptors_for_callers, port_of
from hubgateway.rules import zap

BATCH_MESSAGES = 256
SEND_QUEUE_MESSAGES = 256
HEARTBEAT_MS = 5_000
HEARTBEAT_TIMEOUT_MS = 15_000
HANDSHAKE_MS = 15_000
BACKLOG = 1_024
UNREAD_BYTES_MAX = 4 << 20
"""Of one connection: four times what a hub sends without an answer."""
_ZAP_ENDPOINT = "inproc://zeromq.zap.01"
_ZAP_DOMAIN = b"hub"


class Router:
    """The socket. `secret` is the Curve secret key in Z85; `directory` says who may connect.

    `on_retired` hears which hub's retired key somebody comes with, `on_ended` whose connection was
    ended and why.
    """

    def __init__(
        self,
        secret: bytes,
        directory: zap.Directory,
        on_retired: Callable[[str], None],
        tell: Tell,
        limits: CallerLimits | None = None,
    ) -> None:
        self._secret = secret
        self._directory = directory
        self._on_retired = on_retired
        self._tell = tell
        self._limits = limits
        self._watch: CallerWatch | None = None
        self._router: zmq.asyncio.Socket | None = None
        self._plain: zmq.Socket[bytes] | None = None
        """The same socket without futures. It is never closed: that would close the other one."""
        self._zap: zmq.asyncio.Socket | None = None

    @contextlib.contextmanager
    def bound(self, endpoint: str) -> Iterator[str]:
        """Bind and yield the endpoint, with its true port. Raise ConfigError."""
        with contextlib.ExitStack() as stack:
            context = stack.enter_context(zmq.asyncio.Context())
            context.setsockopt(zmq.MAX_SOCKETS, 16)
            zap_socket = stack.enter_context(context.socket(zmq.REP))
            router = stack.enter_context(context.socket(zmq.ROUTER))
            stack.callback(self._forget)
            zap_socket.bind(_ZAP_ENDPOINT)
            for option, value in self._options().items():
                router.setsockopt(option, value)
            router.setsockopt(zmq.IPV6, int("[" in endpoint or "*" in endpoint))
            try:
                router.bind(endpoint)
            except zmq.ZMQError as error:
                raise ConfigError(
                    f"hubgateway: cannot listen on {endpoint}: {error}; is the port in use?"
                ) from error
            self._zap = zap_socket
            self._router = router
            self._plain = zmq.Socket(shadow=router.underlying)
            limits = self._limits or CallerLimits(descriptors_for_callers(), UNREAD_BYTES_MAX)
            bound_to = router.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
            self._watch = CallerWatch(router, [port_of(bound_to)], limits, self._tell)
            yield bound_to

    def _options(self) -> dict[int, int | bytes]:
        return {
            zmq.LINGER: 0,
            zmq.BACKLOG: BACKLOG,
            zmq.CURVE_SERVER: 1,
            zmq.CURVE_SECRETKEY: self._secret,
            zmq.ZAP_DOMAIN: _ZAP_DOMAIN,
            zmq.ZAP_ENFORCE_DOMAIN: 1,
            zmq.HANDSHAKE_IVL: HANDSHAKE_MS,
            zmq.HEARTBEAT_IVL: HEARTBEAT_MS,
            zmq.HEARTBEAT_TIMEOUT: HEARTBEAT_TIMEOUT_MS,
            zmq.ROUTER_MANDATORY: 1,
            zmq.SNDHWM: SEND_QUEUE_MESSAGES,
            zmq.RCVHWM: BATCH_MESSAGES,
            zmq.MAXMSGSIZE: from_hub.Evidence.CEILING + SEALED_BYTES,
        }

    def _forget(self) -> None:
        self._watch = None
        self._router = None
        self._plain = None
        self._zap = None

    async def answer_handshakes(self) -> None:
        """Answer ZAP requests until cancelled."""
        assert self._zap is not None  # noqa: S101
        while True:
            request = await self._zap.recv_multipart()
            await self._zap.send_multipart(zap.answer(self._directory, request))
            hub = zap.hub_of_retired(self._directory, request)
            if hub is not None:
                self._on_retired(hub)

    @property
    def callers(self) -> int:
        """How many connections there are."""
        return 0 if self._watch is None else len(self._watch)

    @property
    def ended(self) -> Mapping[str, int]:
        """How many connections were ended here, by why."""
        return {} if self._watch is None else self._watch.ended

    async def watch(self) -> None:
        """End connections that cost too much, until cancelled."""
        assert self._watch is not None  # noqa: S101
        await self._watch.run()

    async def receive(self) -> list[list[zmq.Frame]]:
        """Wait for a message; return it with all that have come, at most BATCH_MESSAGES."""
        assert self._router is not None  # noqa: S101
        assert self._plain is not None  # noqa: S101
        assert self._watch is not None  # noqa: S101
        batch = [await self._router.recv_multipart(copy=False)]
        # The rest without a future each: that is most of what a message costs.
        with contextlib.suppress(zmq.Again):
            while len(batch) < BATCH_MESSAGES:
                batch.append(_take(self._plain))
        for frames in batch:
            self._watch.proved(self._watch.handed_over(frames))
        return batch

    def send(self, route: bytes, message: from_backend.BackendMessage) -> bool:
        """Hand a message over to a connection; False when it is closed or its queue is full."""
        if self._router is None:
            return False
        parts = [route, codec.encode(message)]
        sending = cast("asyncio.Future[object]", self._router.send_multipart(parts, zmq.DONTWAIT))
        return sending.exception() is None


def _take(waiting: zmq.Socket[bytes]) -> list[zmq.Frame]:
    """Take a message that has come. Raise zmq.Again when none has."""
    parts = [waiting.recv(zmq.DONTWAIT, copy=False)]
    while parts[-1].more:
        parts.append(waiting.recv(copy=False))
    return parts
