"""The backend's orders: one id moves a door once within its remembered time, whatever others came
meanwhile.
"""

from __future__ import annotations

import asyncio
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.backend.uplink import from_backend
from hubcore.backend.uplink.words import ReleaseOutcome
from hubcore.policy.policy import ALL_RIGHTS, Operator
from hubd.doors.persons import Persons
from hubd.doors.recall import ORDER_REMEMBERED_SECONDS
from hubd.doors.rules import Point, SiteRules
from hubd.doors.unlock import Unlock
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock
from tests.fakes.mover import FakeMover
from tests.fakes.policy import FakePolicy
from tests.pair import Watch

DAY = 86_400


class Hub:
    """The use case over a door that counts; the time is the test's."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.door = FakeMover()
        self.unlock = Unlock(
            rules=SiteRules({1: Point(1, "front", False, 5.0)}, ZoneInfo("UTC"), 90 * DAY),
            policy=FakePolicy(operators={"operator-7": Operator(ALL_RIGHTS)}),
            log=FakeAudit(),
            clock=self.clock,
            tell=lambda _event, _facts: None,
            doors={"front": self.door},
            watch=Watch(),
            persons=Persons(self.clock),
        )

    async def ask(self, number: int) -> ReleaseOutcome:
        """Ask one order, or ask it again: the backend keeps its id."""
        name = number.to_bytes(16, "big")
        order = from_backend.Release(name, 1, int(self.clock.wall()) + 30, None, "operator-7")
        return (await self.unlock.release(order)).outcome


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 12), st.floats(0, 200)), max_size=60))
def test_no_id_moves_the_door_twice_within_its_remembered_time(
    asked: list[tuple[int, float]],
) -> None:
    async def play() -> None:
        hub = Hub()
        first: dict[int, float] = {}
        for number, pause_seconds in asked:
            hub.clock.advance(pause_seconds)
            now = hub.clock.monotonic()
            before = len(hub.door.given)
            await hub.ask(number)
            if len(hub.door.given) > before:
                assert now - first.get(number, -1e9) > ORDER_REMEMBERED_SECONDS
                first[number] = now

    asyncio.run(play())
