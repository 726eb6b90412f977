"""The driver of devices behind python-openzwave, in a process of its own.

Laws:
1. A device has moved when its node reports so twice in a row, each time asked after the command.
   What the library holds or says it has sent is no proof.
2. A lock gets commands only when its node speaks S0, and the installer has accepted S0 for it.
3. A library that aborts or hangs, a stick that is gone, and a node that is dead are told apart, and
   each is found again alone.
4. A process that ended is started again, after FIRST_PAUSE_SECONDS, doubled up to
   LAST_PAUSE_SECONDS.
5. The key is read for each start and kept nowhere.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress

from drivers.openzwave.meaning import (
    FAULT_OF,
    FAULT_OF_HAPPENING,
    LOSSES,
    LOW_BATTERY,
    OzwDevice,
    goal_of,
    state_of,
)
from drivers.openzwave.orders import AddDevice, Ask, Set, Start, Stop
from drivers.openzwave.process import Process, start_process
from drivers.openzwave.reports import Happened, Measured, Report, Said, States, Taken, Unfit
from drivers.openzwave.wire import UNKNOWN_VALUE, DeviceBits, StickState
from hubcore.device.command import Capability, Command, Verb
from hubcore.device.state import DeviceFault, DeviceState, Position, Reading
from hubcore.errors import DriverGoneError, HardwareError
from hubcore.ports.device import DeviceListener

FIRST_PAUSE_SECONDS = 0.5
LAST_PAUSE_SECONDS = 30.0
ANSWER_SECONDS = 3.0
"""How long the library waits for a node; a lock that sleeps with FLiRS wakes within 2 s."""
PATIENCE = 3
"""How many such waits for the answer of one node: the library sends one after the other."""
TAKEN_SECONDS = 5.0
LOOK_SECONDS = 1.0
"""Between two questions to a device that is on its way."""
PROOFS = 2
"""Reports in a row: one may have been under way before the command."""
MOVE_SECONDS = 10.0
"""How long a lock or a switch may take."""
TRAVEL_SECONDS = 90.0
ReadKey = Callable[[], bytes]
"""Returns the network's key, empty where there is none. Raises OSError or ValueError."""


class OpenZwave:
    """All devices of one stick. Implements `ports.device.DeviceDriver`."""

    def __init__(
        self,
        port: str,
        devices: Sequence[OzwDevice],
        read_key: ReadKey = bytes,
        answer_seconds: float = ANSWER_SECONDS,
        look_seconds: float = LOOK_SECONDS,
        move_seconds: float = MOVE_SECONDS,
    ) -> None:
        self._port = port
        self._devices = list(devices)
        self._numbers = {device.id: number for number, device in enumerate(devices)}
        self._read_key = read_key
        self._answer_seconds = answer_seconds
        self._look_seconds = look_seconds
        self._move_seconds = move_seconds
        self._bits = [DeviceBits.NONE for _ in devices]
        self._waiting: dict[int, list[asyncio.Future[int]]] = {}
        """Who waits for a report of a device, by its number."""
        self._taken: dict[int, asyncio.Future[bool]] = {}
        self._token = 0
        self._process: Process | None = None
        self._is_ready = False
        self._is_queried = False
        self._listener: DeviceListener

    @property
    def process_id(self) -> int | None:
        """The process of now, for whoever looks for it."""
        return self._process.process_id if self._process is not None else None

    async def serve(self, listener: DeviceListener) -> None:
        """Run a process and run it again, until cancelled."""
        self._listener = listener
        pause_seconds = FIRST_PAUSE_SECONDS
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            fault = DeviceFault.SERVICE_GONE
            try:
                fault = await self._life()
            except (HardwareError, OSError):
                pass
            self._lose(fault)
            if loop.time() - began > LAST_PAUSE_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, LAST_PAUSE_SECONDS)

    def times_itself(self, _device: str) -> bool:
        """Tell whether a lock has a timer of its own: the library sets none."""
        return False

    async def perform(self, command: Command) -> None:
        """Do a command; return when the node has proven it."""
        number = self._numbers[command.device]
        device = self._devices[number]
        if command.verb is Verb.READ:
            self._check_there(number)
            await self._ask(number)
            return
        goal = goal_of(device, command)
        if goal is None and (device.capability, command.verb) != (Capability.COVER, Verb.STOP):
            raise HardwareError(f"node {device.node} cannot {command.verb.name}")
        self._check_there(number)
        self._check_secure(number)
        if goal is None:
            await self._stop(number)
        else:
            await self._move(number, goal)

    async def _stop(self, number: int) -> None:
        """Stop a device; it stands when it says the same twice, `look_seconds` apart."""
        await self._order(lambda token: Stop(number, token))
        stood = await self._ask_moved(number)
        await asyncio.sleep(self._look_seconds)
        if await self._ask_moved(number) != stood:
            raise HardwareError(f"node {self._devices[number].node} did not stop")

    # One process.

    async def _life(self) -> DeviceFault:
        """Run one process to its end; return what that means. Raise HardwareError or OSError."""
        with tempfile.TemporaryDirectory(prefix="hubd-openzwave-") as folder:
            try:
                key = self._read_key()
            except ValueError as error:
                raise HardwareError(f"the network's key: {error}") from error
            start = Start(
                port=self._port, folder=folder, answer_seconds=self._answer_seconds, key=key
            )
            devices = [
                AddDevice(
                    number=number,
                    node=device.node,
                    endpoint=device.endpoint,
                    capability=device.capability,
                )
                for number, device in enumerate(self._devices)
            ]
            process = await start_process(devices, start)
            self._process = process
            try:
                while True:
                    report = await process.report()
                    if isinstance(report, Unfit):
                        return FAULT_OF[report.what]
                    self._take(report)
            finally:
                self._process = None
                self._is_ready = False
                self._is_queried = False
                with suppress(HardwareError):
                    await asyncio.shield(process.end())

    def _lose(self, fault: DeviceFault) -> None:
        """Nobody knows how the devices stand: say so, and answer who waits."""
        now = asyncio.get_running_loop().time()
        self._bits = [DeviceBits.NONE for _ in self._devices]
        for device in self._devices:
            for loss in LOSSES:
                self._listener.fault(device.id, loss, loss is fault)
            self._listener.changed(device.id, DeviceState(Position.UNKNOWN, now))
        gone = DriverGoneError("the OpenZWave process ended in the middle")
        for number in list(self._waiting):
            self._wake(number, gone)
        for taken in self._taken.values():
            if not taken.done():
                taken.set_exception(gone)

    # What it says.

    def _take(self, report: Report) -> None:
        if isinstance(report, States):
            self._take_states(report)
            return
        if isinstance(report, Taken):
            waiting = self._taken.get(report.token)
            if waiting is not None and not waiting.done():
                waiting.set_result(report.is_taken)
            return
        if isinstance(report, Unfit) or report.number >= len(self._devices):
            return
        device = self._devices[report.number]
        match report:
            case Said(number, value):
                self._said(number, value)
            case Measured(_, quantity, value):
                self._listener.read(Reading(device.id, quantity, value))
                self._note_battery(device, report)
            case Happened(_, what):
                fault, stands = FAULT_OF_HAPPENING[what]
                self._listener.fault(device.id, fault, stands)

    def _take_states(self, report: States) -> None:
        if len(report.devices) != len(self._devices):
            return
        self._is_ready = report.stick is not StickState.STARTING
        is_queried = self._is_queried = report.stick is StickState.QUERIED
        if not self._is_ready:
            return
        for number, bits in enumerate(report.devices):
            device = self._devices[number]
            fresh = DeviceBits.FOUND in bits and DeviceBits.FOUND not in self._bits[number]
            if DeviceBits.DEAD in bits and DeviceBits.DEAD not in self._bits[number]:
                self._wake(number, HardwareError(f"node {device.node} is dead"))
            self._bits[number] = bits
            if is_queried or DeviceBits.FOUND in bits:
                for loss in LOSSES:
                    self._listener.fault(device.id, loss, False)
            is_missing = is_queried and DeviceBits.FOUND not in bits
            is_dead = DeviceBits.DEAD in bits or is_missing
            self._listener.fault(device.id, DeviceFault.DEAD, is_dead)
            if device.capability is Capability.LOCK and is_queried and not is_missing:
                is_open = DeviceBits.SECURE not in bits
                self._listener.fault(device.id, DeviceFault.NOT_SECURE, is_open)
            if fresh and self._process is not None:
                self._process.send(Ask(number, 0))

    def _said(self, number: int, value: int) -> None:
        device = self._devices[number]
        now = asyncio.get_running_loop().time()
        self._listener.changed(device.id, state_of(device, value, now))
        if value != UNKNOWN_VALUE:
            self._listener.fault(device.id, DeviceFault.JAMMED, False)
        self._wake(number, value)

    def _note_battery(self, device: OzwDevice, report: Measured) -> None:
        if report.quantity.name == "BATTERY":
            self._listener.fault(device.id, DeviceFault.BATTERY_LOW, report.value <= LOW_BATTERY)

    def _wake(self, number: int, said: int | Exception) -> None:
        for future in self._waiting.pop(number, []):
            if future.done():
                continue
            if isinstance(said, Exception):
                future.set_exception(said)
            else:
                future.set_result(said)

    # What it is told.

    def _check_there(self, number: int) -> None:
        node = self._devices[number].node
        if self._process is None or not self._is_ready:
            raise HardwareError("the OpenZWave process or its stick is not there")
        if DeviceBits.FOUND not in self._bits[number]:
            raise HardwareError(f"node {node} is not in the network, or not what it should be")

    def _check_secure(self, number: int) -> None:
        device = self._devices[number]
        if device.capability is not Capability.LOCK:
            return
        if not device.accepts_s0:
            raise HardwareError(f"S0 was not accepted for node {device.node}")
        if DeviceBits.SECURE in self._bits[number]:
            return
        if not self._is_queried:
            raise HardwareError(f"node {device.node} has not said yet whether it speaks S0")
        raise HardwareError(f"node {device.node} does not speak S0: include it again, securely")

    async def _move(self, number: int, goal: int) -> None:
        """Set a device, then ask it until it stands there; a dead one is asked before."""
        device = self._devices[number]
        is_cover = device.capability is Capability.COVER
        loop = asyncio.get_running_loop()
        until = loop.time() + (TRAVEL_SECONDS if is_cover else self._move_seconds)
        if DeviceBits.DEAD in self._bits[number]:
            await self._ask(number)
        await self._order(lambda token: Set(number=number, token=token, value=goal))
        last: int | None = None
        asked = 0
        alike = 0
        while True:
            said = await self._ask_moved(number)
            asked += 1
            alike = alike + 1 if said == last else 1
            last = said
            if said == goal and alike == PROOFS:
                return
            rests = is_cover and alike * self._look_seconds > self._move_seconds
            if loop.time() > until or rests:
                raise HardwareError(f"node {device.node} did not move")
            if said != goal and asked > 1:
                await asyncio.sleep(self._look_seconds)

    async def _ask_moved(self, number: int) -> int:
        """Ask after a command was sent: without an answer nobody can tell what was done."""
        try:
            return await self._ask(number)
        except DriverGoneError:
            raise
        except HardwareError as error:
            raise DriverGoneError(f"{error}, and the command was sent") from error

    async def _ask(self, number: int) -> int:
        """Return what the node itself reports now. Raise HardwareError when it does not."""
        device = self._devices[number]
        if device.capability in (Capability.SENSOR, Capability.METER):
            await self._order(lambda token: Ask(number, token))
            return UNKNOWN_VALUE
        reported: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(number, []).append(reported)
        try:
            await self._order(lambda token: Ask(number, token))
            async with asyncio.timeout(PATIENCE * self._answer_seconds):
                return await reported
        except TimeoutError as error:
            raise HardwareError(f"node {device.node} does not answer") from error
        finally:
            if not reported.cancel() and not reported.cancelled():
                reported.exception()  # somebody has looked

    async def _order(self, make: Callable[[int], Set | Ask]) -> None:
        """Give an order; return when the library has taken it. Raise HardwareError."""
        if self._process is None:
            raise HardwareError("the OpenZWave process is not there")
        self._token = self._token % 0xFFFF_FFFF + 1
        token = self._token
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._taken[token] = taken
        try:
            if not self._process.send(make(token)):
                raise HardwareError("the OpenZWave process takes no orders")
            async with asyncio.timeout(TAKEN_SECONDS):
                if not await taken:
                    raise HardwareError("the library did not take the command")
        except TimeoutError as error:
            raise DriverGoneError("the OpenZWave process does not answer") from error
        finally:
            del self._taken[token]
