"""A stick that comes back as another device, behind the name that udev gives it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drivers.zwave_js.driver import ZwaveJs
from drivers.zwave_js.nodes import ZwaveDevice
from hubcore.device.command import Capability, Command, Verb
from hubcore.device.state import DeviceFault
from hubcore.errors import ConfigError, HardwareError
from hubsim.zwave.modules import find_modules
from hubsim.zwave.network import ZwaveNetwork
from tests.fakes.device import FakeListener
from tests.zwave.conftest import PATIENCE_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_stick_that_comes_back_as_another_device_is_found_by_its_lasting_name(
    tmp_path: Path,
) -> None:
    try:
        modules = find_modules()
    except ConfigError as error:
        pytest.skip(str(error))
    listener = FakeListener(2 * PATIENCE_SECONDS)  # the network begins twice
    async with ZwaveNetwork(modules, tmp_path, way="usb") as network:
        light = ZwaveDevice("light", Capability.SWITCH, node=7)
        driver = ZwaveJs(network.socket, [light], security=frozenset())
        serving = asyncio.create_task(driver.serve(listener))
        await listener.until(lambda: "light" in listener.states and not listener.faults)
        await driver.perform(Command("light", Verb.ON))
        before = (tmp_path / "stick").readlink()
        await network.stop("stick")
        gone = ("light", DeviceFault.INTERFACE_GONE)
        await listener.until(lambda: gone in listener.faults)
        with pytest.raises(HardwareError):
            await driver.perform(Command("light", Verb.OFF))
        await network.start("stick")
        assert (tmp_path / "stick").readlink() != before
        await listener.until(lambda: not listener.faults)
        await driver.perform(Command("light", Verb.OFF))
        serving.cancel()
        await asyncio.wait({serving})
