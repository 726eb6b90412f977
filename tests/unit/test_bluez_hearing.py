"""A second adapter hears what the hub advertises, on a real bus with a made-up bluetoothd."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dbus_fast import Variant
from dbus_fast.aio import MessageBus

from hubcore.errors import HardwareError, LinkError
from hubd.adapters.bluez.mirror import DEVICE
from hubd.wiring.look.hearing import hear
from tests.unit.test_bluez_radio import HCI0, HCI1, FakeBluez, a_bus

OWN = "C0:00:00:00:00:01"
EAR = "C0:00:00:00:00:02"
HEARD = f"{HCI1}/dev_{OWN.replace(':', '_')}"

pytestmark = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None, reason="needs dbus-daemon: apt-get install dbus-daemon"
)


class Air(FakeBluez):
    """A bluetoothd whose second adapter may find the hub."""

    def hears(self) -> None:
        device = {"Connected": Variant("b", False), "Adapter": Variant("o", HCI1)}
        self.add(HEARD, {DEVICE: device})


@asynccontextmanager
async def air(folder: Path, second: bool = True) -> AsyncIterator[tuple[str, Air]]:
    async with a_bus(folder) as address:
        bus = await MessageBus(bus_address=address).connect()
        fake = Air(bus)
        fake.adapter(HCI0, OWN, powered=True)
        fake.adapter(HCI1, EAR, powered=second)
        await bus.request_name("org.bluez")
        try:
            yield address, fake
        finally:
            bus.disconnect()


async def test_a_hub_that_is_on_the_air_is_heard_and_the_search_ends(tmp_path: Path) -> None:
    async with air(tmp_path) as (address, fake):
        hearing = asyncio.create_task(hear(OWN, address))
        await fake.called("StartDiscovery", HCI1)
        assert not hearing.done()
        fake.hears()
        assert await hearing == "hci1 heard what this hub advertises"
        await fake.called("StopDiscovery", HCI1)


async def test_what_was_heard_before_does_not_count(tmp_path: Path) -> None:
    async with air(tmp_path) as (address, fake):
        fake.hears()
        hearing = asyncio.create_task(hear(OWN, address))
        await fake.called("RemoveDevice", HCI1)
        fake.remove(HEARD)
        await fake.called("StartDiscovery", HCI1)
        fake.hears()
        assert "heard" in await hearing


async def test_a_hub_that_is_off_the_air_is_not_heard(tmp_path: Path) -> None:
    async with air(tmp_path) as (address, fake):
        with pytest.raises(LinkError, match="hci1 heard nothing of this hub within"):
            await hear(OWN, address, 0.2)
        await fake.called("StopDiscovery", HCI1)


async def test_a_search_that_bluez_refuses_fails(tmp_path: Path) -> None:
    async with air(tmp_path) as (address, fake):
        fake.refuses.add("StartDiscovery")
        with pytest.raises(LinkError):
            await hear(OWN, address)


async def test_without_a_second_adapter_nobody_can_tell(tmp_path: Path) -> None:
    async with air(tmp_path, second=False) as (address, _):
        with pytest.raises(HardwareError, match="second Bluetooth adapter"):
            await hear(OWN, address)
