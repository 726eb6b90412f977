"""An enrolment port: a greeting in clear for everybody, and CurveZMQ beside it.

Laws:
1. The greeting's connection takes nothing and ends at once.
2. The CURVE port lets every key in, because a new hub's is not known. It says only what the desk
   answers, one question after the other.
3. A message has a ceiling, and so has what came and is no whole message: UNREAD_BYTES_MAX.
4. CALLERS_MAX machines are connected at once. Who has no token makes room first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import cast

import zmq
import zmq.asyncio
from zmq.utils import z85

from hubcore.backend.callers import CallerLimits
from hubcore.backend.enrolment import messages
from hubcore.backend.enrolment.greeting import Greeting, write_greeting
from hubcore.backend.enrolment.messages import Enrolled, FromBackend, Waiting
from hubcore.errors import ConfigError
from hubgateway.callers import CallerWatch, Tell
from hubgateway.rules.zap import KEY_PROPERTY, zap_property

ASK_BYTES_MAX = messages.Ask.CEILING
HANDSHAKE_SECONDS = 5.0
HEARTBEAT_SECONDS = 5.0
HEARTBEAT_TIMEOUT_SECONDS = 15.0
QUEUE_MESSAGES = 16
CLOSE_SECONDS = 5.0
CALLERS_MAX = 256
UNREAD_BYTES_MAX = 65_536
_ZAP_ENDPOINT = "inproc://zeromq.zap.01"
_KEY_BYTES = 32

Answer = Callable[[bytes, bytes], Awaitable[FromBackend | None]]
"""Answers one message of the machine with this CURVE key; None for nothing."""


class EnrolmentPort:
    """Serve `host`:`port` (0: any) and the port after it; `secret` is the enrolment key in Z85.

    A machine is greeted in the name of `site`; `tell` tells people.
    """

    def __init__(
        self,
        host: str,
        port: int,
        secret: bytes,
        site: str,
        answer: Answer,
        tell: Tell,
    ) -> None:
        self._host = host
        self._secret = secret
        self._public = z85.decode(zmq.curve_public(secret))
        self._site = site
        self._answer = answer
        self._tell = tell
        self.port = port

    async def serve(self, ready: asyncio.Event) -> None:
        """Serve until cancelled. Raise ConfigError when a port cannot be had."""
        with self._bound() as (zap, router, curve_port):
            greeting = Greeting(self._site, self._public, curve_port)
            said = write_greeting(greeting)

            async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await _say(writer, said)

            limits = CallerLimits(CALLERS_MAX, UNREAD_BYTES_MAX)
            watch = CallerWatch(router, [curve_port], limits, self._tell)
            try:
                server = await asyncio.start_server(greet, self._host or None, self.port)
            except OSError as error:
                raise ConfigError(
                    f"enrolment: cannot listen on port {self.port}: {error}"
                ) from error
            self.port = server.sockets[0].getsockname()[1]
            async with server, asyncio.TaskGroup() as group:
                group.create_task(_answer_handshakes(zap))
                group.create_task(watch.run())
                group.create_task(self._listen(router, watch))
                ready.set()
                await server.serve_forever()

    @contextlib.contextmanager
    def _bound(self) -> Iterator[tuple[zmq.asyncio.Socket, zmq.asyncio.Socket, int]]:
        with contextlib.ExitStack() as stack:
            context = stack.enter_context(zmq.asyncio.Context())
            zap = stack.enter_context(context.socket(zmq.REP))
            router = stack.enter_context(context.socket(zmq.ROUTER))
            zap.bind(_ZAP_ENDPOINT)
            for option, value in self._options().items():
                router.setsockopt(option, value)
            port = "*" if self.port == 0 else str(self.port + 1)
            endpoint = f"tcp://{self._host or '*'}:{port}"
            try:
                router.bind(endpoint)
            except zmq.ZMQError as error:
                raise ConfigError(f"enrolment: cannot listen on {endpoint}: {error}") from error
            bound = router.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
            yield zap, router, int(bound.rpartition(":")[2])

    def _options(self) -> dict[int, int | bytes]:
        return {
            zmq.LINGER: 0,
            zmq.CURVE_SERVER: 1,
            zmq.CURVE_SECRETKEY: self._secret,
            zmq.ZAP_DOMAIN: b"enrolment",
            zmq.ZAP_ENFORCE_DOMAIN: 1,
            zmq.HANDSHAKE_IVL: round(1000 * HANDSHAKE_SECONDS),
            zmq.HEARTBEAT_IVL: round(1000 * HEARTBEAT_SECONDS),
            zmq.HEARTBEAT_TIMEOUT: round(1000 * HEARTBEAT_TIMEOUT_SECONDS),
            zmq.ROUTER_MANDATORY: 1,
            zmq.SNDHWM: QUEUE_MESSAGES,
            zmq.RCVHWM: QUEUE_MESSAGES,
            zmq.MAXMSGSIZE: ASK_BYTES_MAX,
        }

    async def _listen(self, router: zmq.asyncio.Socket, watch: CallerWatch) -> None:
        while True:
            frames = await router.recv_multipart(copy=False)
            caller = watch.handed_over(frames)
            if len(frames) == 2:
                route, data = frames
                key = bytes.fromhex(str(data.get(KEY_PROPERTY)))
                answer = await self._answer(data.bytes, key)
                if isinstance(answer, Waiting | Enrolled):
                    watch.proved(caller)
                if answer is not None:
                    parts = [route.bytes, messages.encode(answer)]
                    sending = router.send_multipart(parts, zmq.DONTWAIT)
                    cast("asyncio.Future[object]", sending).exception()  # it asks again
            await asyncio.sleep(0)


async def _say(writer: asyncio.StreamWriter, said: bytes) -> None:
    """Say the greeting and close, whatever the other end does."""
    with contextlib.suppress(OSError, TimeoutError):
        writer.write(said)
        writer.close()
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.wait_closed()


async def _answer_handshakes(zap: zmq.asyncio.Socket) -> None:
    """Let each CURVE key in; its messages say which it was."""
    while True:
        version, sequence, *_, mechanism, key = await zap.recv_multipart()
        if mechanism == b"CURVE" and len(key) == _KEY_BYTES:
            about = zap_property(KEY_PROPERTY, key.hex().encode("ascii"))
            answer = [version, sequence, b"200", b"", b"", about]
        else:
            answer = [version, sequence, b"400", b"CURVE only", b"", b""]
        await zap.send_multipart(answer)
