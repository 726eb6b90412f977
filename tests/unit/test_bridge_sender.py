"""Records to a bridge that has no room, by a clock of the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hubcore.backend.pace import Pace
from hubcore.evidence.records import Head, StoredRecord
from hubd.bridge.sender import RecordsToBridge
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock

PACE = Pace(window=4)
FULL_SECONDS = 60


@dataclass
class Desk:
    """A sender, its log and its clock, and what it has said."""

    clock: FakeClock = field(default_factory=FakeClock)
    records: FakeAudit = field(default_factory=FakeAudit)
    said: list[int] = field(default_factory=list)
    takes: int = 1000
    """So many records the connection takes."""

    def __post_init__(self) -> None:
        self.sender = RecordsToBridge(
            records=self.records,
            clock=self.clock,
            pace=PACE,
            say=self.say,
            doors_first=self.at_rest,
        )

    def say(self, records: Sequence[StoredRecord]) -> int:
        taken = records[: self.takes]
        self.takes -= len(taken)
        self.said += [one.number for one in taken]
        return len(taken)

    async def at_rest(self) -> None:
        return


async def test_a_full_bridge_gets_nothing_for_its_time_and_counts_as_full_until_it_holds_one() -> (
    None
):
    """sender, law 4"""
    desk = Desk()
    await desk.records.fill(8)
    desk.sender.begin(Head())
    await desk.sender.send()
    assert desk.said == [1, 2, 3, 4]
    desk.sender.held([1])
    desk.sender.full(FULL_SECONDS)
    assert desk.sender.is_full
    assert await desk.sender.send() == desk.clock.monotonic() + FULL_SECONDS
    assert desk.said == [1, 2, 3, 4]

    desk.clock.advance(FULL_SECONDS)
    await desk.sender.send()
    assert desk.said[4:] == [2, 3, 4, 5]
    assert desk.sender.is_full
    desk.sender.held([2])
    assert not desk.sender.is_full


async def test_what_was_under_way_when_the_bridge_became_full_does_not_end_that() -> None:
    desk = Desk()
    await desk.records.fill(8)
    desk.sender.begin(Head())
    await desk.sender.send()
    desk.sender.full(FULL_SECONDS)
    desk.sender.held([1])
    assert desk.sender.is_full


async def test_another_connection_begins_with_a_bridge_that_has_room() -> None:
    desk = Desk()
    await desk.records.fill(2)
    desk.sender.begin(Head())
    desk.sender.full(FULL_SECONDS)
    desk.sender.begin(Head())
    assert not desk.sender.is_full
    await desk.sender.send()
    assert desk.said == [1, 2]


async def test_what_the_connection_did_not_take_goes_later_and_in_order() -> None:
    """sender, law 1"""
    desk = Desk(takes=2)
    await desk.records.fill(4)
    desk.sender.begin(Head())
    assert await desk.sender.send() == desk.clock.monotonic() + PACE.retry_seconds
    assert desk.said == [1, 2]
    desk.takes = 1000
    await desk.sender.send()
    assert desk.said == [1, 2, 3, 4]
