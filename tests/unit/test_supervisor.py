"""The supervisor of devices: queues, time, breakers, states; all on a clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.device.breaker import SPOKEN_SECONDS, Breaker, BreakerRule, BreakerState
from hubcore.device.command import (
    LEVELS_OF,
    REPEATABLE,
    VERBS_OF,
    Capability,
    Command,
    CommandOutcome,
    Verb,
)
from hubcore.device.device import Device
from hubcore.device.state import DeviceFault, DeviceState, Position, Quantity, Reading
from hubcore.device.telemetry import TelemetryTable
from hubcore.errors import DriverGoneError, HardwareError
from hubd.devices.supervisor import Supervisor
from hubd.devices.worker import LOSSES, QUEUE_MAX, SECONDS_OF, CommandResult
from tests.fakes.device import FakeDriver
from tests.virtualtime import VirtualLoop, run_virtually, virtual_clock

RULE = BreakerRule(failures=3, first_pause_seconds=5.0, last_pause_seconds=20.0)
SOON = 1000.0
LOCK = Command("front-lock", Verb.LOCK)
UNLOCK = Command("front-lock", Verb.UNLOCK)
ON = Command("light", Verb.ON)
OPEN = Command("shutter", Verb.OPEN)
STOP = Command("shutter", Verb.STOP)

DEVICES = (
    Device("front-lock", Capability.LOCK, stale_seconds=3600.0),
    Device("light", Capability.SWITCH, stale_seconds=60.0),
    Device("shutter", Capability.COVER, stale_seconds=60.0),
)


class Rig:
    """A supervisor of a lock, a light and a shutter behind one driver."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.driver = FakeDriver(loop.time)
        self.faults: list[tuple[str, DeviceFault, bool]] = []
        self.telemetry = TelemetryTable()
        self.supervisor = Supervisor(
            devices={device.id: (device, self.driver) for device in DEVICES},
            clock=virtual_clock(loop),
            tell_fault=lambda *fault: self.faults.append(fault),
            breaker=RULE,
            telemetry=self.telemetry,
        )

    def sent(self) -> list[Verb]:
        return [command.verb for command, _ in self.driver.given]

    async def do(self, command: Command, within_seconds: float = SOON) -> CommandResult:
        return await self.supervisor.perform(command, within_seconds)


def play(scene: Callable[[Rig], Awaitable[None]]) -> None:
    """Run a scene with the supervisor at work."""
    loop = VirtualLoop()

    async def run() -> None:
        rig = Rig(loop)
        task = asyncio.create_task(rig.supervisor.run())
        await asyncio.sleep(0)
        try:
            await scene(rig)
        finally:
            task.cancel()
            await asyncio.wait({task})

    run_virtually(loop, run())


def test_a_command_is_confirmed_by_its_driver_alone() -> None:
    async def scene(rig: Rig) -> None:
        assert (await rig.do(LOCK)).outcome is CommandOutcome.CONFIRMED
        rig.driver.failing["front-lock"].extend([HardwareError("jammed"), HardwareError("jammed")])
        result = await rig.do(LOCK)
        assert result == CommandResult(CommandOutcome.FAILED, "jammed")

    play(scene)


@pytest.mark.parametrize(
    ("verb", "fails", "waiting"),
    [
        (Verb.READ, False, {Quantity.POSITION, Quantity.BATTERY}),
        (Verb.READ, True, {Quantity.POSITION}),
        (Verb.LOCK, False, set()),
    ],
)
def test_who_has_a_device_asked_gets_its_values_soon(  # law 4
    verb: Verb, fails: bool, waiting: set[Quantity]
) -> None:
    async def scene(rig: Rig) -> None:
        await rig.driver.served.wait()
        rig.driver.say("front-lock", Position.LOCKED)
        rig.supervisor.read(Reading("front-lock", Quantity.BATTERY, 80.0))
        rig.telemetry.sent(rig.telemetry.batch(9), rig.loop.time())
        assert len(rig.telemetry) == 0
        if fails:
            rig.driver.broken["front-lock"] = HardwareError("no answer")
        result = await rig.do(Command("front-lock", verb))
        assert (result.outcome is CommandOutcome.CONFIRMED) is not fails
        assert {datum.quantity for datum in rig.telemetry.batch(9)} == waiting

    play(scene)


def test_an_unlock_is_never_sent_twice_and_a_lock_once_more() -> None:  # worker, law 4
    async def scene(rig: Rig) -> None:
        rig.driver.failing["front-lock"].append(HardwareError("no answer"))
        assert (await rig.do(UNLOCK)).outcome is CommandOutcome.FAILED
        assert rig.sent() == [Verb.UNLOCK]
        rig.driver.failing["front-lock"].append(HardwareError("no answer"))
        assert (await rig.do(LOCK)).outcome is CommandOutcome.CONFIRMED
        assert rig.sent() == [Verb.UNLOCK, Verb.LOCK, Verb.LOCK]

    play(scene)


def test_a_device_that_hangs_harms_no_other_and_is_answered_for() -> None:  # worker, laws 1, 3
    async def scene(rig: Rig) -> None:
        rig.driver.hanging.add("front-lock")
        stuck = asyncio.create_task(rig.do(UNLOCK))
        await asyncio.sleep(0)
        began = rig.loop.time()
        assert (await rig.do(ON)).outcome is CommandOutcome.CONFIRMED
        assert rig.loop.time() - began < 0.2
        assert (await stuck).outcome is CommandOutcome.TIMEOUT
        assert rig.loop.time() - began < SECONDS_OF[Capability.LOCK] + 1

    play(scene)


def test_a_command_that_waited_too_long_is_never_sent() -> None:  # worker, law 3
    async def scene(rig: Rig) -> None:
        rig.driver.seconds = 5.0
        first = asyncio.create_task(rig.do(LOCK))
        await asyncio.sleep(0)
        late = await rig.do(UNLOCK, within_seconds=2.0)
        assert late.outcome is CommandOutcome.TIMEOUT
        assert (await first).outcome is CommandOutcome.CONFIRMED
        assert rig.sent() == [Verb.LOCK]

    play(scene)


def test_stop_takes_the_place_of_a_shutters_travel() -> None:  # worker, law 2
    async def scene(rig: Rig) -> None:
        rig.driver.seconds = 60.0
        travel = asyncio.create_task(rig.do(OPEN))
        await asyncio.sleep(10)
        rig.driver.seconds = 0.1
        began = rig.loop.time()
        assert (await rig.do(STOP)).outcome is CommandOutcome.CONFIRMED
        assert rig.loop.time() - began < 0.2
        result = await travel
        assert result.outcome is CommandOutcome.UNKNOWN  # it was sent, and moved for ten seconds
        assert result.why == "a later command took its place while it was under way"

    play(scene)


def test_a_question_takes_nobodys_place() -> None:  # worker, law 2
    async def scene(rig: Rig) -> None:
        rig.driver.seconds = 10.0
        travel = asyncio.create_task(rig.do(OPEN))
        await asyncio.sleep(1)
        asked = asyncio.create_task(rig.do(Command("shutter", Verb.READ)))
        assert (await travel).outcome is CommandOutcome.CONFIRMED
        assert (await asked).outcome is CommandOutcome.CONFIRMED

    play(scene)


def test_the_end_of_a_driver_leaves_the_outcome_and_the_state_unknown() -> None:  # worker, law 7
    async def scene(rig: Rig) -> None:
        rig.supervisor.changed("front-lock", DeviceState(Position.LOCKED, rig.loop.time()))
        assert rig.supervisor.state("front-lock").position is Position.LOCKED
        rig.driver.failing["front-lock"].append(DriverGoneError("its process ended"))
        result = await rig.do(UNLOCK)
        assert result == CommandResult(CommandOutcome.UNKNOWN, "its process ended")
        assert rig.supervisor.state("front-lock").position is Position.UNKNOWN

    play(scene)


def test_an_old_state_is_unknown() -> None:  # worker, law 7
    async def scene(rig: Rig) -> None:
        rig.supervisor.changed("light", DeviceState(Position.ON, rig.loop.time()))
        await asyncio.sleep(60.0)
        assert rig.supervisor.state("light").position is Position.ON
        await asyncio.sleep(0.1)
        assert rig.supervisor.state("light").position is Position.UNKNOWN

    play(scene)


def test_a_dead_device_is_left_alone_probed_and_found_again() -> None:  # worker, law 5
    async def scene(rig: Rig) -> None:
        rig.driver.failing["light"].extend([HardwareError("dead")] * 5)
        for _ in range(2):
            assert (await rig.do(ON)).outcome is CommandOutcome.FAILED
        assert rig.sent() == [Verb.ON] * 3
        assert (await rig.do(ON)).why == "the device does not answer"
        assert rig.sent() == [Verb.ON] * 3
        await asyncio.sleep(40)
        assert rig.sent() == [Verb.ON] * 3 + [Verb.READ] * 3
        moments = [at for command, at in rig.driver.given if command.verb is Verb.READ]
        assert moments[1] - moments[0] == pytest.approx(10.1, abs=0.2)
        assert (await rig.do(ON)).outcome is CommandOutcome.CONFIRMED

    play(scene)


@pytest.mark.parametrize("loss", LOSSES)
def test_what_all_lack_is_told_at_once_and_counts_for_no_device(  # worker, law 6
    loss: DeviceFault,
) -> None:
    async def scene(rig: Rig) -> None:
        for device in ("front-lock", "light"):
            rig.supervisor.fault(device, loss, True)
        began = rig.loop.time()
        for command in [ON, LOCK, UNLOCK] * 5:
            result = await rig.do(command)
            assert result == CommandResult(CommandOutcome.FAILED, LOSSES[loss])
        assert rig.loop.time() == began
        assert rig.sent() == []
        assert (await rig.do(OPEN)).outcome is CommandOutcome.CONFIRMED, "of another line"
        assert rig.supervisor.answers("light")
        rig.supervisor.fault("light", loss, False)
        assert (await rig.do(ON)).outcome is CommandOutcome.CONFIRMED
        assert (await rig.do(LOCK)).outcome is CommandOutcome.FAILED

    play(scene)


def test_a_loss_in_the_middle_leaves_it_open_and_what_waits_is_refused() -> None:  # worker, law 6
    async def scene(rig: Rig) -> None:
        rig.driver.seconds = 1.0
        rig.driver.failing["light"].append(DriverGoneError("the service ended in the middle"))
        first = asyncio.create_task(rig.do(ON))
        second = asyncio.create_task(rig.do(ON))
        await asyncio.sleep(0.5)
        rig.supervisor.fault("light", DeviceFault.SERVICE_GONE, True)
        assert (await first).outcome is CommandOutcome.UNKNOWN
        why = LOSSES[DeviceFault.SERVICE_GONE]
        assert await second == CommandResult(CommandOutcome.FAILED, why)
        assert rig.sent() == [Verb.ON], "once"
        for _ in range(2 * RULE.failures):
            await rig.do(ON)
        rig.supervisor.fault("light", DeviceFault.SERVICE_GONE, False)
        assert (await rig.do(ON)).outcome is CommandOutcome.CONFIRMED

    play(scene)


def test_a_dead_device_is_not_probed_while_its_stick_is_gone() -> None:  # worker, law 6
    async def scene(rig: Rig) -> None:  # breaker, law 5
        rig.driver.failing["light"].extend([HardwareError("dead")] * 4)
        for _ in range(2):
            await rig.do(ON)
        rig.supervisor.fault("light", DeviceFault.INTERFACE_GONE, True)
        await asyncio.sleep(100)
        assert rig.sent() == [Verb.ON] * 3
        rig.driver.seconds = 1.0
        rig.supervisor.fault("light", DeviceFault.INTERFACE_GONE, False)
        await asyncio.sleep(0.5)
        assert rig.sent() == [Verb.ON] * 3 + [Verb.READ]
        rig.supervisor.fault("light", DeviceFault.INTERFACE_GONE, True)  # while the probe is on
        await asyncio.sleep(100)
        rig.supervisor.fault("light", DeviceFault.INTERFACE_GONE, False)
        await asyncio.sleep(RULE.first_pause_seconds + 2.0)
        assert rig.sent() == [Verb.ON] * 3 + [Verb.READ] * 2
        assert rig.supervisor.answers("light")

    play(scene)


def test_a_driver_that_ended_by_a_mistake_and_says_nothing_is_asked_all_the_same() -> None:
    async def scene(rig: Rig) -> None:
        await rig.driver.served.wait()
        rig.supervisor._driver_ended(rig.driver, "a mistake")
        assert DeviceFault.SERVICE_GONE in rig.supervisor.faults("light")
        assert (await rig.do(ON)).outcome is CommandOutcome.CONFIRMED

    play(scene)


def test_a_device_that_speaks_is_asked_at_once() -> None:  # breaker, law 4
    async def scene(rig: Rig) -> None:
        rig.driver.failing["light"].extend([HardwareError("dead")] * 3)
        for _ in range(2):
            await rig.do(ON)
        rig.supervisor.read(Reading("light", Quantity.POWER, 12.0))
        await asyncio.sleep(0.2)
        assert rig.sent() == [Verb.ON] * 3 + [Verb.READ]
        assert (await rig.do(ON)).outcome is CommandOutcome.CONFIRMED

    play(scene)


def test_a_device_that_chatters_and_obeys_nothing_is_not_asked_at_that_pace() -> None:
    async def scene(rig: Rig) -> None:  # breaker, law 4
        rig.driver.failing["light"].extend([HardwareError("asleep")] * 5000)
        for _ in range(2):
            await rig.do(ON)
        before = len(rig.sent())
        began = rig.loop.time()
        for _ in range(3000):
            rig.supervisor.read(Reading("light", Quantity.POWER, 12.0))
            await asyncio.sleep(0.001)
        probes = len(rig.sent()) - before
        assert 1 <= probes <= 2 + (rig.loop.time() - began) / SPOKEN_SECONDS

    play(scene)


def test_a_fault_is_told_once_however_often_a_device_says_it() -> None:  # supervisor, law 2
    async def scene(rig: Rig) -> None:
        for stands in [True] * 500 + [False] * 500 + [True]:
            rig.supervisor.fault("front-lock", DeviceFault.JAMMED, stands)
        rig.supervisor.fault("somebody-elses", DeviceFault.JAMMED, True)
        assert [stands for _, _, stands in rig.faults] == [True, False, True]

    play(scene)


def test_readings_cost_one_place_each() -> None:  # supervisor, law 3
    async def scene(rig: Rig) -> None:
        for value in range(1000):
            rig.supervisor.read(Reading("light", Quantity.POWER, value))
            rig.supervisor.read(Reading("somebody-elses", Quantity.POWER, value))
        assert rig.supervisor.readings("light") == {Quantity.POWER: 999}
        assert rig.supervisor.readings("somebody-elses") == {}

    play(scene)


def test_too_many_commands_and_wrong_ones_are_refused_at_once() -> None:
    async def scene(rig: Rig) -> None:
        rig.driver.hanging.add("front-lock")
        waiting = [asyncio.create_task(rig.do(LOCK))]
        await asyncio.sleep(0.01)
        waiting += [asyncio.create_task(rig.do(LOCK)) for _ in range(QUEUE_MAX)]
        await asyncio.sleep(0.01)
        assert (await rig.do(LOCK)).why == "too many commands wait for the device"
        assert (await rig.do(Command("light", Verb.UNLOCK))).why == "a switch cannot UNLOCK"
        assert (await rig.do(Command("no-such", Verb.ON))).why == "this hub has no device no-such"
        for task in waiting:
            task.cancel()

    play(scene)


def test_the_end_of_the_hub_answers_what_waits() -> None:
    loop = VirtualLoop()

    async def run() -> None:
        rig = Rig(loop)
        task = asyncio.create_task(rig.supervisor.run())
        await asyncio.sleep(0)
        rig.driver.hanging.add("front-lock")
        waiting = [asyncio.create_task(rig.do(LOCK)) for _ in range(3)]
        await asyncio.sleep(0.01)
        task.cancel()
        results = await asyncio.gather(*waiting)
        assert {result.outcome for result in results} <= {
            CommandOutcome.FAILED,
            CommandOutcome.UNKNOWN,
        }

    run_virtually(loop, run())


acts = st.lists(
    st.tuples(
        st.sampled_from([LOCK, UNLOCK, ON, OPEN, STOP]),
        st.sampled_from(["good", "fails", "gone", "hangs"]),
        st.sampled_from([0.0, 0.3, 7.0]),
        st.sampled_from([0.5, 20.0]),
    ),
    max_size=25,
)


@given(acts)
def test_whatever_happens_each_command_is_answered_and_devices_do_one_thing_at_a_time(
    script: list[tuple[Command, str, float, float]],
) -> None:
    async def scene(rig: Rig) -> None:
        given_unlocks = 0
        tasks = []
        for command, how, later, within in script:
            rig.driver.hanging.discard(command.device)
            if how == "fails":
                rig.driver.failing[command.device].append(HardwareError("no"))
            elif how == "gone":
                rig.driver.failing[command.device].append(DriverGoneError("gone"))
            elif how == "hangs":
                rig.driver.hanging.add(command.device)
            given_unlocks += command.verb is Verb.UNLOCK
            tasks.append((asyncio.create_task(rig.do(command, within)), within))
            await asyncio.sleep(later)
        began = rig.loop.time()
        for task, _ in tasks:
            await task
        slowest = max(SECONDS_OF.values()) + 2 * len(script)
        assert rig.loop.time() - began <= slowest
        assert rig.driver.most_at_work <= 1
        assert rig.sent().count(Verb.UNLOCK) <= given_unlocks

    play(scene)


@given(st.lists(st.sampled_from(["good", "bad", "wait", "spoke"]), max_size=60))
def test_a_breaker_sends_no_more_than_its_failures_and_a_probe_a_pause(events: list[str]) -> None:
    breaker = Breaker(RULE)
    now = 0.0
    in_a_row = 0
    for event in events:
        if event == "wait":
            now += 1.0
            continue
        if event == "spoke":
            breaker.spoke(now)
            continue
        opened = breaker.state is BreakerState.OPEN
        if opened and not breaker.probe(now):
            assert now < breaker.probe_at
            continue
        if event == "good":
            breaker.succeeded()
            in_a_row = 0
            assert breaker.state is BreakerState.CLOSED
        else:
            breaker.failed(now)
            in_a_row += 1
            assert (breaker.state is BreakerState.OPEN) is (in_a_row >= RULE.failures)
            if breaker.state is BreakerState.OPEN:
                assert breaker.probe_at - now <= RULE.last_pause_seconds


def test_a_command_holds_no_more_than_a_device_needs() -> None:
    assert set(VERBS_OF) == set(Capability)
    assert set(LEVELS_OF) <= set(Verb)
    assert set(Verb) - REPEATABLE == {Verb.UNLOCK, Verb.PULSE}
    wrong: list[tuple[Any, ...]] = [
        ("Anna Muster", Verb.ON),
        ("", Verb.ON),
        ("x" * 33, Verb.ON),
        ("light", Verb.ON, 3),
        ("shutter", Verb.SET_LEVEL),
        ("shutter", Verb.SET_LEVEL, 101),
        ("shutter", Verb.SET_LEVEL, -1),
        ("strike", Verb.PULSE, 0),
    ]
    for facts in wrong:
        with pytest.raises(ValueError, match=r"device's id|level"):
            Command(*facts)
    assert Command("shutter", Verb.SET_LEVEL, 50).level == 50
