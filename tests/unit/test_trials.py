"""`hubctl doctor --active`: each part is broken, and is seen; nothing moves, and it is recorded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hubcore.backend.talk.effects import UplinkPhase
from hubcore.checks import CHECKS, CheckId
from hubcore.device.breaker import BreakerRule
from hubcore.device.command import Capability, Verb
from hubcore.device.device import Device
from hubcore.errors import AuditError, HardwareError, LinkError, StoreError
from hubcore.evidence.facts import Detail, EventName, RecordKind
from hubcore.evidence.records import facts
from hubd.adapters.host.disk_probe import NAME, DiskProbe, write_and_read
from hubd.backend.state import UplinkState
from hubd.calls.trials import TrialCalls
from hubd.devices.supervisor import Supervisor
from hubd.trying import steps
from hubd.trying.trials import PACE_SECONDS, NotTried, Step, Trial, Trials, TrialState
from hublocal.calls import CallRefused
from hublocal.peer import PeerProcess
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock
from tests.fakes.device import FakeDriver

UID = 1234
CALLER = PeerProcess(pid=1, uid=UID, gid=UID)
UP = UplinkState(
    phase=UplinkPhase.SPEAKING,
    connected=True,
    since=0.0,
    why="",
    waiting=0,
    last_welcome=None,
    clock_offset_seconds=None,
)


class Tried:
    """What tries the steps of a test, and what it left."""

    def __init__(self, *steps: Step, step_seconds: float = 5.0) -> None:
        self.audit = FakeAudit()
        self.clock = FakeClock()
        self.told: list[tuple[EventName, Detail]] = []
        self.number = 0
        self.steps = steps
        self.began = asyncio.Event()
        """Set once it is recorded."""
        self.trials = Trials(
            self._make,
            log=self.audit,
            clock=self.clock,
            tell=lambda event, detail: self.told.append((event, detail)),
            step_seconds=step_seconds,
        )

    def _make(self, number: int) -> Sequence[Step]:
        self.number = number
        self.began.set()
        return self.steps

    async def run(self) -> list[Trial]:
        return await self.trials.run("technician", UID)


async def tried(step: Step, step_seconds: float = 5.0) -> Trial:
    (trial,) = await Tried(step, step_seconds=step_seconds).run()
    return trial


def ends(check: CheckId, error: Exception | None = None) -> Step:
    async def run() -> str:
        if error is not None:
            raise error
        return "seen"

    return Step("active-x", check, run)


# trials, law 1
async def test_it_is_recorded_with_its_user_before_anything_is_tried() -> None:
    made = Tried(ends(CheckId.TRIED_DISK))
    assert [trial.state for trial in await made.run()] == [TrialState.OK]
    (stored,) = made.audit.stored
    said = facts(stored.body)
    assert said["kind"] == RecordKind.ACT
    assert (said["what"], said["vouched_by"], said["uid"]) == ("try", "technician", UID)
    assert made.number == stored.number
    assert [event for event, _ in made.told] == [EventName.ACT]


async def test_without_its_record_nothing_is_tried() -> None:
    made = Tried(ends(CheckId.TRIED_DISK))
    made.audit.failing = AuditError("the disk is full")
    with pytest.raises(AuditError):
        await made.run()
    assert made.number == 0


# trials, law 3
async def test_no_step_ends_another_and_each_has_a_limit() -> None:
    async def hangs() -> str:
        return await asyncio.get_running_loop().create_future()

    made = Tried(
        Step("hangs", CheckId.TRIED_DEVICE, hangs),
        ends(CheckId.TRIED_READER, HardwareError("it is gone")),
        ends(CheckId.TRIED_RADIO, NotTried("no second radio")),
        ends(CheckId.TRIED_INPUTS),
        ends(CheckId.TRIED_DISK, ValueError("a bug")),
        step_seconds=0.05,
    )
    found = await made.run()
    assert [trial.state for trial in found] == [
        TrialState.FAILED,
        TrialState.FAILED,
        TrialState.UNKNOWN,
        TrialState.OK,
        TrialState.FAILED,
    ]
    assert found[4].what == "it failed inside hubd: ValueError"
    assert found[0].what == "no answer within 0.05 s"
    assert found[1].what == "it is gone"
    assert found[1].remedy == CHECKS[CheckId.TRIED_READER].remedy
    assert (found[2].remedy, found[3].remedy) == (None, None)


# trials, law 5
async def test_it_begins_once_in_a_while() -> None:
    made = Tried(ends(CheckId.TRIED_DISK))
    calls = TrialCalls(made.trials)
    assert await calls.try_parts({}, CALLER)
    with pytest.raises(CallRefused, match="again in 10 s") as refused:
        await calls.try_parts({}, CALLER)
    assert refused.value.code == "busy"
    made.clock.timeline.advance(PACE_SECONDS)
    assert await calls.try_parts({}, CALLER)
    assert len(made.audit.stored) == 2


async def test_two_at_a_time_are_one() -> None:
    free = asyncio.Event()

    async def waits() -> str:
        await free.wait()
        return "seen"

    made = Tried(Step("waits", CheckId.TRIED_DISK, waits))
    calls = TrialCalls(made.trials)
    first = asyncio.create_task(calls.try_parts({}, CALLER))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    made.clock.timeline.advance(2 * PACE_SECONDS)
    with pytest.raises(CallRefused):
        await calls.try_parts({}, CALLER)
    free.set()
    await first


def test_a_disk_that_works_is_written_and_read_and_left_clean(tmp_path: Path) -> None:
    assert "read again" in write_and_read(tmp_path)
    (tmp_path / NAME).write_text("what a power cut left")
    assert "read again" in write_and_read(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        write_and_read(tmp_path / "gone")
    (tmp_path / NAME).mkdir()
    with pytest.raises(StoreError, match="Is a directory"):
        write_and_read(tmp_path)


async def test_a_dead_disk_has_one_thread_that_waits_for_it(tmp_path: Path) -> None:
    alive = threading.Event()
    began: list[Path] = []

    def hangs(folder: Path) -> str:
        began.append(folder)
        alive.wait()
        return "it came back"

    probe = DiskProbe(tmp_path, hangs)
    first = asyncio.create_task(probe())
    await asyncio.sleep(0)
    for _ in range(5):
        with pytest.raises(StoreError, match="an earlier trial still waits"):
            await probe()
    alive.set()
    assert await first == "it came back"
    assert began == [tmp_path]
    assert await probe() == "it came back"


async def test_the_disk_fails_by_its_row() -> None:
    async def broken() -> str:
        raise StoreError("Input/output error")

    trial = await tried(steps.disk(broken))
    assert (trial.state, trial.what) == (TrialState.FAILED, "Input/output error")
    assert trial.remedy == CHECKS[CheckId.TRIED_DISK].remedy


async def test_the_backend_has_the_record_or_fails() -> None:
    made = Tried()
    made.steps = (steps.backend(1, made.audit, lambda: UP),)
    waiting = asyncio.create_task(made.run())
    await made.began.wait()
    assert not waiting.done()
    await made.audit.acknowledge([1])
    (trial,) = await waiting
    assert (trial.state, trial.area.value) == (TrialState.OK, "connectivity")
    assert "record 1" in trial.what


async def test_a_backend_that_takes_no_record_fails_in_time() -> None:
    made = Tried(step_seconds=0.3)
    made.steps = (steps.backend(1, made.audit, lambda: UP),)
    (trial,) = await made.run()
    assert (trial.state, trial.remedy) == (
        TrialState.FAILED,
        CHECKS[CheckId.TRIED_BACKEND].remedy,
    )


async def test_a_backend_that_is_away_says_why() -> None:
    away = replace(UP, connected=False, why="nothing accepts connections there")
    trial = await tried(steps.backend(1, FakeAudit(), lambda: away))
    assert (trial.state, trial.what) == (TrialState.FAILED, "nothing accepts connections there")


async def test_a_radio_is_heard_or_not_or_nobody_can_listen() -> None:
    async def silent() -> str:
        raise LinkError("hci1 heard nothing of it within 10 s")

    async def alone() -> str:
        raise HardwareError("hci0 is the only adapter")

    async def heard() -> str:
        return "hci1 heard it"

    found = [await tried(steps.radio(listen)) for listen in (silent, alone, heard, None)]
    assert [trial.state for trial in found] == [
        TrialState.FAILED,
        TrialState.UNKNOWN,
        TrialState.OK,
        TrialState.UNKNOWN,
    ]
    assert found[0].remedy == CHECKS[CheckId.TRIED_RADIO].remedy


async def test_inputs_are_read_or_fail() -> None:
    def broken() -> Mapping[str, bool]:
        raise HardwareError("The inputs are not watched now.")

    trial = await tried(steps.inputs(lambda: {"front dps": True, "front rex": False}))
    assert (trial.state, trial.what) == (TrialState.OK, "front dps active, front rex at rest")
    trial = await tried(steps.inputs(broken))
    assert (trial.state, trial.remedy) == (
        TrialState.FAILED,
        CHECKS[CheckId.TRIED_INPUTS].remedy,
    )


async def test_each_reader_is_asked() -> None:
    made = Tried(*steps.readers(("front", "back"), lambda name: name == "front"))
    found = {trial.id: trial.state for trial in await made.run()}
    assert found == {
        "active-reader-front": TrialState.OK,
        "active-reader-back": TrialState.FAILED,
    }


# trials, law 2
async def test_devices_and_locks_are_only_read() -> None:
    clock = FakeClock()
    driver = FakeDriver(clock.monotonic, seconds=0.0)
    kinds = {"lamp": Capability.SWITCH, "bolt": Capability.LOCK, "blind": Capability.COVER}
    devices = {name: (Device(name, kind, 60.0), driver) for name, kind in kinds.items()}
    supervisor = Supervisor(devices, clock, lambda *_: None, BreakerRule())
    driver.broken["blind"] = HardwareError("it does not answer")
    running = asyncio.create_task(supervisor.run())
    await driver.served.wait()
    made = Tried(*steps.devices(devices, supervisor))
    found = {trial.id: trial for trial in await made.run()}
    running.cancel()
    assert {one.id: one.state for one in found.values()} == {
        "active-device-lamp": TrialState.OK,
        "active-device-bolt": TrialState.OK,
        "active-device-blind": TrialState.FAILED,
    }
    assert found["active-device-blind"].remedy == CHECKS[CheckId.TRIED_DEVICE].remedy
    assert {command.verb for command, _ in driver.given} == {Verb.READ}
