"""What is wrong with devices: one problem a sort of fault, told and recorded at a pace."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hubcore.device.state import DeviceFault
from hubcore.evidence.facts import EventName, Fact
from hubcore.evidence.records import Record, RecordKind
from hubd.upkeep.checks import CHECK_OF_FAULT, CHECKS, Problem, Topic
from hubd.upkeep.devicefaults import FAULTS, NAMED_MAX, UNTOLD, WAITING_MAX, DeviceFaults
from hubd.upkeep.health import Health
from hubd.upkeep.standing import READY_PARTS, StandingProblems
from tests.facts_fit import misfits_of_event, misfits_of_record
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.asyncio


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.log = FakeAudit()
        self.events: list[EventName] = []
        self.counted: Counter[str] = Counter()
        self.health = Health(self.clock, {}, READY_PARTS)
        self.faults = DeviceFaults(
            problems=StandingProblems(self.health, self.tell),
            log=self.log,
            clock=self.clock,
            tell=self.tell,
            count=lambda name: self.counted.update([name]),
            names={"front-lock": "Front door's lock"},
        )

    def tell(self, event: EventName, facts: dict[Fact, object]) -> None:  # type: ignore[override]
        assert misfits_of_event(event, facts) == []  # type: ignore[arg-type]
        self.events.append(event)

    def problem(self, topic: Topic) -> Problem | None:
        return next((found for found in self.health.problems() if found.id is topic), None)

    def recorded(self) -> list[tuple[object, object, object]]:
        found = []
        for stored in self.log.stored:
            record = Record.decode(stored.body)
            assert record.kind is RecordKind.FAULT
            assert misfits_of_record(record.kind, record.detail) == []
            detail = record.detail
            found.append((detail[Fact.DEVICE], detail[Fact.FAULT], detail[Fact.STANDS]))
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.faults.run())
            yield
            for _ in range(5):
                await asyncio.sleep(0)
            task.cancel()


@pytest.mark.parametrize("fault", DeviceFault)
async def test_each_fault_is_a_problem_with_a_cause_and_a_remedy_that_ends(
    fault: DeviceFault,
) -> None:
    rig = Rig()
    topic = CHECKS[CHECK_OF_FAULT[fault]].topic
    async with rig.running():
        rig.faults("front-lock", fault, True)
        found = rig.problem(topic)
        assert found is not None
        assert "Front door's lock (front-lock)" in found.what
        assert found.remedy.endswith(".")
        rig.faults("shed", fault, True)
        rig.faults("front-lock", fault, False)
        found = rig.problem(topic)
        assert found is not None
        assert "front-lock" not in found.what
        rig.faults("shed", fault, False)
        assert rig.problem(topic) is None
    assert rig.events == [EventName.DEVICE_FAULT] * 4
    assert rig.recorded()[0] == ("front-lock", str(fault), True)
    assert len(rig.recorded()) == 4


async def test_a_fault_of_many_names_few() -> None:  # law 1
    rig = Rig()
    for number in range(NAMED_MAX + 5):
        rig.faults(f"light-{number}", DeviceFault.DEAD, True)
    found = rig.problem(Topic.DEVICES_DEAD)
    assert found is not None
    assert found.what.endswith(f"light-{NAMED_MAX - 1} (light-{NAMED_MAX - 1}), 5 more.")


async def test_a_device_that_chatters_is_told_at_a_pace_and_the_problem_is_right() -> None:  # law 2
    rig = Rig()
    async with rig.running():
        for _ in range(5_000):
            rig.faults("front-lock", DeviceFault.JAMMED, True)
            rig.faults("front-lock", DeviceFault.JAMMED, False)
        assert rig.problem(Topic.DEVICES_JAMMED) is None
        rig.faults("front-lock", DeviceFault.JAMMED, True)
        assert rig.problem(Topic.DEVICES_JAMMED) is not None
        rig.faults("shed", DeviceFault.JAMMED, True)
    assert len(rig.events) == 11
    assert rig.counted == {UNTOLD: 9_991, FAULTS: 5_002}
    assert rig.recorded()[-1][0] == "shed"


async def test_a_disk_that_takes_nothing_costs_so_much_memory_and_no_more() -> None:
    rig = Rig()
    for number in range(WAITING_MAX + 9):
        rig.clock.advance(10.0)
        rig.faults(f"light-{number}", DeviceFault.DEAD, True)
    assert rig.counted == {UNTOLD: 9, FAULTS: WAITING_MAX + 9}
