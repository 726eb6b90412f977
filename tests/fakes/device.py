"""Devices without a wire: a driver that notes its commands, and can fail, hang, lie or end.

Beside it a listener that notes what any driver tells.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable

from hubcore.device.command import Command, Verb
from hubcore.device.state import DeviceFault, DeviceState, Position, Quantity, Reading
from hubcore.errors import HardwareError
from hubcore.ports.device import DeviceListener
from tests.fakes.network import FakeCare


class FakeDriver:
    """The driver port of `ports.device`. `given` has each command and the second when it came.

    `seconds`: how long a device takes. `failing`: raised by the next commands to a device, one
    each. `broken`: raised by each command to a device. `hanging`: devices that never answer.
    `at_work` has the commands under way by device, and `most_at_work` the most that any device had
    at once. `positions`: how a lock stands, once it was told to move; it says so itself. A lock in
    `timed` has a timer of its own.
    """

    def __init__(self, time: Callable[[], float], seconds: float = 0.1) -> None:
        self.seconds = seconds
        self.given: list[tuple[Command, float]] = []
        self.failing: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self.broken: dict[str, HardwareError] = {}
        self.hanging: set[str] = set()
        self.timed: set[str] = set()
        self.positions: dict[str, Position] = {}
        self.at_work: defaultdict[str, int] = defaultdict(int)
        self.most_at_work = 0
        self.care = FakeCare()
        self.listener: DeviceListener | None = None
        self.served = asyncio.Event()
        """Set once it serves its `listener`."""
        self._time = time

    async def serve(self, listener: DeviceListener) -> None:
        self.listener = listener
        self.served.set()
        await asyncio.get_running_loop().create_future()

    async def perform(self, command: Command) -> None:
        self.given.append((command, self._time()))
        self.at_work[command.device] += 1
        self.most_at_work = max(self.most_at_work, self.at_work[command.device])
        try:
            if command.device in self.hanging:
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(self.seconds)
            if self.failing[command.device]:
                raise self.failing[command.device].popleft()
            if command.device in self.broken:
                raise self.broken[command.device]
            self._follow(command)
        finally:
            self.at_work[command.device] -= 1

    def times_itself(self, device: str) -> bool:
        return device in self.timed

    def say(self, device: str, position: Position) -> None:
        """Have a lock stand so, and say so."""
        self.positions[device] = position
        state = DeviceState(position, self._time())
        if self.listener is not None:
            self.listener.changed(device, state)

    def _follow(self, command: Command) -> None:
        if command.verb is Verb.LOCK:
            self.say(command.device, Position.LOCKED)
        if command.verb in (Verb.UNLOCK, Verb.PULSE):
            self.say(command.device, Position.UNLOCKED)
        if command.verb is Verb.PULSE and command.level is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(command.level / 10, self.say, command.device, Position.LOCKED)


class FakeListener:
    """Notes what a driver tells, and wakes whoever waits for at most `patience_seconds`.

    `faults` has what stands; `told` has each fault as often as it was said.
    """

    def __init__(self, patience_seconds: float = 20.0) -> None:
        self.states: dict[str, DeviceState] = {}
        self.readings: dict[tuple[str, Quantity], float] = {}
        self.faults: set[tuple[str, DeviceFault]] = set()
        self.told: list[tuple[str, DeviceFault, bool]] = []
        self._patience_seconds = patience_seconds
        self._news = asyncio.Event()

    def changed(self, device: str, state: DeviceState) -> None:
        self.states[device] = state
        self._news.set()

    def read(self, reading: Reading) -> None:
        self.readings[reading.device, reading.quantity] = reading.value
        self._news.set()

    def fault(self, device: str, fault: DeviceFault, stands: bool) -> None:
        self.told.append((device, fault, stands))
        if stands:
            self.faults.add((device, fault))
        else:
            self.faults.discard((device, fault))
        self._news.set()

    @property
    def positions(self) -> dict[str, Position]:
        """How each device stands, as it said last."""
        return {device: state.position for device, state in self.states.items()}

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds. Raise TimeoutError."""
        async with asyncio.timeout(self._patience_seconds):
            while not holds():
                self._news.clear()
                await self._news.wait()
