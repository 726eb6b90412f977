"""Whatever changes, is lost or starts again, in any order: the page ends at the newest word.

The hub's teller, the gateways' part that keeps words, and the server's judging are the real ones.
Between them are a connection that loses what was under way or brings it late, and an engine that
goes and comes back.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from enum import Enum, auto

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hubcore.backend.pace import Pace
from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import HubMessage
from hubcore.checks import CHECKS, CheckId, Problem
from hubcore.errors import LinkError
from hubd.backend.beside.health import HealthTeller
from hubd.upkeep.health import Health
from hubgateway.engine.newest import NewestWords, keep_newest
from hubgateway.rules import names
from hubsite.fleet.said.troubles import SILENT, UNREADABLE, health
from tests.fakes.clock import FakeClock
from tests.unit.test_newest_word import BUCKET, HUB, Engine

pytestmark = pytest.mark.once

CHANGES = (CheckId.RADIO_DOWN, CheckId.STRIKES_DOWN, CheckId.LOCKS_WEAK)
LONG_SECONDS = 60.0
"""The hub's pace lets something go after so long."""


class Event(Enum):
    RADIO = auto()
    STRIKES = auto()
    LOCK = auto()
    TIME = auto()
    LEAVES = auto()
    """The hub leaves its connection: what is under way there is not lost yet."""
    LOSES = auto()
    COMES = auto()
    HUB_STARTS = auto()
    GATEWAY_STARTS = auto()
    ENGINE_GOES = auto()
    ENGINE_COMES = auto()


class Comes(Enum):
    """What comes to a gateway now: of the oldest connection, of the newest, each in its order."""

    NOTHING = auto()
    OLDEST = auto()
    NEWEST = auto()


_CHANGED = dict(zip((Event.RADIO, Event.STRIKES, Event.LOCK), CHANGES, strict=True))


class AwayEngine(Engine):
    """An engine that may be away."""

    is_away = False

    async def at(self, bucket: str, key: str) -> tuple[bytes | None, int]:
        if self.is_away:
            raise LinkError("away")
        return await super().at(bucket, key)


class World:
    """A hub, two gateways of which one has its connection, and an engine."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.engine = AwayEngine()
        self.wrong: set[CheckId] = set()
        self.under_way: list[tuple[int, bytes]] = []
        """What was said, each with the turn of its connection."""
        self.turn: int | None = None
        self.group: asyncio.TaskGroup
        self.work: asyncio.Task[None]
        self.starts()

    def starts(self) -> None:
        """The hub starts, and finds what is wrong."""
        self.turn = None
        self.health = Health(self.clock, {}, ())
        self.teller = HealthTeller(
            read=self.health.standing, clock=self.clock, pace=Pace(), say=self.say
        )
        for check in self.wrong:
            self.health.set(Problem(check, {}, ("front",)))

    def say(self, message: HubMessage) -> bool:
        assert self.turn is not None
        self.under_way.append((self.turn, codec.encode(message)))
        return True

    def gateway_starts(self) -> None:
        """A gateway starts: what it owed is lost, and so is the hub's connection."""
        if hasattr(self, "work"):
            self.work.cancel()
        self.turn = None
        self.words = NewestWords(self.keep, lambda _hub, _text: None, again_seconds=0)
        self.work = self.group.create_task(self.words.run())

    async def keep(self, hub: str, said: bytes, turn: int) -> bool:
        return await keep_newest(self.engine, BUCKET, hub, said, turn)

    def changes(self, check: CheckId) -> None:
        if check in self.wrong:
            self.health.clear(CHECKS[check].topic)
        else:
            self.health.set(Problem(check, {}, ("front",)))
        self.wrong ^= {check}

    def does(self, event: Event) -> None:
        match event:
            case Event.RADIO | Event.STRIKES | Event.LOCK:
                self.changes(_CHANGED[event])
            case Event.TIME:
                self.clock.advance(LONG_SECONDS)
            case Event.LEAVES:
                self.turn = None
            case Event.LOSES:
                self.turn = None
                self.under_way.clear()
            case Event.COMES:
                self.comes()
            case Event.HUB_STARTS:
                self.starts()
            case Event.GATEWAY_STARTS:
                self.gateway_starts()
            case Event.ENGINE_GOES | Event.ENGINE_COMES:
                self.engine.is_away = event is Event.ENGINE_GOES

    def comes(self) -> None:
        """The hub comes to a gateway, on a new connection: that needs the engine."""
        if self.turn is None and not self.engine.is_away:
            self.turn = self.engine.begin()
            self.teller.rewind()

    async def goes_on(self, comes: Comes) -> None:
        """The hub tells what is due; what is under way comes, or waits."""
        if self.turn is not None:
            self.teller.tell()
        turns = [turn for turn, _ in self.under_way]
        if turns and comes is not Comes.NOTHING:
            wanted = turns[0] if comes is Comes.OLDEST else turns[-1]
            turn, said = self.under_way.pop(turns.index(wanted))
            self.words.said(HUB, said, turn)
        for _ in range(10):  # so much does one word need
            await asyncio.sleep(0)

    async def settles(self) -> None:
        """All are there, nothing changes any more, and what was under way comes."""
        self.does(Event.ENGINE_COMES)
        self.comes()
        for _ in range(4):
            self.does(Event.TIME)
            await self.goes_on(Comes.NEWEST)
        while self.under_way:
            await self.goes_on(Comes.OLDEST)
        for _ in range(40):
            await asyncio.sleep(0)

    def page(self) -> set[str]:
        """What the page says is wrong."""
        value, _ = self.engine.values[names.HEALTH_BUCKET, HUB]
        shown = health(value, datetime(2026, 11, 30, tzinfo=UTC), is_here=True)
        assert shown.said not in (SILENT, UNREADABLE)
        return {one.what for one in shown.troubles}

    def expected(self) -> set[str]:
        texts = {CheckId.LOCKS_WEAK: "The battery of a lock of a door is low: front."}
        return {texts.get(check, CHECKS[check].afar) for check in self.wrong}


async def _runs(events: list[tuple[Event, Comes]]) -> None:
    world = World()
    async with asyncio.TaskGroup() as world.group:
        world.gateway_starts()
        for event, comes in events:
            world.does(event)
            await world.goes_on(comes)
        await world.settles()
        world.work.cancel()
    assert world.page() == world.expected()


OLD_WORD = [(Event.COMES, Comes.NOTHING), (Event.LEAVES, Comes.NOTHING)]
"""Nothing is wrong, and that is under way on a connection that the hub has left."""
LATE = [*OLD_WORD, (Event.RADIO, Comes.NOTHING)]
LATE_WITHOUT_ENGINE = [
    *LATE,
    (Event.COMES, Comes.NOTHING),
    (Event.ENGINE_GOES, Comes.NEWEST),
    (Event.TIME, Comes.OLDEST),
]


@settings(deadline=None)
@example(LATE)
@example(LATE_WITHOUT_ENGINE)
@given(st.lists(st.tuples(st.sampled_from(Event), st.sampled_from(Comes)), max_size=40))
def test_the_page_ends_at_the_hubs_newest_word(events: list[tuple[Event, Comes]]) -> None:
    asyncio.run(_runs(events))
