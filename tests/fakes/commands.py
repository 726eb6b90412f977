"""What commands devices, without devices."""

from __future__ import annotations

import time
from collections.abc import Callable

from hubcore.device.command import Command, CommandOutcome, Verb
from hubcore.device.state import DeviceFault, DeviceState, Position
from hubd.devices.worker import CONFIRMED, CommandResult


class FakeCommands:
    """`drivers.lock.commands.Commands`: each device stands as `position` says.

    Every command is done, but for those in `failing`. `standing`: what is wrong with the devices.
    """

    def __init__(self, position: Position = Position.UNKNOWN) -> None:
        self.position = position
        self.standing: frozenset[DeviceFault] = frozenset()
        self.failing: set[Verb] = set()
        self.watchers: dict[str, Callable[[DeviceState], None]] = {}

    async def perform(self, command: Command, within_seconds: float) -> CommandResult:
        if command.verb in self.failing:
            return CommandResult(CommandOutcome.FAILED, "it did not move")
        return CONFIRMED

    def watch(self, device: str, watcher: Callable[[DeviceState], None]) -> None:
        self.watchers[device] = watcher

    def state(self, device: str) -> DeviceState:
        return DeviceState(self.position, time.monotonic())

    def faults(self, device: str) -> frozenset[DeviceFault]:
        return self.standing
