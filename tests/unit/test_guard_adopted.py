"""A strike guard that changes hands: a real guard, who started it, and another hubd."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from drivers.strike.guard_client import StrikeGuard
from drivers.strike.strike import Strike
from drivers.strike.wire import Answer, AnswerKind, Command, Identity, StrikeLine, Verb
from hubcore.errors import HardwareError
from hubcore.ports.doors import Input, InputEvent
from hubsim.door.lines import Bank

FACTORY = "hubsim.door.lines:open_lines"
PATIENCE_SECONDS = 30.0

OLD_HUB = """
import asyncio, socket, sys
from drivers.strike.guard_client import StrikeGuard
from drivers.strike.strike import Strike
from drivers.strike.wire import StrikeLine

async def main(path, descriptor, seconds, rest_ms):
    lines = {"front": StrikeLine(path, 0, cap_ms=60_000, rest_ms=int(rest_ms))}
    guard = StrikeGuard(lines, lambda up, why: None, "hubsim.door.lines:open_lines")
    strike = Strike(guard, "front", "front", lambda event: None)
    ready = asyncio.Event()
    task = asyncio.create_task(guard.run(ready.set))
    await ready.wait()
    while guard.spare_id is None:
        await asyncio.sleep(0.01)
    guards = (guard.process_id, guard.spare_id)
    if float(seconds):
        await strike.release(float(seconds))
    guard.hand_on()
    task.cancel()
    await asyncio.wait([task])
    with socket.socket(fileno=int(descriptor)) as beside:
        socket.send_fds(beside, [b"%d %d" % guards], guard.handed_on())
        await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    made = Bank.create(tmp_path / "bank", ["front"])
    yield made
    made.close()


class Given:
    """What an old hub has handed over: sockets, and whose they are."""

    def __init__(self, old: subprocess.Popen[bytes], sockets: list[int], ids: list[int]) -> None:
        self.old = old
        self.guard, self.spare = sockets
        self.guard_id, self.spare_id = ids


@contextmanager
def old_hub(bank: Bank, seconds: float = 0.0, rest_ms: int = 0) -> Iterator[Given]:
    """A hub that drives the strike for so long, hands its guards over, and stays."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-c", OLD_HUB, str(bank.path), str(theirs.fileno())]
        command += [str(seconds), str(rest_ms)]
        with subprocess.Popen(command, pass_fds=(theirs.fileno(),)) as old:
            try:
                ours.settimeout(PATIENCE_SECONDS)
                said, sockets, _, _ = socket.recv_fds(ours, 100, 2)
                yield Given(old, sockets, [int(number) for number in said.split()])
            finally:
                old.kill()


class NewHub:
    def __init__(self, bank: Bank, cap_ms: int = 60_000) -> None:
        self.told: list[tuple[bool, str]] = []
        self.edges: list[Input] = []
        self.ready = asyncio.Event()
        lines = {"front": StrikeLine(str(bank.path), 0, cap_ms=cap_ms, rest_ms=0)}
        self.guard = StrikeGuard(lines, lambda up, why: self.told.append((up, why)), FACTORY)
        self.strike = Strike(self.guard, "front", "front", self._hear)

    def _hear(self, event: InputEvent) -> None:
        self.edges.append(event.what)


@asynccontextmanager
async def running(hub: NewHub) -> AsyncIterator[asyncio.Task[None]]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        task = asyncio.create_task(hub.guard.run(hub.ready.set))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is awaited is in another process
            await asyncio.sleep(0.002)


def is_running(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


# guard, law 9
async def test_an_adopted_guard_outlives_the_process_that_started_it(bank: Bank) -> None:
    hub = NewHub(bank)
    with old_hub(bank, seconds=30.0) as given:
        assert bank.level(0).active
        hub.guard.take_up(given.guard, given.spare)
        async with running(hub):
            await hub.guard.taken()
            await hub.ready.wait()
            await until(lambda: hub.guard.spare_id == given.spare_id)
            assert hub.edges == [Input.STRIKE_ACTIVE]
            given.old.kill()
            given.old.wait()
            await hub.strike.release(30.0)
            assert (hub.guard.process_id, bank.level(0).rises) == (given.guard_id, 1)
            await hub.strike.secure()
            assert not bank.level(0).active
            await until(lambda: hub.guard.spare_id == given.spare_id)
    assert not is_running(given.guard_id)
    assert not is_running(given.spare_id)


# guard, law 10
async def test_the_last_end_of_the_socket_ends_the_pulse_of_an_adopted_guard(bank: Bank) -> None:
    with old_hub(bank, seconds=30.0) as given, socket.socket(fileno=given.guard) as guard:
        os.close(given.spare)
        guard.settimeout(PATIENCE_SECONDS)
        guard.send(Command(Verb.ADOPTED, 0, 1, 0, 0).encode())
        answer = Answer.decode(guard.recv(Answer.MAX_SIZE))
        assert answer is not None
        identity = Identity.read(answer.text)
        assert (answer.kind, answer.active) == (AnswerKind.DONE, 1)
        assert identity is not None
        assert identity.process_id == given.guard_id
        given.old.kill()
        given.old.wait()
        guard.send(Command(Verb.STATE, 0, 2, 0, 0).encode())
        answer = Answer.decode(guard.recv(Answer.MAX_SIZE))
        assert answer is not None
        assert answer.active == 1
        guard.close()
        await until(lambda: not bank.level(0).active)
        await until(lambda: not is_running(given.guard_id))


async def test_a_guard_that_nobody_adopted_ends_with_the_process_that_started_it(
    bank: Bank,
) -> None:
    """Although a copy of its socket is open here."""
    with old_hub(bank, seconds=30.0) as given:
        given.old.kill()
        await until(lambda: not bank.level(0).active)
        await until(lambda: not is_running(given.guard_id))
        os.close(given.guard)
        os.close(given.spare)


# client, law 9
async def test_a_release_waits_for_a_guard_that_is_being_taken_up(bank: Bank) -> None:
    hub = NewHub(bank)
    with old_hub(bank) as given:
        hub.guard.take_up(given.guard, given.spare)
        async with running(hub):
            await asyncio.sleep(0)  # `run` has begun, and has no answer yet
            assert not hub.told
            await hub.strike.release(1.0)
            assert bank.level(0).active


async def test_a_guard_of_other_lines_is_not_taken_over_and_goes_on(bank: Bank) -> None:
    hub = NewHub(bank, cap_ms=59_000)
    with old_hub(bank, seconds=30.0) as given:
        kept = os.dup(given.guard)
        hub.guard.take_up(given.guard, given.spare)
        async with running(hub) as task:
            with pytest.raises(HardwareError, match="other lines than the configuration names"):
                await hub.guard.taken()
            with pytest.raises(HardwareError, match="No strike can be driven"):
                await hub.strike.release(1.0)
            assert not task.done()
            assert hub.told[0][0] is False
        assert (bank.level(0).active, bank.level(0).holder) == (True, given.guard_id)
        os.close(kept)


async def test_a_guard_that_died_on_its_way_is_no_guard(bank: Bank) -> None:
    hub = NewHub(bank)
    with old_hub(bank) as given:
        given.old.kill()
        await until(lambda: not is_running(given.guard_id))
        hub.guard.take_up(given.guard, given.spare)
        async with running(hub):
            with pytest.raises(HardwareError, match="cannot be taken over"):
                await hub.guard.taken()


# channel, law 5
async def test_a_late_answer_to_the_old_hub_is_none_to_the_new_one(bank: Bank) -> None:
    hub = NewHub(bank)
    with old_hub(bank) as given:
        with socket.socket(fileno=os.dup(given.guard)) as old:
            for tag in range(1, 50):
                old.send(Command(Verb.PULSE, 0, tag, 0, 0).encode())  # each is refused
        hub.guard.take_up(given.guard, given.spare)
        async with running(hub):
            await hub.guard.taken()
            await hub.strike.secure()
            assert not bank.level(0).active


async def test_a_guard_changes_hands_again_and_again_and_no_pulse_ends(bank: Bank) -> None:
    """Also within one process, as when nothing came of an update."""
    with old_hub(bank, seconds=60.0) as given:
        guard: int | None = given.guard
        spare: int | None = given.spare
        for _ in range(3):
            hub = NewHub(bank)
            hub.guard.take_up(guard, spare)
            async with running(hub):
                await hub.guard.taken()
                await hub.ready.wait()
                await until(lambda h=hub: h.guard.spare_id == given.spare_id)
                hub.guard.hand_on()
            guard, spare = hub.guard.handed_on()
            assert guard is not None
            assert spare is not None
            assert (bank.level(0).active, bank.level(0).rises) == (True, 1)
        os.close(guard)
        os.close(spare)
        given.old.kill()
        given.old.wait()
        await until(lambda: not bank.level(0).active)


@pytest.mark.parametrize(
    "text",
    ["", "guard 0 of lines 00000000", "guard 1 of lines 0000000", "guard 1 of lines 00000000 "],
)
def test_what_names_no_guard_is_none(text: str) -> None:
    assert Identity.read(text) is None


def test_a_guard_is_read_as_it_names_itself() -> None:
    identity = Identity(process_id=42, lines_sum=0xFEED)
    assert Identity.read(str(identity)) == identity
