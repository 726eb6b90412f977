"""All devices of the hub: whoever commands them and whoever looks asks here.

Laws:
1. No device waits for another.
2. A fault is told when it begins and when it ends, however often a device says so.
3. Readings and states cost one place a device and quantity, at whatever pace they come.
4. Who has a device asked (READ) gets its values by telemetry soon, changed or not.
5. A driver that ends by a mistake of its own leaves its devices unknown, says so, and is begun
   again. Nothing else ends by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from hubcore.device.breaker import BreakerRule, BreakerState
from hubcore.device.command import Command, CommandOutcome, Verb
from hubcore.device.device import Device
from hubcore.device.state import DeviceFault, DeviceState, Position, Quantity, Reading
from hubcore.device.telemetry import TelemetryTable
from hubcore.ports.clock import Clock
from hubcore.ports.device import DeviceDriver
from hubd.devices.memory import Commanded, DeviceMemory
from hubd.devices.worker import CommandResult, Worker

log = structlog.get_logger()

FIRST_PAUSE_SECONDS = 1.0
LAST_PAUSE_SECONDS = 60.0
"""How long a driver that ended by a mistake rests before it is begun again."""

Watcher = Callable[[DeviceState], None]
TellFault = Callable[[str, DeviceFault, bool], None]
"""Takes (device, fault, stands) when a fault begins or ends."""


class Supervisor:
    """All devices of the hub, whatever drives them. Implements `ports.device.DeviceListener`."""

    def __init__(
        self,
        devices: Mapping[str, tuple[Device, DeviceDriver]],
        clock: Clock,
        tell_fault: TellFault,
        breaker: BreakerRule,
        telemetry: TelemetryTable | None = None,
        pauses: tuple[float, float] = (FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS),
        network: DeviceDriver | None = None,
    ) -> None:
        """`network`: a driver that is served even though it may have no device here yet.

        `pauses`: how long a driver that has ended rests, at first and at most, in seconds."""
        self._clock = clock
        self._tell_fault = tell_fault
        self._telemetry = TelemetryTable() if telemetry is None else telemetry
        self._pauses = pauses
        self._watchers: dict[str, Watcher] = {}
        self._of_driver: dict[DeviceDriver, list[str]] = {}
        for id_, (_, driver) in devices.items():
            self._of_driver.setdefault(driver, []).append(id_)
        if network is not None:
            self._of_driver.setdefault(network, [])
        self._workers = {
            id_: Worker(device, driver, clock, breaker) for id_, (device, driver) in devices.items()
        }
        self._memories = {id_: DeviceMemory() for id_ in devices}

    def watch(self, device: str, watcher: Watcher) -> None:
        """Have `watcher` called with each state of a device."""
        self._watchers[device] = watcher

    async def run(self) -> None:
        """Serve every driver and every device until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for driver in self._of_driver:
                tasks.create_task(self._serve(driver))
            for worker in self._workers.values():
                tasks.create_task(worker.run())

    async def _serve(self, driver: DeviceDriver) -> None:
        """Run a driver; one that ends, for whatever reason, is begun again after a rest."""
        first_seconds, last_seconds = self._pauses
        pause_seconds = first_seconds
        while True:
            began = self._clock.monotonic()
            why = "it ended"
            try:
                await driver.serve(self)
            except Exception as error:  # law 5
                why = f"{type(error).__name__}: {error}"
            self._driver_ended(driver, why)
            if self._clock.monotonic() - began > last_seconds:
                pause_seconds = first_seconds
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, last_seconds)

    def _driver_ended(self, driver: DeviceDriver, why: str) -> None:
        log.error("driver_ended", driver=type(driver).__name__, why=why)
        for device in self._of_driver[driver]:
            worker = self._workers[device]
            worker.forget_state()
            self._telemetry.stands(device, worker.state, self._clock.monotonic())
            self.fault(device, DeviceFault.SERVICE_GONE, True)
            worker.driver_ended = True

    async def perform(
        self, command: Command, within_seconds: float, begin_seconds: float | None = None
    ) -> CommandResult:
        """Do a command within a time, and say what became of it. It never raises.

        It is not sent later than `begin_seconds` from now, None: than `within_seconds`.
        """
        worker = self._workers.get(command.device)
        if worker is None:
            return CommandResult(CommandOutcome.FAILED, f"this hub has no device {command.device}")
        if begin_seconds is None:
            begin_seconds = within_seconds
        result = await worker.command(command, within_seconds, begin_seconds)
        self._remember(command, result)
        now = self._clock.monotonic()
        self._telemetry.stands(command.device, worker.known_state(now), now)
        if command.verb is Verb.READ and result.outcome is CommandOutcome.CONFIRMED:
            self._telemetry.asked(command.device)
        return result

    def _remember(self, command: Command, result: CommandResult) -> None:
        if command.verb is Verb.READ:
            return
        commanded = Commanded(
            verb=command.verb,
            level=command.level,
            at=self._clock.wall(),
            outcome=result.outcome,
            why=result.why,
        )
        self._memories[command.device].commands.append(commanded)

    def memory(self, device: str) -> DeviceMemory:
        """Return what is remembered of a device; nothing of one that is not here."""
        return self._memories.get(device, DeviceMemory())

    def state(self, device: str) -> DeviceState:
        """Return how a device stands, UNKNOWN when that is not known any more."""
        worker = self._workers.get(device)
        now = self._clock.monotonic()
        return worker.known_state(now) if worker else DeviceState(Position.UNKNOWN, now)

    def readings(self, device: str) -> Mapping[Quantity, float]:
        """Return the latest value of each quantity of a device."""
        worker = self._workers.get(device)
        return dict(worker.readings) if worker else {}

    def faults(self, device: str) -> frozenset[DeviceFault]:
        """Return what is wrong with a device."""
        worker = self._workers.get(device)
        return frozenset(worker.faults) if worker else frozenset()

    def answers(self, device: str) -> bool:
        """Tell whether a device gets commands: it has not failed again and again."""
        worker = self._workers.get(device)
        return worker is not None and worker.breaker.state is BreakerState.CLOSED

    # What drivers tell: nothing here waits.

    def changed(self, device: str, state: DeviceState) -> None:
        """A device said how it stands."""
        worker = self._workers.get(device)
        if worker is None:
            return
        worker.state = state
        worker.spoke()
        self._telemetry.stands(device, state, self._clock.monotonic())
        self._driver_is_back(worker, device)
        if device in self._watchers:
            self._watchers[device](state)

    def read(self, reading: Reading) -> None:
        """A device gave a value."""
        worker = self._workers.get(reading.device)
        if worker is None:
            return
        worker.readings[reading.quantity] = reading.value
        self._memories[reading.device].read_at[reading.quantity] = self._clock.monotonic()
        worker.spoke()
        self._telemetry.read(reading, self._clock.monotonic())
        self._driver_is_back(worker, reading.device)

    def fault(self, device: str, fault: DeviceFault, stands: bool) -> None:
        """Something is wrong with a device, or no longer."""
        worker = self._workers.get(device)
        if worker is None or (fault in worker.faults) is stands:
            return
        if stands:
            worker.faults.add(fault)
            self._memories[device].fault_since[fault] = self._clock.wall()
        else:
            worker.faults.discard(fault)
            self._memories[device].fault_since.pop(fault, None)
            worker.look_again()
        self._tell_fault(device, fault, stands)

    def _driver_is_back(self, worker: Worker, device: str) -> None:
        if worker.driver_ended:
            worker.driver_ended = False
            self.fault(device, DeviceFault.SERVICE_GONE, False)
