"""The Z-Wave network of a hub: one driver, whoever commands what in the network.

Laws:
1. A hub has one driver, so one connection to the service: for the locks of doors and for devices.
2. The library of the client is loaded when something on Z-Wave is configured, and only then.
3. Who commands hears of its own devices alone, and of what they said before it listened.
4. When the driver ends by a mistake of its own, all who command hear that their devices are
   unknown and the service is gone. Whoever waits begins it again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from hubcore.device.command import Capability, Command
from hubcore.device.state import DeviceFault, DeviceState, Position, Reading
from hubcore.ports.device import DeviceDriver, DeviceListener
from hubcore.ports.network import NetworkCare
from hubd.config.devices import Zwave, ZwaveNode
from hubd.config.file import Config
from hubd.config.movers import ZwaveLock


class LockDriver(DeviceDriver, Protocol):
    """What a mover needs of the driver of its lock, beside commands."""

    def watch(self, device: str, watch: Callable[[DeviceState], None]) -> None:
        """Have `watch` called with each state of a device."""

    def times_itself(self, device: str) -> bool:
        """Tell whether a lock has a timer of its own."""


class NetworkDriver(LockDriver, Protocol):
    """The driver of a whole network."""

    @property
    def care(self) -> NetworkCare:
        """Who takes devices in and out."""


class ZwaveNetwork:
    """Shares one driver. Implements `ports.device.DeviceListener` towards it."""

    def __init__(self, make_driver: Callable[[], NetworkDriver]) -> None:
        """`make_driver` makes the driver of all that is configured. It raises ImportError."""
        self._make_driver = make_driver
        self._driver: NetworkDriver | None = None
        self._serving = asyncio.Lock()
        self._listeners: dict[str, DeviceListener] = {}
        self._states: dict[str, DeviceState] = {}
        self._faults: defaultdict[str, set[DeviceFault]] = defaultdict(set)

    @property
    def care(self) -> NetworkCare | None:
        """The care of the network; None where nothing in it is commanded, so nobody serves it."""
        return self._driver.care if self._driver is not None else None

    def share(self, devices: Iterable[str]) -> LockDriver:
        """Return what commands these devices. Raise ImportError without the client's library."""
        if self._driver is None:
            self._driver = self._make_driver()
        return _Share(self, self._driver, frozenset(devices))

    async def serve(
        self, driver: LockDriver, devices: frozenset[str], listener: DeviceListener
    ) -> None:
        """Let `listener` hear its devices, and have the driver served, until cancelled."""
        for device in devices:
            self._listeners[device] = listener
            self._tell_known(device, listener)
        async with self._serving:
            try:
                await driver.serve(self)
            finally:
                self._tell_ended()

    def _tell_known(self, device: str, listener: DeviceListener) -> None:
        if device in self._states:
            listener.changed(device, self._states[device])
        for fault in self._faults[device]:
            listener.fault(device, fault, True)

    def _tell_ended(self) -> None:
        now = asyncio.get_running_loop().time()
        for device in self._listeners:
            self.changed(device, DeviceState(Position.UNKNOWN, now))
            self.fault(device, DeviceFault.SERVICE_GONE, True)

    # What the driver tells.

    def changed(self, device: str, state: DeviceState) -> None:
        """See `ports.device.DeviceListener.changed`."""
        self._states[device] = state
        if device in self._listeners:
            self._listeners[device].changed(device, state)

    def read(self, reading: Reading) -> None:
        """See `ports.device.DeviceListener.read`."""
        if reading.device in self._listeners:
            self._listeners[reading.device].read(reading)

    def fault(self, device: str, fault: DeviceFault, stands: bool) -> None:
        """See `ports.device.DeviceListener.fault`."""
        if stands:
            self._faults[device].add(fault)
        else:
            self._faults[device].discard(fault)
        if device in self._listeners:
            self._listeners[device].fault(device, fault, stands)


class _Share:
    """`LockDriver` of some devices of the network."""

    def __init__(self, network: ZwaveNetwork, driver: LockDriver, devices: frozenset[str]) -> None:
        self._network = network
        self._driver = driver
        self._devices = devices

    async def serve(self, listener: DeviceListener) -> None:
        """See `ports.device.DeviceDriver.serve`."""
        await self._network.serve(self._driver, self._devices, listener)

    async def perform(self, command: Command) -> None:
        """See `ports.device.DeviceDriver.perform`."""
        await self._driver.perform(command)

    def watch(self, device: str, watch: Callable[[DeviceState], None]) -> None:
        """See `LockDriver.watch`."""
        self._driver.watch(device, watch)

    def times_itself(self, device: str) -> bool:
        """See `LockDriver.times_itself`."""
        return self._driver.times_itself(device)


def make_network(
    config: Config, socket: Path | None = None, is_simulated: bool = False
) -> ZwaveNetwork:
    """Return the network of a hub; nothing is made before something is commanded in it.

    `socket`: the service's when the configuration has no [zwave]; None: where it listens by
    default. `is_simulated`: the locks of a desk cannot join with S2, and are commanded without.
    """

    def make_driver() -> NetworkDriver:
        from drivers.zwave_js.driver import SECURE_ENOUGH, ZwaveJs
        from drivers.zwave_js.nodes import ZwaveDevice

        nodes = [
            ZwaveDevice(one.id, Capability(one.capability), one.node, one.endpoint)
            for one in config.devices
            if isinstance(one, ZwaveNode)
        ]
        movers = [mover for door in config.doors for mover in door.moved_by]
        nodes += [
            ZwaveDevice(one.id, Capability.LOCK, one.node, one.endpoint)
            for one in movers
            if isinstance(one, ZwaveLock)
        ]
        section = config.zwave or (Zwave(socket) if socket is not None else Zwave())
        security = frozenset() if is_simulated else SECURE_ENOUGH
        return ZwaveJs(section.socket, nodes, security)

    return ZwaveNetwork(make_driver)
