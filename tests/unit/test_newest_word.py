"""A bucket of what hubs say ends at their newest word, whatever the order of what gateways do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.errors import LinkError, StoreError
from hubgateway.engine.newest import TRIES, NewestWords, UnwrittenError, keep_newest
from hubgateway.engine.trouble import MovedOnError
from hubgateway.rules import names

pytestmark = pytest.mark.once

HUB = "front-1"
BUCKET = names.HEALTH_BUCKET


@dataclass
class Engine:
    """Buckets with revisions; each look and each write waits for its turn."""

    values: dict[tuple[str, str], tuple[bytes, int]] = field(default_factory=dict)
    revision: int = 0
    written: list[bytes] = field(default_factory=list)
    rivals: bool = False
    """Somebody else writes before each write here."""
    is_deaf: bool = False
    """It answers no write, as where the account may not."""

    async def at(self, bucket: str, key: str) -> tuple[bytes | None, int]:
        await asyncio.sleep(0)
        return self.values.get((bucket, key), (None, 0))

    async def swap(self, bucket: str, key: str, value: bytes | None, revision: int) -> int:
        await asyncio.sleep(0)
        if self.is_deaf:
            raise LinkError("the engine does not answer: timeout")
        if self.rivals:
            self.put(bucket, key, b"a rival's")
        if self.values.get((bucket, key), (None, 0))[1] != revision:
            raise MovedOnError("another value by now")
        assert value is not None
        self.written.append(value)
        return self.put(bucket, key, value)

    async def snapshot(self, bucket: str, wanted: str = ">") -> dict[str, bytes]:
        raise NotImplementedError

    def put(self, bucket: str, key: str, value: bytes) -> int:
        self.revision += 1
        self.values[bucket, key] = (value, self.revision)
        return self.revision

    def begin(self) -> int:
        """A connection begins; return its turn."""
        return self.put(names.SESSIONS_BUCKET, HUB, b"gate boot")

    def kept(self) -> bytes:
        return self.values[BUCKET, HUB][0]


class Step:
    """A task that goes one step further when it is told to."""

    def __init__(self, work: Awaitable[bool]) -> None:
        self._work: Any = work.__await__()
        self.result: bool | None = None

    @property
    def is_done(self) -> bool:
        return self.result is not None

    def go(self) -> None:
        try:
            next(self._work)
        except StopIteration as end:
            self.result = end.value


class Lanes:
    """A hub's connections, one after the other, and what each has said that is not done yet."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turns: list[int] = []
        self._said: list[list[bytes]] = []
        self._under_way: dict[int, Step] = {}

    @property
    def is_idle(self) -> bool:
        return not any(self._said) and not self._under_way

    def begin(self, words: int) -> None:
        number = len(self._turns)
        self._turns.append(self._engine.begin())
        self._said.append([f"{number} {word}".encode() for word in range(words)])

    def step(self, number: int) -> None:
        """Go on with one connection: its lane does one thing at a time."""
        if number not in self._under_way:
            if not self._said[number]:
                return
            said = self._said[number].pop(0)
            work = keep_newest(self._engine, BUCKET, HUB, said, self._turns[number])
            self._under_way[number] = Step(work)
        self._under_way[number].go()
        if self._under_way[number].is_done:
            del self._under_way[number]


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
    st.lists(st.none() | st.integers(0, 3), max_size=50),
)
def test_it_ends_at_the_newest_word_of_the_newest_connection(
    words_of: list[int], order: list[int | None]
) -> None:
    """newest, laws 1 and 2: None begins another connection, a number goes on with what was said on
    one, old or new.
    """
    engine = Engine()
    lanes = Lanes(engine)
    begun = 0
    for number in [*order, *[None] * len(words_of)]:
        if number is not None and number < begun:
            lanes.step(number)
        elif begun < len(words_of):
            lanes.begin(words_of[begun])
            begun += 1
    while not lanes.is_idle:
        for number in range(begun):
            lanes.step(number)
    assert engine.kept() == f"{begun - 1} {words_of[-1] - 1}".encode()
    written = [tuple(map(int, said.split())) for said in engine.written]
    assert written == sorted(written), "no word is followed by one before it"


async def test_an_older_connection_is_told_and_the_same_word_costs_no_write() -> None:
    """newest, laws 2 and 3"""
    engine = Engine()
    old = engine.begin()
    assert await keep_newest(engine, BUCKET, HUB, b"down", old)
    assert await keep_newest(engine, BUCKET, HUB, b"down", old)
    assert len(engine.written) == 1
    new = engine.begin()
    assert not await keep_newest(engine, BUCKET, HUB, b"well", old)
    assert engine.kept() == b"down"
    assert await keep_newest(engine, BUCKET, HUB, b"well", new)


async def test_a_rival_that_always_writes_ends_it_with_an_error() -> None:
    engine = Engine(rivals=True)
    turn = engine.begin()
    with pytest.raises(StoreError, match="somebody else"):
        await keep_newest(engine, BUCKET, HUB, b"down", turn)
    assert engine.revision == 1 + TRIES


class Owed:
    """Words that are owed, and an engine that answers as it is told to."""

    def __init__(self) -> None:
        self.refuses: dict[str, Exception] = {}
        self.kept: list[tuple[str, bytes, int]] = []
        self.complaints: list[str] = []
        self.tries = asyncio.Semaphore(0)
        self.was_kept = asyncio.Event()
        self.words = NewestWords(self.keep, self.complain, again_seconds=0)

    async def keep(self, hub: str, said: bytes, turn: int) -> bool:
        self.tries.release()
        await asyncio.sleep(0)
        if hub in self.refuses:
            raise self.refuses[hub]
        self.kept.append((hub, said, turn))
        self.was_kept.set()
        return True

    def complain(self, hub: str, text: str) -> None:
        self.complaints.append(f"{hub}: {text}")

    async def some_tries(self) -> None:
        """Wait for two more tries: one of them begins after this."""
        for _ in range(2):
            await asyncio.wait_for(self.tries.acquire(), 10)


async def test_what_the_engine_did_not_take_is_owed_and_only_the_newest_of_it() -> None:
    """newest, law 4"""
    owed = Owed()
    owed.refuses["front-1"] = LinkError("the engine is away")
    work = asyncio.create_task(owed.words.run())
    owed.words.said("front-1", b"down", 3)
    await owed.some_tries()
    owed.words.said("front-1", b"well", 4)
    owed.words.said("front-1", b"of a connection before", 3)
    await owed.some_tries()
    assert owed.kept == []
    del owed.refuses["front-1"]
    await asyncio.wait_for(owed.was_kept.wait(), 10)
    for _ in range(10):
        await asyncio.sleep(0)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert owed.kept == [("front-1", b"well", 4)], "what is kept is owed no more"


async def test_what_is_refused_of_one_hub_holds_up_no_other_and_is_told() -> None:
    owed = Owed()
    owed.refuses["front-1"] = StoreError("no room")
    work = asyncio.create_task(owed.words.run())
    owed.words.said("front-1", b"down", 3)
    owed.words.said("yard-1", b"well", 1)
    await asyncio.wait_for(owed.was_kept.wait(), 10)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert owed.kept[0] == ("yard-1", b"well", 1)
    assert "no room" in owed.complaints[0]


async def test_a_right_that_is_missing_is_told_once_and_once_more_after_it_was_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """newest, law 5"""
    engine = Engine(is_deaf=True)
    turn = engine.begin()
    tries = asyncio.Semaphore(0)

    async def keep(hub: str, said: bytes, turn: int) -> bool:
        tries.release()
        return await keep_newest(engine, BUCKET, hub, said, turn)

    async def fails_and_is_kept(said: bytes) -> None:
        engine.is_deaf = True
        words.said(HUB, said, turn)
        for _ in range(4):
            await asyncio.wait_for(tries.acquire(), 10)
        engine.is_deaf = False
        async with asyncio.timeout(10):
            while words._owed.of(HUB) is not None:  # noqa: ASYNC110
                await asyncio.sleep(0)

    with pytest.raises(UnwrittenError):
        await keep_newest(engine, BUCKET, HUB, b"down", turn)
    words = NewestWords(keep, lambda _hub, _text: None, again_seconds=0)
    work = asyncio.create_task(words.run())
    await fails_and_is_kept(b"down")
    (line,) = capsys.readouterr().err.splitlines()
    assert "$KV.hub_health.>" in line
    assert "$JS.API.STREAM.MSG.GET.KV_hub_health" in line
    await fails_and_is_kept(b"well")
    assert len(capsys.readouterr().err.splitlines()) == 1
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert engine.kept() == b"well"


async def test_an_engine_that_is_away_is_not_told_as_a_missing_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """newest, law 5"""
    owed = Owed()
    owed.refuses["front-1"] = LinkError("the engine is away")
    work = asyncio.create_task(owed.words.run())
    owed.words.said("front-1", b"down", 3)
    await owed.some_tries()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert capsys.readouterr().err == ""
