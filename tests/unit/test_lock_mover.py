"""A lock as the mover of a door: what it does when the lock does not, and at a start.

What it does like any mover is in tests/ports/test_mover.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from drivers.lock.mover import BUSY_REST_SECONDS, LOCK_SECONDS, LockAtDoor, LockMover
from hubcore.device.breaker import BreakerRule
from hubcore.device.command import Capability, Verb
from hubcore.device.state import DeviceState, Position
from hubcore.errors import DriverGoneError, HardwareError, RestingError
from hubcore.ports.doors import Input, InputEvent
from hubd.adapters.host.clock import SystemClock
from hubd.config.file import parse
from hubd.config.movers import ZwaveLock
from hubd.devices.supervisor import Device, Supervisor
from hubd.wiring.securing import Securing
from tests.fakes.device import FakeDriver
from tests.unit.test_hardware import HEAD

pytestmark = pytest.mark.asyncio
LOCK = "front-lock"
PATIENT = BreakerRule(failures=1000)


class Rig:
    """A lock, its mover, and what was told."""

    def __init__(self, breaker: BreakerRule) -> None:
        self.driver = FakeDriver(monotonic, seconds=0.01)
        device = Device(LOCK, Capability.LOCK, stale_seconds=3600.0)
        self.supervisor = Supervisor(
            devices={LOCK: (device, self.driver)},
            clock=SystemClock(lambda: 0.0),
            tell_fault=lambda _device, _fault, _stands: None,
            breaker=breaker,
        )
        self.edges: list[InputEvent] = []
        self.mover = LockMover(
            LockAtDoor(LOCK, "front", cap_seconds=2.0, rest_seconds=0.5),
            self.supervisor,
            self.edges.append,
            partial(self.driver.times_itself, LOCK),
            pauses=(0.05, 0.1),
        )
        self.supervisor.watch(LOCK, self.mover.stands)

    def sent(self) -> list[Verb]:
        return [command.verb for command, _ in self.driver.given]

    def moves(self) -> list[bool]:
        return [edge.what is Input.STRIKE_ACTIVE for edge in self.edges]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - a clock that nobody tells of
                await asyncio.sleep(0.002)


@asynccontextmanager
async def at_work(breaker: BreakerRule = PATIENT) -> AsyncIterator[Rig]:
    rig = Rig(breaker)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(rig.supervisor.run()), tasks.create_task(rig.mover.run())]
        await rig.until(lambda: rig.driver.listener is not None)
        try:
            yield rig
        finally:
            for task in running:
                task.cancel()


async def test_an_unlock_that_is_not_proven_is_tried_once_and_locked_again() -> None:  # law 2
    async with at_work() as rig:
        rig.driver.say(LOCK, Position.LOCKED)
        rig.driver.failing[LOCK].append(HardwareError("node 2 did not move"))
        with pytest.raises(HardwareError, match="was not unlocked: node 2 did not move"):
            await rig.mover.release(1.0)
        assert not rig.mover.driven
        await rig.until(lambda: rig.sent() == [Verb.UNLOCK, Verb.LOCK])
        assert rig.moves() == [False]


async def test_nobody_knows_what_became_of_it_and_so_it_is_locked() -> None:  # law 2
    async with at_work() as rig:
        rig.driver.say(LOCK, Position.LOCKED)
        rig.driver.failing[LOCK].append(DriverGoneError("the Z-Wave service ended in the middle"))
        with pytest.raises(DriverGoneError, match="ended in the middle"):
            await rig.mover.release(1.0)
        await rig.until(lambda: rig.sent() == [Verb.UNLOCK, Verb.LOCK])


async def test_locking_is_tried_until_it_is_proven(  # law 3
) -> None:
    async with at_work() as rig:
        rig.driver.say(LOCK, Position.LOCKED)
        await rig.mover.release(0.2)
        rig.driver.broken[LOCK] = HardwareError("jammed")
        await rig.until(lambda: rig.sent().count(Verb.LOCK) >= 6)
        assert rig.mover.driven, "it stands open, as far as is known"
        assert rig.moves() == [False, True]
        rig.driver.broken.clear()
        await rig.until(lambda: rig.moves() == [False, True, False])
        assert rig.sent().count(Verb.UNLOCK) == 1


async def test_it_is_locked_though_it_counts_as_dead() -> None:  # law 3, and worker, law 5
    """The breaker would have left it alone for an hour."""
    async with at_work(BreakerRule(failures=2, first_pause_seconds=3600.0)) as rig:
        await rig.mover.release(0.2)
        rig.driver.broken[LOCK] = HardwareError("no answer")
        await rig.until(lambda: not rig.supervisor.answers(LOCK))
        sent = len(rig.sent())
        await rig.until(lambda: len(rig.sent()) > sent + 1)
        del rig.driver.broken[LOCK]
        await rig.until(lambda: rig.moves() == [True, False] and rig.supervisor.answers(LOCK))
        assert set(rig.sent()[1:]) == {Verb.LOCK}


async def test_chatter_of_a_lock_that_does_not_lock_sets_no_pace() -> None:
    async with at_work() as rig:
        rig.driver.say(LOCK, Position.LOCKED)
        await rig.mover.release(0.1)
        rig.driver.broken[LOCK] = HardwareError("jammed")
        await rig.until(lambda: rig.sent().count(Verb.LOCK) >= 2)
        before = len(rig.driver.given)
        began = monotonic()
        for _ in range(1000):
            rig.driver.say(LOCK, Position.UNLOCKED)
            await asyncio.sleep(0)
        tries = len(rig.driver.given) - before
        assert tries <= 2 * ((monotonic() - began) / 0.05 + 1)


async def test_a_lock_with_a_timer_gets_the_time_and_is_left_to_it() -> None:  # law 4
    async with at_work() as rig:
        rig.driver.say(LOCK, Position.LOCKED)
        rig.driver.timed.add(LOCK)
        await rig.mover.release(0.42)
        (command, _) = rig.driver.given[0]
        assert command.verb is Verb.PULSE
        assert command.level == 5
        await rig.until(lambda: rig.moves() == [False, True, False])
        assert rig.sent() == [Verb.PULSE], "nothing of hubd had locked it"


async def test_a_timer_that_fails_is_made_up_for() -> None:  # laws 3, 4
    async with at_work() as rig:
        rig.driver.say(LOCK, Position.LOCKED)
        rig.driver.timed.add(LOCK)
        await rig.mover.release(0.1)
        rig.driver.say(LOCK, Position.UNLOCKED)
        await rig.until(lambda: rig.driver.positions[LOCK] is Position.LOCKED)
        rig.driver.timed.clear()


@pytest.mark.parametrize("found", [Position.UNLOCKED, Position.UNKNOWN])
async def test_what_is_not_locked_at_a_start_is_locked(found: Position) -> None:  # law 5
    async with at_work() as rig:
        rig.driver.say(LOCK, found)
        await rig.until(lambda: rig.moves() == [False])
        assert rig.sent() == [Verb.LOCK]


async def test_what_a_hand_unlocks_later_is_left_to_the_hand() -> None:  # law 5
    async with at_work() as rig:
        rig.driver.say(LOCK, Position.LOCKED)
        rig.driver.say(LOCK, Position.UNLOCKED)
        await asyncio.sleep(0.2)
        assert rig.sent() == []
        assert not rig.mover.driven


async def test_what_was_known_before_a_start_is_no_word_of_an_unlock_under_way() -> None:  # law 5
    """hubd died between its unlock and the lock's report; the network still has LOCKED of it."""
    async with at_work() as rig:
        before = DeviceState(Position.LOCKED, monotonic() - 60)
        rig.supervisor.changed(LOCK, before)
        rig.driver.say(LOCK, Position.UNLOCKED)
        await rig.until(lambda: rig.sent() == [Verb.LOCK])


async def test_nobodys_door_opens_late_behind_a_command_that_hangs() -> None:  # law 7
    async with at_work() as rig:
        rig.driver.hanging.add(LOCK)
        rig.driver.say(LOCK, Position.UNLOCKED)
        await rig.until(lambda: rig.sent() == [Verb.LOCK])
        assert rig.mover.must_rest_seconds(1.0) == BUSY_REST_SECONDS
        async with asyncio.timeout(LOCK_SECONDS / 2):
            with pytest.raises(RestingError, match="is being moved"):
                await rig.mover.release(1.0)
        assert rig.sent() == [Verb.LOCK]


async def test_an_old_word_does_not_end_a_release() -> None:
    async with at_work() as rig:
        rig.driver.say(LOCK, Position.LOCKED)
        before = monotonic()
        await rig.mover.release(1.0)
        rig.mover.stands(DeviceState(Position.LOCKED, before))
        assert rig.mover.driven


# The kind `zwave_lock`.

DOOR = """
[[doors]]
id = "front"
name = "Front"
strike_seconds = 3.0
access_points = [{ number = 1, name = "In" }]
[[doors.movers]]
kind = "zwave_lock"
id = "front-lock"
node = 2
"""


async def test_a_lock_has_the_cap_and_the_rest_of_its_door() -> None:
    config = parse(HEAD + DOOR, Path("/etc/hubd/hubd.toml"))
    (lock,) = config.doors[0].moved_by
    assert isinstance(lock, ZwaveLock)
    assert (lock.node, lock.endpoint) == (2, 0)
    assert (lock.cap_seconds, lock.rest_seconds) == (10.0, 0.5)
    assert list(config.doors[0].lines()) == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("node = 2", "node = 1", "a node number of 2 to 4000"),
        ('"front-lock"', '"1-lock"', "the first one a letter"),
        ("node = 2", "node = 2\ncap_seconds = 1", "at least strike_seconds, which is 3"),
        (
            "node = 2",
            'node = 2\n[[doors.movers]]\nkind = "zwave_lock"\nid = "other"\nnode = 2',
            "node 2, endpoint 0, which mover 'front-lock' of door 'front' has too",
        ),
    ],
)
async def test_a_lock_that_is_wrong_is_told(old: str, new: str, sentence: str) -> None:
    with pytest.raises(Exception, match=sentence):
        parse(HEAD + DOOR.replace(old, new), Path("/etc/hubd/hubd.toml"))


async def test_after_an_end_a_lock_is_left_to_the_service() -> None:
    Securing().mover({"kind": "zwave_lock", "id": "front-lock", "node": 2})
