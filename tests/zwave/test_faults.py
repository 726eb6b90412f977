"""What breaks in a Z-Wave network is told apart, and each is found again alone."""

from __future__ import annotations

import asyncio

import pytest

from hubcore.device.command import Command, Verb
from hubcore.device.state import DeviceFault, Position, Quantity
from hubcore.errors import DriverGoneError, HardwareError
from tests.zwave.conftest import ALL, Bench

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def all_have(bench: Bench, fault: DeviceFault) -> None:
    await bench.listener.until(lambda: {(name, fault) for name in ALL} <= bench.listener.faults)


async def test_a_service_that_is_killed_is_told_and_found_again(bench: Bench) -> None:
    await bench.driver.perform(Command("shutter", Verb.CLOSE))
    moving = asyncio.create_task(bench.driver.perform(Command("shutter", Verb.OPEN)))
    told = len(bench.proxy.said)
    await _said(bench, told, '"remainingDuration"')  # it travels
    await bench.network.stop("service")
    with pytest.raises(DriverGoneError):
        await moving
    await all_have(bench, DeviceFault.SERVICE_GONE)
    with pytest.raises(HardwareError, match="is not there"):
        await bench.driver.perform(Command("light", Verb.ON))
    await bench.network.start("service")
    await bench.ready()
    await bench.driver.perform(Command("light", Verb.ON))


async def test_a_stick_that_is_gone_is_told_and_found_when_it_is_back(bench: Bench) -> None:
    await bench.network.stop("mock")
    await all_have(bench, DeviceFault.INTERFACE_GONE)
    assert ("light", DeviceFault.SERVICE_GONE) not in bench.listener.faults
    with pytest.raises(HardwareError):
        await bench.driver.perform(Command("light", Verb.ON))
    await bench.network.start("mock")
    await bench.ready()
    await bench.driver.perform(Command("light", Verb.OFF))


async def test_each_fault_of_a_lock_has_its_own_words(bench: Bench) -> None:
    unlock = Command("quick", Verb.UNLOCK)
    await bench.driver.perform(Command("quick", Verb.LOCK))
    await bench.network.disturb("/fail?node=8&on=1")
    with pytest.raises(HardwareError, match="node 8 refused"):
        await bench.driver.perform(unlock)
    await bench.network.disturb("/fail?node=8&on=0")
    await bench.network.disturb("/dead?node=8&on=1")
    with pytest.raises(HardwareError, match="node 8 does not answer"):
        await bench.driver.perform(unlock)
    assert ("quick", DeviceFault.DEAD) in bench.listener.faults
    await bench.network.disturb("/dead?node=8&on=0")
    assert await bench.driver.care.ping(8)
    await bench.listener.until(lambda: ("quick", DeviceFault.DEAD) not in bench.listener.faults)
    assert bench.listener.positions["quick"] is Position.LOCKED
    await bench.driver.perform(unlock)


async def test_a_node_that_chatters_leaves_the_others_alone(bench: Bench) -> None:
    """As fast as the air carries; a thousand a second are in tests/unit/test_zwave_service.py."""
    chatter = asyncio.create_task(bench.network.disturb("/chatter?node=2&count=100&ms=20"))
    await bench.driver.perform(Command("quick", Verb.UNLOCK))
    await bench.driver.perform(Command("quick", Verb.LOCK))
    await chatter
    kept = [what for what in bench.listener.readings if what[0] == "lock"]
    assert kept == [("lock", Quantity.BATTERY)]


async def _said(bench: Bench, since: int, part: str) -> None:
    """Wait until the service has said something."""
    async with asyncio.timeout(30):
        while not any(part in said for said in bench.proxy.said[since:]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
