"""What hubs say of policies reaches the engine, in whatever order the engine comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as some

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import HubMessage, Ping, PolicyResult
from hubcore.errors import LinkError, StoreError
from hubgateway.engine.policyanswers import PolicyAnswers, UnprovenAnswers
from hubgateway.rules import zap
from tests.unit.test_uplink_messages import UNWELL, WELL

HUBS = ("hub-1", "hub-2")


@dataclass
class Engine:
    """Keeps what it is told, unless it is away or refuses a hub's."""

    is_away: bool = False
    refused: set[str] = field(default_factory=set)
    kept: list[tuple[str, PolicyResult]] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    complaints: set[tuple[str, str]] = field(default_factory=set)

    def complain(self, hub: str, text: str) -> None:
        self.complaints.add((hub, text))

    async def keep(self, hub: str, said: PolicyResult) -> None:
        self.asked.set()
        await asyncio.sleep(0)  # something else comes meanwhile
        if self.is_away:
            raise LinkError("away")
        if hub in self.refused:
            raise StoreError("no")
        self.kept.append((hub, said))

    def newest(self, hub: str) -> PolicyResult | None:
        return next((said for one, said in reversed(self.kept) if one == hub), None)


@contextlib.asynccontextmanager
async def told(engine: Engine) -> AsyncIterator[PolicyAnswers]:
    answers = PolicyAnswers(engine.keep, engine.complain, again_seconds=0)
    task = asyncio.create_task(answers.run())
    try:
        yield answers
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def rest() -> None:
    """Let all go on that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_word_said_while_the_engine_is_away_is_kept_when_it_is_back() -> None:
    engine = Engine(is_away=True)
    async with told(engine) as answers:
        answers.answered("hub-1", PolicyResult(3, ""))
        await engine.asked.wait()
        await rest()
        assert not engine.kept
        engine.is_away = False
        await rest()
    assert engine.kept == [("hub-1", PolicyResult(3, ""))]


async def test_a_hub_whose_word_is_refused_keeps_no_others_back() -> None:
    engine = Engine(refused={"hub-1"})
    async with told(engine) as answers:
        answers.answered("hub-1", PolicyResult(3, ""))
        answers.answered("hub-2", PolicyResult(3, ""))
        await rest()
    assert engine.kept == [("hub-2", PolicyResult(3, ""))]
    assert engine.complaints == {("hub-1", "what it made of a policy is not kept: no")}


async def test_a_hello_tells_what_was_not_told_and_no_more() -> None:
    engine = Engine()
    async with told(engine) as answers:
        answers.greeted("hub-1", 0)  # it has none, and none was told
        answers.answered("hub-1", PolicyResult(2, "issued by another site"))
        await rest()
        answers.greeted("hub-1", 2)
        await rest()
        assert engine.kept == [("hub-1", PolicyResult(2, "issued by another site"))]
        answers.greeted("hub-1", 3)
        await rest()
    assert engine.kept[1:] == [("hub-1", PolicyResult(3, ""))]


EVENTS = some.lists(
    some.one_of(
        some.tuples(some.just("answered"), some.sampled_from(HUBS), some.integers(0, 3)),
        some.tuples(some.just("greeted"), some.sampled_from(HUBS), some.integers(0, 3)),
        some.tuples(some.sampled_from(["away", "back", "wait"]), some.none(), some.none()),
    ),
    max_size=24,
)


@given(EVENTS)
def test_whatever_the_order_the_engine_has_the_newest_word_of_each_hub(
    events: list[tuple[str, str, int]],
) -> None:
    newest: dict[str, int] = {}

    async def run() -> Engine:
        engine = Engine()
        async with told(engine) as answers:
            for what, hub, version in events:
                match what:
                    case "answered":
                        answers.answered(hub, PolicyResult(version, ""))
                        newest[hub] = version
                    case "greeted":
                        answers.greeted(hub, version)
                        newest[hub] = version
                    case "away" | "back":
                        engine.is_away = what == "away"
                    case "wait":
                        await asyncio.sleep(0)
            engine.is_away = False
            await rest()
        return engine

    engine = asyncio.run(run())
    for hub, version in newest.items():
        kept = engine.newest(hub)
        assert (kept.version if kept else 0) == version


@dataclass(frozen=True)
class Frame:
    """A part of a message, and what the handshake has proven of who sent it."""

    key: str
    bytes: bytes

    def get(self, name: str) -> str:
        assert name == zap.KEY_PROPERTY
        return self.key


def frames(key: str, said: HubMessage) -> list[Frame]:
    return [Frame(key, b"route"), Frame(key, codec.encode(said))]


WORDS = some.tuples(some.sampled_from("ab"), some.booleans())


@given(some.lists(WORDS, max_size=24))
def test_what_came_while_no_key_was_known_is_looked_at_first_and_once(
    came: list[tuple[str, bool]],
) -> None:
    unproven = UnprovenAnswers()
    looked_at: dict[str, list[int]] = {"a": [], "b": []}
    newest: dict[str, int] = {}
    for version, (key, is_fresh) in enumerate(came):
        message = frames(key, PolicyResult(version, ""))
        first = unproven.before(message, is_fresh)  # type: ignore[arg-type]
        assert is_fresh or not first
        for one in [*first, *([message] if is_fresh else [])]:
            said = codec.decode_from_hub(one[-1].bytes)
            assert isinstance(said, PolicyResult)
            looked_at[one[-1].key].append(said.version)
        newest[key] = version
    for one in unproven.take():
        said = codec.decode_from_hub(one[-1].bytes)
        assert isinstance(said, PolicyResult)
        looked_at[one[-1].key].append(said.version)
    assert not unproven.take()
    for key, versions in looked_at.items():
        assert versions == sorted(set(versions))
        assert versions[-1:] == [newest[key]] if key in newest else not versions


def test_nothing_else_is_kept_and_one_word_of_a_key() -> None:
    unproven = UnprovenAnswers()
    for version in range(100):
        unproven.before(frames("a", PolicyResult(version, "")), False)  # type: ignore[arg-type]
    unproven.before(frames("b", Ping(b"12345678")), False)  # type: ignore[arg-type]
    unproven.before([Frame("b", b"route"), Frame("b", b"junk")], False)  # type: ignore[list-item]
    assert unproven.take() == [frames("a", PolicyResult(99, ""))]


def test_what_a_hub_finds_wrong_with_itself_is_kept_beside_it() -> None:
    unproven = UnprovenAnswers()
    for said in (UNWELL, PolicyResult(3, ""), WELL):
        unproven.before(frames("a", said), False)  # type: ignore[arg-type]
    found = [codec.decode_from_hub(one[-1].bytes) for one in unproven.take()]
    assert sorted(map(repr, found)) == sorted(map(repr, [PolicyResult(3, ""), WELL]))
