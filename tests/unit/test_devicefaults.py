"""What is wrong with devices: one problem a sort of fault, told and recorded at a pace."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hubcore.checks import CHECK_OF_FAULT, CHECKS, CheckId, Problem, Topic
from hubcore.device.state import DeviceFault
from hubcore.errors import AuditError
from hubcore.evidence.facts import EventName, Fact
from hubcore.evidence.records import Record, RecordKind
from hubd.upkeep.devicefaults import EACH, FAULTS, NAMED_MAX, UNTOLD, DeviceFaults
from hubd.upkeep.health import Health
from hubd.upkeep.standing import READY_PARTS, StandingProblems
from tests.facts_fit import misfits_of_event, misfits_of_record
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.asyncio


class Rig:
    def __init__(self, locks: set[str] | None = None) -> None:
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
            locks=locks or set(),
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

    def changes(self) -> int:
        """How many changes the records tell of, alone or summed."""
        details = [Record.decode(stored.body).detail for stored in self.log.stored]
        return sum(int(str(detail.get(Fact.COUNT, 1))) for detail in details)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.faults.run(retry_seconds=0.001))
            yield
            await self.settle()
            task.cancel()

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


CHECKS_OF_DEVICES = {
    DeviceFault.JAMMED: CheckId.DEVICES_JAMMED,
    DeviceFault.REFUSED: CheckId.DEVICES_REFUSE,
    DeviceFault.DEAD: CheckId.DEVICES_DEAD,
    DeviceFault.INTERFACE_GONE: CheckId.DEVICES_GONE,
    DeviceFault.SERVICE_GONE: CheckId.DEVICES_SERVICE,
    DeviceFault.WRONG_VERSION: CheckId.DEVICES_VERSION,
    DeviceFault.NOT_SECURE: CheckId.DEVICES_NOT_SECURE,
    DeviceFault.TAMPERED: CheckId.DEVICES_TAMPERED,
    DeviceFault.BATTERY_LOW: CheckId.DEVICES_WEAK,
    DeviceFault.STRANGE: CheckId.DEVICES_STRANGE,
}
CHECKS_OF_LOCKS = {
    DeviceFault.JAMMED: CheckId.LOCKS_JAMMED,
    DeviceFault.REFUSED: CheckId.LOCKS_REFUSE,
    DeviceFault.DEAD: CheckId.LOCKS_DEAD,
    DeviceFault.BATTERY_LOW: CheckId.LOCKS_WEAK,
}


@pytest.mark.parametrize("fault", DeviceFault)
async def test_a_fault_stands_as_its_row_and_that_of_a_doors_lock_as_another(
    fault: DeviceFault,
) -> None:
    rig = Rig(locks={"front-lock"})
    rig.faults("shed", fault, True)
    assert [found.check for found in rig.health.problems()] == [CHECKS_OF_DEVICES[fault]]
    rig.faults("shed", fault, False)
    rig.faults("front-lock", fault, True)
    expected = CHECKS_OF_LOCKS.get(fault, CHECKS_OF_DEVICES[fault])
    assert [found.check for found in rig.health.problems()] == [expected]


@pytest.mark.parametrize("fault", DeviceFault)
async def test_each_fault_is_a_problem_with_a_cause_and_a_remedy_that_ends(
    fault: DeviceFault,
) -> None:
    rig = Rig()
    topic = CHECKS[CHECK_OF_FAULT[fault]].topic
    async with rig.running():
        rig.faults("front-lock", fault, True)
        await rig.settle()
        found = rig.problem(topic)
        assert found is not None
        assert "Front door's lock (front-lock)" in found.what
        assert found.remedy.endswith(".")
        rig.faults("shed", fault, True)
        rig.faults("front-lock", fault, False)
        await rig.settle()
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
    assert len(rig.recorded()) <= EACH.burst + 3
    assert rig.changes() == 10_002


async def test_the_end_of_a_fault_beyond_the_pace_is_recorded() -> None:  # law 4
    rig = Rig()
    async with rig.running():
        for number in range(30):
            rig.faults("front-lock", DeviceFault.JAMMED, number % 2 == 0)
            await rig.settle()
        assert rig.changes() < 30
        rig.clock.advance(60.0)
        async with asyncio.timeout(10):
            while rig.changes() < 30:  # noqa: ASYNC110 - the writer tries again by itself
                await asyncio.sleep(0)
    assert rig.recorded()[-1] == ("front-lock", "jammed", False)
    assert len(rig.recorded()) == EACH.burst + 1


async def test_a_stop_records_what_the_pace_held_back() -> None:  # law 4
    rig = Rig()
    async with rig.running():
        for number in range(30):
            rig.faults("front-lock", DeviceFault.JAMMED, number % 2 == 0)
            await rig.settle()
    assert rig.recorded()[-1] == ("front-lock", "jammed", False)
    assert rig.changes() == 30


async def test_what_the_disk_refuses_is_tried_again_with_the_last_state() -> None:  # law 4
    rig = Rig()
    rig.log.failing = AuditError("full")
    async with rig.running():
        rig.faults("front-lock", DeviceFault.DEAD, True)
        await rig.settle()
        assert EventName.AUDIT_FAILED in rig.events
        rig.faults("front-lock", DeviceFault.DEAD, False)
        rig.log.failing = None
        rig.clock.advance(600.0)
        async with asyncio.timeout(10):
            while not rig.recorded():  # noqa: ASYNC110 - the writer tries again by itself
                await asyncio.sleep(0)
    assert rig.recorded() == [("front-lock", "dead", False)]
    assert rig.changes() == 2
