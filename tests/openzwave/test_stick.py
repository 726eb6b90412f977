"""The OpenZWave driver with the real library, before a simulated stick on a pty.

These need python-openzwave: `make openzwave`. The stick and its nodes are simulated: no radio.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from drivers.lock.mover import LockAtDoor, LockMover
from drivers.openzwave.driver import OpenZwave
from drivers.openzwave.meaning import OzwDevice
from hubcore.device.breaker import BreakerRule
from hubcore.device.command import Capability, Command, Verb
from hubcore.device.device import Device
from hubcore.device.state import DeviceFault, Position, Quantity
from hubcore.door.state import BoltState
from hubcore.errors import DriverGoneError, HardwareError
from hubcore.ports.doors import Input
from hubd.adapters.host.clock import SystemClock
from hubd.devices.supervisor import Supervisor
from hubsim.openzwave.nodes import SimLock, SimShutter, SimSwitch
from hubsim.openzwave.stick import SimStick
from tests.fakes.device import FakeListener

pytestmark = pytest.mark.skipif(
    find_spec("libopenzwave") is None, reason="needs python-openzwave: make openzwave"
)

KEY = bytes(range(0x21, 0x31))
PERSON = b"Anna Muster"
IDS = ("light", "blind", "lock")


class Network:
    """A stick with three nodes, the driver before it, and who listens."""

    def __init__(self, folder: Path) -> None:
        self.switch = SimSwitch(7)
        self.shutter = SimShutter(4)
        self.lock = SimLock(2, KEY)
        self.stick = SimStick([self.switch, self.shutter, self.lock], folder / "ttyZwave")
        self.listener = FakeListener(patience_seconds=60.0)
        self.driver = OpenZwave(
            str(self.stick.path),
            [
                OzwDevice("light", Capability.SWITCH, node=7),
                OzwDevice("blind", Capability.COVER, node=4),
                OzwDevice("lock", Capability.LOCK, node=2, accepts_s0=True),
            ],
            lambda: KEY,
            answer_seconds=1.0,
            look_seconds=0.3,
            move_seconds=3.0,
        )

    def stands(self, fault: DeviceFault) -> set[str]:
        """Return who has a fault."""
        return {device for device, what in self.listener.faults if what is fault}

    async def until_known(self) -> None:
        """Wait until every device has told how it stands."""
        await self.listener.until(
            lambda: (
                {
                    device
                    for device, position in self.listener.positions.items()
                    if position is not Position.UNKNOWN
                }
                == set(IDS)
                and not self.listener.faults
            )
        )


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    made = Network(tmp_path)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(made.driver.serve(made.listener))
        await made.until_known()
        try:
            yield made
        finally:
            serving.cancel()
    made.stick.end()


async def test_openzwave_switches_and_travels(network: Network) -> None:
    await network.driver.perform(Command("light", Verb.ON))
    assert network.switch.on
    await network.driver.perform(Command("blind", Verb.SET_LEVEL, 60))
    assert network.listener.states["blind"].level is not None
    assert abs(network.shutter.level - 59) <= 1
    await network.driver.perform(Command("blind", Verb.CLOSE))
    assert network.shutter.level == 0


async def test_openzwave_stops_a_shutter(network: Network) -> None:
    network.shutter.travel_seconds = 20.0
    opening = asyncio.create_task(network.driver.perform(Command("blind", Verb.OPEN)))
    await network.listener.until(lambda: network.shutter.level > 0)
    await network.driver.perform(Command("blind", Verb.STOP))
    level = network.shutter.level
    assert 0 < level < 99
    opening.cancel()
    await asyncio.wait({opening})
    assert network.shutter.level == level


async def test_openzwave_moves_a_lock_by_s0(network: Network) -> None:
    await network.driver.perform(Command("lock", Verb.LOCK))
    assert network.lock.mode == 255
    await network.driver.perform(Command("lock", Verb.UNLOCK))
    assert network.lock.mode == 0
    assert b"\x62\x01\xff" in network.lock.opened  # it came encrypted
    assert b"\x62\x01" not in bytes(network.stick.heard)
    await network.listener.until(lambda: ("lock", Quantity.BATTERY) in network.listener.readings)


async def test_openzwave_moves_a_door_by_a_lock_and_locks_it_again(tmp_path: Path) -> None:
    """The mover of a door in front of the real library: it has moved by the lock's own word."""
    made = Network(tmp_path)
    devices = [Device("lock", Capability.LOCK, 3600.0)]
    devices += [Device(id_, Capability.SWITCH, 3600.0) for id_ in IDS if id_ != "lock"]
    supervisor = Supervisor(
        devices={device.id: (device, made.driver) for device in devices},
        clock=SystemClock(lambda: 0.0),
        tell_fault=lambda _device, _fault, _stands: None,
        breaker=BreakerRule(),
    )
    edges: asyncio.Queue[Input] = asyncio.Queue()
    mover = LockMover(
        LockAtDoor("lock", "front", cap_seconds=5.0, rest_seconds=0.5),
        supervisor,
        lambda edge: edges.put_nowait(edge.what),
        partial(made.driver.times_itself, "lock"),
    )
    supervisor.watch("lock", mover.stands)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(120):
        running = [tasks.create_task(supervisor.run()), tasks.create_task(mover.run())]
        assert await edges.get() is Input.STRIKE_INACTIVE  # found unlocked, and locked
        assert (made.lock.mode, mover.bolt_state) == (255, BoltState.LOCKED)
        await mover.release(1.0)
        assert (made.lock.mode, mover.bolt_state) == (0, BoltState.FREE)
        assert await edges.get() is Input.STRIKE_ACTIVE
        assert await edges.get() is Input.STRIKE_INACTIVE
        assert (made.lock.mode, mover.bolt_state) == (255, BoltState.LOCKED)
        made.lock.stuck = True
        await asyncio.sleep(mover.must_rest_seconds(1.0))
        with pytest.raises(HardwareError, match="did not move"):
            await mover.release(1.0)
        assert not mover.driven
        for task in running:
            task.cancel()
    made.stick.end()


async def test_openzwave_locks_what_it_unlocked_when_hubd_goes(tmp_path: Path) -> None:
    """drivers.openzwave.service, law 3, over the simulated air, encrypted with S0."""
    made = Network(tmp_path)
    serving = asyncio.create_task(made.driver.serve(made.listener))
    await made.until_known()
    await made.driver.perform(Command("lock", Verb.UNLOCK))
    assert made.lock.mode == 0
    serving.cancel()
    await asyncio.wait({serving})
    assert made.lock.mode == 255
    made.stick.end()


async def test_openzwave_hears_a_lock_that_is_turned_by_hand(network: Network) -> None:
    network.lock.mode = 255
    network.lock.report()
    await network.listener.until(lambda: network.listener.positions["lock"] is Position.LOCKED)


async def test_openzwave_is_not_believed_about_a_lock_that_does_not_move(
    network: Network,
) -> None:  # driver, law 1
    network.lock.stuck = True
    with pytest.raises(HardwareError, match="did not move"):
        await network.driver.perform(Command("lock", Verb.LOCK))
    assert network.listener.positions["lock"] is Position.UNLOCKED


async def test_openzwave_calls_a_lock_of_unknown_mode_unlocked_and_hubd_does_not(
    network: Network,
) -> None:  # service, law 8
    network.lock.mode = 254
    await network.driver.perform(Command("lock", Verb.READ))
    assert network.listener.positions["lock"] is Position.UNKNOWN


async def test_openzwave_finds_a_dead_node_again(network: Network) -> None:  # service, law 9
    network.switch.mute = True
    with pytest.raises(DriverGoneError):
        await network.driver.perform(Command("light", Verb.ON))
    await network.listener.until(lambda: network.stands(DeviceFault.DEAD) == {"light"})
    with pytest.raises(HardwareError):
        await network.driver.perform(Command("light", Verb.READ))
    await network.driver.perform(Command("blind", Verb.OPEN))
    network.switch.mute = False
    await network.driver.perform(Command("light", Verb.ON))
    assert network.switch.on
    assert not network.listener.faults


async def test_openzwave_finds_a_stick_again_that_has_another_name(
    network: Network,
) -> None:  # service, law 6
    before = network.stick.path.readlink()
    network.stick.unplug()
    await network.listener.until(lambda: network.stands(DeviceFault.INTERFACE_GONE) == set(IDS))
    assert set(network.listener.positions.values()) == {Position.UNKNOWN}
    held = [os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY) for _ in range(2)]
    network.stick.plug()
    for descriptor in held:
        os.close(descriptor)
    assert network.stick.path.readlink() != before
    await network.until_known()
    await network.driver.perform(Command("light", Verb.ON))


@pytest.mark.parametrize("way", ["naks", "silent"])
async def test_openzwave_with_a_stick_that_refuses_or_says_nothing(
    network: Network, way: str
) -> None:
    setattr(network.stick, way, True)
    with pytest.raises(HardwareError):
        await network.driver.perform(Command("light", Verb.ON))
    assert not network.switch.on
    setattr(network.stick, way, False)
    await network.until_known()
    await network.driver.perform(Command("light", Verb.ON))


async def test_openzwave_that_aborts_is_started_again(network: Network) -> None:  # driver, law 4
    first = network.driver.process_id
    assert first is not None
    os.kill(first, signal.SIGABRT)
    await network.listener.until(lambda: network.stands(DeviceFault.SERVICE_GONE) == set(IDS))
    await network.until_known()
    assert network.driver.process_id != first


async def test_openzwave_with_a_wrong_key_moves_no_lock(tmp_path: Path) -> None:  # driver, law 2
    lock = SimLock(2, KEY)
    stick = SimStick([lock], tmp_path / "ttyZwave")
    devices = [OzwDevice("lock", Capability.LOCK, node=2, accepts_s0=True)]
    driver = OpenZwave(str(stick.path), devices, lambda: KEY[::-1], answer_seconds=0.5)
    listener = FakeListener(patience_seconds=120.0)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(driver.serve(listener))
        await listener.until(lambda: bool(listener.faults))
        with pytest.raises(HardwareError):
            await driver.perform(Command("lock", Verb.UNLOCK))
        serving.cancel()
    stick.end()
    assert not lock.opened


async def test_openzwave_brings_no_name_onto_the_serial_line(
    network: Network, capfd: pytest.CaptureFixture[str]
) -> None:  # the canary
    for verb in (Verb.ON, Verb.OFF):
        await network.driver.perform(Command("light", verb))
    await network.driver.perform(Command("lock", Verb.LOCK))
    with pytest.raises(ValueError, match="no device's id"):
        Command(PERSON.decode(), Verb.ON)
    heard = bytes(network.stick.heard) + b"".join(network.lock.opened)
    said = capfd.readouterr()
    for text in (heard, said.out.encode(), said.err.encode()):
        assert PERSON not in text
        assert b"light" not in text  # not even the name of a device
        assert KEY not in text
    assert not {command[0] for command in network.lock.opened} & {0x77}  # Node Naming
    assert not [command for command in network.lock.opened if command[:2] == b"\x63\x01"]  # a code
