"""Door strikes, driven by the strike guard: the asyncio client that starts, watches and asks that process.

Laws: the off-timer is the guard's alone, nothing here is needed to end a pulse; before the guard holds all lines, and
after it has gone, a release raises HardwareError and drives nothing; a guard that ends or goes mute is replaced with
growing pauses and each change is told; when `run` ends, however it ends, the lines have been driven inactive.
"""

from __future__ import annotations

import asyncio
import json
import math
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Sequence

from drivers.guardlink import GuardLink
from drivers.guardwire import MAX_CAP_MS, MAX_LINES, Answer, Kind, StrikeLine, Verb
from hubd.errors import HardwareError
from hubd.ports import Input, InputEvent

GPIO_FACTORY = "drivers.lines:open_lines"

START_SECONDS = 15.0  # a cold interpreter from a slow SD card
PROBE_SECONDS = 1.0
STOP_SECONDS = 5.0
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.2, 10.0
STABLE_SECONDS = 10.0  # a guard that lived so long starts again with the first pause

Watcher = Callable[[bool, int], None]  # whether the line is active; CLOCK_MONOTONIC ns of the change


class StrikeGuard:
    """All strikes of the hub: one guard process, kept alive by `run`."""

    def __init__(
        self,
        lines: Sequence[StrikeLine],
        tell: Callable[[bool, str], None],
        factory: str = GPIO_FACTORY,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        """Take the lines in the order of their indices; `tell(up, why)` hears each start and each end of a guard.

        `stop_seconds`: how long a guard may take to end by itself, and again once it has been killed.
        """
        if not 1 <= len(lines) <= MAX_LINES:
            raise HardwareError(f"{len(lines)} strikes are configured; one hub drives 1 to {MAX_LINES}.")
        for line in lines:
            if not 1 <= line.cap_ms <= MAX_CAP_MS:
                raise HardwareError(f"The cap of {line} is {line.cap_ms} ms; it must be within 1..{MAX_CAP_MS} ms.")
        self._lines = tuple(lines)
        self._tell = tell
        self._factory = factory
        self._stop_seconds = stop_seconds
        self._watchers: dict[int, Watcher] = {}
        self._active: int | None = None  # the last mask heard; None: no guard has spoken yet
        self._link: GuardLink | None = None
        self._why = "The strike guard has not started yet."
        self._process: Process | None = None

    @property
    def process_id(self) -> int | None:
        """The guard's process, while it holds the lines."""
        return self._process.pid if self._link is not None and self._process is not None else None

    def watch(self, index: int, watcher: Watcher) -> None:
        """Hear one line: its level when a guard first holds it, then every change."""
        if not 0 <= index < len(self._lines):
            raise HardwareError(f"Strike {index} does not exist; {len(self._lines)} are configured.")
        self._watchers[index] = watcher

    async def pulse(self, index: int, seconds: float) -> int:
        """Drive a line for `seconds`, at most its cap; return CLOCK_MONOTONIC ns once driven. Raise HardwareError.

        The guard obeys within `EXPIRE_SECONDS` of this call or not at all.
        """
        if not (math.isfinite(seconds) and seconds > 0):
            raise HardwareError(f"A release of {seconds} s is none: a positive number of seconds is needed.")
        guard = self._guard()
        milliseconds = min(math.ceil(seconds * 1000), self._lines[index].cap_ms)
        return (await guard.ask(Verb.PULSE, index, milliseconds)).at_ns

    async def secure(self, index: int) -> int:
        """Drive a line inactive; return CLOCK_MONOTONIC ns once driven. Raise HardwareError."""
        return (await self._guard().ask(Verb.SECURE, index)).at_ns

    def _guard(self) -> GuardLink:
        if self._link is None:
            raise HardwareError(f"No strike can be driven: {self._why}")
        return self._link

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep a guard alive until cancelled; call `ready` each time one holds all lines, inactive."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            started = time.monotonic()
            try:
                await self._serve(ready)
            except HardwareError as error:
                status = self._process.returncode if self._process is not None else None
                self._why = f"{error} (exit status {status})"
                self._tell(False, self._why)
                end_if_cancelled()
            if time.monotonic() - started >= STABLE_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, LAST_PAUSE_SECONDS)

    async def _serve(self, ready: Callable[[], None]) -> None:
        """Start one guard and stay with it. Raise HardwareError when it has ended."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs:
                self._process = process = await self._spawn(theirs.fileno())
            link = GuardLink(ours, self._heard)
            try:
                await link.started(START_SECONDS)
                self._link = link
                self._tell(True, f"The strike guard (process {process.pid}) holds {len(self._lines)} lines, inactive.")
                ready()
                while not await link.ended(PROBE_SECONDS):
                    await link.ask(Verb.STATE)
                link.check()
            finally:
                self._link = None
                self._why = "The strike guard was stopped."
                mute = link.mute
                link.close()
                ours.close()  # the guard reads the end, drives all lines inactive and exits
                await reap(process, 0.0 if mute else self._stop_seconds, self._stop_seconds)

    async def _spawn(self, descriptor: int) -> Process:
        lines = json.dumps([[line.chip, line.line, line.active_low, line.cap_ms] for line in self._lines])
        options = ("--fd", str(descriptor), "--factory", self._factory, "--lines", lines)
        try:
            # A session of its own: Ctrl-C in a terminal reaches hubd alone, whose clean stop then ends the guard.
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "drivers.guard", *options),
                stdin=DEVNULL,
                stdout=DEVNULL,
                pass_fds=(descriptor,),
                start_new_session=True,
            )
        except OSError as error:
            raise HardwareError(f"The strike guard cannot be started: {error}.") from error

    def _heard(self, answer: Answer) -> None:
        """Turn the state in an answer into changes; a new guard's first word is that all lines are inactive."""
        if answer.kind is Kind.UNFIT:
            return
        changed = answer.active ^ self._active if self._active is not None else ~0
        self._active = answer.active
        for index, watcher in self._watchers.items():
            if changed >> index & 1:
                watcher(bool(answer.active >> index & 1), answer.at_ns)


def end_if_cancelled() -> None:
    """End a task that was cancelled while its guard could not be ended: that error has hidden the wish to stop."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def reap(process: Process, patience_seconds: float, death_seconds: float) -> None:
    """Wait for the guard to exit by itself; kill it when it does not, or when the wait is cancelled.

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
            await died(process, death_seconds)


async def died(process: Process, seconds: float) -> None:
    """Wait for a killed process. Raise HardwareError when the kernel cannot end it."""
    try:
        async with asyncio.timeout(seconds) as limit:
            await process.wait()
    except (TimeoutError, asyncio.CancelledError):  # before Python 3.11.3 the latter, in a task that is being cancelled
        if not limit.expired():
            raise
        raise HardwareError(
            f"The strike guard (process {process.pid}) cannot be ended: a chip hangs in the kernel; reboot the hub."
        ) from None


class Strike:
    """One door's strike: `hubd.ports.Door` on one line of the guard."""

    def __init__(self, guard: StrikeGuard, index: int, door: str, publish: Callable[[InputEvent], None]) -> None:
        """`publish` hears STRIKE_ACTIVE and STRIKE_INACTIVE as the guard drives the line."""
        self._guard = guard
        self._index = index
        self._door = door
        self._publish = publish
        self.last_drive_ns = 0  # CLOCK_MONOTONIC when the guard had last driven the line active, on our command
        guard.watch(index, self._changed)

    async def release(self, seconds: float) -> None:
        """See `hubd.ports.Door.release`."""
        self.last_drive_ns = await self._guard.pulse(self._index, seconds)

    async def secure(self) -> None:
        """See `hubd.ports.Door.secure`."""
        await self._guard.secure(self._index)

    def _changed(self, active: bool, at_ns: int) -> None:
        what = Input.STRIKE_ACTIVE if active else Input.STRIKE_INACTIVE
        self._publish(InputEvent(self._door, what, at_ns / 1e9))
