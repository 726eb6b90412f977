"""Boards that misbehave under the supervisor: each has a defined outcome, is told once, and the
board beside it goes on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import structlog

from drivers.relays.boards import BoardLine, RelayBoards
from drivers.relays.opening import BoardKind, open_line
from hubcore.backend.uplink.from_backend import Act
from hubcore.backend.uplink.words import ActOutcome
from hubcore.device.breaker import BreakerRule
from hubcore.device.command import Capability, Command, CommandOutcome, Verb
from hubcore.device.device import Device
from hubcore.device.state import DeviceFault, DeviceState, Position, Quantity, Reading
from hubcore.device.telemetry import TelemetryTable
from hubcore.policy.policy import Operator, OperatorRight
from hubcore.ports.device import DeviceDriver
from hubd.adapters.host.clock import SystemClock
from hubd.devices.commands import RemoteCommands
from hubd.devices.supervisor import Supervisor
from hubsim.relays.boards import SimBoard, SimLcus, SimModbus, SimNumato
from tests.fakes.audit import FakeAudit
from tests.fakes.device import FakeDriver
from tests.fakes.policy import FakePolicy

SENTINEL = "anna-muster-4711"
PATIENCE_SECONDS = 30.0
ON = Command("bad-light", Verb.ON)
GOOD = Command("good-light", Verb.ON)
SIMS: dict[BoardKind, type[SimBoard]] = {
    BoardKind.LCUS: SimLcus,
    BoardKind.NUMATO: SimNumato,
    BoardKind.MODBUS: SimModbus,
}


class Rig:
    """Two boards behind one driver: one that is made to misbehave, one that is good."""

    def __init__(self, bad: SimBoard, kind: BoardKind, good: SimBoard) -> None:
        self.bad = bad
        self.good = good
        self.told: Counter[tuple[str, DeviceFault, bool]] = Counter()
        self.telemetry = TelemetryTable()
        lines = [
            BoardLine(bad.path, partial(open_line, bad.path, kind, 4), {"bad-light": 2}),
            BoardLine(
                good.path, partial(open_line, good.path, BoardKind.MODBUS, 4), {"good-light": 1}
            ),
        ]
        driver = RelayBoards(lines, look_seconds=0.1)
        self.clock = SystemClock(lambda: 0.0)
        self.devices = {
            id_: Device(id_, Capability.SWITCH, 30.0) for id_ in ("bad-light", "good-light")
        }
        self.supervisor = Supervisor(
            devices={id_: (device, driver) for id_, device in self.devices.items()},
            clock=self.clock,
            tell_fault=lambda *fault: self.told.update([fault]),
            breaker=BreakerRule(first_pause_seconds=0.1, last_pause_seconds=0.5),
            telemetry=self.telemetry,
        )

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():  # noqa: ASYNC110 - what is awaited happens in threads
                await asyncio.sleep(0.01)

    async def until_known(self) -> None:
        await self.until(
            lambda: all(
                self.supervisor.state(id_).position is not Position.UNKNOWN for id_ in self.devices
            )
        )

    async def good_goes_on(self) -> None:
        result = await self.supervisor.perform(GOOD, 20.0)
        assert result.outcome is CommandOutcome.CONFIRMED, result
        assert not any(device == "good-light" for device, _, _ in self.told)


@pytest.fixture(params=list(BoardKind))
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    kind: BoardKind = request.param
    bad = SIMS[kind](4, tmp_path / "ttyBad")
    good = SimModbus(4, tmp_path / "ttyGood")
    made = Rig(bad, kind, good)
    try:
        async with running(made.supervisor):
            await made.until_known()
            yield made
    finally:
        bad.end()
        good.end()


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(supervisor.run())
        try:
            yield
        finally:
            task.cancel()


async def test_a_board_that_lies_is_a_failure(rig: Rig) -> None:
    rig.bad.stuck.add(2)
    result = await rig.supervisor.perform(ON, 20.0)
    assert result.outcome is CommandOutcome.FAILED
    await rig.good_goes_on()


async def test_a_board_that_answers_late_or_never_fails_and_comes_back(rig: Rig) -> None:
    rig.bad.late_seconds = 0.8
    result = await rig.supervisor.perform(ON, 20.0)
    assert result.outcome is CommandOutcome.FAILED
    await rig.good_goes_on()
    rig.bad.late_seconds = 0.0

    async def works() -> bool:
        return (await rig.supervisor.perform(ON, 20.0)).outcome is CommandOutcome.CONFIRMED

    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await works():  # noqa: ASYNC110 - a probe of the breaker comes by time alone
            await asyncio.sleep(0.05)
    assert max(rig.told.values(), default=0) <= 2


async def test_a_board_that_answers_twice_is_understood_or_refused(rig: Rig) -> None:
    rig.bad.times = 2
    for verb, expected in ((Verb.ON, True), (Verb.OFF, False)):
        result = await rig.supervisor.perform(Command("bad-light", verb), 20.0)
        if result.outcome is CommandOutcome.CONFIRMED:
            assert rig.bad.on[2] is expected
    await rig.good_goes_on()


async def test_a_board_that_dies_in_the_middle_of_a_command(rig: Rig) -> None:
    rig.bad.dies = True
    result = await rig.supervisor.perform(ON, 20.0)
    assert result.outcome is CommandOutcome.FAILED
    assert rig.supervisor.state("bad-light").position is Position.UNKNOWN
    await rig.until(lambda: bool(rig.supervisor.faults("bad-light")))
    await rig.good_goes_on()
    assert max(rig.told.values()) == 1


async def test_a_board_that_chatters_costs_its_own_device_alone(rig: Rig) -> None:
    rig.bad.chatters = b"\x00\xffCH9: MAYBE>\r\n"
    result = await rig.supervisor.perform(ON, 20.0)
    if result.outcome is CommandOutcome.CONFIRMED:
        assert rig.bad.on[2]
    await rig.good_goes_on()
    assert max(rig.told.values(), default=0) <= 2
    assert len(rig.telemetry) <= 4


async def test_a_board_that_is_pulled_out_is_told_once_and_comes_back(rig: Rig) -> None:
    rig.bad.unplug()
    await rig.until(lambda: bool(rig.supervisor.faults("bad-light")))
    for _ in range(5):
        assert (await rig.supervisor.perform(ON, 20.0)).outcome is CommandOutcome.FAILED
    await rig.good_goes_on()
    assert rig.told == {("bad-light", DeviceFault.INTERFACE_GONE, True): 1}
    rig.bad.plug()
    await rig.until(lambda: not rig.supervisor.faults("bad-light"))
    await rig.until(lambda: rig.supervisor.answers("bad-light"))
    assert (await rig.supervisor.perform(ON, 20.0)).outcome is CommandOutcome.CONFIRMED
    assert max(rig.told.values()) == 1


async def test_nobodys_name_reaches_a_serial_line_or_a_drivers_log(rig: Rig) -> None:
    """The canary: who orders, and the id of the order, are looked for in every byte."""
    commands = RemoteCommands(
        devices=rig.devices,
        performer=rig.supervisor,
        rights=FakePolicy(
            operators={SENTINEL: Operator(OperatorRight.COMMAND)},
            groups={5: ("bad-light", "good-light")},
        ),
        log=FakeAudit(),
        clock=rig.clock,
        tell=lambda _event, _facts: None,
    )
    order_id = b"CREDENTIAL-0815!"
    with structlog.testing.capture_logs() as said:
        for number, verb in enumerate((Verb.ON, Verb.READ, Verb.OFF)):
            rig.bad.stuck = {2} if verb is Verb.OFF else set()
            id_ = order_id[:-1] + bytes((number,))
            expires_at = int(rig.clock.wall()) + 30
            result = await commands.act(Act(id_, SENTINEL, 5, verb, None, expires_at))
            assert dict(result.outcomes)["good-light"] is ActOutcome.CONFIRMED
    heard = b"".join([*rig.bad.heard, *rig.good.heard])
    assert heard
    for secret in (SENTINEL.encode(), order_id[:-1], order_id.hex().encode(), b"bad-light"):
        assert secret not in heard
    assert SENTINEL not in repr(said)
    assert order_id[:-1].hex() not in repr(said)


class Mistaken(FakeDriver):
    """A driver with a mistake of its own: it ends when it should serve."""

    def __init__(self, ends: int) -> None:
        super().__init__(lambda: 0.0)
        self.ends = ends

    async def serve(self, listener: object) -> None:
        self.ends -= 1
        if self.ends >= 0:
            raise KeyError("a mistake")
        await super().serve(listener)  # type: ignore[arg-type]


async def test_a_driver_that_ends_by_a_mistake_is_begun_again_and_harms_nobody() -> None:
    told: list[tuple[str, DeviceFault, bool]] = []
    bad = Mistaken(ends=2)
    good = FakeDriver(lambda: 0.0)
    devices: dict[str, tuple[Device, DeviceDriver]] = {
        "bad-light": (Device("bad-light", Capability.SWITCH, 30.0), bad),
        "good-light": (Device("good-light", Capability.SWITCH, 30.0), good),
    }
    clock = SystemClock(lambda: 0.0)
    supervisor = Supervisor(
        devices=devices,
        clock=clock,
        tell_fault=lambda *fault: told.append(fault),
        breaker=BreakerRule(),
        pauses=(0.01, 0.02),
    )
    async with running(supervisor):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await bad.served.wait()
        assert bad.listener is not None
        assert told == [("bad-light", DeviceFault.SERVICE_GONE, True)]
        assert (await supervisor.perform(GOOD, 5.0)).outcome is CommandOutcome.CONFIRMED
        bad.listener.changed("bad-light", DeviceState(Position.ON, clock.monotonic()))
        assert told[1:] == [("bad-light", DeviceFault.SERVICE_GONE, False)]


async def test_a_thousand_readings_a_second_cost_one_place_and_no_log_line() -> None:
    driver = FakeDriver(lambda: 0.0)
    telemetry = TelemetryTable()
    clock = SystemClock(lambda: 0.0)
    supervisor = Supervisor(
        devices={"bad-light": (Device("bad-light", Capability.SWITCH, 30.0), driver)},
        clock=clock,
        tell_fault=lambda *_: None,
        breaker=BreakerRule(),
        telemetry=telemetry,
    )
    with structlog.testing.capture_logs() as said:
        async with running(supervisor):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await driver.served.wait()
            assert driver.listener is not None
            for number in range(10_000):
                driver.listener.read(Reading("bad-light", Quantity.POWER, float(number)))
                driver.listener.changed("bad-light", DeviceState(Position.ON, clock.monotonic()))
                driver.listener.read(Reading("somebody-elses", Quantity.POWER, 1.0))
    assert len(telemetry) == 2
    assert said == []
