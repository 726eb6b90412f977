"""Guards that are renewed while anything happens: guards of this process, a line with one owner.

Laws:
1. Two guards never hold the lines at once.
2. Nobody secures a line that is driven but who asks for that. Its guard ends by death alone.
3. A release is done or raises, and raises only if a guard at work has died.
4. In the end, at rest, an own guard holds the lines, and an own one waits.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum, auto
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from drivers.processes import SeenProcess
from drivers.strike.guard_channel import GuardChannel
from drivers.strike.guard_client import StrikeGuard
from drivers.strike.guard_process import GuardProcess, GuardStarter, OnAnswer
from drivers.strike.offtimer import OffTimers
from drivers.strike.wire import Answer, AnswerKind, Command, StrikeLine, Verb
from hubcore.errors import HardwareError
from tests.fuzz.common import effort

LINE = StrikeLine("a chip", 0, cap_ms=60_000, rest_ms=0)
PATIENCE_SECONDS = 60.0


class Metal:
    """One line, which one guard holds. It keeps its level when that one dies."""

    def __init__(self) -> None:
        self.active = False
        self.holder: LoopGuard | None = None
        self.clashes = 0
        self.dropped = 0
        self.drives = 0
        self.may_be_secured = False


class LinesOf:
    """`drivers.strike.wire.Lines` of one guard."""

    def __init__(self, metal: Metal, guard: LoopGuard) -> None:
        self._metal = metal
        if metal.holder is not None:
            metal.clashes += 1
            raise HardwareError("in use")
        metal.holder = guard
        metal.active = False

    def set(self, index: int, active: bool) -> None:
        self._metal.active = active
        self._metal.drives += active

    def close(self) -> None:
        self._metal.holder = None


class LoopGuard:
    """A guard on this loop, and its process (`SeenProcess`)."""

    def __init__(self, metal: Metal, peer: socket.socket, number: int) -> None:
        self._metal = metal
        self._peer = peer
        self._lines: LinesOf | None = None
        self._timers: OffTimers | None = None
        self._ended = asyncio.Event()
        self.pid = number
        self.returncode: int | None = None
        peer.setblocking(False)
        asyncio.get_running_loop().add_reader(peer, self._read)
        self._say(Answer(AnswerKind.WAITING, 0, 0, 0))

    def _say(self, answer: Answer) -> None:
        with suppress(OSError):
            self._peer.send(answer.encode())

    def _read(self) -> None:
        data = self._peer.recv(Command.SIZE)
        if not data:
            self._end(0)
            return
        command = Command.decode(data)
        assert command is not None
        if command.verb is Verb.SECURE and not self._metal.may_be_secured:
            self._metal.dropped += self._metal.active
        if command.verb is Verb.HOLD:
            self._lines = LinesOf(self._metal, self)
            self._timers = OffTimers(self._lines, [LINE], rested_ms=command.milliseconds)
            self._say(self._timers.answer(AnswerKind.READY, command.tag))
        elif self._timers is None:
            self._say(Answer(AnswerKind.WAITING, command.tag, 0, 0))
        else:
            self._say(self._timers.perform(data))

    def _end(self, status: int) -> None:
        if self.returncode is not None:
            return
        if self._lines is not None:
            if status == 0 and self._metal.active:
                self._metal.dropped += 1
                self._metal.active = False
            self._lines.close()
        asyncio.get_running_loop().remove_reader(self._peer)
        self._peer.close()
        self.returncode = status
        self._ended.set()

    def kill(self) -> None:
        self._end(-9)

    async def wait(self) -> int:
        await self._ended.wait()
        return self.returncode or 0


class LoopStarter(GuardStarter):
    """Starts guards on this loop. The first two are another hubd's."""

    def __init__(self, metal: Metal) -> None:
        super().__init__([LINE], "", 5.0)
        self._metal = metal
        self.guards: list[LoopGuard] = []

    async def start(self, on_answer: OnAnswer) -> GuardProcess:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel = GuardChannel(ours, on_answer)
        process = LoopGuard(self._metal, theirs, len(self.guards) + 1)
        self.guards.append(process)
        guard = GuardProcess(
            process=cast(SeenProcess, process), peer=ours, channel=channel, stop_seconds=5.0
        )
        guard.is_own = len(self.guards) > 2
        try:
            await channel.started(5.0)
        except BaseException:
            await guard.end()
            raise
        return guard

    def is_own(self, number: int | None) -> bool:
        """Tell whether this is a guard of ours, and lives."""
        return number is not None and number > 2 and self.guards[number - 1].returncode is None

    def kill(self, number: int | None) -> bool:
        if number is None:
            return False
        self.guards[number - 1].kill()
        return True


class Do(Enum):
    RENEW = auto()
    RELEASE = auto()
    RELEASE_AMID = auto()
    """When a guard is being renewed, or is not within some turns of the loop."""
    TWO_RELEASES = auto()
    SECURE = auto()
    KILL_GUARD = auto()
    KILL_SPARE = auto()
    TURN = auto()
    """The loop turns a few times."""
    MS = auto()
    """A millisecond goes by, and then some."""


class Hub:
    def __init__(self) -> None:
        self.metal = Metal()
        self.starter = LoopStarter(self.metal)
        self.deaths = 0
        self.guard = StrikeGuard(
            {"front": LINE},
            lambda _up, _why: None,
            starter=self.starter,
            probe_seconds=0.001,
            settled_ms=1,
        )

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():  # noqa: ASYNC110 - it is what many tasks do
                await asyncio.sleep(0.001)

    async def release(self) -> None:
        drives = self.metal.drives
        raised: HardwareError | None = None
        try:
            await self.guard.pulse("front", 30.0)
        except HardwareError as error:
            raised = error
        if raised is None:
            assert self.metal.drives > drives, "law 3"
        else:
            assert self.deaths, f"law 3: {raised}"

    async def secure(self) -> None:
        self.metal.may_be_secured = True
        with suppress(HardwareError):
            await self.guard.secure("front")
        self.metal.may_be_secured = False

    async def do(self, what: Do, tasks: asyncio.TaskGroup) -> None:
        match what:
            case Do.RENEW:
                self.guard.renew(with_guard_at_work=True)
            case Do.RELEASE:
                await self.release()
            case Do.RELEASE_AMID:
                for _ in range(200):
                    await asyncio.sleep(0.0001)
                    if self.guard.is_being_renewed:
                        break
                await self.release()
            case Do.TWO_RELEASES:
                tasks.create_task(self.release())
                tasks.create_task(self.release())
            case Do.SECURE:
                await self.secure()
            case Do.KILL_GUARD:
                self.deaths += self.starter.kill(self.guard.process_id)
            case Do.KILL_SPARE:
                self.starter.kill(self.guard.spare_id)
            case Do.TURN:
                for _ in range(3):
                    await asyncio.sleep(0)
            case Do.MS:
                await asyncio.sleep(0.0015)

    async def live(self, doings: Sequence[Do]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.guard.run(lambda: None))
            await self.until(lambda: self.guard.process_id and self.guard.spare_id)
            async with asyncio.TaskGroup() as releases:
                for what in doings:
                    await self.do(what, releases)
                    assert self.metal.clashes == 0, "law 1"
                    assert self.metal.dropped == 0, "law 2"
            self.guard.renew(with_guard_at_work=True)
            await self.until(lambda: self.guard.process_id)
            await self.secure()
            await self.until(lambda: self.starter.is_own(self.guard.process_id))
            await self.until(lambda: self.starter.is_own(self.guard.spare_id))
            await self.until(lambda: not self.metal.active)
            await self.guard.pulse("front", 30.0)
            assert self.metal.active, "law 4"
            await self.secure()
            running.cancel()
        assert (self.metal.clashes, self.metal.dropped) == (0, 0)
        assert all(guard.returncode is not None for guard in self.starter.guards)


@effort(12)
@given(st.lists(st.sampled_from(Do), max_size=10))
def test_in_any_order_one_guard_holds_the_lines_and_in_the_end_an_own_one(
    doings: list[Do],
) -> None:
    async def main() -> None:
        await Hub().live(doings)

    asyncio.run(main())
