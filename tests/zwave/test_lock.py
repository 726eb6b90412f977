"""A lock of a simulated Z-Wave network as the mover of a door: the suite of tests/ports, and hubd's
end.

It stands behind the real service. What its levels are is what it reports: the mock has no bolt.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from types import SimpleNamespace
from typing import cast

import aiohttp
import pytest
import pytest_asyncio

from drivers.lock.mover import LockAtDoor, LockMover
from drivers.zwave_js.driver import ZwaveJs
from hubcore.checks import Part
from hubcore.device.breaker import BreakerRule
from hubcore.device.command import Capability, Command, Verb
from hubcore.device.state import Position
from hubcore.ports.doors import Input, InputEvent, Inputs, Mover
from hubd.adapters.host.clock import SystemClock
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.config.file import parse
from hubd.devices.supervisor import Device, Supervisor
from hubsim.desk import desk_parts
from tests.fakes.device import FakeListener
from tests.ports import test_mover as suite
from tests.zwave.conftest import DEVICES
from tests.zwave.conftest import Bench as Network

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUICK = next(device for device in DEVICES if device.id == "quick")


NO_KEYS = cast(HubKeys, SimpleNamespace(readers=None))
"""A desk without a backend and without readers asks for none."""


class LockBench:
    """Node 8 as the mover of a door, beside the driver that looks on."""

    bolts = suite.TELLS

    def __init__(self, network: Network, timed: bool) -> None:
        self.network = network
        self.driver = ZwaveJs(network.network.socket, [QUICK], security=frozenset())
        device = Device(QUICK.id, Capability.LOCK, stale_seconds=3600.0)
        self.supervisor = Supervisor(
            devices={device.id: (device, self.driver)},
            clock=SystemClock(lambda: 0.0),
            tell_fault=lambda _device, _fault, _stands: None,
            breaker=BreakerRule(),
        )
        self.edges: list[InputEvent] = []
        self.lock = LockMover(
            LockAtDoor(QUICK.id, "front", suite.CAP_SECONDS, suite.REST_SECONDS),
            self.supervisor,
            self.edges.append,
            partial(self.driver.times_itself, QUICK.id) if timed else lambda: False,
        )
        self.mover: Mover = self.lock
        self.supervisor.watch(QUICK.id, self.lock.stands)

    def levels(self) -> list[bool]:
        return [self.network.listener.positions[QUICK.id] is Position.UNLOCKED]

    def break_it(self) -> None:
        raise NotImplementedError  # the suite asks for it in a moment: `jammed` does it beforehand

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - what is awaited is in another process
                await asyncio.sleep(0.005)


async def _at_work(network: Network, timed: bool) -> AsyncIterator[LockBench]:
    await network.driver.perform(Command("quick", Verb.LOCK))
    made = LockBench(network, timed)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(made.supervisor.run()), tasks.create_task(made.lock.run())]
        await made.until(lambda: bool(made.edges))
        try:
            yield made
        finally:
            for task in running:
                task.cancel()
    await network.listener.until(lambda: not made.levels()[0])


@pytest_asyncio.fixture(loop_scope="session")
async def door(bench: Network) -> AsyncIterator[LockBench]:
    async for made in _at_work(bench, timed=False):
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def timed_door(bench: Network) -> AsyncIterator[LockBench]:
    async for made in _at_work(bench, timed=True):
        yield made


@pytest.mark.parametrize(
    "case",
    [
        suite.test_it_tells_once_that_it_is_at_rest_and_drives_nothing_by_itself,
        suite.test_a_release_drives_it_and_ends_by_itself,
        suite.test_it_says_of_the_bolt_what_it_has_proof_of,
        suite.test_a_release_during_a_release_extends_it_to_the_later_end,
        suite.test_no_release_is_longer_than_the_cap_and_a_rest_follows,
        suite.test_secure_ends_a_release_and_may_be_asked_twice,
    ],
)
async def test_it_does_what_every_mover_does(
    door: LockBench, case: Callable[[LockBench], object]
) -> None:
    await case(door)


async def test_a_jammed_lock_says_so_and_is_at_rest(door: LockBench) -> None:
    await door.network.network.disturb("/fail?node=8&on=1")
    with pytest.raises(suite.HardwareError, match="node 8 refused"):
        await door.mover.release(1.0)
    assert not door.mover.driven
    assert not any(door.levels())
    await door.network.network.disturb("/fail?node=8&on=0")


async def test_a_lock_with_a_timer_locks_itself_when_hubd_hangs(timed_door: LockBench) -> None:
    """lock.mover, law 4: nothing of hubd runs any more."""
    said = len(timed_door.network.proxy.said)
    await timed_door.mover.release(1.0)
    assert timed_door.levels() == [True]
    await timed_door.until(lambda: suite.moves(timed_door) == [False, True, False])
    locked = [one for one in timed_door.network.proxy.said[said:] if '"newValue":255' in one]
    assert locked, "the lock said it, and nobody had told it to"


async def test_the_service_locks_what_hubd_unlocked_when_hubd_has_gone(  # service.cjs, law 4
    bench: Network,
) -> None:
    await bench.driver.perform(Command("quick", Verb.LOCK))
    hubd = ZwaveJs(bench.network.socket, [QUICK], security=frozenset())
    listener = FakeListener(60)
    task = asyncio.create_task(hubd.serve(listener))
    await listener.until(lambda: "quick" in listener.states and not listener.faults)
    await hubd.perform(Command("quick", Verb.UNLOCK))
    await bench.listener.until(lambda: bench.listener.positions["quick"] is Position.UNLOCKED)
    task.cancel()
    await asyncio.wait({task})
    await bench.listener.until(lambda: bench.listener.positions["quick"] is Position.LOCKED)


async def test_the_service_locks_what_hubd_unlocked_though_it_is_not_reported_yet(
    bench: Network,
) -> None:
    """service.cjs, law 4: hubd dies between the command and the lock's report that it has moved."""
    await bench.driver.perform(Command("quick", Verb.LOCK))
    unlock = {
        "messageId": "1",
        "command": "node.set_value",
        "nodeId": QUICK.node,
        "valueId": {"commandClass": 98, "endpoint": 0, "property": "targetMode"},
        "value": 0,
    }
    said = len(bench.proxy.said)
    connector = aiohttp.UnixConnector(path=str(bench.network.socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect("ws://zwave-js", max_msg_size=0) as hubd,
    ):
        await hubd.receive()  # its version
        await hubd.send_json(unlock)
    await bench.listener.until(lambda: bench.listener.positions["quick"] is Position.UNLOCKED)
    await bench.listener.until(lambda: bench.listener.positions["quick"] is Position.LOCKED)
    assert any('"newValue":0' in one for one in bench.proxy.said[said:])


DESK = """
[hub]
id = "hub-1"
site = "site-1"
time_zone = "UTC"
state_directory = "{folder}"
[keys]
identity = "identity"
certificate = "certificate"
issuer = "issuer"
[[doors]]
id = "front"
name = "Front"
strike_seconds = 0.5
access_points = [{{ number = 1, name = "In" }}]
[[doors.movers]]
kind = "zwave_lock"
id = "front-lock"
node = 8
"""


async def test_a_desks_hub_moves_a_door_by_a_lock_of_this_network(bench: Network) -> None:
    config = parse(DESK.format(folder=bench.folder), bench.folder / "hub.toml")
    made = desk_parts("tcp-client:127.0.0.1:1", True, config, NO_KEYS, lambda *_: None)
    supervisor = Supervisor(
        devices=made.devices,
        clock=SystemClock(lambda: 0.0),
        tell_fault=lambda _device, _fault, _stands: None,
        breaker=BreakerRule(),
    )
    movers = made.make_movers(supervisor)
    front = movers.doors["front"]
    seen: list[Input] = []
    async with asyncio.TaskGroup() as tasks:
        supervising = tasks.create_task(supervisor.run())
        running = tasks.create_task(movers.runs[Part.LOCKS](lambda: None))
        looking = tasks.create_task(_look(made.inputs, seen))
        async with asyncio.timeout(60):
            while seen.count(Input.STRIKE_INACTIVE) < 2:  # noqa: ASYNC110 - the metal, the lock
                await asyncio.sleep(0.01)
            await front.release(0.5)
            while Input.DOOR_OPEN not in seen:  # noqa: ASYNC110 - the person pulls it
                await asyncio.sleep(0.01)
            while front.driven:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        supervising.cancel()
        running.cancel()
        looking.cancel()
    assert seen.count(Input.STRIKE_ACTIVE) == 1


async def _look(inputs: Inputs, seen: list[Input]) -> None:
    async for event in inputs.events():
        seen.append(event.what)
