"""What every driver of devices does, of whatever technology: one suite for `ports.device`.

Each kind brings a bench: the driver, its devices by what they can do, and ways to break its wire,
to silence a device and to have one answer twice. A case names the law of the port that it shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import fields
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol, get_type_hints

import pytest
import pytest_asyncio

from drivers.openzwave.driver import OpenZwave
from drivers.openzwave.meaning import OzwDevice
from drivers.relays.boards import BoardLine, RelayBoards
from drivers.relays.opening import BoardKind, open_line
from drivers.zwave_js.driver import ZwaveDevice, ZwaveJs
from hubcore.device.command import LEVELS_OF, VERBS_OF, Capability, Command, Verb
from hubcore.device.state import DeviceFault, Position, Quantity
from hubcore.errors import ConfigError, HardwareError
from hubcore.ports.device import DeviceDriver
from hubsim.openzwave.nodes import SimLock, SimShutter, SimSwitch
from hubsim.openzwave.stick import SimStick
from hubsim.relays.boards import SimBoard, SimLcus, SimModbus, SimNumato
from hubsim.zwave.modules import find_modules
from hubsim.zwave.network import ZwaveNetwork
from tests.fakes.device import FakeDriver, FakeListener
from tests.fakes.openzwave import OzwNetwork, python_path

on_one_loop = pytest.mark.asyncio(loop_scope="module")
"""All cases of a kind that share a network run on its loop."""

LOSSES = {DeviceFault.INTERFACE_GONE, DeviceFault.SERVICE_GONE}
S0_KEY = bytes(range(0x21, 0x31))
LATE_SECONDS = 0.8
"""Later than a board may answer."""
PATIENCE_SECONDS = 60.0


class OzwNodes(NamedTuple):
    """The nodes of a simulated OpenZWave network."""

    switch: SimSwitch
    shutter: SimShutter
    lock: SimLock


class Bench(Protocol):
    """A driver with the device `light`, a switch, that can be cut off, and others."""

    driver: DeviceDriver
    listener: FakeListener
    losses: bool
    """Whether its wire can be cut here."""
    devices: Mapping[str, Capability]
    readings: Mapping[str, Quantity]
    """What each of its sensors and meters measures."""

    def is_on(self) -> bool | None:
        """How the metal stands; None where this bench cannot see it."""

    async def cut(self) -> None:
        """Cut its wire."""

    async def mend(self) -> None:
        """Mend it."""

    async def silence(self, on: bool) -> None:
        """Have `light` answer nothing, or too late; or as it should."""

    async def repeat(self) -> bool:
        """Have a device say twice what it says; False where this bench cannot do that."""


LIGHT_ALONE = {"light": Capability.SWITCH}


class FakeBench:
    def __init__(self, listener: FakeListener) -> None:
        self.driver = FakeDriver(asyncio.get_running_loop().time, seconds=0.01)
        self.listener = listener
        self.losses = False
        self.devices = {"light": Capability.SWITCH, "lock": Capability.LOCK}
        self.readings: dict[str, Quantity] = {}

    def is_on(self) -> bool | None:
        return None

    async def cut(self) -> None:
        raise NotImplementedError

    async def mend(self) -> None:
        raise NotImplementedError

    async def silence(self, on: bool) -> None:
        self.driver.broken = {"light": HardwareError("it does not answer")} if on else {}

    async def repeat(self) -> bool:
        self.driver.say("lock", Position.LOCKED)
        self.driver.say("lock", Position.LOCKED)
        return True


class RelayBench:
    def __init__(self, sim: SimBoard, kind: BoardKind, listener: FakeListener) -> None:
        self.sim = sim
        opens = partial(open_line, sim.path, kind, 4)
        self.driver = RelayBoards([BoardLine(sim.path, opens, {"light": 2})], look_seconds=0.1)
        self.listener = listener
        self.losses = True
        self.devices = LIGHT_ALONE
        self.readings: dict[str, Quantity] = {}

    def is_on(self) -> bool | None:
        return self.sim.on[2]

    async def cut(self) -> None:
        self.sim.unplug()

    async def mend(self) -> None:
        self.sim.plug()

    async def silence(self, on: bool) -> None:
        self.sim.late_seconds = LATE_SECONDS if on else 0.0

    async def repeat(self) -> bool:
        self.sim.times = 2
        return True


class ZwaveBench:
    def __init__(self, network: ZwaveNetwork, listener: FakeListener) -> None:
        self._network = network
        devices = [
            ZwaveDevice("light", Capability.SWITCH, node=7),
            ZwaveDevice("lock", Capability.LOCK, node=2),
            ZwaveDevice("shutter", Capability.COVER, node=3),
            ZwaveDevice("garage", Capability.BARRIER, node=10),
            ZwaveDevice("contact", Capability.SENSOR, node=5),
            ZwaveDevice("meter", Capability.METER, node=9),
        ]
        # the simulated network has no S2
        self.driver = ZwaveJs(network.socket, devices, security=frozenset())
        self.listener = listener
        self.losses = True
        self.devices = {device.id: device.capability for device in devices}
        self.readings = {"contact": Quantity.CONTACT, "meter": Quantity.ENERGY}

    def is_on(self) -> bool | None:
        return None

    async def cut(self) -> None:
        await self._network.stop("service")

    async def mend(self) -> None:
        await self._network.start("service")

    async def silence(self, on: bool) -> None:
        await self._network.disturb(f"/dead?node=7&on={on:d}")

    async def repeat(self) -> bool:
        await self._network.disturb("/manual?node=2&mode=255")
        await self._network.disturb("/manual?node=2&mode=255")
        return True


class OpenZwaveBench:
    """The real library before a simulated stick."""

    def __init__(self, nodes: OzwNodes, stick: SimStick, listener: FakeListener) -> None:
        self._nodes = nodes
        self._stick = stick
        devices = [
            OzwDevice("light", Capability.SWITCH, node=nodes.switch.number),
            OzwDevice("shutter", Capability.COVER, node=nodes.shutter.number),
            OzwDevice("lock", Capability.LOCK, node=nodes.lock.number, accepts_s0=True),
        ]
        self.driver = OpenZwave(
            str(stick.path),
            devices,
            lambda: S0_KEY,
            answer_seconds=1.0,
            look_seconds=0.3,
            move_seconds=3.0,
        )
        self.listener = listener
        self.losses = True
        self.devices = {device.id: device.capability for device in devices}
        self.readings: dict[str, Quantity] = {}

    def is_on(self) -> bool | None:
        return self._nodes.switch.on

    async def cut(self) -> None:
        self._stick.unplug()

    async def mend(self) -> None:
        self._stick.plug()

    async def silence(self, on: bool) -> None:
        self._nodes.switch.mute = on

    async def repeat(self) -> bool:
        self._nodes.lock.report()
        self._nodes.lock.report()
        return True


class StandInBench:
    """A stand-in for the library, in the real process."""

    def __init__(self, network: OzwNetwork, listener: FakeListener) -> None:
        self._network = network
        devices = [
            OzwDevice("light", Capability.SWITCH, node=7),
            OzwDevice("shutter", Capability.COVER, node=4),
            OzwDevice("lock", Capability.LOCK, node=2, accepts_s0=True),
            OzwDevice("sensor", Capability.SENSOR, node=9),
        ]
        self.driver = OpenZwave(
            str(network.path), devices, lambda: S0_KEY, answer_seconds=1.0, look_seconds=0.05
        )
        self.listener = listener
        self.losses = True
        self.devices = {device.id: device.capability for device in devices}
        self.readings = {"sensor": Quantity.TEMPERATURE}

    def is_on(self) -> bool | None:
        return bool(self._network.value(7))

    async def cut(self) -> None:
        self._network.path.rename(self._network.path.with_suffix(".away"))

    async def mend(self) -> None:
        self._network.path.with_suffix(".away").rename(self._network.path)

    async def silence(self, on: bool) -> None:
        self._network.set_node(7, mute=on)

    async def repeat(self) -> bool:
        return False


Shared = Callable[[], Awaitable[ZwaveNetwork]]
"""Returns the Z-Wave network of the module, which is begun for the first who asks."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    begun: list[ZwaveNetwork] = []
    async with AsyncExitStack() as ends:

        async def begin() -> ZwaveNetwork:
            if not begun:
                try:
                    modules = find_modules()
                except ConfigError as error:
                    pytest.skip(f"this machine has no Z-Wave service: {error}")
                network = ZwaveNetwork(modules, tmp_path_factory.mktemp("zwave"))
                begun.append(await ends.enter_async_context(network))
            return begun[0]

        yield begin


@asynccontextmanager
async def fake(_folder: Path, _shared: Shared) -> AsyncIterator[Bench]:
    yield FakeBench(FakeListener())


@asynccontextmanager
async def relays(
    make: type[SimBoard], kind: BoardKind, folder: Path, _shared: Shared
) -> AsyncIterator[Bench]:
    sim = make(4, folder / "ttyRelays")
    try:
        yield RelayBench(sim, kind, FakeListener())
    finally:
        sim.end()


@asynccontextmanager
async def zwave(_folder: Path, shared: Shared) -> AsyncIterator[Bench]:
    yield ZwaveBench(await shared(), FakeListener(patience_seconds=120.0))


@asynccontextmanager
async def openzwave(folder: Path, _shared: Shared) -> AsyncIterator[Bench]:
    if find_spec("libopenzwave") is None:
        pytest.skip("this machine has no python-openzwave: make openzwave")
    nodes = OzwNodes(SimSwitch(7), SimShutter(4), SimLock(2, S0_KEY))
    stick = SimStick(list(nodes), folder / "ttyZwave")
    try:
        yield OpenZwaveBench(nodes, stick, FakeListener(patience_seconds=60.0))
    finally:
        stick.end()


@asynccontextmanager
async def openzwave_stand_in(folder: Path, _shared: Shared) -> AsyncIterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", python_path())
        yield StandInBench(OzwNetwork(folder / "stick"), FakeListener())


BringUp = Callable[[Path, Shared], AbstractAsyncContextManager[Bench]]
KINDS: dict[str, BringUp] = {
    "fake": fake,
    "lcus": partial(relays, SimLcus, BoardKind.LCUS),
    "numato": partial(relays, SimNumato, BoardKind.NUMATO),
    "modbus": partial(relays, SimModbus, BoardKind.MODBUS),
    "zwave": zwave,
    "openzwave": openzwave,
    "openzwave stand-in": openzwave_stand_in,
}


@pytest_asyncio.fixture(params=KINDS.values(), ids=KINDS, loop_scope="module")
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, shared: Shared
) -> AsyncIterator[Bench]:
    bring_up: BringUp = request.param
    async with bring_up(tmp_path, shared) as made, asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(made.driver.serve(made.listener))
        if made.losses:
            await made.listener.until(lambda: _all_known(made))
        else:
            await asyncio.sleep(0)
        try:
            yield made
        finally:
            serving.cancel()


def _wrong(bench: Bench) -> set[tuple[str, DeviceFault]]:
    """Return what is wrong, but for empty batteries: some simulated ones are."""
    return {fault for fault in bench.listener.faults if fault[1] is not DeviceFault.BATTERY_LOW}


def _all_known(bench: Bench) -> bool:
    """Tell whether each device that has a position has said it, and nothing is wrong."""
    known = {
        device
        for device, position in bench.listener.positions.items()
        if position is not Position.UNKNOWN
    }
    return set(bench.devices) - set(bench.readings) <= known and not _wrong(bench)


@on_one_loop
async def test_a_command_that_returns_was_proven(bench: Bench) -> None:  # law 2
    for verb, position in ((Verb.ON, Position.ON), (Verb.OFF, Position.OFF)):
        await bench.driver.perform(Command("light", verb))
        if bench.is_on() is not None:
            assert bench.is_on() is (verb is Verb.ON)
        if bench.losses:
            assert bench.listener.positions["light"] is position
    await bench.driver.perform(Command("light", Verb.READ))


@on_one_loop
async def test_what_cannot_be_done_is_an_error_in_time(bench: Bench) -> None:  # law 2
    if isinstance(bench.driver, FakeDriver):
        bench.driver.failing["light"].append(HardwareError("it cannot"))
    async with asyncio.timeout(60.0):
        with pytest.raises(HardwareError, match="cannot"):
            await bench.driver.perform(Command("light", Verb.STOP))


@on_one_loop
async def test_a_wire_that_is_cut_is_told_once_and_found_again(bench: Bench) -> None:  # law 4
    if not bench.losses:
        return
    bench.listener.told.clear()
    await bench.cut()
    await bench.listener.until(lambda: any(fault in LOSSES for _, fault in bench.listener.faults))
    with pytest.raises(HardwareError):
        await bench.driver.perform(Command("light", Verb.ON))
    await bench.mend()
    await bench.listener.until(lambda: not _wrong(bench))
    await bench.driver.perform(Command("light", Verb.ON))


Steps = Sequence[tuple[Verb, int | None, Position]]
STEPS: Mapping[Capability, Steps] = {
    Capability.SWITCH: (
        (Verb.ON, None, Position.ON),
        (Verb.OFF, None, Position.OFF),
    ),
    Capability.LOCK: (
        (Verb.LOCK, None, Position.LOCKED),
        (Verb.UNLOCK, None, Position.UNLOCKED),
        (Verb.LOCK, None, Position.LOCKED),
    ),
    Capability.COVER: (
        (Verb.OPEN, None, Position.OPEN),
        (Verb.SET_LEVEL, 50, Position.BETWEEN),
        (Verb.CLOSE, None, Position.CLOSED),
    ),
    Capability.BARRIER: ((Verb.CLOSE, None, Position.CLOSED),),
    Capability.SENSOR: (),
    Capability.METER: (),
}
"""What each capability is told, and how it stands then. READ comes after all of them."""
ELSEWHERE = {Verb.PULSE, Verb.STOP}
"""A pulse is a mover's (test_mover.py); a stop comes in the middle of a travel, below."""

UNDONE = {Capability.BARRIER: {Verb.OPEN}}
"""No driver opens an entrance (tests/unit/test_zwave_kinds.py)."""


def test_each_verb_of_each_capability_is_in_the_suite() -> None:
    for capability, steps in STEPS.items():
        said = {verb for verb, _, _ in steps} | {Verb.READ}
        assert said | ELSEWHERE | UNDONE.get(capability, set()) >= VERBS_OF[capability]
        assert said <= VERBS_OF[capability]
    assert set(STEPS) | {Capability.STRIKE} == set(Capability)


@on_one_loop
async def test_each_capability_does_what_its_verbs_say(bench: Bench) -> None:  # law 2
    for device, capability in bench.devices.items():
        for verb, level, position in STEPS[capability]:
            await bench.driver.perform(Command(device, verb, level))
            if bench.losses or device == "lock":
                assert bench.listener.positions[device] is position, (device, verb)
        await bench.driver.perform(Command(device, Verb.READ))
        if device in bench.readings:
            assert (device, bench.readings[device]) in bench.listener.readings


@on_one_loop
async def test_a_cover_that_is_stopped_says_where_it_stands(bench: Bench) -> None:  # law 2
    if "shutter" not in bench.devices:
        return
    opening = asyncio.create_task(bench.driver.perform(Command("shutter", Verb.OPEN)))
    await asyncio.sleep(0.5)
    await bench.driver.perform(Command("shutter", Verb.STOP))
    opening.cancel()
    await asyncio.wait({opening})
    state = bench.listener.states["shutter"]
    assert state.position in (Position.BETWEEN, Position.OPEN, Position.CLOSED)
    assert state.level is not None


@on_one_loop
async def test_a_device_that_answers_late_or_never_fails_and_comes_back(bench: Bench) -> None:
    """Law 4."""
    await bench.silence(True)
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(HardwareError):
            await bench.driver.perform(Command("light", Verb.ON))
        await bench.silence(False)
        while not await _does(bench, Command("light", Verb.ON)):  # noqa: ASYNC110 - it is the event
            await asyncio.sleep(0.1)
    assert bench.is_on() in (True, None)
    assert await _does(bench, Command("light", Verb.OFF))
    assert bench.is_on() in (False, None)


@on_one_loop
async def test_what_is_said_twice_is_understood_or_refused(bench: Bench) -> None:  # law 2
    if not await bench.repeat():
        return
    for verb, is_on in ((Verb.ON, True), (Verb.OFF, False)):
        if await _does(bench, Command("light", verb)):
            assert bench.is_on() in (is_on, None)
    if "lock" in bench.devices:
        await bench.driver.perform(Command("lock", Verb.UNLOCK))
        assert bench.listener.positions["lock"] is Position.UNLOCKED


async def _does(bench: Bench, command: Command) -> bool:
    """Tell whether a command is done."""
    try:
        await bench.driver.perform(command)
    except HardwareError:
        return False
    return True


def test_what_crosses_to_a_driver_is_an_id_an_enum_and_a_number() -> None:  # laws 1 of both
    hints: dict[str, Any] = get_type_hints(Command)
    assert {field.name: hints[field.name] for field in fields(Command)} == {
        "device": str,
        "verb": Verb,
        "level": int | None,
    }
    for wrong in ("Anna Muster", "anna@example.org", "light\n", "LIGHT", ""):
        with pytest.raises(ValueError, match="device's id"):
            Command(wrong, Verb.ON)
    assert all(type(levels) is range and levels.stop <= 601 for levels in LEVELS_OF.values())
    parameters: dict[str, Any] = get_type_hints(DeviceDriver.perform)
    assert parameters == {"command": Command, "return": type(None)}
