"""A strike guard that another hubd has started, and what comes in its place: real guards.

Which orders of events there are is tried in test_guard_renewal_orders.py.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.processes import SeenProcess
from drivers.strike.guard_client import StrikeGuard
from drivers.strike.guard_process import GuardStarter
from drivers.strike.renewal import FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS, Renewal
from drivers.strike.stretch import MS
from drivers.strike.strike import Strike
from drivers.strike.wire import Answer, AnswerKind, StrikeLine
from hubcore.errors import HardwareError
from hubcore.ports.doors import Input, InputEvent
from hubsim.door.lines import Bank
from tests.unit.test_guard_adopted import FACTORY, Given, is_running, old_hub, until

SETTLED_MS = 50
SECOND = 1_000 * MS
PATIENCE_SECONDS = 60.0


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    made = Bank.create(tmp_path / "bank", ["front"])
    yield made
    made.close()


class Starter(GuardStarter):
    """Starts real guards, or, with `fails`, none."""

    def __init__(self, lines: Sequence[StrikeLine]) -> None:
        super().__init__(lines, FACTORY, 5.0)
        self.fails = False
        self.started: list[int] = []

    async def spawn(self, descriptor: int) -> SeenProcess:
        if self.fails:
            raise HardwareError("This version has no guard.")
        process = await super().spawn(descriptor)
        self.started.append(process.pid)
        return process


class NewHub:
    """The hub that takes over. It looks for its moment all the time."""

    def __init__(self, bank: Bank, rest_ms: int = 0) -> None:
        self.told: list[tuple[bool, str]] = []
        self.renewal: list[tuple[bool, str]] = []
        self.edges: list[Input] = []
        lines = {"front": StrikeLine(str(bank.path), 0, cap_ms=60_000, rest_ms=rest_ms)}
        self.starter = Starter(list(lines.values()))
        self.guard = StrikeGuard(
            lines,
            lambda up, why: self.told.append((up, why)),
            starter=self.starter,
            tell_renewal=lambda is_own, why: self.renewal.append((is_own, why)),
            probe_seconds=0.01,
            settled_ms=SETTLED_MS,
        )
        self.strike = Strike(self.guard, "front", "front", self._hear)

    def _hear(self, event: InputEvent) -> None:
        self.edges.append(event.what)

    @property
    def is_renewed(self) -> bool:
        return self.guard.process_id in self.starter.started


@asynccontextmanager
async def taken_over(
    bank: Bank, seconds: float = 0.0, rest_ms: int = 0
) -> AsyncIterator[tuple[NewHub, Given]]:
    """A hub with the guards of another one, which has driven the strike so long, and has left."""
    hub = NewHub(bank, rest_ms)
    with old_hub(bank, seconds, rest_ms) as given:
        hub.guard.take_up(given.guard, given.spare)
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(hub.guard.run(lambda: None))
            await hub.guard.taken()
            await until(lambda: hub.guard.spare_id == given.spare_id)
            given.old.kill()
            given.old.wait()
            yield hub, given
            task.cancel()


# client, law 12
async def test_a_guard_of_another_hubd_is_renewed_at_rest_and_no_line_moves(bank: Bank) -> None:
    async with taken_over(bank) as (hub, given):
        before = bank.level(0)
        hub.guard.renew(with_guard_at_work=True)
        await until(lambda: hub.is_renewed)
        await until(lambda: not is_running(given.guard_id))
        await until(lambda: not is_running(given.spare_id))
        await until(lambda: hub.guard.spare_id in hub.starter.started)
        assert (bank.level(0).active, bank.level(0).rises) == (False, before.rises)
        assert bank.level(0).holder == hub.guard.process_id
        assert all(up for up, _ in hub.told), "nobody is told that the guard is down"
        assert hub.renewal == []
        assert hub.edges == [Input.STRIKE_INACTIVE]
        await hub.strike.release(30.0)
        assert bank.level(0).active


# renewal, law 1
async def test_without_the_word_the_guards_of_another_hubd_stay(bank: Bank) -> None:
    async with taken_over(bank) as (hub, given):
        for _ in range(3):
            await hub.strike.secure()
            await asyncio.sleep(SETTLED_MS / 1000)
        assert (hub.guard.process_id, hub.guard.spare_id) == (given.guard_id, given.spare_id)
        assert hub.starter.started == []


async def test_a_guard_of_magnets_stays_and_its_spare_is_renewed(bank: Bank) -> None:
    async with taken_over(bank) as (hub, given):
        hub.guard.renew(with_guard_at_work=False)
        await until(lambda: hub.guard.spare_id in hub.starter.started)
        await until(lambda: not is_running(given.spare_id))
        await asyncio.sleep(3 * SETTLED_MS / 1000)
        assert hub.guard.process_id == given.guard_id


async def test_a_strike_that_is_driven_keeps_its_guard_until_it_rests(bank: Bank) -> None:
    async with taken_over(bank, seconds=30.0) as (hub, given):
        hub.guard.renew(with_guard_at_work=True)
        await until(lambda: hub.guard.spare_id in hub.starter.started)
        for _ in range(5):
            await hub.strike.release(30.0)
        assert (bank.level(0).active, bank.level(0).rises) == (True, 1)
        assert hub.guard.process_id == given.guard_id
        await hub.strike.secure()
        await until(lambda: hub.is_renewed)
        assert bank.level(0).rises == 1


# client, law 13
async def test_a_release_that_comes_amid_a_renewal_is_done_by_the_next_guard(bank: Bank) -> None:
    async with taken_over(bank) as (hub, given):
        hub.guard.renew(with_guard_at_work=True)
        await until(lambda: hub.guard.is_being_renewed)
        assert hub.guard.process_id in (given.guard_id, None)
        began = time.monotonic()
        await hub.strike.release(30.0)
        waited = time.monotonic() - began
        assert hub.is_renewed
        assert (bank.level(0).active, bank.level(0).rises) == (True, 1)
        assert bank.level(0).holder == hub.guard.process_id
        spans = []
        for _ in range(20):
            began = time.monotonic()
            await hub.strike.release(30.0)
            spans.append(time.monotonic() - began)
        usual = statistics.median(spans)
        print(f"amid a renewal {waited * 1000:.1f} ms, usual {usual * 1000:.2f} ms")


async def test_a_strike_that_has_rested_moves_at_once_after_a_renewal(bank: Bank) -> None:
    """A guard that was started otherwise begins with a rest."""
    async with taken_over(bank, rest_ms=500) as (hub, _):
        hub.guard.renew(with_guard_at_work=True)
        await until(lambda: hub.is_renewed)
        assert hub.strike.must_rest_seconds(1.0) == 0.0
        await hub.strike.release(1.0)
        assert bank.level(0).active


# client, law 14; process, law 7
async def test_a_version_without_a_guard_leaves_the_former_ones_and_tells(bank: Bank) -> None:
    async with taken_over(bank) as (hub, given):
        hub.starter.fails = True
        hub.guard.renew(with_guard_at_work=True)
        await until(lambda: hub.renewal)
        is_own, why = hub.renewal[0]
        assert not is_own
        assert "still that of the version before: This version has no guard." in why
        await hub.strike.release(30.0)
        await hub.strike.secure()
        assert (hub.guard.process_id, hub.guard.spare_id) == (given.guard_id, given.spare_id)
        assert all(up for up, _ in hub.told), "doors open"
        hub.starter.fails = False
        await until(lambda: hub.is_renewed)
        assert hub.renewal[-1] == (True, "The strike guard is of this version.")


async def test_a_former_guard_that_dies_meanwhile_is_replaced_at_once(bank: Bank) -> None:
    async with taken_over(bank) as (hub, given):
        hub.starter.fails = True
        hub.guard.renew(with_guard_at_work=True)
        os.kill(given.guard_id, signal.SIGKILL)
        await until(lambda: hub.guard.process_id == given.spare_id)
        hub.starter.fails = False
        await until(lambda: hub.is_renewed)
        await hub.strike.release(30.0)
        assert bank.level(0).active


async def test_a_hub_that_hands_on_before_its_moment_leaves_the_former_guard(bank: Bank) -> None:
    async with taken_over(bank, seconds=30.0) as (hub, given):
        hub.guard.renew(with_guard_at_work=True)
        await until(lambda: hub.guard.spare_id in hub.starter.started)
        hub.guard.hand_on()
    left = hub.guard.handed_on()
    assert None not in left
    assert is_running(given.guard_id)
    assert bank.level(0).active
    for descriptor in left:
        assert descriptor is not None
        os.close(descriptor)


# processes
async def test_guards_that_come_back_to_who_started_them_are_its_own(bank: Bank) -> None:
    first = NewHub(bank)
    task: asyncio.Task[None]
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(first.guard.run(lambda: None))
        await until(lambda: first.guard.process_id and first.guard.spare_id)
        ids = (first.guard.process_id, first.guard.spare_id)
        first.guard.hand_on()
        task.cancel()
    again = NewHub(bank)
    again.guard.take_up(*first.guard.handed_on())
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(again.guard.run(lambda: None))
        await until(lambda: again.guard.process_id and again.guard.spare_id)
        again.guard.renew(with_guard_at_work=True)
        await asyncio.sleep(3 * SETTLED_MS / 1000)
        assert (again.guard.process_id, again.guard.spare_id) == ids
        assert again.starter.started == []
        task.cancel()


class Clock:
    def __init__(self) -> None:
        self.now_ns = 10 * SECOND

    def after(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND)


def said(active: int, at_ns: int) -> Answer:
    return Answer(AnswerKind.DONE, 1, active, at_ns)


# renewal, laws 1 to 3
def test_its_moment_is_after_the_longest_rest_and_more() -> None:
    clock = Clock()
    renewal = Renewal(2_000, settled_ms=1_000, now_ns=lambda: clock.now_ns)
    renewal.heard(said(0, clock.now_ns))
    clock.after(10)
    assert not renewal.is_due(), "nobody wants it"
    renewal.want()
    assert renewal.is_due()
    renewal.heard(said(1, clock.now_ns))
    assert (renewal.is_due(), renewal.rested_ms()) == (False, 0)
    renewal.heard(said(0, clock.now_ns))
    clock.after(2.999)
    renewal.heard(said(0, clock.now_ns))
    assert (renewal.is_due(), renewal.rested_ms()) == (False, 2_999)
    clock.after(0.001)
    assert renewal.is_due()
    renewal.guard_ended()
    assert (renewal.is_due(), renewal.rested_ms()) == (False, 0)


# renewal, laws 4 and 5
def test_pauses_between_attempts_grow_up_to_a_bound_and_each_is_told() -> None:
    clock = Clock()
    told: list[bool] = []
    renewal = Renewal(0, lambda is_own, _why: told.append(is_own), 0, lambda: clock.now_ns)
    renewal.want()
    renewal.heard(said(0, clock.now_ns))
    renewal.done()
    assert told == []
    pause = FIRST_PAUSE_SECONDS
    for attempt in range(1, 15):
        renewal.put_off("why")
        assert told == [False] * attempt
        clock.after(pause - 0.001)
        assert not renewal.is_due()
        clock.after(0.001)
        assert renewal.is_due()
        pause = min(pause * 2, LAST_PAUSE_SECONDS)
    assert pause == LAST_PAUSE_SECONDS
    renewal.done()
    renewal.done()
    assert told[-2:] == [False, True]
