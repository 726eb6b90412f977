"""A backend with the right key and bad intentions: it says whatever a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable

import zmq
import zmq.asyncio
from zmq.utils import z85

from hubcore.access.precedence import DoorOrder
from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.backend.uplink.from_backend import BackendMessage
from hubcore.backend.uplink.words import Cause
from hubcore.codec import cbor
from hubcore.device.command import Verb
from hubcore.errors import FrameError
from tests.scenario.uplink_faults.desk import OPERATOR, SECONDS

KINDS_MAX = 40
"""Above the numbers of all messages that there are."""


def now_ms() -> int:
    """Return the right time."""
    return int(1000 * time.time())


def forgetful_welcome() -> from_backend.Welcome:
    """Return the Welcome of a backend that has no record any more."""
    return from_backend.Welcome(now_ms(), 0, bytes(32))


def release(
    number: int, *, lasts: float = 30.0, by: str = OPERATOR, point: int = 1
) -> from_backend.Release:
    """Return an order whose id is this number."""
    expires_at = max(0, int(time.time() + lasts))
    return from_backend.Release(number.to_bytes(16, "big"), point, expires_at, None, by)


def samples(number: int) -> tuple[BackendMessage, ...]:
    """Return a sound message of many types; its orders have this id."""
    expires_at = int(time.time()) + 30
    id_ = number.to_bytes(16, "big")
    return (
        forgetful_welcome(),
        from_backend.Acknowledge((1, 2, 1 << 40)),
        release(number),
        from_backend.NewPolicy(b"nobody has signed this"),
        from_backend.Pong(bytes(8), now_ms()),
        from_backend.Act(id_, OPERATOR, "light", Verb.ON, None, expires_at),
        from_backend.Order(id_, OPERATOR, 1, DoorOrder.LOCKDOWN, 1, expires_at, None),
        from_backend.Halt(Cause.FORK, 9, bytes(32), "why"),
    )


class Hostile:
    """A ROUTER that lets everybody in. What the hub says is kept, decoded."""

    def __init__(self, secret: str) -> None:
        """`secret` is the backend's own key, which the hub has pinned."""
        self._secret = secret
        self.endpoint = ""
        self.welcomes: Callable[[], int] | None = now_ms
        """Returns the time that a Hello is answered with; None: none is."""
        self.acknowledges = True
        self.pongs: Callable[[], int] | None = now_ms
        self.heard: list[from_hub.HubMessage] = []
        self.route = b""
        self._durable: from_hub.Evidence | None = None
        """The newest record that was acknowledged."""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Hostile]:
        """Listen while the context lasts."""
        with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as self._router:
            self._router.setsockopt(zmq.LINGER, 0)
            self._router.setsockopt(zmq.SNDHWM, 0)
            self._router.curve_server = True
            self._router.curve_secretkey = z85.decode(self._secret)
            port = self._router.bind_to_random_port("tcp://127.0.0.1")
            self.endpoint = f"tcp://127.0.0.1:{port}"
            hearing = asyncio.create_task(self._hear())
            try:
                yield self
            finally:
                hearing.cancel()
                await asyncio.wait([hearing])

    async def say(self, *messages: BackendMessage | bytes) -> None:
        """Say all this to the newest connection."""
        for message in messages:
            data = message if isinstance(message, bytes) else codec.encode(message)
            await self._router.send_multipart([self.route, data])

    def welcome(self, time_ms: int | None = None) -> from_backend.Welcome:
        """Return the Welcome of a backend that holds what it has acknowledged."""
        time_ms = now_ms() if time_ms is None else time_ms
        if self._durable is None:
            return from_backend.Welcome(time_ms, 0, bytes(32))
        return from_backend.Welcome(time_ms, self._durable.number, self._durable.hash)

    async def until_heard(self, holds: Callable[[list[from_hub.HubMessage]], object]) -> None:
        """Wait until what was heard is as it should be."""
        async with asyncio.timeout(SECONDS):
            while not holds(self.heard):  # noqa: ASYNC110 - the hub is another process
                await asyncio.sleep(0.01)

    async def in_step(self) -> None:
        """Wait until the hub has read all that was said.

        It answers an Act with an id of its own in every phase after the Welcome.
        """
        mark = random.randbytes(16)
        expires_at = int(time.time()) + 30
        await self.say(from_backend.Act(mark, OPERATOR, "no-such", Verb.ON, None, expires_at))
        await self.until_heard(lambda heard: mark in [getattr(one, "id", b"") for one in heard])

    def results(self) -> list[from_hub.Result]:
        """Return the answers to releases."""
        return [one for one in self.heard if isinstance(one, from_hub.Result)]

    async def _hear(self) -> None:
        while True:
            route, data = await self._router.recv_multipart()
            message = codec.decode_from_hub(data)
            self.heard.append(message)
            match message:
                case from_hub.Hello():
                    self.route = route
                    if self.welcomes is not None:
                        await self.say(self.welcome(self.welcomes()))
                case from_hub.Evidence() if self.acknowledges:
                    self._durable = message
                    await self.say(from_backend.Acknowledge((message.number,)))
                case from_hub.Ping(nonce=nonce) if self.pongs is not None:
                    await self.say(from_backend.Pong(nonce, self.pongs()))


def spoiled(chance: random.Random, number: int) -> bytes:
    """Return bytes near a message, or a message of any number with any fields."""
    good = bytearray(codec.encode(chance.choice(samples(number))))
    match chance.randrange(6):
        case 0:
            good[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
        case 1:
            del good[chance.randrange(len(good)) :]
        case 2:
            good += chance.randbytes(chance.randrange(1, 9))
        case 3:
            at = chance.randrange(len(good))
            good[at:at] = good[: chance.randrange(len(good))]
        case 4:
            fields = [_field(chance) for _ in range(chance.randrange(8))]
            good = bytearray(cbor.encode([chance.randrange(KINDS_MAX), *fields]))
        case _:
            good = bytearray(chance.randbytes(chance.randrange(300)))
    return bytes(good)


def _field(chance: random.Random) -> object:
    sizes = (0, 1, 8, 16, 31, 32, 33, 300)
    return chance.choice(
        (
            chance.randrange(1 << chance.randrange(1, 64)),
            chance.randbytes(chance.choice(sizes)),
            "x" * chance.choice(sizes),
            None,
            [chance.randrange(1000) for _ in range(chance.choice(sizes))],
        )
    )


def is_sound(data: bytes) -> bool:
    """Tell whether these bytes are a message after all."""
    try:
        codec.decode_from_backend(data)
    except FrameError:
        return False
    return True
