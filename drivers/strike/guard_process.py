"""Starts and ends guard processes, and keeps one waiting beside the one at work.

Laws:
1. A guard that has said WAITING needs nothing more to take the lines: no new descriptor, no new
   process, no library to load.
2. When the spare guard is taken, another one is started; what cannot be started is tried again.
3. Pauses between attempts grow, but never while somebody waits for a guard.
4. A guard is asked to end by the end of its socket, and killed when it does not go.
5. A guard that is handed on goes on as it is: its socket is given away, and its process let be.
6. A guard that came from another hubd is taken up only if it was started for these very lines. One
   that is not is left as it is: whoever handed it over still has its socket.
7. A spare guard of another hubd is renewed once that is wanted: an own one is started beside it,
   and only when that waits, the other one ends. Until then the other one is the spare.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from drivers.processes import SeenProcess
from drivers.strike.guard_channel import GuardChannel
from drivers.strike.renewal import Pause
from drivers.strike.wire import Answer, StrikeLine, Verb, sum_of_lines
from hubcore.errors import HardwareError

START_SECONDS = 15.0
"""A cold interpreter from a slow SD card takes so long."""
FIRST_PAUSE_SECONDS = 0.2
LAST_PAUSE_SECONDS = 10.0
HURRY_SECONDS = 0.1

_TAG_BITS = 31

OnAnswer = Callable[[Answer], None]
NotHad = Callable[[str], None]


class GuardProcess:
    """One guard: its process, and the conversation with it."""

    def __init__(
        self,
        *,
        process: SeenProcess,
        peer: socket.socket,
        channel: GuardChannel,
        stop_seconds: float,
    ) -> None:
        """Take over hubd's end of the socket pair, and the conversation on it."""
        self._process = process
        self._peer = peer
        self._stop_seconds = stop_seconds
        self.channel = channel
        self.is_adopted = False
        """Another hubd has started it, and may have a copy of the socket."""
        self.is_own = True
        """This process has started it: it runs this version's program."""

    @property
    def process_id(self) -> int:
        """The process, living or dead."""
        return self._process.pid

    async def end(self, patience_seconds: float | None = None) -> int | None:
        """End it, politely if it listens; return its exit status.

        `patience_seconds`: how long it may take before it is killed, if not `stop_seconds`.
        Raise HardwareError when it cannot be ended.
        """
        mute = self.channel.mute
        self.channel.close()
        self._peer.close()  # the guard reads the end, drives all lines inactive and exits
        patience = self._stop_seconds if patience_seconds is None else patience_seconds
        await _reap(self._process, 0.0 if mute else patience, self._stop_seconds)
        return self._process.returncode

    def hand_on(self) -> int:
        """Return its socket, the caller's from now on; the guard notices nothing."""
        self.channel.hand_on()
        self._process.hand_on()
        return self._peer.detach()


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
            channel=GuardChannel(ours, on_answer),
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

    async def spawn(self, descriptor: int) -> SeenProcess:
        """Start the process. Raise HardwareError."""
        program = (sys.executable, "-P", "-m", "drivers.strike.guard")
        options = ("--fd", str(descriptor), "--factory", self._factory, "--lines", self._lines)
        try:
            return SeenProcess.start((*program, *options), descriptor)
        except OSError as error:
            raise HardwareError(f"The strike guard cannot be started: {error}.") from error

    async def adopt(self, descriptor: int, on_answer: OnAnswer) -> GuardProcess:
        """Go on with a guard that another hubd has started, by hubd's end of its socket.

        Raise HardwareError when it is none for these lines; its socket is closed here then.
        """
        peer = socket.socket(fileno=descriptor)
        channel = GuardChannel(peer, on_answer, first_tag=secrets.randbits(_TAG_BITS))
        process: SeenProcess | None = None
        try:
            identity = await channel.adopted()
            if identity.lines_sum != sum_of_lines(self._factory, self._lines):
                raise HardwareError(
                    "The strike guard at work holds other lines than the configuration names: "
                    "hubd must be started again."
                )
            process = SeenProcess(identity.process_id)
            await channel.ask(Verb.STATE)  # so it was this process, and no later one of its number
        except BaseException as error:
            channel.hand_on()
            peer.close()
            if process is not None:
                process.close()
            if not isinstance(error, HardwareError | OSError):
                raise
            raise HardwareError(
                f"The strike guard at work cannot be taken over: {error}"
            ) from error
        guard = GuardProcess(
            process=process,
            peer=peer,
            channel=channel,
            stop_seconds=self._stop_seconds,
        )
        guard.is_adopted = True
        guard.is_own = SeenProcess.is_handed_on_child(identity.process_id)
        return guard


class Spare:
    """Keeps one guard waiting, for whoever takes it."""

    def __init__(self, starter: GuardStarter, on_answer: OnAnswer, not_had: NotHad) -> None:
        """`not_had` hears why no guard could be started that is to renew another hubd's."""
        self._starter = starter
        self._on_answer = on_answer
        self._not_had = not_had
        self._renewal_is_wanted = asyncio.Event()
        self._waiting: GuardProcess | None = None
        self._why = "The strike guard has not started yet."
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._takers = 0
        self._given: int | None = None
        self._is_handed_on = False
        self._handed_on: int | None = None

    def take_up(self, descriptor: int) -> None:
        """Let `run` begin with a guard that another hubd has started."""
        self._given = descriptor

    def hand_on(self) -> None:
        """Let the end of `run` leave the guard that waits."""
        self._is_handed_on = True

    def renew(self) -> None:
        """Let a guard of another hubd be no spare any more, once an own one waits."""
        self._renewal_is_wanted.set()

    @property
    def is_own(self) -> bool:
        """Whether a guard waits that this process has started."""
        return self._waiting is not None and self._waiting.is_own

    @property
    def handed_on(self) -> int | None:
        """The socket of the guard that waited, once this ended to be handed on."""
        return self._given if self._handed_on is None else self._handed_on

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
                guard = await self._first_or_new()
                if guard.is_own:
                    await self._offer(guard)
                else:
                    await self._offer_until_renewed(guard)
                pause_seconds = FIRST_PAUSE_SECONDS
            except HardwareError as error:
                self._why = str(error)
                self._changed.set()
                end_if_cancelled()
                await self._pause(pause_seconds)
                pause_seconds = min(pause_seconds * 2, LAST_PAUSE_SECONDS)

    async def _first_or_new(self) -> GuardProcess:
        """Return the guard that was handed over, else start one. Raise HardwareError."""
        given = self._given
        self._given = None
        if given is None:
            return await self._starter.start(self._on_answer)
        return await self._starter.adopt(given, self._on_answer)

    async def _offer_until_renewed(self, former: GuardProcess) -> None:
        """Let a guard of another hubd wait until an own one can, and then that one: law 7.

        Return when one is taken. Raise HardwareError when the one that waits ends before that.
        """
        starting: asyncio.Task[GuardProcess] | None = None
        own: GuardProcess | None = None
        error: HardwareError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                offering = tasks.create_task(self._offered(former))
                starting = tasks.create_task(self._own())
                await asyncio.wait({offering, starting}, return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    own = starting.result()
                    if self._waiting is former:
                        tasks.create_task(_let_go(former))
                    error = await self._offered(own)
                else:
                    error = offering.result()
                offering.cancel()
                starting.cancel()
        finally:
            if own is None and starting is not None:
                await _end_started(starting)
        if error is not None:
            raise error

    async def _offered(self, guard: GuardProcess) -> HardwareError | None:
        """Let a guard wait until it is taken; return why it ended before that."""
        try:
            await self._offer(guard)
        except HardwareError as error:
            return error
        return None

    async def _own(self) -> GuardProcess:
        """Start an own guard once that is wanted, again and again until there is one."""
        await self._renewal_is_wanted.wait()
        pause = Pause()
        while True:
            try:
                return await self._starter.start(self._on_answer)
            except HardwareError as error:
                self._not_had(str(error))
                end_if_cancelled()
                await asyncio.sleep(pause.next())

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

    def take_own(self) -> GuardProcess | None:
        """Return the guard that waits if this process has started it, the caller's from now on."""
        guard = self._waiting
        if guard is None or not guard.is_own:
            return None
        self._waiting = None
        self._taken.set()
        return guard

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
                if self._is_handed_on:
                    self._handed_on = guard.hand_on()
                else:
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


async def _let_go(spare: GuardProcess) -> None:
    """End a guard that holds no line."""
    with suppress(HardwareError):  # nobody needs it, and it can do nothing
        await spare.end()


async def _end_started(starting: asyncio.Task[GuardProcess]) -> None:
    """End what such a task has started, and nobody has taken from it."""
    if not starting.cancelled() and starting.exception() is None:
        await _let_go(starting.result())


def end_if_cancelled() -> None:
    """End a task that was cancelled while its guard could not be ended.

    The error of the guard has hidden the wish to stop.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _reap(process: SeenProcess, patience_seconds: float, death_seconds: float) -> None:
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


async def _died(process: SeenProcess, seconds: float) -> None:
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
