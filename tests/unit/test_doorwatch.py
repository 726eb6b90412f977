"""Watching doors: releases and inputs in, records and states out, on a clock that only the test
moves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from hubcore.access.precedence import DoorMode
from hubcore.door.machine import EGRESS_SECONDS, SETTLE_SECONDS, DoorMachine
from hubcore.door.phases import Happening
from hubcore.door.state import BoltState, DoorAlarm, DoorState
from hubcore.errors import StoreError
from hubcore.evidence.records import Record, RecordKind
from hubcore.ports.doors import Input, InputEvent
from hubd.doors.door_records import HAPPENINGS, UNRECORDED_MAX
from hubd.doors.watch import MASK_SECONDS, DoorWatch
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock
from tests.fakes.inputs import FakeInputs
from tests.pair import settle

HELD_SECONDS = 60.0


@dataclass
class Rig:
    """Two doors, `front` with a position switch and `back` without."""

    clock: FakeClock = field(default_factory=FakeClock)
    log: FakeAudit = field(default_factory=FakeAudit)
    inputs: FakeInputs = field(default_factory=FakeInputs)
    told: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    states: list[tuple[int, DoorState]] = field(default_factory=list)
    came_in: list[int] = field(default_factory=list)
    fire: list[tuple[str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.machines = machines = {
            "front": DoorMachine(True, HELD_SECONDS),
            "back": DoorMachine(False, HELD_SECONDS),
        }
        self.driven = True
        self.bolt = BoltState.UNKNOWN
        self.watch = DoorWatch(
            machines,
            self.log,
            self.clock,
            lambda e, f: self.told.append((e, f)),
            lambda _door: self.driven,
            self.came_in.append,
            lambda _door: self.bolt,
        )

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        watching = self.watch.run(
            self.inputs, lambda: None, self._take_state, lambda *said: self.fire.append(said)
        )
        task = asyncio.create_task(watching)
        await settle()
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _take_state(self, point: int, state: DoorState) -> None:
        self.states.append((point, state))

    async def see(self, what: Input, door: str = "front", ago: float = 0.0) -> None:
        self.inputs.put(InputEvent(door, what, self.clock.monotonic() - ago))
        await settle()

    async def later(self, seconds: float) -> None:
        """Let time pass, and wake the watch."""
        self.clock.advance(seconds)
        await self.see(Input.STRIKE_ACTIVE)
        await settle()

    def happened(self) -> list[object]:
        records = [Record.decode(stored.body) for stored in self.log.stored]
        assert {record.kind for record in records} <= {RecordKind.DOOR}
        return [record.detail["what"] for record in records]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    async with made.watching():
        yield made


async def test_somebody_goes_in(rig: Rig) -> None:
    rig.watch.released("front", 7, 5.0)
    await rig.see(Input.DOOR_OPEN)
    await rig.later(5.1)
    await rig.see(Input.DOOR_CLOSED)
    await rig.later(SETTLE_SECONDS + 0.1)
    assert rig.happened() == ["access_taken", "closed"]
    assert [state for _, state in rig.states] == [DoorState.OPEN, DoorState.SECURED]
    assert {point for point, _ in rig.states} == {7}


async def test_a_door_is_in_a_cycle_from_its_release_until_it_is_shut(rig: Rig) -> None:
    assert not rig.watch.is_in_cycle("front")
    rig.watch.released("front", 1, 5.0)
    assert rig.watch.is_in_cycle("front")
    await rig.see(Input.DOOR_OPEN)
    await rig.later(5.1)
    assert rig.watch.is_in_cycle("front"), "somebody is in the door"
    await rig.see(Input.DOOR_CLOSED)
    await rig.later(SETTLE_SECONDS + 0.1)
    assert not rig.watch.is_in_cycle("front")
    rig.watch.released("back", 1, 5.0)
    assert rig.watch.is_in_cycle("back")
    await rig.later(5.1)
    assert not rig.watch.is_in_cycle("back")


async def test_what_may_last_for_days_is_no_cycle(rig: Rig) -> None:
    await rig.see(Input.DOOR_CLOSED)
    await rig.later(SETTLE_SECONDS + 0.1)
    await rig.see(Input.DOOR_OPEN)
    assert rig.watch.state("front") is DoorState.FORCED
    assert not rig.watch.is_in_cycle("front")
    await rig.see(Input.DOOR_CLOSED)
    await rig.later(SETTLE_SECONDS + 0.1)
    rig.watch.released("front", 1, 5.0)
    await rig.see(Input.DOOR_OPEN)
    await rig.later(HELD_SECONDS + 5.1)
    assert rig.watch.state("front") is DoorState.HELD_OPEN
    assert not rig.watch.is_in_cycle("front")
    rig.watch.mode_is("back", DoorMode.UNLOCKED)
    rig.watch.released("back", 1, 5.0)
    assert not rig.watch.is_in_cycle("back")


async def test_nobody_goes_in(rig: Rig) -> None:
    rig.watch.released("front", 1, 5.0)
    await rig.later(5.1)
    await rig.see(Input.DOOR_OPEN)
    assert rig.happened() == ["access_not_taken", "forced"]
    assert [state for _, state in rig.states] == [DoorState.FORCED]  # not what the strike did


async def test_a_strike_that_fell_back_early_releases_nobody(rig: Rig) -> None:
    """The guard was killed in mid pulse: whoever opens the door after that has forced it."""
    rig.watch.released("front", 1, 5.0)
    rig.clock.advance(1.0)
    await rig.see(Input.STRIKE_INACTIVE)
    assert rig.watch.state("front") is DoorState.SECURED
    await rig.see(Input.DOOR_OPEN)
    assert rig.happened() == ["access_not_taken", "forced"]
    await rig.later(10.0)
    assert rig.happened() == ["access_not_taken", "forced"]  # its end is told once


async def test_the_end_of_an_earlier_release_seen_late_ends_no_later_one(rig: Rig) -> None:
    rig.watch.released("front", 1, 5.0)
    await rig.later(5.1)
    rig.watch.released("front", 1, 5.0)
    await rig.see(Input.STRIKE_INACTIVE, ago=0.1)
    assert rig.watch.state("front") is DoorState.RELEASED
    await rig.see(Input.DOOR_OPEN)
    assert rig.happened() == ["access_not_taken", "access_taken"]


async def test_a_release_in_a_release_lasts_to_the_later_end(rig: Rig) -> None:
    rig.watch.released("front", 1, 5.0)
    rig.clock.advance(3.0)
    rig.watch.released("front", 1, 1.0)
    await rig.later(1.5)
    assert rig.watch.state("front") is DoorState.RELEASED
    await rig.later(0.6)
    assert rig.watch.state("front") is DoorState.SECURED


async def test_a_strike_that_rests_in_the_middle_of_a_release_releases_nobody_while_it_rests(
    rig: Rig,
) -> None:
    """Its cap cut the pulse: the door counts as released while the strike is driven, before the
    rest and after it.
    """
    await rig.see(Input.DOOR_CLOSED)
    rig.watch.released("front", 1, 5.0)
    rig.clock.advance(2.0)
    await rig.see(Input.STRIKE_INACTIVE)
    assert rig.watch.state("front") is DoorState.SECURED
    rig.clock.advance(0.5)
    await rig.see(Input.STRIKE_ACTIVE)
    assert rig.watch.state("front") is DoorState.RELEASED
    await rig.later(2.4)
    assert rig.watch.state("front") is DoorState.RELEASED
    await rig.later(0.2)
    assert rig.watch.state("front") is DoorState.SECURED
    await rig.see(Input.DOOR_OPEN)
    assert rig.happened() == ["access_not_taken", "access_not_taken", "forced"]


async def test_a_door_opened_in_the_rest_of_a_strike_was_forced(rig: Rig) -> None:
    await rig.see(Input.DOOR_CLOSED)
    rig.watch.released("front", 1, 5.0)
    rig.clock.advance(2.0)
    await rig.see(Input.STRIKE_INACTIVE)
    await rig.see(Input.DOOR_OPEN)
    assert rig.happened() == ["access_not_taken", "forced"]


async def test_a_release_whose_strike_fell_before_it_was_told_releases_nobody(
    rig: Rig,
) -> None:
    """The cap was reached between the guard's yes and this moment."""
    await rig.see(Input.DOOR_CLOSED)
    rig.watch.released("front", 1, 5.0)
    rig.clock.advance(4.0)
    await rig.see(Input.STRIKE_INACTIVE)
    rig.driven = False
    rig.watch.released("front", 1, 5.0)
    assert rig.watch.state("front") is DoorState.SECURED
    rig.clock.advance(0.5)
    await rig.see(Input.STRIKE_ACTIVE)
    assert rig.watch.state("front") is DoorState.RELEASED
    await rig.later(4.4)
    assert rig.watch.state("front") is DoorState.RELEASED
    await rig.later(0.2)
    assert rig.watch.state("front") is DoorState.SECURED


async def test_the_next_release_does_not_inherit_the_end_of_one_that_was_cut(rig: Rig) -> None:
    rig.watch.released("front", 1, 5.0)
    await rig.see(Input.STRIKE_INACTIVE)  # a lockdown
    rig.watch.released("front", 1, 1.0)
    await rig.later(1.1)
    assert rig.watch.state("front") is DoorState.SECURED


async def test_leaving(rig: Rig) -> None:
    await rig.see(Input.DOOR_CLOSED)
    await rig.see(Input.REX)
    await rig.see(Input.DOOR_OPEN)
    await rig.see(Input.DOOR_CLOSED)
    await rig.later(SETTLE_SECONDS + 0.1)
    await rig.see(Input.REX)
    await rig.later(EGRESS_SECONDS + 0.1)
    await rig.see(Input.DOOR_OPEN)
    assert rig.happened() == ["exit", "closed", "forced"]


async def test_a_door_held_open_and_a_contact_that_bounces(rig: Rig) -> None:
    rig.watch.released("front", 1, 5.0)
    await rig.see(Input.DOOR_OPEN)
    await rig.later(HELD_SECONDS + 0.1)
    assert rig.watch.state("front") is DoorState.HELD_OPEN
    for _ in range(5):
        await rig.see(Input.DOOR_CLOSED)
        await rig.see(Input.DOOR_OPEN)
    await rig.see(Input.DOOR_CLOSED)
    await rig.later(SETTLE_SECONDS + 0.1)
    assert rig.happened() == ["access_taken", "held_open", "closed", "held_open_ended"]


async def test_a_door_without_a_switch_claims_nothing(rig: Rig) -> None:
    rig.watch.released("back", 1, 5.0)
    assert rig.watch.state("back") is DoorState.RELEASED
    await rig.later(5.1)
    assert rig.watch.state("back") is DoorState.SECURED
    assert rig.happened() == []


async def test_inputs_of_no_door_of_this_hub(rig: Rig) -> None:
    for what in Input:
        await rig.see(what, door="elsewhere")
    assert rig.happened() == []
    assert rig.states == []


async def test_every_input_at_every_moment(rig: Rig) -> None:
    """No order of edges, releases and times ends the watch."""
    for number in range(400):
        if number % 7 == 3:
            rig.watch.released("front", 1, number % 5 + 0.5)
        if number % 3 == 0:
            rig.clock.advance(number % 11)
        await rig.see(list(Input)[number * number % len(Input)])
    assert set(rig.happened()) <= {
        "access_taken",
        "access_not_taken",
        "exit",
        "closed",
        "forced",
        "forced_ended",
        "held_open",
        "held_open_ended",
        "tamper",
        "tamper_ended",
    }


async def test_a_disk_that_fails_is_told_and_the_watch_goes_on(rig: Rig) -> None:
    await rig.see(Input.DOOR_CLOSED)
    rig.log.failing = StoreError("the disk is full")
    await rig.see(Input.DOOR_OPEN)
    assert [name for name, _ in rig.told] == ["door", "audit_failed"]
    rig.log.failing = None
    await rig.see(Input.DOOR_CLOSED)
    await rig.later(SETTLE_SECONDS + 0.1)
    assert rig.watch.state("front") is DoorState.SECURED
    async with asyncio.timeout(5):
        while rig.happened() != ["forced", "closed", "forced_ended"]:  # noqa: ASYNC110 - nothing is lost: written when the disk can
            await asyncio.sleep(0.05)


async def test_a_passage_shorter_than_the_release_is_one_access(rig: Rig) -> None:
    await rig.see(Input.DOOR_CLOSED)
    rig.watch.released("front", 1, 5.0)
    await rig.see(Input.DOOR_OPEN)
    await rig.see(Input.DOOR_CLOSED)
    await rig.later(SETTLE_SECONDS + 0.1)
    assert rig.watch.state("front") is DoorState.RELEASED
    await rig.later(5.0)
    assert rig.watch.state("front") is DoorState.SECURED
    assert rig.happened() == ["access_taken", "closed"]


async def test_a_door_that_stands_open_at_the_start_was_not_forced(rig: Rig) -> None:
    assert rig.watch.state("front") is DoorState.UNKNOWN
    await rig.see(Input.DOOR_OPEN)
    assert rig.watch.state("front") is DoorState.OPEN
    await rig.later(HELD_SECONDS + 0.1)
    assert rig.happened() == ["held_open"]


async def test_a_disk_that_hangs_costs_a_bounded_queue(rig: Rig) -> None:
    rig.log.hold()
    for _ in range(UNRECORDED_MAX + 20):
        await rig.see(Input.DOOR_OPEN)
        await rig.see(Input.DOOR_CLOSED)
        await rig.later(2 / HAPPENINGS.per_second)
    assert len(rig.log.held) == 1
    assert rig.watch._happenings._unwritten.qsize() == UNRECORDED_MAX
    assert "door_unrecorded" in [name for name, _ in rig.told]


async def test_a_loose_contact_is_summed_and_nothing_is_lost(rig: Rig) -> None:
    """A thousand openings in a thousand seconds: so many records, and every happening in one of
    them.
    """
    await rig.see(Input.DOOR_CLOSED)
    began = rig.clock.monotonic()
    happened = 0
    for _ in range(1000):
        for what in (Input.DOOR_OPEN, Input.DOOR_CLOSED):
            await rig.see(what)
            await rig.later(SETTLE_SECONDS + 0.001)
        happened = sum(1 for name, _ in rig.told if name == "door")
        spent = rig.clock.monotonic() - began
        assert len(rig.log.stored) <= HAPPENINGS.burst + HAPPENINGS.per_second * spent
    await rig.later(SETTLE_SECONDS)
    for _ in range(3):
        await rig.later(1 / HAPPENINGS.per_second)
    details = [Record.decode(stored.body).detail for stored in rig.log.stored]
    sums = [int(detail["count"]) for detail in details if detail["what"] == Happening.TOO_OFTEN]  # type: ignore[call-overload]
    assert happened > 500
    assert len(details) - len(sums) + sum(sums) >= happened
    assert details[-1]["state"] == "secured"


async def test_a_door_that_is_held_open_is_neither_forced_nor_open_too_long(rig: Rig) -> None:
    await rig.see(Input.DOOR_CLOSED)
    rig.watch.mode_is("front", DoorMode.UNLOCKED)
    assert rig.watch.state("front") is DoorState.RELEASED
    await rig.see(Input.DOOR_OPEN)
    await rig.later(10 * HELD_SECONDS)
    assert rig.watch.state("front") is DoorState.OPEN
    assert rig.happened() == []
    rig.watch.mode_is("front", DoorMode.LOCKED)
    rig.driven = False
    await rig.see(Input.STRIKE_INACTIVE)
    await rig.later(HELD_SECONDS + 0.1)
    assert rig.happened() == ["held_open"]


# watch, law 3
async def test_who_goes_in_while_a_hold_runs_out_forces_nothing(rig: Rig) -> None:
    await rig.see(Input.DOOR_CLOSED)
    rig.watch.mode_is("front", DoorMode.UNLOCKED)
    rig.watch.mode_is("front", DoorMode.LOCKED)
    await rig.see(Input.DOOR_OPEN)
    await rig.see(Input.DOOR_CLOSED)
    await rig.later(SETTLE_SECONDS + 0.1)
    assert rig.happened() == ["closed"]
    rig.driven = False
    await rig.see(Input.STRIKE_INACTIVE)
    await rig.see(Input.DOOR_OPEN)
    assert rig.happened() == ["closed", "forced"]


# watch, law 3
async def test_a_mover_that_never_comes_to_rest_masks_nothing_for_long(rig: Rig) -> None:
    await rig.see(Input.DOOR_CLOSED)
    rig.watch.mode_is("front", DoorMode.UNLOCKED)
    rig.watch.mode_is("front", DoorMode.LOCKED_DOWN)
    await rig.later(MASK_SECONDS + 0.1)
    await rig.see(Input.DOOR_OPEN)
    assert rig.happened() == ["forced"]


async def test_in_a_lockdown_an_opening_is_forced_and_a_hold_that_returns_ends_it(rig: Rig) -> None:
    await rig.see(Input.DOOR_CLOSED)
    rig.driven = False
    rig.watch.mode_is("front", DoorMode.LOCKED_DOWN)
    await rig.see(Input.DOOR_OPEN)
    assert rig.watch.aspects("front").alarm is DoorAlarm.FORCED
    rig.watch.mode_is("front", DoorMode.UNLOCKED)
    await settle()
    assert rig.happened() == ["forced", "forced_ended"]
    assert rig.watch.aspects("front").alarm is DoorAlarm.NORMAL


async def test_who_comes_in_is_told_and_who_does_not_is_not(rig: Rig) -> None:
    await rig.see(Input.DOOR_CLOSED)
    rig.watch.released("front", 7, 5.0)
    assert rig.came_in == []
    await rig.later(5.1)
    rig.watch.released("front", 8, 5.0)
    await rig.see(Input.DOOR_OPEN)
    rig.watch.released("back", 3, 5.0)  # without a switch nobody sees whether it was used
    assert rig.came_in == [8]


async def test_a_release_for_somebody_who_needs_longer(rig: Rig) -> None:
    rig.machines["front"].extended_factor = 3.0
    rig.watch.released("front", 1, 5.0, extended=True)
    await rig.see(Input.DOOR_OPEN)
    await rig.later(2 * HELD_SECONDS)
    assert rig.watch.state("front") is DoorState.OPEN
    await rig.later(HELD_SECONDS + 0.1)
    assert rig.watch.state("front") is DoorState.HELD_OPEN


async def test_tamper_bolt_and_fire_go_their_own_ways(rig: Rig) -> None:
    for what in (Input.TAMPER, Input.BOLT_LOCKED, Input.FIRE, Input.FIRE_ENDED):
        await rig.see(what)
    aspects = rig.watch.aspects("front")
    assert (aspects.tamper, aspects.bolt) == (True, BoltState.LOCKED)
    assert rig.fire == [("front", True), ("front", False)]
    assert rig.happened() == ["tamper"]
    assert rig.states == []


@pytest.mark.parametrize("driven", [True, False])
@pytest.mark.parametrize("bolt", BoltState)
async def test_without_a_bolt_contact_the_bolt_is_what_its_movers_have_proof_of(
    rig: Rig, bolt: BoltState, driven: bool
) -> None:
    rig.bolt = bolt
    rig.driven = driven
    assert rig.watch.aspects("front").bolt is bolt
    await rig.see(Input.BOLT_FREE)
    assert rig.watch.aspects("front").bolt is BoltState.FREE  # a contact has seen it


async def test_a_mover_that_fails_is_a_fault_until_it_does_what_it_is_told(rig: Rig) -> None:
    for _ in range(2):
        rig.watch.failed("front")
    await settle()
    assert rig.watch.aspects("front").fault
    rig.watch.released("front", 1, 5.0)
    await settle()
    assert not rig.watch.aspects("front").fault
    assert rig.happened() == ["fault", "fault_ended"]
