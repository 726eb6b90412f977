"""Devices of one technology behind their driver.

Laws of a driver, of whatever technology (tests/ports/test_device.py):
1. It takes commands and gives states, readings and faults. It knows no door, no person, no rule.
2. `perform` returns when the device has proven it, and raises when it has not.
3. It repeats nothing by itself and keeps no queue: whoever commands it does.
4. Whatever its devices, its wire or its process do, `serve` goes on and says what is wrong.
5. It calls its listener on the event loop, and never waits for it.
"""

from __future__ import annotations

from typing import Protocol

from hubcore.device.command import Command
from hubcore.device.state import DeviceFault, DeviceState, Reading


class DeviceListener(Protocol):
    """Who is told what devices do."""

    def changed(self, device: str, state: DeviceState) -> None:
        """A device said how it stands."""

    def read(self, reading: Reading) -> None:
        """A device gave a value."""

    def fault(self, device: str, fault: DeviceFault, stands: bool) -> None:
        """Something is wrong with a device, or no longer."""


class DeviceDriver(Protocol):
    """All devices of one technology."""

    async def serve(self, listener: DeviceListener) -> None:
        """Look after the devices until cancelled; come back alone from every loss."""

    async def perform(self, command: Command) -> None:
        """Do it, and return when the device has proven it.

        Raise HardwareError when it was not done, DriverGoneError when nobody can tell, and
        UnprovenError when it was sent to a device that can never tell.
        """
