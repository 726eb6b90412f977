"""The hub's change of keys as it is performed: on keys in memory, an uplink in memory, and a disk
that may refuse.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from hubcore.backend.rotation import NotNow, RotationPace, Waits
from hubcore.backend.uplink.from_backend import KeyTaken, RotateKey
from hubcore.backend.uplink.from_hub import NewKey, RetireKey
from hubd.adapters.host.clock import SystemClock
from hubd.backend.rotation import KeyRotation
from tests.fakes.keys import FakeKeyPairs
from tests.fakes.uplink import FakeUplink, FakeUplinkListener

pytestmark = pytest.mark.asyncio

OLD = bytes([1] * 32)
NEW = bytes([2] * 32)


class Play:
    """A hub that talks with a backend; the test is the backend."""

    def __init__(self) -> None:
        self.did: asyncio.Queue[str] = asyncio.Queue()
        self.said: asyncio.Queue[NewKey | RetireKey] = asyncio.Queue()
        self.loop = asyncio.get_running_loop()
        self.pairs = FakeKeyPairs(
            lambda what: self.loop.call_soon_threadsafe(self.did.put_nowait, what)
        )
        self.uplink = FakeUplink()
        self.full = False
        self.rotation = KeyRotation(
            pairs=self.pairs,
            uplink=self.uplink,
            pace=RotationPace(age_seconds=0.0),
            clock=SystemClock(lambda: 0.0),
            hub="hub-1",
            disk_seconds=0.01,
        )
        self.rotation.speaks(self.say)

    def say(self, message: NewKey | RetireKey) -> bool:
        self.said.put_nowait(message)
        return True

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [
            asyncio.ensure_future(self.uplink.serve(FakeUplinkListener())),
            asyncio.ensure_future(self.rotation.run()),
        ]
        await self.uplink.served()
        try:
            yield
        finally:
            assert not tasks[1].done()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def come(self, key: bytes) -> None:
        """Let the hub come with a key, and be welcomed."""
        self.uplink.own_key = key
        self.uplink.connect()
        self.rotation.welcomed()

    async def next(self, queue: asyncio.Queue) -> object:
        async with asyncio.timeout(5):
            return await queue.get()

    async def begin(self) -> None:
        """Let the hub be asked for a new key, up to its NewKey."""
        self.come(OLD)
        assert await self.next(self.said) == RetireKey(OLD)
        self.rotation.heard(KeyTaken(OLD, 1, ""))
        self.rotation.heard(RotateKey(OLD))
        assert await self.next(self.did) == "made"
        assert await self.next(self.said) == NewKey(NEW, bytes(32))


async def test_the_whole_change() -> None:
    play = Play()
    async with play.running():
        await play.begin()
        play.rotation.heard(KeyTaken(NEW, 2, ""))
        async with asyncio.timeout(5):
            while not play.uplink.left:  # noqa: ASYNC110 - the fake has no event
                await asyncio.sleep(0.001)
        ((why, again),) = play.uplink.left
        assert "new key" in why
        assert again
        assert play.pairs.tries == 1
        assert play.pairs.known().current == OLD  # rotation, law 2
        play.rotation.ended()
        play.come(NEW)
        assert await play.next(play.did) == "switched"
        assert await play.next(play.said) == RetireKey(OLD)
        play.rotation.heard(KeyTaken(NEW, 1, ""))
        assert await play.next(play.did) == "dropped old"
        assert play.rotation.trouble == ""


async def test_a_halt_is_no_welcome_for_a_new_key() -> None:
    play = Play()
    async with play.running():
        await play.begin()
        play.uplink.own_key = NEW
        play.uplink.connect()
        play.rotation.halted()
        assert [again for _why, again in play.uplink.left] == [True]
        assert play.pairs.known().current == OLD


async def test_a_halt_with_the_current_key_leaves_the_uplink_up() -> None:
    play = Play()
    async with play.running():
        play.come(OLD)
        play.rotation.halted()
        assert play.uplink.left == []


async def test_a_disk_that_refuses_is_told_and_tried_again() -> None:
    play = Play()
    async with play.running():
        play.come(OLD)
        await play.next(play.said)
        play.pairs.refuses = True
        play.rotation.heard(KeyTaken(OLD, 1, ""))
        play.rotation.heard(RotateKey(OLD))
        async with asyncio.timeout(5):
            while play.rotation.trouble != "the disk is full":  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.001)
        play.pairs.refuses = False
        assert await play.next(play.did) == "made"
        await play.next(play.said)
        assert play.rotation.trouble == ""


async def test_a_refused_key_is_dropped_and_told() -> None:
    play = Play()
    async with play.running():
        await play.begin()
        play.rotation.heard(KeyTaken(NEW, 1, "another hub has this key"))
        assert await play.next(play.did) == "dropped next"
        assert play.pairs.known().next is None
        async with asyncio.timeout(5):
            while "another hub has this key" not in play.rotation.trouble:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


async def test_somebody_at_the_hub_asks_and_is_told_what_it_waits_for() -> None:
    play = Play()
    rotation = play.rotation
    assert rotation.waits is Waits.NOTHING
    async with play.running():
        assert rotation.why_not() is None
        rotation.order()
        assert rotation.waits is Waits.UPLINK
        play.come(OLD)
        assert await play.next(play.said) == RetireKey(OLD)
        assert rotation.waits is Waits.RETIRED
        rotation.heard(KeyTaken(OLD, 1, ""))
        assert rotation.waits is Waits.MADE
        assert await play.next(play.did) == "made"
        assert await play.next(play.said) == NewKey(NEW, bytes(32))
        assert rotation.waits is Waits.TAKEN
        rotation.order()  # once more: the one that is under way is meant
        rotation.heard(KeyTaken(NEW, 2, ""))
        assert rotation.waits is Waits.WELCOME
        rotation.ended()
        assert rotation.waits is Waits.UPLINK
        play.come(NEW)
        assert await play.next(play.did) == "switched"
        assert await play.next(play.said) == RetireKey(OLD)
        assert rotation.waits is Waits.RETIRED
        rotation.heard(KeyTaken(NEW, 1, ""))
        assert await play.next(play.did) == "dropped old"
        assert rotation.waits is Waits.NOTHING


async def test_a_key_that_was_made_lately_is_not_changed_for_anybody() -> None:
    play = Play()
    async with play.running():
        await play.begin()
        play.rotation.heard(KeyTaken(NEW, 1, "it is another hub's"))
        assert await play.next(play.did) == "dropped next"
        async with asyncio.timeout(5):
            while not play.rotation.trouble:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.001)
        assert play.rotation.why_not() is NotNow.TOO_SOON
        assert play.rotation.waits is Waits.NOTHING
        assert "another hub's" in play.rotation.trouble
