"""Who is taken for inside, over orders of releases and of what the door does: real use case, real
watch of the door, real places.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st

from hubcore.access.passback import PassbackKind
from hubcore.access.words import Denial
from hubcore.backend.uplink.words import ReleaseOutcome
from hubcore.door.machine import EGRESS_SECONDS, SETTLE_SECONDS, DoorMachine
from hubcore.ports.doors import Input, InputEvent
from hubd.doors.watch import DoorWatch
from tests.fakes.inputs import FakeInputs
from tests.pair import settle
from tests.unit.test_persons import Hub, with_passback

RELEASE_SECONDS = 5.0
HELD_SECONDS = 60.0
PEOPLE = ("anna", "ben", "cleo")


@dataclass
class Site:
    """A watched door with a hard rule, and what must be so of those who went through it.

    `claimant` has the newest release of the door; None while that is nobody's.
    """

    inputs: FakeInputs = field(default_factory=FakeInputs)
    claimant: str | None = None
    ends: float = 0.0
    is_shut: bool = True
    inside: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.hub = Hub(watched=True, watch_with=self._watch)
        with_passback(self.hub, PassbackKind.HARD)

    def _watch(self, hub: Hub) -> DoorWatch:
        self.watch = DoorWatch(
            {"front": DoorMachine(True, HELD_SECONDS)},
            hub.log,
            hub.clock,
            hub.tell,
            came_in=hub.persons.came_in,
        )
        return self.watch

    async def play(self, steps: list[str]) -> None:
        running = asyncio.create_task(
            self.watch.run(self.inputs, lambda: None, lambda _point, _state: None)
        )
        await self.see(Input.DOOR_CLOSED)
        await self.later(SETTLE_SECONDS + 0.1)
        for step in steps:
            await self.step(step)
            known = {who for who in PEOPLE if self.hub.why(who) is Denial.ANTI_PASSBACK}
            assert known == self.inside
            assert len(self.hub.first_in) == len(self.inside)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def step(self, step: str) -> None:
        deeds: dict[str, Callable[[], Awaitable[None]]] = {
            "order": self.order,
            "open": self.open,
            "shut": self.shut,
            "exit button": lambda: self.see(Input.REX),
            "wait": lambda: self.later(1.0),
            "wait long": lambda: self.later(EGRESS_SECONDS + RELEASE_SECONDS),
        }
        if step in PEOPLE:
            await self.come(step)
        else:
            await deeds[step]()

    async def come(self, who: str) -> None:
        why = await self.hub.come(who)
        assert why is (Denial.ANTI_PASSBACK if who in self.inside else None)
        if why is None:
            self.release(who)
        await settle()

    async def order(self) -> None:
        assert await self.hub.order() is ReleaseOutcome.RELEASED
        self.release(None)
        await settle()

    def release(self, who: str | None) -> None:
        now = self.hub.clock.monotonic()
        self.claimant = who
        self.ends = max(self.ends, now + RELEASE_SECONDS)

    async def open(self) -> None:
        is_released = self.hub.clock.monotonic() < self.ends
        if self.is_shut and is_released and self.claimant is not None:
            self.inside.add(self.claimant)
            self.claimant = None
        self.is_shut = False
        await self.see(Input.DOOR_OPEN)

    async def shut(self) -> None:
        await self.see(Input.DOOR_CLOSED)
        await self.later(SETTLE_SECONDS + 0.1)
        self.is_shut = True

    async def see(self, what: Input) -> None:
        self.inputs.put(InputEvent("front", what, self.hub.clock.monotonic()))
        await settle()

    async def later(self, seconds: float) -> None:
        """Let time pass, and wake the watch."""
        self.hub.clock.advance(seconds)
        await self.see(Input.BOLT_LOCKED)


steps = st.sampled_from([*PEOPLE, "order", "open", "shut", "exit button", "wait", "wait long"])


@example(["anna", "wait long", "open"])  # forced
@example(["anna", "wait long", "exit button", "open"])
@example(["anna", "wait long", "order", "open"])
@example(["anna", "wait", "order", "open"])
@example(["anna", "wait", "ben", "open", "shut", "open"])
@given(st.lists(steps, max_size=14))
def test_only_who_took_the_passage_of_a_claim_is_inside_and_nobody_else(play: list[str]) -> None:
    """`doors.persons`, laws 2 to 4; `orders.schedules`, law 3."""
    asyncio.run(Site().play(play))
