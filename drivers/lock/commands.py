"""What a lock's mover asks of whoever commands devices (`hubd.devices.supervisor`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hubcore.device.command import Command, CommandOutcome
from hubcore.device.state import DeviceFault, DeviceState


class Outcome(Protocol):
    """What became of a command."""

    @property
    def outcome(self) -> CommandOutcome:
        """Whether it is proven."""

    @property
    def why(self) -> str:
        """Why not, in a sentence."""


class Commands(Protocol):
    """What commands devices: one after the other for each, each in time (`Supervisor`)."""

    def watch(self, device: str, watcher: Callable[[DeviceState], None]) -> None:
        """Have `watcher` called with each state of a device."""

    async def perform(self, command: Command, within_seconds: float) -> Outcome:
        """Do a command within a time, and say what became of it. It never raises."""

    def state(self, device: str) -> DeviceState:
        """Return how a device stands, UNKNOWN when that is not known any more."""

    def faults(self, device: str) -> frozenset[DeviceFault]:
        """Return what is wrong with a device."""
