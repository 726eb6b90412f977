"""Starts and ends guard processes, and keeps one waiting beside the one at work.

Laws:
1. A guard that has said WAITING needs nothing more to take the lines: no new descriptor, no new
   process, no library to load.
2. When the spare guard is taken, another one is started; what cannot be started is tried again.
3. Pauses between attempts grow, but never while somebody waits for a guard.
4. A guard is asked to end by the end of its socket, and killed when it does not go.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Sequence

from drivers.strike.guard_channel import GuardChannel
from drivers.strike.wire import Answer, StrikeLine
from hubcore.errors import HardwareError

START_SECONDS = 15.0
"""A cold interpreter from a slow SD card takes so long."""
FIRST_PAUSE_SECONDS = 0.2
LAST_PAUSE_SECONDS = 10.0
HURRY_SECONDS = 0.1

OnAnswer = Callable[[Answer], None]


class GuardProcess:
    """One guard: its process, and the conversation with it."""

    def __init__(
        self,
        *,
        process: Process,
        peer: socket.socket,
        on_answer: OnAnswer,
        stop_seconds: float,
    ) -> None:
        """Take over hubd's end of the socket pair."""
        self._process = process
        self._peer = peer
        self._stop_seconds = stop_seconds
        self.channel = GuardChannel(peer, on_answer)

    @property
    def process_id(self) -> int:
        """The process, living or dead."""
        return self._process.pid

    async def end(self) -> int | None:
        """End it, politely if it listens; return its exit status.

        Raise HardwareError when it cannot be ended.
        """
        mute = self.channel.mute
        self.channel.close()
        self._peer.close()  # the guard reads the end, drives all lines inactive and exits
        await _reap(self._process, 0.0 if mute else self._stop_seconds, self._stop_seconds)
        return self._process.returncode


def _as_list(line: StrikeLine) -> list[object]:
    """Return a line as `drivers.strike.guard.read_lines` reads it."""
    return [line.chip, line.line, line.active_low, line.cap_ms, line.rest_ms]


class GuardStarter:
    """Starts guards for the same lines, again and again."""

    def __init__(self, lines: Sequence[StrikeLine], factory: str, stop_seconds: float) -> None:
        self._factory = factory
        self._stop_seconds = stop_seconds
        self._lines = json.dumps([_as_list(line) for line in lines])

    async def start(self, on_answer: OnAnswer) -> GuardProcess:
        """Return a guard that waits. Raise HardwareError when there is none in START_SECONDS."""
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:
            raise HardwareError(f"The strike guard cannot be started: {error}.") from error
        with theirs:
            try:
                process = await self.spawn(theirs.fileno())
            except BaseException:
                ours.close()
                raise
        guard = GuardProcess(
            process=process,
            peer=ours,
            on_answer=on_answer,
            stop_seconds=self._stop_seconds,
        )
        try:
            await guard.channel.started(START_SECONDS)
        except HardwareError as error:
            status = await guard.end()
            raise HardwareError(f"{error} (exit status {status})") from error
        except BaseException:
            await guard.end()
            raise
        return guard

    async def spawn(self, descriptor: int) -> Process:
        """Start the process. Raise HardwareError."""
        program = (sys.executable, "-P", "-m", "drivers.strike.guard")
        options = ("--fd", str(descriptor), "--factory", self._factory, "--lines", self._lines)
        try:
            return await asyncio.create_subprocess_exec(
                *program,
                *options,
                stdin=DEVNULL,
                stdout=DEVNULL,
                pass_fds=(descriptor,),
                start_new_session=True,  # Ctrl-C in a terminal reaches hubd alone, which ends it
            )
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread to wait for its end
            raise HardwareError(f"The strike guard cannot be started: {error}.") from error


class Spare:
    """Keeps one guard waiting, for whoever takes it."""

    def __init__(self, starter: GuardStarter, on_answer: OnAnswer) -> None:
        self._starter = starter
        self._on_answer = on_answer
        self._waiting: GuardProcess | None = None
        self._why = "The strike guard has not started yet."
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._takers = 0

    @property
    def process_id(self) -> int | None:
        """The process that waits, if there is one."""
        if self._waiting is None:
            return None
        return self._waiting.process_id

    async def run(self) -> None:
        """Keep one waiting until cancelled; then end it."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            try:
                guard = await self._starter.start(self._on_answer)
                await self._offer(guard)
                pause_seconds = FIRST_PAUSE_SECONDS
            except HardwareError as error:
                self._why = str(error)
                self._changed.set()
                end_if_cancelled()
                await self._pause(pause_seconds)
                pause_seconds = min(pause_seconds * 2, LAST_PAUSE_SECONDS)

    async def take(self, seconds: float | None) -> GuardProcess:
        """Return a guard that waits, the caller's from now on; wait for one, `seconds` at most.

        Raise HardwareError with the sentence of the latest attempt when that time is over, or, if
        no time is given, at the first attempt that fails.
        """
        self._takers += 1
        self._taken.set()
        try:
            async with asyncio.timeout(seconds):
                while True:
                    self._changed.clear()
                    guard = self._waiting
                    if guard is not None:
                        self._waiting = None
                        self._taken.set()
                        return guard
                    await self._changed.wait()
                    if seconds is None and self._waiting is None:
                        raise HardwareError(self._why)
        except TimeoutError:
            raise HardwareError(self._why) from None
        finally:
            self._takers -= 1

    async def _offer(self, guard: GuardProcess) -> None:
        """Let a guard wait until it is taken. Raise HardwareError when it ends before that."""
        self._waiting = guard
        self._changed.set()
        try:
            while self._waiting is guard:
                self._taken.clear()
                async with asyncio.TaskGroup() as tasks:
                    taken = tasks.create_task(self._taken.wait())
                    ended = tasks.create_task(guard.channel.ended(LAST_PAUSE_SECONDS))
                    await asyncio.wait({taken, ended}, return_when=asyncio.FIRST_COMPLETED)
                    taken.cancel()
                    ended.cancel()
                if self._waiting is guard:
                    guard.channel.check()
        finally:
            if self._waiting is guard:
                self._waiting = None
                await guard.end()

    async def _pause(self, seconds: float) -> None:
        """Wait before the next attempt, only briefly when somebody wants a guard."""
        self._taken.clear()
        try:
            async with asyncio.timeout(HURRY_SECONDS if self._takers else seconds):
                await self._taken.wait()
        except TimeoutError:
            return
        await asyncio.sleep(HURRY_SECONDS)


def end_if_cancelled() -> None:
    """End a task that was cancelled while its guard could not be ended.

    The error of the guard has hidden the wish to stop.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _reap(process: Process, patience_seconds: float, death_seconds: float) -> None:
    """Wait for the guard to exit by itself; kill it if it does not, or if the wait is cancelled.

    Raise HardwareError when it is still there `death_seconds` later.
    """
    try:
        async with asyncio.timeout(patience_seconds):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
            await _died(process, death_seconds)


async def _died(process: Process, seconds: float) -> None:
    """Wait for a killed process. Raise HardwareError when the kernel cannot end it."""
    try:
        async with asyncio.timeout(seconds) as limit:
            await process.wait()
    except (TimeoutError, asyncio.CancelledError):
        # before Python 3.11.3 a timeout is CancelledError in a task that is being cancelled
        if not limit.expired():
            raise
        raise HardwareError(
            f"The strike guard (process {process.pid}) cannot be ended: "
            "a chip hangs in the kernel; reboot the hub."
        ) from None
