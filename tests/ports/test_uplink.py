"""What every uplink keeps: the suite of `ports.uplink.Uplink`, on the fake and on CurveZMQ over
TCP.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from hubcore.backend.uplink import codec, from_hub
from hubcore.ports.uplink import Uplink
from hubd.adapters.curve.uplink import CurveUplink
from hubd.adapters.keys.uplinkkeys import UplinkKeys
from tests.fakes.uplink import FakeUplink, FakeUplinkListener
from tests.scenario.test_uplink import FAST, Keys, Raw, running, until

PING = codec.encode(from_hub.Ping(bytes(8)))
OTHER = codec.encode(from_hub.Ping(bytes(range(8))))


class Bench(Protocol):
    """An uplink, with the backend at its other end."""

    link: Uplink

    async def come_up(self) -> None:
        """Let the backend be there."""

    async def go_down(self) -> None:
        """Let the backend be gone."""

    async def say(self, message: bytes) -> None:
        """Let the backend, which has heard the hub, say something."""

    async def heard(self) -> bytes:
        """Wait for what the backend hears next."""


class FakeBench:
    def __init__(self) -> None:
        self.link = FakeUplink()

    async def come_up(self) -> None:
        await self.link.served()
        self.link.connect()

    async def go_down(self) -> None:
        self.link.cut("the cable is out")

    async def say(self, message: bytes) -> None:
        self.link.say(message)

    async def heard(self) -> bytes:
        return await self.link.next()


class CurveBench:
    """The backend is opened again on the same port, so that the link finds it."""

    def __init__(self, raw: Raw, stack: contextlib.AsyncExitStack, link: CurveUplink) -> None:
        self.link = link
        self._raw = raw
        self._stack = stack
        self._route = b""

    async def come_up(self) -> None:
        return  # it has been there from the beginning

    async def go_down(self) -> None:
        await self._stack.aclose()

    async def say(self, message: bytes) -> None:
        await self._raw.say(self._route, message)

    async def heard(self) -> bytes:
        async with asyncio.timeout(5):
            self._route, message = await self._raw.heard.get()
        return message


async def fake() -> AsyncIterator[Bench]:
    yield FakeBench()


async def curve() -> AsyncIterator[Bench]:
    ours = Keys()
    theirs = Keys()
    async with contextlib.AsyncExitStack() as stack:
        raw = await stack.enter_async_context(Raw(theirs).open())
        keys = UplinkKeys(ours.secret, ours.public, theirs.public)
        yield CurveBench(raw, stack, CurveUplink(raw.endpoint, keys, FAST))


@pytest.fixture(params=[fake, curve], ids=["fake", "curve"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async for made in request.param():
        yield made


@contextlib.asynccontextmanager
async def up(bench: Bench) -> AsyncIterator[FakeUplinkListener]:
    """Serve the link and wait until it is up."""
    listener = FakeUplinkListener()
    async with running(bench.link.serve(listener)):
        await bench.come_up()
        await until(lambda: listener.ups == 1)
        yield listener


async def test_a_link_that_is_down_takes_nothing(bench: Bench) -> None:
    assert bench.link.send(PING) is False


async def test_messages_arrive_whole_and_in_order(bench: Bench) -> None:
    async with up(bench):
        assert bench.link.send(PING) is True
        assert bench.link.send(OTHER) is True
        assert [await bench.heard(), await bench.heard()] == [PING, OTHER]


async def test_what_the_backend_says_is_handed_on_undecoded(bench: Bench) -> None:
    async with up(bench) as listener:
        bench.link.send(PING)
        await bench.heard()
        for said in (b"\xff no message at all", OTHER):
            await bench.say(said)
        await until(lambda: len(listener.messages) == 2)
        assert listener.messages == [b"\xff no message at all", OTHER]


async def test_the_end_of_a_link_is_told_with_a_sentence_and_it_takes_nothing_then(
    bench: Bench,
) -> None:
    async with up(bench) as listener:
        bench.link.send(PING)
        await bench.heard()
        await bench.go_down()
        await until(lambda: listener.why != "")
        assert bench.link.send(PING) is False


async def test_serving_can_be_cancelled(bench: Bench) -> None:
    async with up(bench):
        pass  # `running` sees that the task ends
