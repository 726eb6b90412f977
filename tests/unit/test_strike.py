"""Strikes over the real guard process, on lines in a file that anyone may look at: whatever ends or
stops hubd or its guard, a line is inactive in time.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest

from drivers.processes import SeenProcess
from drivers.strike.guard_channel import EXPIRE_SECONDS
from drivers.strike.guard_client import STOP_SECONDS, UNGUARDED_SECONDS, StrikeGuard
from drivers.strike.guard_process import GuardStarter
from drivers.strike.strike import Strike
from drivers.strike.wire import Answer, AnswerKind, Command, StrikeLine, Verb
from hubcore.errors import HardwareError, RestingError, UnguardedError
from hubcore.ports.doors import Input, InputEvent, Mover
from hubsim.door.lines import Bank, Fault

FACTORY = "hubsim.door.lines:open_lines"
PATIENCE_SECONDS = 30.0

pytestmark = pytest.mark.asyncio


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    made = Bank.create(tmp_path / "bank", ["front", "back"])
    yield made
    made.close()


class Hub:
    """A strike guard with two strikes, the cap of the front one, and what was told about it."""

    def __init__(
        self,
        bank: Bank,
        cap_seconds: float = 2.0,
        names: tuple[str | int, ...] = ("front", 1),
        rest_ms: int = 0,
    ) -> None:
        self.told: list[tuple[bool, str]] = []
        self.edges: list[InputEvent] = []
        self.ready = asyncio.Event()
        caps_ms = (int(cap_seconds * 1000), 60_000)
        lines = {
            strike: StrikeLine(str(bank.path), name, cap_ms=cap, rest_ms=rest_ms)
            for strike, name, cap in zip(("front", "back"), names, caps_ms, strict=True)
        }
        self.guard = StrikeGuard(lines, lambda up, why: self.told.append((up, why)), FACTORY)
        self.front = Strike(self.guard, "front", "front", self.edges.append)
        self.back = Strike(self.guard, "back", "back", self.edges.append)
        self.port: Mover = self.front

    def seen(self, door: str) -> list[Input]:
        return [edge.what for edge in self.edges if edge.door == door]


@asynccontextmanager
async def running(hub: Hub) -> AsyncIterator[Hub]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(hub.guard.run(hub.ready.set))
        try:
            yield hub
        finally:
            task.cancel()


@asynccontextmanager
async def up(bank: Bank, cap_seconds: float = 2.0) -> AsyncIterator[Hub]:
    async with running(Hub(bank, cap_seconds)) as hub, asyncio.timeout(PATIENCE_SECONDS):
        await hub.ready.wait()
        yield hub


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is awaited is in another process
            await asyncio.sleep(0.002)


def is_running(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()


def process_state(process_id: int) -> str:
    """Return the letter of proc(5), '' for a process that has gone."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


async def test_a_release_drives_the_line_and_it_falls_back_by_itself(bank: Bank) -> None:
    async with up(bank) as hub:
        before_ns = time.monotonic_ns()
        await hub.port.release(0.2)
        after_ns = time.monotonic_ns()
        driven = bank.level(0)
        assert driven.active
        assert hub.port.driven
        assert before_ns < driven.changed_ns <= hub.front.last_drive_ns < after_ns
        await until(lambda: not bank.level(0).active)
        lasted_ns = bank.level(0).changed_ns - driven.changed_ns
        assert 0.2e9 <= lasted_ns < 2e9
        assert not bank.level(1).active
        await until(lambda: len(hub.seen("front")) == 3)
        assert not hub.port.driven
        assert hub.seen("front") == [
            Input.STRIKE_INACTIVE,
            Input.STRIKE_ACTIVE,
            Input.STRIKE_INACTIVE,
        ]
        assert hub.seen("back") == [Input.STRIKE_INACTIVE]
        assert hub.edges[-1].at == pytest.approx(bank.level(0).changed_ns / 1e9, abs=0.5)


async def test_a_release_is_capped(bank: Bank) -> None:
    async with up(bank, cap_seconds=0.2) as hub:
        await hub.port.release(3600.0)
        driven_ns = bank.level(0).changed_ns
        await until(lambda: not bank.level(0).active)
        assert 0.2e9 <= bank.level(0).changed_ns - driven_ns < 2e9


async def test_a_strike_tells_how_long_it_must_rest_as_its_guard_does(bank: Bank) -> None:
    hub = Hub(bank, cap_seconds=0.2, rest_ms=2000)
    assert hub.port.must_rest_seconds(1.0) == 0.0  # no guard yet: nobody knows

    async def rests_as_long_as_was_told() -> None:
        before = hub.port.must_rest_seconds(1.0)
        with pytest.raises(RestingError) as caught:
            await hub.port.release(1.0)
        assert 0.0 < before <= 2.0
        assert before == pytest.approx(caught.value.seconds, abs=0.5)

    async with running(hub), asyncio.timeout(PATIENCE_SECONDS):
        await hub.ready.wait()
        await rests_as_long_as_was_told()  # a guard's first stretch begins with a rest
        await until(lambda: hub.port.must_rest_seconds(1.0) == 0.0)
        await hub.port.release(1.0)
        await until(lambda: len(hub.seen("front")) == 3)
        await rests_as_long_as_was_told()


async def test_the_cap_of_one_strike_does_not_lengthen_another(bank: Bank) -> None:
    async with up(bank, cap_seconds=0.2) as hub:
        await hub.back.release(30.0)
        await hub.front.release(30.0)
        await until(lambda: not bank.level(0).active)
        assert bank.level(1).active
        await hub.back.secure()


async def test_a_release_during_a_release_extends_it_and_rises_once(bank: Bank) -> None:
    async with up(bank) as hub:
        await hub.port.release(0.3)
        first_ns = hub.front.last_drive_ns
        await hub.port.release(0.6)
        await hub.port.release(0.01)
        await until(lambda: not bank.level(0).active)
        assert bank.level(0).changed_ns - first_ns >= 0.6e9
        assert bank.level(0).rises == 1


async def test_secure_ends_a_release_now(bank: Bank) -> None:
    async with up(bank) as hub:
        await hub.port.release(2.0)
        await hub.port.secure()
        assert not bank.level(0).active
        await hub.port.secure()


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
async def test_a_release_that_is_none_is_refused(bank: Bank, seconds: float) -> None:
    async with up(bank) as hub:
        with pytest.raises(HardwareError, match="positive number"):
            await hub.port.release(seconds)
        assert bank.level(0).rises == 0


# guard, law 1
async def test_nothing_is_driven_before_the_guard_holds_the_lines(bank: Bank) -> None:
    hub = Hub(bank)
    with pytest.raises(HardwareError, match="has not started yet"):
        await hub.port.release(1.0)


# guard, law 2
async def test_a_line_found_active_is_driven_inactive_at_the_start(bank: Bank) -> None:
    stuck = Bank(bank.path)
    stuck.write(1, type(bank.level(1))(True, 1, 0, 0))
    async with up(bank):
        assert not bank.level(1).active
    stuck.close()


async def test_a_clean_stop_during_a_release_secures_and_leaves_no_process(bank: Bank) -> None:
    async with up(bank, cap_seconds=30) as hub:
        await hub.port.release(30.0)
        process_id = hub.guard.process_id
    assert process_id is not None
    assert not bank.level(0).active
    assert not is_running(process_id)
    with pytest.raises(HardwareError, match="was stopped"):
        await hub.port.release(1.0)


class Unending:
    """A guard's process that hangs in the kernel: it can be killed, but it does not go."""

    returncode = None

    def __init__(self, process: SeenProcess) -> None:
        self.pid = process.pid
        self.process = process
        self.killed = False

    def kill(self) -> None:
        self.killed = True

    async def wait(self) -> int:
        await asyncio.Event().wait()
        raise AssertionError


class HangingStarter(GuardStarter):
    """Starts guards whose processes hang at their end."""

    def __init__(self, lines: Sequence[StrikeLine], factory: str, stop_seconds: float) -> None:
        super().__init__(lines, factory, stop_seconds)
        self.ends: list[Unending] = []

    async def spawn(self, descriptor: int) -> SeenProcess:
        self.ends.append(Unending(await super().spawn(descriptor)))
        return cast(SeenProcess, self.ends[-1])


async def test_a_stop_is_obeyed_though_the_guard_cannot_be_ended(bank: Bank) -> None:
    told: list[str] = []
    ready = asyncio.Event()
    lines = {"front": StrikeLine(str(bank.path), 0)}
    starter = HangingStarter(list(lines.values()), FACTORY, 0.05)
    guard = StrikeGuard(lines, lambda _up, why: told.append(why), starter=starter)
    async with asyncio.timeout(PATIENCE_SECONDS):
        task = asyncio.create_task(guard.run(ready.set))
        await ready.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert 1 <= len(starter.ends) <= 2  # the one at work, and the one that waits
    assert all(end.killed for end in starter.ends)
    assert "cannot be ended: a chip hangs in the kernel" in told[-1]
    for end in starter.ends:
        await end.process.wait()


async def test_a_killed_guard_is_told_replaced_and_its_line_secured(bank: Bank) -> None:
    async with up(bank, cap_seconds=30) as hub:
        await hub.port.release(30.0)
        first = hub.guard.process_id
        assert first is not None
        hub.ready.clear()
        os.kill(first, signal.SIGKILL)
        await until(lambda: hub.guard.process_id is None)
        with pytest.raises(HardwareError, match="No strike can be driven"):
            await hub.port.release(1.0)
        await hub.ready.wait()
        assert not bank.level(
            0
        ).active  # in the file, as on a Pi without strict_gpiod, only the next guard ends it
        assert hub.guard.process_id != first
        await until(lambda: hub.seen("front")[-1] is Input.STRIKE_INACTIVE)
        assert [is_up for is_up, _ in hub.told] == [True, False, True]
        assert "exit status -9" in hub.told[1][1]
        await hub.port.release(0.1)
        assert bank.level(0).rises == 2


async def freeze(hub: Hub) -> int:
    process_id = hub.guard.process_id
    assert process_id is not None
    hub.ready.clear()
    os.kill(process_id, signal.SIGSTOP)
    return process_id


async def test_a_frozen_guard_is_found_out_though_nobody_asks_it_anything(bank: Bank) -> None:
    async with up(bank, cap_seconds=60) as hub:
        await hub.port.release(60.0)
        first = await freeze(hub)
        await hub.ready.wait()
        assert not is_running(first)
        assert not bank.level(0).active


async def test_a_frozen_guard_fails_a_release_is_replaced_soon_and_never_drives_late(
    bank: Bank,
) -> None:
    async with up(bank) as hub:
        await freeze(hub)
        with pytest.raises(HardwareError, match="did not answer within 1 s"):
            await hub.back.release(1.0)
        failed = time.monotonic()
        await hub.ready.wait()
        assert time.monotonic() - failed < STOP_SECONDS - 1.0  # it is not asked politely first
        assert bank.level(1).rises == 0


async def test_a_release_that_the_guard_reads_late_is_refused_and_drives_nothing(
    bank: Bank,
) -> None:
    async with up(bank) as hub:
        process_id = await freeze(hub)
        async with asyncio.TaskGroup() as tasks:
            release = tasks.create_task(raised(hub.back.release(1.0)))
            await asyncio.sleep(0)  # the command has been sent
            expired = time.monotonic() + EXPIRE_SECONDS
            await until(lambda: time.monotonic() > expired)
            os.kill(process_id, signal.SIGCONT)
        assert "read after its last moment" in release.result()
        assert bank.level(1).rises == 0
        assert hub.guard.process_id == process_id  # and the guard is none the worse for it
        await hub.back.release(0.1)
        assert bank.level(1).rises == 1


async def raised(release: Coroutine[Any, Any, None]) -> str:
    with pytest.raises(HardwareError) as caught:
        await release
    return str(caught.value)


# guard, law 5
async def test_a_guard_told_to_terminate_secures_first_and_ctrl_c_does_not_reach_it(
    bank: Bank,
) -> None:
    async with up(bank, cap_seconds=30) as hub:
        await hub.port.release(30.0)
        first = hub.guard.process_id
        assert first is not None
        assert os.getsid(first) != os.getsid(0)
        os.kill(first, signal.SIGINT)
        await hub.port.release(30.0)
        assert bank.level(0).active
        os.kill(first, signal.SIGTERM)
        await until(lambda: not bank.level(0).active)
        assert bank.level(0).holder == first  # it did so itself, not its successor


async def test_a_line_that_does_not_go_active_is_an_error_of_that_release_only(bank: Bank) -> None:
    async with up(bank) as hub:
        bank.fail(0, Fault.NEVER_ACTIVE)
        with pytest.raises(HardwareError, match="set to fail"):
            await hub.port.release(0.2)
        await hub.back.release(0.2)
        bank.fail(0, Fault.NONE)
        await hub.port.release(0.2)
        assert len(hub.told) == 1
        assert hub.guard.process_id is not None
        os.kill(hub.guard.process_id, signal.SIGKILL)
        await until(lambda: len(hub.told) > 1)
        assert "set to fail" not in hub.told[1][1]  # that was another day's error


async def test_a_line_that_does_not_go_inactive_brings_a_new_guard_and_is_told(bank: Bank) -> None:
    async with up(bank) as hub:
        await hub.port.release(0.1)
        bank.fail(0, Fault.NEVER_INACTIVE)
        await until(lambda: len(hub.told) > 1)
        assert "set to fail" in hub.told[1][1]
        bank.fail(0, Fault.NONE)
        await until(lambda: hub.told[-1][0])
        assert not bank.level(0).active


async def test_a_line_that_cannot_be_requested_is_a_sentence_and_asked_for_again(
    bank: Bank,
) -> None:
    async with running(Hub(bank, names=("front", "side"))) as hub:
        await until(lambda: len(hub.told) >= 2)
        assert all("line 'side' of" in why and "does not exist" in why for _, why in hub.told)
        with pytest.raises(HardwareError, match="line 'side' of"):
            await hub.port.release(1.0)
        Bank.create(bank.path, ["front", "side"]).close()
        await until(hub.ready.is_set)
        await hub.back.release(0.1)


async def test_the_real_library_in_the_real_guard_says_what_is_wrong_with_a_chip() -> None:
    told: list[str] = []
    guard = StrikeGuard(
        {"front": StrikeLine("/dev/null", "strike")}, lambda _up, why: told.append(why)
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(guard.run(lambda: None))
        await until(lambda: told)
        task.cancel()
    assert "line 'strike' of /dev/null" in told[0]
    assert "no GPIO chip" in told[0]


async def test_a_line_in_use_names_its_holder(bank: Bank) -> None:
    async with up(bank) as first, running(Hub(bank)) as second:
        await until(lambda: second.told)
        assert f"in use by process {first.guard.process_id}" in second.told[0][1]


async def test_a_loop_that_was_blocked_does_not_blame_the_guard(bank: Bank) -> None:
    async with up(bank) as hub:
        first = hub.guard.process_id
        async with asyncio.TaskGroup() as tasks:
            release = tasks.create_task(hub.port.release(0.1))
            await asyncio.sleep(0)  # the command has been sent
            time.sleep(1.3)  # noqa: ASYNC251 - blocking the loop is the case
        assert release.exception() is None
        assert hub.guard.process_id == first
        assert not bank.level(0).active


async def test_many_releases_at_once_are_bounded_not_queued_without_end(bank: Bank) -> None:
    async with up(bank) as hub:
        results = await asyncio.gather(
            *(hub.port.release(0.1) for _ in range(200)), return_exceptions=True
        )
        refused = [result for result in results if result is not None]
        assert 0 < len(refused) <= 200 - 64
        assert all("wait for the strike guard" in str(error) for error in refused)
        await hub.port.secure()


@pytest.mark.parametrize(
    "caps_ms",
    [[], [1000] * 33, [60_001], [-1], [1000, -1]],
    ids=["none", "33", "60001", "-1", "the second"],
)
async def test_a_guard_that_cannot_be_is_refused(caps_ms: list[int]) -> None:
    lines = {f"strike-{n}": StrikeLine("x", n, cap_ms=cap_ms) for n, cap_ms in enumerate(caps_ms)}
    with pytest.raises(HardwareError):
        StrikeGuard(lines, lambda _up, _why: None, FACTORY)


# The guard's process alone, on a raw socket.


@contextmanager
def raw_guard(bank: Bank) -> Iterator[tuple[socket.socket, subprocess.Popen[bytes]]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(PATIENCE_SECONDS)
    options = ["--fd", str(theirs.fileno()), "--factory", FACTORY]
    command = [
        sys.executable,
        "-m",
        "drivers.strike.guard",
        *options,
        "--lines",
        f'[["{bank.path}", 0, false, 5000, 0]]',
    ]
    with ours, subprocess.Popen(command, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        try:
            assert kind_of(ours) is AnswerKind.WAITING
            ours.send(Command(Verb.HOLD, 0, 9, 0, 0).encode())
            assert kind_of(ours) is AnswerKind.READY
            yield ours, process
        finally:
            process.kill()


def kind_of(ours: socket.socket) -> AnswerKind:
    answer = Answer.decode(ours.recv(Answer.MAX_SIZE))
    assert answer is not None
    return answer.kind


def pulse(milliseconds: int) -> bytes:
    return Command(Verb.PULSE, 0, 1, milliseconds, time.monotonic_ns() + 10**10).encode()


# guard, law 6
async def test_a_flood_of_garbage_and_commands_does_not_put_off_the_end(bank: Bank) -> None:
    with raw_guard(bank) as (ours, _):
        ours.send(pulse(200))
        state = Command(Verb.STATE, 0, 2, 0, 0).encode()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not bank.level(0).rises:
            assert time.monotonic() < deadline
        driven_ns = bank.level(0).changed_ns
        while bank.level(0).active and time.monotonic() < deadline:
            for data in (b"x" * 500, state, b"\0"):
                ours.send(data)
        assert bank.level(0).changed_ns - driven_ns < 2e9


# guard, law 7
async def test_what_is_still_queued_when_hubd_ends_is_not_obeyed(bank: Bank) -> None:
    with raw_guard(bank) as (ours, process):
        os.kill(process.pid, signal.SIGSTOP)
        ours.send(pulse(4000))
        ours.close()
        os.kill(process.pid, signal.SIGCONT)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert bank.level(0).rises == 0


async def test_an_empty_packet_ends_the_guard_in_the_safe_direction(bank: Bank) -> None:
    with raw_guard(bank) as (ours, process):
        ours.send(pulse(4000))
        ours.recv(Answer.MAX_SIZE)
        ours.send(b"")
        assert process.wait(PATIENCE_SECONDS) == 0
        assert not bank.level(0).active


# hubd in a process of its own, so that it can be killed, frozen and blocked.

CLIENT = """
import asyncio, contextlib, os, resource, sys, time
from drivers.strike.guard_client import StrikeGuard
from drivers.strike.strike import Strike
from drivers.strike.guard_channel import EXPIRE_SECONDS
from drivers.strike.wire import StrikeLine

async def main(path, seconds, then):
    lines = {"front": StrikeLine(path, 0, cap_ms=60_000, rest_ms=0)}
    guard = StrikeGuard(lines, lambda up, why: None, "hubsim.door.lines:open_lines")
    strike = Strike(guard, "front", "front", lambda event: None)
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(guard.run(ready.set))
        await ready.wait()
        await strike.release(float(seconds))
        child = 0
        if then == "fork":
            child = os.fork()
            if child == 0:  # inherits hubd's end of the socket and keeps it open
                time.sleep(60)
                os._exit(0)
        held = []
        if then == "exhaust":  # no descriptor is left, so no socket pair and no process can be made
            while guard.spare_id is None:
                await asyncio.sleep(0.01)
            child = guard.spare_id
            with contextlib.suppress(OSError):
                while True:
                    held.append(os.open("/dev/null", os.O_RDONLY))
        print(guard.process_id, child, flush=True)
        if then == "block":
            time.sleep(1.5)
            print(time.monotonic_ns(), flush=True)
        if then == "exit":
            raise SystemExit(3)
        await asyncio.sleep(60)

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def client(bank: Bank, seconds: float, then: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with clients(bank, seconds, then) as (process, guard, _):
        yield process, guard


@contextmanager
def clients(
    bank: Bank, seconds: float, then: str
) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    command = [sys.executable, "-c", CLIENT, str(bank.path), str(seconds), then]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        child = 0
        try:
            assert process.stdout is not None
            guard, child = map(int, process.stdout.readline().split())
            assert bank.level(0).rises == 1
            yield process, guard, child
        finally:
            process.kill()
            if child:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("then", ["wait", "fork"])
# guard, law 4
async def test_kill_9_in_the_middle_of_a_release_secures_at_once(bank: Bank, then: str) -> None:
    with client(bank, 60, then) as (process, guard):
        assert bank.level(0).active
        killed_ns = time.monotonic_ns()
        process.kill()
        await until(lambda: not bank.level(0).active)
        assert bank.level(0).changed_ns - killed_ns < 5e9
        await until(lambda: process_state(guard) in ("", "Z"))


async def test_a_crash_in_the_middle_of_a_release_secures_at_once(bank: Bank) -> None:
    with client(bank, 60, "exit") as (process, _):
        assert process.wait(PATIENCE_SECONDS) == 3
        assert not bank.level(0).active


# guard, law 3
async def test_a_frozen_hubd_does_not_prolong_a_release(bank: Bank) -> None:
    with client(bank, 0.5, "wait") as (process, _):
        os.kill(process.pid, signal.SIGSTOP)
        driven = bank.level(0)
        assert driven.active
        await until(lambda: not bank.level(0).active)
        assert process_state(process.pid) == "T"
        assert 0.4e9 <= bank.level(0).changed_ns - driven.changed_ns < 2e9


async def test_a_blocked_loop_does_not_prolong_a_release(bank: Bank) -> None:
    with client(bank, 0.3, "block") as (process, _):
        assert process.stdout is not None
        await until(lambda: not bank.level(0).active)
        assert bank.level(0).changed_ns < int(process.stdout.readline())


async def test_a_guard_that_dies_in_a_pulse_is_replaced_although_no_process_can_be_started(
    bank: Bank,
) -> None:
    """The lines of this bank keep their level when their holder dies: only another guard ends the
    pulse.
    """
    with clients(bank, 60, "exhaust") as (process, guard, spare):
        killed_ns = time.monotonic_ns()
        os.kill(guard, signal.SIGKILL)
        await until(lambda: not bank.level(0).active)
        assert bank.level(0).changed_ns - killed_ns < 2e9
        assert bank.level(0).holder == spare
        assert process.poll() is None


async def test_hubd_ends_when_a_strike_may_be_driven_and_no_guard_can_be_had(bank: Bank) -> None:
    with clients(bank, 60, "exhaust") as (process, guard, spare):
        os.kill(spare, signal.SIGKILL)
        os.kill(guard, signal.SIGKILL)
        began = time.monotonic()
        assert process.wait(PATIENCE_SECONDS) != 0
        assert time.monotonic() - began < UNGUARDED_SECONDS + 3.0
        assert bank.level(
            0
        ).active  # what comes after the end drives it inactive (`hubd.start.secure`)


async def test_a_guard_that_dies_at_rest_ends_nothing(bank: Bank) -> None:
    told: list[str] = []
    lines = {"front": StrikeLine(str(bank.path), 0)}
    starter = Failing(list(lines.values()), FACTORY, 1.0)
    ready = asyncio.Event()
    guard = StrikeGuard(
        lines, lambda _up, why: told.append(why), starter=starter, unguarded_seconds=0.1
    )
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(guard.run(ready.set))
        await ready.wait()
        await until(lambda: guard.spare_id)
        starter.failing = True
        for process_id in (guard.spare_id, guard.process_id):
            assert process_id is not None
            os.kill(process_id, signal.SIGKILL)
        await until(lambda: starter.failures >= 3)
        assert not task.done()
        starter.failing = False
        ready.clear()
        await ready.wait()
        task.cancel()


async def test_a_guard_that_died_in_a_pulse_is_replaced_without_a_growing_pause(bank: Bank) -> None:
    lines = {"front": StrikeLine(str(bank.path), 0, cap_ms=60_000, rest_ms=0)}
    ready = asyncio.Event()
    guard = StrikeGuard(lines, lambda _up, _why: None, FACTORY)
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(guard.run(ready.set))
        for _ in range(6):  # with pauses of 0.2, 0.4, 0.8 s and so on this would take over 12 s
            await ready.wait()
            await guard.pulse("front", 60.0)
            ready.clear()
            assert guard.process_id is not None
            os.kill(guard.process_id, signal.SIGKILL)
            killed = time.monotonic()
            await ready.wait()
            assert time.monotonic() - killed < 3.0
            assert not bank.level(0).active
        task.cancel()


class Failing(GuardStarter):
    """Starts guards until it is told to fail."""

    failing = False
    failures = 0

    async def spawn(self, descriptor: int) -> SeenProcess:
        if self.failing:
            self.failures += 1
            raise HardwareError("The strike guard cannot be started: told to fail.")
        return await super().spawn(descriptor)


async def test_a_guard_that_froze_at_rest_leaves_no_doubt_and_one_that_was_asked_for_a_pulse_does(
    bank: Bank,
) -> None:
    """A hub must not end for a strike that nobody has driven, and must end for one that may be
    driven.
    """
    for asked in (False, True):
        lines = {"front": StrikeLine(str(bank.path), 0, rest_ms=0)}
        starter = Failing(list(lines.values()), FACTORY, 1.0)
        ready = asyncio.Event()
        guard = StrikeGuard(lines, lambda _up, _why: None, starter=starter, unguarded_seconds=0.5)
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(ended(guard, ready))
            await ready.wait()
            await until(lambda g=guard: g.spare_id)
            starter.failing = True
            assert guard.spare_id is not None
            os.kill(guard.spare_id, signal.SIGKILL)
            assert guard.process_id is not None
            os.kill(guard.process_id, signal.SIGSTOP)
            if asked:
                assert "did not answer" in await raised(
                    Strike(guard, "front", "front", lambda _: None).release(1.0)
                )
            if asked:
                await until(task.done)
            else:
                await until(lambda g=guard: g.process_id is None)
                before = starter.failures
                await until(lambda s=starter, b=before: s.failures >= b + 3)
                assert not task.done()
            task.cancel()
        assert bank.level(0).rises == 0


async def ended(guard: StrikeGuard, ready: asyncio.Event) -> None:
    with pytest.raises(UnguardedError):
        await guard.run(ready.set)
