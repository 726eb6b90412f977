"""One simulated Z-Wave network for all these tests: the real service in front of zwave-js's mock.

A test that breaks something mends it. What is awaited is in another process, so a test waits for a
condition, never for a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from drivers.zwave_js.driver import ZwaveJs
from drivers.zwave_js.nodes import ZwaveDevice
from hubcore.device.command import Capability
from hubcore.errors import ConfigError
from hubsim.zwave.modules import find_modules
from hubsim.zwave.network import ZwaveNetwork
from tests.fakes.device import FakeListener
from tests.zwave.proxy import Proxy

PATIENCE_SECONDS = 60.0
NOBODY = "nobody"
"""A device whose node is in no network."""
DEVICES = (
    ZwaveDevice("lock", Capability.LOCK, node=2),
    ZwaveDevice("shutter", Capability.COVER, node=3),
    ZwaveDevice("blind", Capability.COVER, node=4),
    ZwaveDevice("contact", Capability.SENSOR, node=5),
    ZwaveDevice("jammer", Capability.LOCK, node=6),
    ZwaveDevice("light", Capability.SWITCH, node=7),
    ZwaveDevice("quick", Capability.LOCK, node=8),
    ZwaveDevice("meter", Capability.METER, node=9),
    ZwaveDevice("garage", Capability.BARRIER, node=10),
    ZwaveDevice("climate", Capability.SENSOR, node=11),
    ZwaveDevice(NOBODY, Capability.SWITCH, node=99),
)
ALL = frozenset(device.id for device in DEVICES) - {NOBODY}


class Bench:
    """A network, the driver before it, and who listens."""

    def __init__(self, network: ZwaveNetwork, proxy: Proxy) -> None:
        self.network = network
        self.proxy = proxy
        self.folder = network.socket.parent
        # none of the simulated nodes joined with S2: the mock cannot do it
        self.driver = ZwaveJs(proxy.socket, DEVICES, security=frozenset())
        self.listener = FakeListener(PATIENCE_SECONDS)

    async def ready(self) -> None:
        """Return when every node of the network can be commanded."""
        await self.listener.until(
            lambda: (
                {device for device, _ in self.listener.faults} <= {NOBODY}
                and ALL - {"contact", "meter", "climate"} <= set(self.listener.states)
            )
        )

    def logs(self) -> str:
        """What the programs of the network have logged."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    try:
        modules = find_modules()
    except ConfigError as error:
        pytest.skip(str(error))
    folder: Path = tmp_path_factory.mktemp("zw")
    async with (
        ZwaveNetwork(modules, folder) as network,
        Proxy(network.socket, folder / "proxied.sock") as proxy,
    ):
        made = Bench(network, proxy)
        task = asyncio.create_task(made.driver.serve(made.listener))
        await made.ready()
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.wait({task})
