"""Locks of doors and devices in one Z-Wave network share its driver (hubd.wiring.zwave)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from hubcore.device.command import Capability, Command, Verb
from hubcore.device.state import DeviceFault, DeviceState, Position, Quantity, Reading
from hubcore.errors import ConfigError
from hubcore.ports.device import DeviceListener
from hubd.config.file import parse
from hubd.upkeep.checks import Part
from hubd.wiring.devices import device_kinds, make_devices
from hubd.wiring.movers import make_movers, mover_kinds
from hubd.wiring.zwave import LockDriver, ZwaveNetwork, make_network
from tests.fakes.device import FakeDriver, FakeListener
from tests.unit.test_config import CREDENTIALS, FILE, SMALL
from tests.unit.test_devices_wiring import LOCK, MOVER

CONFIG = parse(
    SMALL + "[zwave]\n" + LOCK.replace("node = 3", "node = 4") + MOVER, FILE, CREDENTIALS
)


@asynccontextmanager
async def heard(share: LockDriver, listener: DeviceListener) -> AsyncIterator[asyncio.Task[None]]:
    """Have a share of the network served."""
    serving = asyncio.create_task(share.serve(listener))
    await asyncio.sleep(0)
    try:
        yield serving
    finally:
        serving.cancel()
        await asyncio.wait({serving})


class Ends(FakeDriver):
    """A driver that ends by a mistake of its own each time that it is told to."""

    def __init__(self) -> None:
        super().__init__(monotonic)
        self.ends = asyncio.Event()
        self.begun = 0

    async def serve(self, listener: DeviceListener) -> None:
        self.listener = listener
        self.begun += 1
        self.served.set()
        await self.ends.wait()
        self.ends.clear()
        raise RuntimeError("a mistake")


async def test_locks_of_doors_and_devices_have_one_driver() -> None:  # law 1
    made: list[FakeDriver] = []

    def make() -> FakeDriver:
        made.append(FakeDriver(monotonic, seconds=0.0))
        return made[-1]

    network = ZwaveNetwork(make)
    doors = make_movers(CONFIG, lambda _: None, lambda *_: None, mover_kinds(network))
    (_, driver), *_ = make_devices(CONFIG, device_kinds(network)).values()
    (fake,) = made
    listener = FakeListener()
    async with heard(driver, listener):
        locks = asyncio.create_task(doors.runs[Part.LOCKS](lambda: None))
        await doors.doors["back"].release(0.3)
        await driver.perform(Command("front-lock", Verb.READ))
        locks.cancel()
        await asyncio.wait({locks})
    assert {command.device for command, _ in fake.given} == {"back-lock", "front-lock"}


def test_the_driver_knows_the_nodes_of_both_by_what_the_file_says() -> None:
    network = make_network(CONFIG)
    share = network.share(["front-lock"])
    real = share._driver  # type: ignore[attr-defined]
    nodes = {one.id: (one.capability, one.node) for one in real._devices.values()}
    assert nodes == {"front-lock": (Capability.LOCK, 4), "back-lock": (Capability.LOCK, 3)}


def test_the_care_of_the_network_is_its_drivers() -> None:
    fake = FakeDriver(monotonic)
    network = ZwaveNetwork(lambda: fake)
    assert network.care is None, "nothing is commanded in it"
    network.share(["front-lock"])
    assert network.care is fake.care


def test_a_hub_with_a_network_has_its_care_and_any_other_has_none() -> None:
    network = make_network(CONFIG)
    make_devices(CONFIG, device_kinds(network))
    assert network.care is not None
    empty = make_network(parse(SMALL, FILE, CREDENTIALS))
    assert make_devices(parse(SMALL, FILE, CREDENTIALS), device_kinds(empty)) == {}
    assert empty.care is None


async def test_each_hears_of_its_own_and_of_what_was_said_before() -> None:  # law 3
    fake = FakeDriver(monotonic)
    network = ZwaveNetwork(lambda: fake)
    of_doors = FakeListener()
    of_devices = FakeListener()
    async with heard(network.share(["back-lock"]), of_doors):
        assert fake.listener is not None
        fake.say("back-lock", Position.LOCKED)
        fake.say("front-lock", Position.UNLOCKED)
        fake.listener.fault("front-lock", DeviceFault.JAMMED, True)
        fake.listener.fault("front-lock", DeviceFault.DEAD, True)
        fake.listener.fault("front-lock", DeviceFault.DEAD, False)
        async with heard(network.share(["front-lock"]), of_devices):
            fake.listener.read(Reading("front-lock", Quantity.BATTERY, 80.0))
            assert of_doors.positions == {"back-lock": Position.LOCKED}
            assert of_devices.positions == {"front-lock": Position.UNLOCKED}
            assert of_devices.faults == {("front-lock", DeviceFault.JAMMED)}
            assert of_devices.readings == {("front-lock", Quantity.BATTERY): 80.0}
    assert of_doors.readings == {}
    assert of_doors.faults == {("back-lock", DeviceFault.SERVICE_GONE)}, "told at its end"


async def test_when_the_driver_ends_all_are_told_and_who_waits_begins_it_again() -> None:  # law 4
    fake = Ends()
    network = ZwaveNetwork(lambda: fake)
    of_doors = FakeListener()
    of_devices = FakeListener()
    async with (
        heard(network.share(["back-lock"]), of_doors) as first,
        heard(network.share(["front-lock"]), of_devices) as second,
    ):
        fake.say("front-lock", Position.LOCKED)
        fake.ends.set()
        with pytest.raises(RuntimeError, match="a mistake"):
            await first
        assert of_doors.faults == {("back-lock", DeviceFault.SERVICE_GONE)}
        assert of_devices.faults == {("front-lock", DeviceFault.SERVICE_GONE)}
        assert of_devices.positions["front-lock"] is Position.UNKNOWN
        await of_devices.until(lambda: fake.begun == 2 or second.done())
        assert fake.begun == 2
        assert fake.listener is not None
        fake.listener.fault("back-lock", DeviceFault.SERVICE_GONE, False)
        fake.listener.changed("back-lock", DeviceState(Position.LOCKED, monotonic()))
        assert of_doors.positions["back-lock"] is Position.LOCKED


def test_nothing_is_loaded_for_a_hub_without_zwave() -> None:  # law 2
    def make() -> FakeDriver:
        raise ImportError("no library", name="zwave_js_server")

    network = ZwaveNetwork(make)
    config = parse(SMALL, FILE, CREDENTIALS)
    movers = make_movers(config, lambda _: None, lambda *_: None, mover_kinds(network))
    assert set(movers.doors) == {door.id for door in config.doors}
    assert make_devices(config, device_kinds(network)) == {}
    with pytest.raises(ConfigError, match="make install EXTRAS=zwave"):
        make_movers(CONFIG, lambda _: None, lambda *_: None, mover_kinds(network))
    with pytest.raises(ConfigError, match="extra `zwave`"):
        make_devices(CONFIG, device_kinds(network))
