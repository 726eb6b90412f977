"""The OpenZWave driver and its process, before a stand-in for the library.

The process, its socket and its wire are real; the library is not (tests/fakes/ozw_library). What
the real one does is in tests/openzwave (`make openzwave`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.openzwave.driver import OpenZwave
from drivers.openzwave.meaning import OzwDevice
from drivers.openzwave.opened import OpenedLocks
from drivers.openzwave.values import LOCKED
from hubcore.device.command import Capability, Command, Verb
from hubcore.device.state import DeviceFault, Position, Quantity
from hubcore.errors import DriverGoneError, HardwareError
from tests.fakes.device import FakeListener
from tests.fakes.openzwave import OzwNetwork, python_path

KEY = bytes(range(0x21, 0x31))
DEVICES = (
    OzwDevice("light", Capability.SWITCH, node=7),
    OzwDevice("blind", Capability.COVER, node=4),
    OzwDevice("lock", Capability.LOCK, node=2, accepts_s0=True),
    OzwDevice("air", Capability.SENSOR, node=9),
)


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OzwNetwork:
    monkeypatch.setenv("PYTHONPATH", python_path())
    return OzwNetwork(tmp_path / "stick")


@asynccontextmanager
async def served(
    network: OzwNetwork, devices: tuple[OzwDevice, ...] = DEVICES
) -> AsyncIterator[tuple[OpenZwave, FakeListener]]:
    driver = OpenZwave(
        str(network.path),
        devices,
        lambda: KEY,
        answer_seconds=0.5,
        look_seconds=0.05,
        move_seconds=0.5,
    )
    listener = FakeListener()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(driver.serve(listener))
        await listener.until(lambda: set(listener.states) >= {d.id for d in devices[:2]})
        yield driver, listener
        serving.cancel()


async def locked(driver: OpenZwave) -> None:
    """Lock the lock, once its node has said that it speaks S0: later than how it stands."""
    async with asyncio.timeout(30):
        while True:
            try:
                await driver.perform(Command("lock", Verb.LOCK))
            except HardwareError as error:
                assert "S0" in str(error)  # noqa: PT017 - nothing else may keep it from locking
                await asyncio.sleep(0.01)
            else:
                return


async def test_each_capability_is_done_and_proven(network: OzwNetwork) -> None:
    async with served(network) as (driver, listener):
        await listener.until(lambda: "lock" in listener.states)
        await driver.perform(Command("light", Verb.ON))
        assert (network.value(7), listener.positions["light"]) == (1, Position.ON)
        await driver.perform(Command("blind", Verb.SET_LEVEL, 50))
        assert (network.value(4), listener.states["blind"].level) == (50, 51)
        await driver.perform(Command("blind", Verb.STOP))
        await locked(driver)
        assert (network.value(2), listener.positions["lock"]) == (255, Position.LOCKED)
        await driver.perform(Command("air", Verb.READ))
        await listener.until(lambda: ("air", Quantity.BATTERY) in listener.readings)
        assert listener.readings["air", Quantity.TEMPERATURE] == 21.5
        assert ("air", DeviceFault.BATTERY_LOW) in listener.faults


async def test_what_did_not_move_is_no_success(network: OzwNetwork) -> None:  # driver, law 1
    async with served(network) as (driver, _):
        network.set_node(7, stuck=True)
        with pytest.raises(HardwareError, match="did not move"):
            await driver.perform(Command("light", Verb.ON))
        network.set_node(7, stuck=False, refused=True)
        with pytest.raises(HardwareError, match="did not take"):
            await driver.perform(Command("light", Verb.ON))


async def test_a_lock_of_unknown_mode_is_not_called_unlocked(
    network: OzwNetwork,
) -> None:  # service, law 8
    async with served(network) as (driver, listener):
        await listener.until(lambda: "lock" in listener.states)
        await locked(driver)
        network.set_node(2, value=254, stuck=True)
        await driver.perform(Command("lock", Verb.READ))
        assert listener.positions["lock"] is Position.UNKNOWN
        with pytest.raises(HardwareError, match="did not move"):
            await driver.perform(Command("lock", Verb.UNLOCK))


async def test_a_lock_without_s0_or_without_the_installers_word_gets_nothing(
    network: OzwNetwork,
) -> None:  # driver, law 2
    network.set_node(2, secure=False)
    async with served(network) as (driver, listener):
        await listener.until(lambda: ("lock", DeviceFault.NOT_SECURE) in listener.faults)
        with pytest.raises(HardwareError, match="does not speak S0"):
            await driver.perform(Command("lock", Verb.UNLOCK))
    network.set_node(2, secure=True)
    unasked = (*DEVICES[:2], OzwDevice("lock", Capability.LOCK, node=2))
    async with served(network, unasked) as (driver, listener):
        await listener.until(lambda: "lock" in listener.states)
        with pytest.raises(HardwareError, match="S0 was not accepted"):
            await driver.perform(Command("lock", Verb.UNLOCK))
    assert network.value(2) == 0


async def test_a_library_that_aborts_leaves_all_unknown_and_comes_back(
    network: OzwNetwork,
) -> None:  # driver, laws 3 and 4
    async with served(network) as (driver, listener):
        network.set(aborts=True)
        with pytest.raises(DriverGoneError):
            await driver.perform(Command("light", Verb.ON))
        lost = {(device.id, DeviceFault.SERVICE_GONE) for device in DEVICES}
        await listener.until(lambda: lost <= listener.faults)
        assert set(listener.positions.values()) == {Position.UNKNOWN}
        network.set(aborts=False)
        await listener.until(lambda: not {f for f in listener.faults if f in lost})
        await driver.perform(Command("light", Verb.ON))


async def test_a_process_that_stands_still_is_told_from_one_that_works(
    network: OzwNetwork,
) -> None:
    async with served(network) as (driver, listener):
        first = driver.process_id
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await listener.until(lambda: ("light", DeviceFault.SERVICE_GONE) in listener.faults)
        await listener.until(lambda: ("light", DeviceFault.SERVICE_GONE) not in listener.faults)
        assert driver.process_id != first


async def test_a_stick_that_is_gone_is_found_under_its_path(
    network: OzwNetwork,
) -> None:  # service, law 6
    async with served(network) as (driver, listener):
        text = network.path.read_text(encoding="utf-8")
        network.path.unlink()
        await listener.until(lambda: ("light", DeviceFault.INTERFACE_GONE) in listener.faults)
        with pytest.raises(HardwareError):
            await driver.perform(Command("light", Verb.ON))
        network.path.write_text(text, encoding="utf-8")
        await listener.until(lambda: ("light", DeviceFault.INTERFACE_GONE) not in listener.faults)
        await listener.until(lambda: listener.positions["light"] is Position.OFF)


async def test_a_stick_that_does_not_answer_is_a_stick_that_is_gone(network: OzwNetwork) -> None:
    network.set(fails=True)
    async with served(network) as (_, listener):
        await listener.until(lambda: ("light", DeviceFault.INTERFACE_GONE) in listener.faults)
        network.set(fails=False)
        await listener.until(lambda: ("light", DeviceFault.INTERFACE_GONE) not in listener.faults)


async def test_a_node_off_the_air_is_dead_and_the_others_are_not(network: OzwNetwork) -> None:
    async with served(network) as (driver, listener):
        network.set_node(7, mute=True)
        with pytest.raises(DriverGoneError, match="was sent"):
            await driver.perform(Command("light", Verb.ON))
        await listener.until(lambda: ("light", DeviceFault.DEAD) in listener.faults)
        with pytest.raises(HardwareError) as caught:  # it is known to be dead: nothing is sent
            await driver.perform(Command("light", Verb.ON))
        assert not isinstance(caught.value, DriverGoneError)
        await driver.perform(Command("blind", Verb.OPEN))
        network.set_node(7, mute=False)
        await driver.perform(Command("light", Verb.ON))
        await listener.until(lambda: ("light", DeviceFault.DEAD) not in listener.faults)


async def test_a_node_that_is_not_there_is_dead(network: OzwNetwork) -> None:
    ghost = OzwDevice("ghost", Capability.SWITCH, node=200)
    async with served(network, (*DEVICES[:2], ghost)) as (driver, listener):
        await listener.until(lambda: ("ghost", DeviceFault.DEAD) in listener.faults)
        with pytest.raises(HardwareError, match="not in the network"):
            await driver.perform(Command("ghost", Verb.ON))


async def test_a_jam_is_told_and_a_users_number_is_not_read(
    network: OzwNetwork,
) -> None:  # values, law 2
    async with served(network) as (driver, listener):
        await listener.until(lambda: "lock" in listener.states)
        network.set(says=[[2, "COMMAND_CLASS_ALARM", 6, 11]])
        await listener.until(lambda: ("lock", DeviceFault.JAMMED) in listener.faults)
        faults = set(listener.faults)
        network.set(
            says=[[2, "COMMAND_CLASS_ALARM", 260, 4711], [2, "COMMAND_CLASS_UNKNOWN", 0, 1]]
        )
        await driver.perform(Command("air", Verb.READ))
        await listener.until(lambda: ("air", Quantity.BATTERY) in listener.readings)
        assert 4711.0 not in listener.readings.values()
        assert faults <= listener.faults


async def test_a_missing_library_is_told_and_ends_nothing(
    network: OzwNetwork, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "libopenzwave.py").write_text("raise ImportError('no such library')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(broken), python_path()]))
    driver = OpenZwave(str(network.path), DEVICES, lambda: KEY)
    listener = FakeListener()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(driver.serve(listener))
        await listener.until(lambda: ("light", DeviceFault.SERVICE_GONE) in listener.faults)
        with pytest.raises(HardwareError, match="not there"):
            await driver.perform(Command("light", Verb.ON))
        serving.cancel()
    assert "libopenzwave" not in sys.modules


async def test_a_key_that_cannot_be_read_is_no_end_of_the_driver(network: OzwNetwork) -> None:
    keys = iter([ValueError("no key"), OSError("no file")])

    def read_key() -> bytes:
        error = next(keys, None)
        if error is not None:
            raise error
        return KEY

    driver = OpenZwave(str(network.path), DEVICES, read_key)
    listener = FakeListener()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(driver.serve(listener))
        await listener.until(lambda: ("light", DeviceFault.SERVICE_GONE) in listener.faults)
        await listener.until(lambda: listener.positions.get("light") is Position.OFF)
        serving.cancel()


@pytest.mark.parametrize("locks_again", [False, True])
async def test_what_was_unlocked_is_locked_when_hubd_goes(
    network: OzwNetwork, locks_again: bool
) -> None:  # service, law 3
    async with served(network) as (driver, listener):
        await listener.until(lambda: "lock" in listener.states)
        await locked(driver)
        await driver.perform(Command("lock", Verb.UNLOCK))
        if locks_again:
            await driver.perform(Command("lock", Verb.LOCK))
            network.set_node(2, value=0)  # by a hand
    assert network.value(2) == (0 if locks_again else 255)


HUBD = """
import asyncio, os, signal, sys
from drivers.openzwave.driver import OpenZwave
from drivers.openzwave.meaning import OzwDevice
from hubcore.device.command import Capability, Command, Verb
from hubcore.errors import HardwareError
from tests.fakes.device import FakeListener

async def main():
    device = OzwDevice("lock", Capability.LOCK, node=2, accepts_s0=True)
    driver = OpenZwave(sys.argv[1], [device], lambda: bytes(range(16)), 0.5, 0.05, 0.5)
    listener = FakeListener()
    serving = asyncio.create_task(driver.serve(listener))
    await listener.until(lambda: "lock" in listener.states and not listener.faults)
    while True:
        try:
            await driver.perform(Command("lock", Verb.UNLOCK))
            break
        except HardwareError:  # it has not said yet that it speaks S0
            await asyncio.sleep(0.01)
    print("unlocked", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_what_was_unlocked_is_locked_when_hubd_is_killed(
    network: OzwNetwork,
) -> None:  # service, law 3
    network.set_node(2, value=255)
    hubd = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HUBD, str(network.path)), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await hubd.communicate()
    assert said == b"unlocked\n"
    async with asyncio.timeout(60):
        while network.value(2) != 255:  # noqa: ASYNC110 - what is awaited is in another process
            await asyncio.sleep(0.02)


def test_a_lock_counts_as_locked_by_two_reports_after_it_was_told_to() -> None:  # opened
    opened = OpenedLocks()
    opened.was_set(3, LOCKED)
    assert opened.numbers() == ()
    opened.was_set(3, 0)
    for _ in range(5):
        opened.said(3, LOCKED)  # by its own timer, or said before
    assert opened.numbers() == (3,)
    opened.was_set(3, LOCKED)
    for value in (LOCKED, 0, LOCKED):
        opened.said(3, value)
    assert opened.numbers() == (3,)
    opened.said(3, LOCKED)
    assert opened.numbers() == ()
