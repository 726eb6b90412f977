"""What hubs say of policies reaches the engine, in whatever order the engine comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as some

from hubcore.backend.uplink.from_hub import PolicyResult
from hubcore.errors import LinkError, StoreError
from hubgateway.engine.policyanswers import PolicyAnswers

HUBS = ("hub-1", "hub-2")


@dataclass
class Engine:
    """Keeps what it is told, unless it is away or refuses a hub's."""

    is_away: bool = False
    refused: set[str] = field(default_factory=set)
    kept: list[tuple[str, PolicyResult]] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

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
    answers = PolicyAnswers(engine.keep, again_seconds=0)
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
