"""What every driver of devices does, of whatever technology: one suite for `ports.device`.

Each kind brings a bench: the driver, a device of it that can be switched or locked, and a way to
break its wire and mend it. A case names the law of the port that it shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import fields
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, get_type_hints

import pytest

from drivers.openzwave.driver import OpenZwave
from drivers.openzwave.meaning import OzwDevice
from drivers.relays.boards import BoardLine, RelayBoards
from drivers.relays.opening import BoardKind, open_line
from drivers.zwave_js.driver import ZwaveDevice, ZwaveJs
from hubcore.device.command import LEVELS_OF, Capability, Command, Verb
from hubcore.device.state import DeviceFault, Position
from hubcore.errors import ConfigError, HardwareError
from hubcore.ports.device import DeviceDriver
from hubsim.openzwave.nodes import SimSwitch
from hubsim.openzwave.stick import SimStick
from hubsim.relays.boards import SimBoard, SimLcus, SimModbus, SimNumato
from hubsim.zwave.modules import find_modules
from hubsim.zwave.network import ZwaveNetwork
from tests.fakes.device import FakeDriver, FakeListener
from tests.fakes.openzwave import OzwNetwork, python_path

LOSSES = {DeviceFault.INTERFACE_GONE, DeviceFault.SERVICE_GONE}


class Bench(Protocol):
    """A driver with the device `light`, a switch, that can be cut off."""

    driver: DeviceDriver
    listener: FakeListener
    losses: bool
    """Whether its wire can be cut here."""

    def is_on(self) -> bool | None:
        """How the metal stands; None where this bench cannot see it."""

    async def cut(self) -> None:
        """Cut its wire."""

    async def mend(self) -> None:
        """Mend it."""


class FakeBench:
    def __init__(self, listener: FakeListener) -> None:
        self.driver = FakeDriver(asyncio.get_running_loop().time, seconds=0.01)
        self.listener = listener
        self.losses = False

    def is_on(self) -> bool | None:
        return None

    async def cut(self) -> None:
        raise NotImplementedError

    async def mend(self) -> None:
        raise NotImplementedError


class RelayBench:
    def __init__(self, sim: SimBoard, kind: BoardKind, listener: FakeListener) -> None:
        self.sim = sim
        opens = partial(open_line, sim.path, kind, 4)
        self.driver = RelayBoards([BoardLine(sim.path, opens, {"light": 2})], look_seconds=0.1)
        self.listener = listener
        self.losses = True

    def is_on(self) -> bool | None:
        return self.sim.on[2]

    async def cut(self) -> None:
        self.sim.unplug()

    async def mend(self) -> None:
        self.sim.plug()


class ZwaveBench:
    def __init__(self, network: ZwaveNetwork, listener: FakeListener) -> None:
        self._network = network
        device = ZwaveDevice("light", Capability.SWITCH, node=7)
        self.driver = ZwaveJs(network.socket, [device])
        self.listener = listener
        self.losses = True

    def is_on(self) -> bool | None:
        return None

    async def cut(self) -> None:
        await self._network.stop("service")

    async def mend(self) -> None:
        await self._network.start("service")


class OpenZwaveBench:
    """The real library before a simulated stick."""

    def __init__(self, stick: SimStick, switch: SimSwitch, listener: FakeListener) -> None:
        self._stick = stick
        self._switch = switch
        device = OzwDevice("light", Capability.SWITCH, node=switch.number)
        self.driver = OpenZwave(str(stick.path), [device], answer_seconds=1.0)
        self.listener = listener
        self.losses = True

    def is_on(self) -> bool | None:
        return self._switch.on

    async def cut(self) -> None:
        self._stick.unplug()

    async def mend(self) -> None:
        self._stick.plug()


class StandInBench:
    """A stand-in for the library, in the real process."""

    def __init__(self, network: OzwNetwork, listener: FakeListener) -> None:
        self._network = network
        device = OzwDevice("light", Capability.SWITCH, node=7)
        self.driver = OpenZwave(str(network.path), [device], answer_seconds=1.0, look_seconds=0.05)
        self.listener = listener
        self.losses = True

    def is_on(self) -> bool | None:
        return bool(self._network.value(7))

    async def cut(self) -> None:
        self._network.path.rename(self._network.path.with_suffix(".away"))

    async def mend(self) -> None:
        self._network.path.with_suffix(".away").rename(self._network.path)


@asynccontextmanager
async def fake(_folder: Path) -> AsyncIterator[Bench]:
    yield FakeBench(FakeListener())


@asynccontextmanager
async def relays(make: type[SimBoard], kind: BoardKind, folder: Path) -> AsyncIterator[Bench]:
    sim = make(4, folder / "ttyRelays")
    try:
        yield RelayBench(sim, kind, FakeListener())
    finally:
        sim.end()


@asynccontextmanager
async def zwave(folder: Path) -> AsyncIterator[Bench]:
    try:
        modules = find_modules()
    except ConfigError as error:
        pytest.skip(f"this machine has no Z-Wave service: {error}")
    async with ZwaveNetwork(modules, folder) as network:
        yield ZwaveBench(network, FakeListener(patience_seconds=120.0))


@asynccontextmanager
async def openzwave(folder: Path) -> AsyncIterator[Bench]:
    if find_spec("libopenzwave") is None:
        pytest.skip("this machine has no python-openzwave: make openzwave")
    switch = SimSwitch(7)
    stick = SimStick([switch], folder / "ttyZwave")
    try:
        yield OpenZwaveBench(stick, switch, FakeListener(patience_seconds=60.0))
    finally:
        stick.end()


@asynccontextmanager
async def openzwave_stand_in(folder: Path) -> AsyncIterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", python_path())
        yield StandInBench(OzwNetwork(folder / "stick"), FakeListener())


BringUp = Callable[[Path], AbstractAsyncContextManager[Bench]]
KINDS: dict[str, BringUp] = {
    "fake": fake,
    "lcus": partial(relays, SimLcus, BoardKind.LCUS),
    "numato": partial(relays, SimNumato, BoardKind.NUMATO),
    "modbus": partial(relays, SimModbus, BoardKind.MODBUS),
    "zwave": zwave,
    "openzwave": openzwave,
    "openzwave stand-in": openzwave_stand_in,
}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    bring_up: BringUp = request.param
    async with bring_up(tmp_path) as made, asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(made.driver.serve(made.listener))
        if made.losses:
            await made.listener.until(
                lambda: "light" in made.listener.states and not made.listener.faults
            )
        else:
            await asyncio.sleep(0)
        try:
            yield made
        finally:
            serving.cancel()


async def test_a_command_that_returns_was_proven(bench: Bench) -> None:  # law 2
    for verb, position in ((Verb.ON, Position.ON), (Verb.OFF, Position.OFF)):
        await bench.driver.perform(Command("light", verb))
        if bench.is_on() is not None:
            assert bench.is_on() is (verb is Verb.ON)
        if bench.losses:
            assert bench.listener.positions["light"] is position
    await bench.driver.perform(Command("light", Verb.READ))


async def test_what_cannot_be_done_is_an_error_in_time(bench: Bench) -> None:  # law 2
    if isinstance(bench.driver, FakeDriver):
        bench.driver.failing["light"].append(HardwareError("it cannot"))
    async with asyncio.timeout(60.0):
        with pytest.raises(HardwareError, match="cannot"):
            await bench.driver.perform(Command("light", Verb.STOP))


async def test_a_wire_that_is_cut_is_told_once_and_found_again(bench: Bench) -> None:  # law 4
    if not bench.losses:
        return
    bench.listener.told.clear()
    await bench.cut()
    await bench.listener.until(lambda: any(fault in LOSSES for _, fault in bench.listener.faults))
    with pytest.raises(HardwareError):
        await bench.driver.perform(Command("light", Verb.ON))
    await bench.mend()
    await bench.listener.until(lambda: not bench.listener.faults)
    await bench.driver.perform(Command("light", Verb.ON))


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
