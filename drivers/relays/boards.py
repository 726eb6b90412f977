"""The driver of relay boards: each board on its line, in a thread of its own.

Laws:
1. The event loop never waits for a serial line: each line has one thread, which does one thing at
   a time.
2. A line is opened for this driver alone. Two programs, or two boards that are configured for one
   line, exclude each other.
3. A board is confirmed by its probe before it is told anything. Its kind is never guessed.
4. A board that is unplugged is found again under its path, however long that takes.
5. A relay stands as its board says. Where the board cannot tell, it is UNKNOWN, also after a
   command, and a command is never taken as done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from drivers.relays.board import RelayBoard, StuckError, WrongBoardError
from hubcore.device.command import Command, Verb
from hubcore.device.state import DeviceFault, DeviceState, Position
from hubcore.errors import HardwareError, UnprovenError
from hubcore.ports.device import DeviceListener

LOOK_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.5
LAST_PAUSE_SECONDS = 10.0

_T = TypeVar("_T")


class OpenPort:
    """A port that is open, and the board behind it."""

    def __init__(self, board: RelayBoard, close: Callable[[], None]) -> None:
        self.board = board
        self.close = close


Open = Callable[[], OpenPort]
"""Opens a line for this driver alone. Raise HardwareError or OSError."""


@dataclass(frozen=True, slots=True)
class BoardLine:
    """One line: how it is opened, and which device is which relay (from 1) of its board."""

    path: str
    open: Open
    relays: Mapping[str, int]


class _Line:
    """One board and its thread."""

    def __init__(self, line: BoardLine, look_seconds: float) -> None:
        self._line = line
        self._look_seconds = look_seconds
        self._thread = ThreadPoolExecutor(1, "relays")
        self._port: OpenPort | None = None
        self._lost = asyncio.Event()

    async def serve(self, listener: DeviceListener) -> None:
        """Open the line and look how its relays stand, again and again."""
        pause_seconds = FIRST_PAUSE_SECONDS
        self._thread = ThreadPoolExecutor(1, "relays")  # an earlier life has ended its own
        try:
            while True:
                fault = await self._connect()
                for device in self._line.relays:
                    listener.fault(
                        device, DeviceFault.INTERFACE_GONE, fault is DeviceFault.INTERFACE_GONE
                    )
                    listener.fault(device, DeviceFault.STRANGE, fault is DeviceFault.STRANGE)
                if fault is None:
                    pause_seconds = FIRST_PAUSE_SECONDS
                    await self._watch(listener)
                else:
                    await asyncio.sleep(pause_seconds)
                    pause_seconds = min(2 * pause_seconds, LAST_PAUSE_SECONDS)
        finally:
            await self._close()
            self._thread.shutdown(wait=False)

    async def perform(self, command: Command, listener: DeviceListener | None) -> None:
        """Do a command in the line's thread."""
        port = self._port
        if port is None:
            raise HardwareError(f"the relay board at {self._line.path} is not there")
        relay = self._line.relays[command.device]
        board = port.board
        match command.verb:
            case Verb.ON | Verb.OFF:
                await self._run(partial(board.switch, relay, command.verb is Verb.ON))
            case Verb.PULSE:
                await self._run(partial(board.pulse, relay, command.level or 0))
            case Verb.READ:
                pass
            case _:
                raise HardwareError(f"a relay cannot {command.verb.name}")
        await self._tell(command.device, relay, port, listener)
        if not board.reads_back:
            raise UnprovenError("it was sent; this board cannot tell how its relay stands")

    async def _connect(self) -> DeviceFault | None:
        """Open the line and confirm its board; return what is wrong, None when nothing is."""
        try:
            port = await self._in_thread(self._line.open)
        except (HardwareError, OSError):
            return DeviceFault.INTERFACE_GONE
        try:
            await self._in_thread(port.board.probe)
        except WrongBoardError:
            await self._in_thread(port.close)
            return DeviceFault.STRANGE
        except (HardwareError, OSError):
            await self._in_thread(port.close)
            return DeviceFault.INTERFACE_GONE
        self._port = port
        self._lost.clear()
        return None

    async def _watch(self, listener: DeviceListener) -> None:
        """Tell how the relays stand until the line is lost."""
        port = self._port
        while port is not None and not self._lost.is_set():
            for device, relay in self._line.relays.items():
                try:
                    await self._tell(device, relay, port, listener)
                except HardwareError:
                    break
            try:
                async with asyncio.timeout(self._look_seconds):
                    await self._lost.wait()
            except TimeoutError:
                pass
        await self._close()

    async def _tell(
        self, device: str, relay: int, port: OpenPort, listener: DeviceListener | None
    ) -> None:
        on = await self._run(partial(port.board.state, relay))
        if listener is not None:
            now = asyncio.get_running_loop().time()
            listener.changed(device, DeviceState(_POSITION_OF[on], now))

    async def _run(self, work: Callable[[], _T]) -> _T:
        """Do something with the board; a line that fails is opened again."""
        try:
            return await self._in_thread(work)
        except StuckError:
            raise
        except OSError as error:
            self._lost.set()
            raise HardwareError(f"the relay board at {self._line.path}: {error}") from error
        except HardwareError:
            self._lost.set()
            raise

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _close(self) -> None:
        port = self._port
        self._port = None
        if port is not None:
            await self._in_thread(port.close)


_POSITION_OF = {True: Position.ON, False: Position.OFF, None: Position.UNKNOWN}


class RelayBoards:
    """All boards of the hub. Implements `ports.device.DeviceDriver`."""

    def __init__(self, lines: list[BoardLine], look_seconds: float = LOOK_SECONDS) -> None:
        self._lines = [_Line(line, look_seconds) for line in lines]
        self._line_of = {
            device: made
            for line, made in zip(lines, self._lines, strict=True)
            for device in line.relays
        }
        self._listener: DeviceListener | None = None

    async def serve(self, listener: DeviceListener) -> None:
        """Look after every board until cancelled."""
        self._listener = listener
        async with asyncio.TaskGroup() as tasks:
            for line in self._lines:
                tasks.create_task(line.serve(listener))

    async def perform(self, command: Command) -> None:
        """Do a command; return when the board has confirmed it, as far as it can."""
        await self._line_of[command.device].perform(command, self._listener)
