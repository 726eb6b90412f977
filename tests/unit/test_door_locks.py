"""Locks of doors in a whole hub, supervised as every device is (hubd.wiring.locks).

The hub is hubd's own `serve`, with a driver, a radio and an uplink in memory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from drivers.lock.commands import Commands
from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.backend.uplink.words import ActOutcome
from hubcore.checks import CHECK_OF_LOCK_FAULT, CHECKS, Part
from hubcore.device.command import Verb
from hubcore.device.state import DeviceFault, Position, Quantity, Reading
from hubcore.device.telemetry import POSITION_NUMBERS
from hubcore.errors import HardwareError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Record, RecordKind
from hubcore.policy.policy import Operator, OperatorRight
from hubcore.ports.doors import Mover
from hubctl.client import HubClient
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.config.file import Config, load
from hubd.config.movers import ZwaveLock
from hubd.serve import serve
from hubd.wiring.devices import make_devices
from hubd.wiring.locks import locks
from hubd.wiring.movers import make_movers
from hubd.wiring.networks import Networks
from hubd.wiring.parts import MadeMovers, Parts, TellPart
from hubsim import site as sites
from hubsim.site import DeskDoor
from tests.fakes.commands import FakeCommands
from tests.fakes.device import FakeDriver
from tests.fakes.inputs import FakeInputs
from tests.fakes.radio import FakeRadio
from tests.fakes.uplink import FakeUplink

pytestmark = pytest.mark.asyncio
LOCK = "front-lock"
PATIENCE_SECONDS = 60.0


class Rig:
    """A hub with one door that a lock moves, and no other device."""

    def __init__(self, folder: Path) -> None:
        self.site = sites.init(folder / "site", points=[1], for_show=True)
        self.file = sites.write_config(self.site, "tcp://127.0.0.1:1", [DeskDoor(lock=8)])
        self.driver = FakeDriver(time.monotonic, seconds=0.01)
        self.uplink = FakeUplink()
        self.doors: Mapping[str, Mover] = {}

    def parts(self, config: Config, _keys: HubKeys, tell: TellPart) -> Parts:
        networks = Networks(zwave=lambda: self.driver, openzwave=lambda: self.driver)
        inputs = FakeInputs()

        def movers_of(commands: Commands) -> MadeMovers:
            rows = {ZwaveLock: partial(locks, networks, commands)}
            made = make_movers(config, inputs.put, tell, rows)
            self.doors = made.doors
            return made

        return Parts(
            radio=FakeRadio(),
            make_movers=movers_of,
            inputs=inputs,
            uplink=self.uplink,
            runs={},
            devices=make_devices(config, {ZwaveLock: lambda _config, _wanted: self.driver}),
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        config = load(self.file)
        self.socket = config.api.socket
        hub = asyncio.create_task(serve(config, self.parts))
        try:
            await self.driver.served.wait()
            await until(self.socket.exists)
            yield
        finally:
            hub.cancel()
            await asyncio.wait({hub})

    async def ask(self, what: str) -> Any:
        def asked() -> Any:
            with HubClient(self.socket) as client:
                return client.call(what)

        return await asyncio.to_thread(asked)

    async def said(
        self, *orders: from_backend.BackendMessage
    ) -> AsyncIterator[from_hub.HubMessage]:
        """Be the backend: welcome the hub, give orders, acknowledge, and yield what it says."""
        await self.uplink.served()
        self.uplink.connect()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                message = codec.decode_from_hub(await self.uplink.next(PATIENCE_SECONDS))
                if isinstance(message, from_hub.Hello):
                    welcome = from_backend.Welcome(int(time.time() * 1000), 0, bytes(32))
                    for one in (welcome, *orders):
                        self.uplink.say(codec.encode(one))
                if isinstance(message, from_hub.Evidence):
                    self.uplink.say(codec.encode(from_backend.Acknowledge((message.number,))))
                yield message

    async def problems(self) -> dict[str, str]:
        status = await self.ask("status")
        return {problem["id"]: problem["what"] for problem in status["problems"]}

    async def until_problem(self, topic: str, stands: bool) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (topic in await self.problems()) is not stands:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def row(self) -> Any:
        (row,) = await self.ask("devices")
        return row

    async def mover(self) -> Any:
        (door,) = await self.ask("doors")
        (mover,) = door["movers"]
        return {**mover, "bolt": door["bolt"]}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is awaited is in another task of the hub
            await asyncio.sleep(0.005)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    async with made.serving():
        yield made


async def test_its_battery_its_position_and_its_faults_are_shown_where_people_look(
    rig: Rig,
) -> None:  # wiring.locks, law 1
    assert (await rig.mover())["bolt"] == "unknown"
    rig.driver.say(LOCK, Position.LOCKED)
    assert rig.driver.listener is not None
    rig.driver.listener.read(Reading(LOCK, Quantity.BATTERY, 12.0))
    rig.driver.listener.fault(LOCK, DeviceFault.BATTERY_LOW, True)
    mover = await rig.mover()
    assert (mover["id"], mover["bolt"], mover["battery"]) == (LOCK, "locked", 12.0)
    assert mover["faults"] == ["battery_low"]
    row = await rig.row()
    assert (row["id"], row["name"], row["door"]) == (LOCK, "Front door", "front")
    assert (row["position"], row["readings"]) == ("locked", {"battery": 12.0})
    assert (row["faults"], row["answers"]) == (["battery_low"], True)


@pytest.mark.parametrize("fault", DeviceFault)
async def test_each_fault_stands_once_with_a_remedy_and_is_counted_and_recorded(
    rig: Rig, fault: DeviceFault
) -> None:
    rig.driver.say(LOCK, Position.LOCKED)
    before = await rig.problems()
    assert rig.driver.listener is not None
    rig.driver.listener.fault(LOCK, fault, True)
    rig.driver.listener.fault(LOCK, fault, True)
    new = {id_: what for id_, what in (await rig.problems()).items() if id_ not in before}
    topic = CHECKS[CHECK_OF_LOCK_FAULT[fault]].topic
    assert list(new) == [str(topic)]
    assert "lock of Front door (front-lock)" in new[str(topic)]
    status = await rig.ask("status")
    assert status["counters"]["device_faults"] == 1
    rig.driver.listener.fault(LOCK, fault, False)
    assert await rig.problems() == before
    told: list[tuple[object, object, object]] = []
    async for message in rig.said():
        if isinstance(message, from_hub.Evidence):
            told += faults_of(message)
        if len(told) == 2:
            break
    assert told == [(LOCK, str(fault), True), (LOCK, str(fault), False)]


async def test_its_battery_and_its_position_go_up(rig: Rig) -> None:
    rig.driver.say(LOCK, Position.LOCKED)
    assert rig.driver.listener is not None
    rig.driver.listener.read(Reading(LOCK, Quantity.BATTERY, 80.0))
    values: dict[Quantity, int] = {}
    async for message in rig.said():
        if isinstance(message, from_hub.Telemetry):
            assert {one.device for one in message.values} == {LOCK}
            values |= {Quantity(one.quantity): one.value for one in message.values}
        if len(values) == 2:
            break
    locked = POSITION_NUMBERS[Position.LOCKED]
    assert values == {Quantity.BATTERY: 80_000, Quantity.POSITION: locked}


async def test_it_is_no_device_that_is_commanded_from_afar(rig: Rig) -> None:
    """Its door is: by a release, which is judged."""
    rig.site.change(operators={"operator": Operator(OperatorRight.COMMAND)})
    policy = from_backend.NewPolicy((rig.site.path / "policy.cbor").read_bytes())
    act = from_backend.Act(bytes(16), "operator", LOCK, Verb.LOCK, None, int(time.time()) + 60)
    async for message in rig.said(policy):
        if isinstance(message, from_hub.PolicyResult):
            rig.uplink.say(codec.encode(act))
        if isinstance(message, from_hub.ActResult):
            assert [one.outcome for one in message.outcomes] == [ActOutcome.REFUSED]
            assert message.detail == "this hub has no such device, and none of such a group"
            break
    assert rig.driver.given == []


async def test_a_door_that_stays_open_is_told_until_it_is_locked(rig: Rig) -> None:  # law 2
    rig.driver.say(LOCK, Position.LOCKED)
    await rig.doors["front"].release(0.2)
    rig.driver.broken[LOCK] = HardwareError("node 8 did not move")
    assert (await rig.mover())["bolt"] == "free"
    await rig.until_problem("locks", True)
    assert (await rig.problems())["locks"] == (
        "Lock front-lock was not locked: node 8 did not move."
    )
    assert (await rig.mover())["bolt"] == "unknown"
    rig.driver.broken.clear()
    await rig.until_problem("locks", False)
    assert (await rig.mover())["bolt"] == "locked"


async def test_the_end_of_the_hub_waits_for_no_lock(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with rig.serving():
        rig.driver.say(LOCK, Position.LOCKED)
        rig.driver.hanging.add(LOCK)
        opening = asyncio.create_task(rig.doors["front"].release(5.0))
        await until(lambda: bool(rig.driver.given))
        began = time.monotonic()
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    with pytest.raises(HardwareError, match="the hub ends"):
        await opening


def faults_of(message: from_hub.Evidence) -> list[tuple[object, object, object]]:
    record = Record.decode(message.body)
    if record.kind is not RecordKind.FAULT or Fact.DEVICE not in record.detail:
        return []
    detail = record.detail
    return [(detail[Fact.DEVICE], detail[Fact.FAULT], detail[Fact.STANDS])]


async def test_several_that_stay_open_are_told_as_one_part() -> None:  # law 2
    told: list[tuple[Part, bool, str]] = []
    commands = FakeCommands()
    driver = FakeDriver(time.monotonic)
    wanted = [
        ZwaveLock(id=id_, node=node, cap_seconds=2.0, rest_seconds=0.5)
        for node, id_ in enumerate(("left", "right"), 2)
    ]
    made = locks(
        Networks(zwave=lambda: driver, openzwave=lambda: driver),
        commands,
        wanted,
        lambda *what: told.append(what),
    )
    left, right = (make("front", lambda _edge: None) for make in made.movers.values())
    commands.failing.add(Verb.LOCK)
    for mover in (left, right):
        await mover.release(1.0)
        for _ in range(3):
            with pytest.raises(HardwareError):
                await mover.secure()
    commands.failing.clear()
    await left.secure()
    await right.secure()
    of_left = "Lock left was not locked: it did not move."
    of_right = "Lock right was not locked: it did not move."
    assert told == [
        (Part.LOCKS, False, of_left),
        (Part.LOCKS, False, f"{of_left} {of_right}"),
        (Part.LOCKS, False, of_right),
        (Part.LOCKS, True, "ready"),
    ]
