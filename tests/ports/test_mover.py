"""What every mover does, of whatever kind: one suite for the port `hubcore.ports.doors.Mover`.

Each kind brings a bench: the mover, its lines as the metal sees them, its time, and a way to break
it. Strikes stand behind the real guard process, on lines in a file; the simulated door has a
virtual time; a lock stands behind the supervisor of devices. A case names the law of the port that
it shows. tests/zwave/test_lock.py runs the suite on a lock of a simulated Z-Wave network.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from drivers.lock.mover import LockAtDoor, LockMover
from drivers.openzwave.driver import OpenZwave
from drivers.openzwave.meaning import OzwDevice
from drivers.relays.boards import BoardLine
from drivers.relays.opening import BoardKind, open_line
from drivers.relays.strike import StrikeRelay
from drivers.relays.strikes import RelayStrikes
from drivers.strike.guard_client import StrikeGuard
from drivers.strike.strike import Strike
from drivers.strike.wire import StrikeLine
from hubcore.device.breaker import BreakerRule
from hubcore.device.command import Capability
from hubcore.device.state import Position
from hubcore.door.state import BoltState
from hubcore.errors import HardwareError, RestingError
from hubcore.ports.doors import Input, InputEvent, Mover
from hubd.adapters.host.clock import SystemClock
from hubd.devices.supervisor import Device, Supervisor
from hubd.wiring.mover_group import MoverGroup
from hubd.wiring.networks import LockDriver
from hubsim.door.door import SimDoor, Times
from hubsim.door.lines import Bank, Fault
from hubsim.relays.boards import SimModbus
from hubsim.timeline import VirtualTime
from tests.fakes.device import FakeDriver
from tests.fakes.openzwave import OzwNetwork, python_path

pytestmark = pytest.mark.asyncio

CAP_SECONDS = 1.2
REST_SECONDS = 0.4
SLACK_SECONDS = 0.3
"""How much later than asked a machine under load may do something."""
PATIENCE_SECONDS = 20.0
FACTORY = "hubsim.door.lines:open_lines"
MOVES = {Input.STRIKE_ACTIVE: True, Input.STRIKE_INACTIVE: False}


class Bench(Protocol):
    """One mover with a cap of CAP_SECONDS and a rest of REST_SECONDS, that has rested.

    One that may be held open, such as a maglock, has neither.
    """

    mover: Mover
    edges: list[InputEvent]
    says_broken: str
    """What its error says after `break_it`."""
    bolts: Mapping[bool, BoltState]
    """What it has proof of while it is at rest, and while it is released."""

    def levels(self) -> list[bool]:
        """Whether each line is driven, as the metal sees it."""

    def break_it(self) -> None:
        """Have it fail to be driven from now on."""

    async def wait(self, seconds: float) -> None:
        """Let time pass."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is seen."""


CANNOT_TELL = {False: BoltState.AT_REST, True: BoltState.RELEASED}
TELLS = {False: BoltState.LOCKED, True: BoltState.FREE}


class LockBench:
    """A lock behind the supervisor of devices."""

    bolts = TELLS
    says_broken = "it is set to fail"

    def __init__(self, driver: LockDriver | None = None) -> None:
        self.driver = FakeDriver(time.monotonic, seconds=0.02)
        behind: LockDriver = self.driver if driver is None else driver
        device = Device("front-lock", Capability.LOCK, stale_seconds=3600.0)
        self.supervisor = Supervisor(
            devices={device.id: (device, behind)},
            clock=SystemClock(lambda: 0.0),
            tell_fault=lambda _device, _fault, _stands: None,
            breaker=BreakerRule(),
        )
        self.edges: list[InputEvent] = []
        self.mover: LockMover = LockMover(
            LockAtDoor(device.id, "front", CAP_SECONDS, REST_SECONDS),
            self.supervisor,
            self.edges.append,
            partial(behind.times_itself, device.id),
        )
        self.supervisor.watch(device.id, self.mover.stands)

    def levels(self) -> list[bool]:
        return [self.driver.positions["front-lock"] is Position.UNLOCKED]

    def break_it(self) -> None:
        self.driver.broken["front-lock"] = HardwareError("it is set to fail")

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():  # noqa: ASYNC110 - a clock that nobody tells of
                await asyncio.sleep(0.002)


class SimBench:
    """A simulated door, or several together, on a virtual time."""

    bolts = CANNOT_TELL
    says_broken = "it is set to fail"

    def __init__(self, count: int) -> None:
        self.time = VirtualTime(1000.0)
        self.edges: list[InputEvent] = []
        self.doors: list[SimDoor] = []
        makers = [self._make] * count
        self.mover: Mover = (
            MoverGroup(makers, self.edges.append) if count > 1 else self._make(self.edges.append)
        )

    def _make(self, publish: Callable[[InputEvent], None]) -> SimDoor:
        times = Times(cap_seconds=CAP_SECONDS, rest_seconds=REST_SECONDS)
        self.doors.append(SimDoor("front", self.time, publish, times))
        return self.doors[-1]

    def levels(self) -> list[bool]:
        return [door.active for door in self.doors]

    def break_it(self) -> None:
        self.doors[-1].faults.broken = "Strike front cannot be driven: it is set to fail."

    async def wait(self, seconds: float) -> None:
        self.time.advance(seconds)

    async def until(self, condition: Callable[[], bool]) -> None:
        assert condition()


class StrikeBench:
    """A strike behind its guard process, or several together, on lines in a file."""

    bolts = CANNOT_TELL
    says_broken = "it is set to fail"

    def __init__(self, folder: Path, count: int, cap_seconds: float = CAP_SECONDS) -> None:
        names = [f"strike-{number}" for number in range(count)]
        self.bank = Bank.create(folder / "bank", names)
        self.edges: list[InputEvent] = []
        self.ready = asyncio.Event()
        cap_ms = round(cap_seconds * 1000)
        rest_ms = round(REST_SECONDS * 1000)
        lines = {
            name: StrikeLine(str(self.bank.path), name, cap_ms=cap_ms, rest_ms=rest_ms)
            for name in names
        }
        self.guard = StrikeGuard(lines, lambda _up, _why: None, FACTORY)
        makers = [partial(Strike, self.guard, name, "front") for name in names]
        self.mover: Mover = (
            MoverGroup(makers, self.edges.append) if count > 1 else makers[0](self.edges.append)
        )

    def levels(self) -> list[bool]:
        return [self.bank.level(number).active for number in range(self.bank.count)]

    def break_it(self) -> None:
        self.bank.fail(self.bank.count - 1, Fault.NEVER_ACTIVE)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():  # noqa: ASYNC110 - what is awaited is in another process
                await asyncio.sleep(0.002)


@asynccontextmanager
async def simulated(_folder: Path, count: int) -> AsyncIterator[Bench]:
    yield SimBench(count)


@asynccontextmanager
async def guarded(
    folder: Path, count: int, cap_seconds: float = CAP_SECONDS
) -> AsyncIterator[Bench]:
    bench = StrikeBench(folder, count, cap_seconds)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bench.guard.run(bench.ready.set))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await bench.ready.wait()
            await bench.until(lambda: bench.mover.must_rest_seconds(CAP_SECONDS) == 0.0)
        try:
            yield bench
        finally:
            running.cancel()
    bench.bank.close()


class RelayBench:
    """A strike on a relay of a simulated Modbus module, or several together on one."""

    bolts = CANNOT_TELL
    says_broken = "did not switch"

    def __init__(self, folder: Path, count: int) -> None:
        self.sim = SimModbus(4, folder / "ttyRelays")
        self.edges: list[InputEvent] = []
        self.count = count
        self.ready = asyncio.Event()
        relays = {f"strike-{number}": number + 1 for number in range(count)}
        opens = partial(open_line, self.sim.path, BoardKind.MODBUS, 4)
        self.strikes = RelayStrikes(
            [BoardLine(self.sim.path, opens, relays)], lambda _up, _why: None
        )
        makers = [self._maker(name) for name in relays]
        self.mover: Mover = (
            MoverGroup(makers, self.edges.append) if count > 1 else makers[0](self.edges.append)
        )

    def _maker(self, name: str) -> Callable[[Callable[[InputEvent], None]], Mover]:
        relay = StrikeRelay(name, round(CAP_SECONDS * 1000), round(REST_SECONDS * 1000))
        return partial(self.strikes.make, relay, "front")

    def levels(self) -> list[bool]:
        return [self.sim.on[number + 1] for number in range(self.count)]

    def break_it(self) -> None:
        self.sim.stuck.add(self.count)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():  # noqa: ASYNC110 - what is awaited is in another thread
                await asyncio.sleep(0.002)


@asynccontextmanager
async def on_relays(folder: Path, count: int) -> AsyncIterator[Bench]:
    bench = RelayBench(folder, count)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bench.strikes.run(bench.ready.set))
            async with asyncio.timeout(PATIENCE_SECONDS):
                await bench.ready.wait()
                await bench.until(lambda: bench.mover.must_rest_seconds(CAP_SECONDS) == 0.0)
            try:
                yield bench
            finally:
                running.cancel()
    finally:
        bench.sim.end()


@asynccontextmanager
async def locked(_folder: Path, _count: int) -> AsyncIterator[Bench]:
    bench = LockBench()
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(bench.supervisor.run()),
            tasks.create_task(bench.mover.run()),
        ]
        await bench.until(lambda: bench.driver.listener is not None)
        bench.driver.say("front-lock", Position.LOCKED)
        try:
            yield bench
        finally:
            for task in running:
                task.cancel()


class OpenZwaveLockBench(LockBench):
    """A lock behind the OpenZWave process, in which a stand-in is in place of the library."""

    says_broken = "did not take"

    def __init__(self, network: OzwNetwork) -> None:
        self.network = network
        self.openzwave = OpenZwave(
            str(network.path),
            [OzwDevice("front-lock", Capability.LOCK, node=2, accepts_s0=True)],
            lambda: bytes(range(16)),
            answer_seconds=2.0,
            look_seconds=0.05,
        )
        super().__init__(self.openzwave)

    def levels(self) -> list[bool]:
        return [self.network.value(2) == 0]

    def break_it(self) -> None:
        self.network.set_node(2, refused=True)


@asynccontextmanager
async def behind_openzwave(folder: Path, _count: int) -> AsyncIterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", python_path())
        network = OzwNetwork(folder / "stick")
        network.set_node(2, value=255)
        bench = OpenZwaveLockBench(network)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(bench.supervisor.run()),
                tasks.create_task(bench.mover.run()),
            ]
            await bench.until(lambda: moves(bench) == [False])
            try:
                yield bench
            finally:
                for task in running:
                    task.cancel()


@dataclass(frozen=True)
class Kind:
    """How to bring up the bench of one kind, with so many strikes at the door."""

    bring_up: Callable[[Path, int], AbstractAsyncContextManager[Bench]]
    count: int


CAPPED = {
    "strike": Kind(guarded, 1),
    "two strikes": Kind(guarded, 2),
    "relay strike": Kind(on_relays, 1),
    "two relay strikes": Kind(on_relays, 2),
    "lock": Kind(locked, 1),
    "openzwave lock": Kind(behind_openzwave, 1),
    "simulated door": Kind(simulated, 1),
    "two simulated doors": Kind(simulated, 2),
}
HELD = {
    "maglock": Kind(partial(guarded, cap_seconds=0.0), 1),
    "strike and maglock": Kind(partial(guarded, cap_seconds=0.0), 2),
}
"""Those that may be held open."""
KINDS = CAPPED | HELD


@pytest.fixture(params=KINDS.values(), ids=KINDS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    kind: Kind = request.param
    async with kind.bring_up(tmp_path, kind.count) as made:
        yield made


@pytest.fixture(params=CAPPED.values(), ids=CAPPED)
async def capped(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    kind: Kind = request.param
    async with kind.bring_up(tmp_path, kind.count) as made:
        yield made


@pytest.fixture(params=HELD.values(), ids=HELD)
async def held(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    kind: Kind = request.param
    async with kind.bring_up(tmp_path, kind.count) as made:
        yield made


def moves(bench: Bench) -> list[bool]:
    """What was told of the door's level, in order."""
    return [MOVES[edge.what] for edge in bench.edges if edge.what in MOVES]


def released_seconds(bench: Bench) -> float:
    """How long the one release took, as told. Before it comes the word that the door is at rest."""
    _, risen, fallen = (edge.at for edge in bench.edges if edge.what in MOVES)
    return fallen - risen


async def test_it_tells_once_that_it_is_at_rest_and_drives_nothing_by_itself(
    bench: Bench,
) -> None:  # law 2
    await bench.until(lambda: moves(bench) == [False])
    assert not any(bench.levels())
    assert not bench.mover.driven


async def test_a_release_drives_it_and_ends_by_itself(bench: Bench) -> None:  # law 1
    await bench.mover.release(0.4)
    assert all(bench.levels())
    await bench.until(lambda: bench.mover.driven)
    await bench.wait(0.4)
    await bench.until(lambda: not any(bench.levels()))
    await bench.until(lambda: moves(bench) == [False, True, False])
    assert not bench.mover.driven
    assert 0.39 <= released_seconds(bench) <= 0.4 + SLACK_SECONDS


async def test_it_says_of_the_bolt_what_it_has_proof_of(bench: Bench) -> None:  # law 4
    await bench.until(lambda: moves(bench) == [False])
    assert bench.mover.bolt_state is bench.bolts[False]
    await bench.mover.release(0.4)
    await bench.until(lambda: bench.mover.bolt_state is bench.bolts[True])
    await bench.wait(0.4)
    await bench.until(lambda: bench.mover.bolt_state is bench.bolts[False])


async def test_a_release_during_a_release_extends_it_to_the_later_end(bench: Bench) -> None:
    await bench.mover.release(0.3)
    await bench.mover.release(0.7)
    await bench.mover.release(0.2)
    await bench.wait(0.7)
    await bench.until(lambda: moves(bench) == [False, True, False])
    assert released_seconds(bench) >= 0.69


async def test_no_release_is_longer_than_the_cap_and_a_rest_follows(capped: Bench) -> None:  # law 2
    assert capped.mover.must_rest_seconds(3600.0) == 0.0
    await capped.mover.release(3600.0)
    await capped.wait(CAP_SECONDS)
    await capped.until(lambda: moves(capped) == [False, True, False])
    known = capped.mover.must_rest_seconds(1.0)
    with pytest.raises(RestingError) as caught:
        await capped.mover.release(1.0)
    assert 0.0 < caught.value.seconds <= known <= REST_SECONDS
    assert not any(capped.levels())
    await capped.wait(caught.value.seconds)
    await capped.until(lambda: capped.mover.must_rest_seconds(1.0) == 0.0)
    await capped.mover.release(0.2)
    assert all(capped.levels())


async def test_one_without_a_cap_is_held_as_long_as_releases_are_renewed(  # law 2
    held: Bench,
) -> None:
    for _ in range(8):  # longer in all than any cap here
        await held.mover.release(0.6)
        await held.wait(CAP_SECONDS / 4)
        assert all(held.levels())
        assert held.mover.must_rest_seconds(1.0) == 0.0
    await held.wait(0.6)
    await held.until(lambda: moves(held) == [False, True, False])


async def test_secure_ends_a_release_and_may_be_asked_twice(bench: Bench) -> None:
    await bench.mover.secure()
    await bench.mover.release(1.0)
    await bench.mover.secure()
    await bench.mover.secure()
    assert not any(bench.levels())
    await bench.until(lambda: moves(bench) == [False, True, False])
    await bench.wait(0.1)
    assert not any(bench.levels())


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
async def test_what_is_no_span_of_time_drives_nothing(bench: Bench, seconds: float) -> None:
    assert bench.mover.must_rest_seconds(seconds) == 0.0
    with pytest.raises(HardwareError, match="a positive number of seconds"):
        await bench.mover.release(seconds)
    assert not any(bench.levels())


async def test_one_that_cannot_be_driven_says_so_and_is_at_rest(bench: Bench) -> None:  # law 3
    bench.break_it()
    assert bench.mover.must_rest_seconds(1.0) == 0.0
    with pytest.raises(HardwareError, match=bench.says_broken) as caught:
        await bench.mover.release(1.0)
    assert not isinstance(caught.value, RestingError)
    assert not any(bench.levels())
    await bench.until(lambda: not bench.mover.driven)
