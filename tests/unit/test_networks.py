"""Locks of doors and devices in one network have one driver (hubd.wiring.networks)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from time import monotonic

import pytest

from drivers.zwave_js import care
from hubcore.device.breaker import BreakerRule
from hubcore.device.command import Capability, Command, CommandOutcome, Verb
from hubcore.device.state import Position
from hubcore.errors import ConfigError
from hubd.adapters.host.clock import SystemClock
from hubd.config.file import parse
from hubd.devices.supervisor import Supervisor
from hubd.wiring.devices import device_kinds, make_devices
from hubd.wiring.movers import make_movers, mover_kinds
from hubd.wiring.networks import Networks, make_networks
from tests.fakes.commands import FakeCommands
from tests.fakes.device import FakeDriver
from tests.unit.test_config import CREDENTIALS, FILE, SMALL
from tests.unit.test_devices_wiring import LOCK, MOVER, OZW_LOCK, OZW_MOVER, STICK

CONFIG = parse(
    SMALL + "[zwave]\n" + LOCK.replace("node = 3", "node = 4") + MOVER, FILE, CREDENTIALS
)


async def test_locks_of_doors_and_devices_have_one_driver() -> None:  # law 1
    fake = FakeDriver(monotonic, seconds=0.0)
    networks = Networks(zwave=lambda: fake, openzwave=lambda: fake)
    devices = make_devices(CONFIG, device_kinds(networks))
    assert {driver for _, driver in devices.values()} == {fake}
    supervisor = Supervisor(
        devices=devices,
        clock=SystemClock(lambda: 0.0),
        tell_fault=lambda _device, _fault, _stands: None,
        breaker=BreakerRule(),
    )
    rows = mover_kinds(networks, supervisor)
    movers = make_movers(CONFIG, lambda _: None, lambda *_: None, rows)
    supervising = asyncio.create_task(supervisor.run())
    await fake.served.wait()
    fake.say("back-lock", Position.LOCKED)
    await movers.doors["back"].release(0.3)
    read = await supervisor.perform(Command("front-lock", Verb.READ), 10.0)
    supervising.cancel()
    await asyncio.wait({supervising})
    assert read.outcome is CommandOutcome.CONFIRMED
    assert {command.device for command, _ in fake.given} == {"back-lock", "front-lock"}


def test_the_driver_knows_the_nodes_of_both_by_what_the_file_says() -> None:
    networks = make_networks(CONFIG)
    real = networks.zwave()
    assert networks.zwave() is real
    nodes = {one.id: (one.capability, one.node) for one in real._devices.values()}  # type: ignore[attr-defined]
    assert nodes == {"front-lock": (Capability.LOCK, 4), "back-lock": (Capability.LOCK, 3)}


def test_a_stick_of_openzwave_has_one_driver_with_its_devices_and_its_locks() -> None:
    """Decision 0080: what the installer says of S0 reaches the driver."""
    text = SMALL + STICK + OZW_LOCK.replace("node = 5", "node = 6") + OZW_MOVER
    networks = make_networks(parse(text, FILE, CREDENTIALS))
    real = networks.openzwave()
    assert networks.openzwave() is real
    nodes = {one.id: (one.capability, one.node, one.accepts_s0) for one in real._devices}  # type: ignore[attr-defined]
    assert nodes == {
        "old-lock": (Capability.LOCK, 6, True),
        "side-lock": (Capability.LOCK, 5, True),
    }


def test_nothing_is_loaded_for_a_hub_without_zwave() -> None:  # law 2
    def make() -> FakeDriver:
        raise ImportError("no library", name="zwave_js_server")

    networks = Networks(zwave=make, openzwave=make)
    config = parse(SMALL, FILE, CREDENTIALS)
    rows = mover_kinds(networks, FakeCommands())
    movers = make_movers(config, lambda _: None, lambda *_: None, rows)
    assert set(movers.doors) == {door.id for door in config.doors}
    assert make_devices(config, device_kinds(networks)) == {}
    for wanted in (MOVER, "[zwave]\n" + LOCK):
        with pytest.raises(ConfigError, match="make install EXTRAS=zwave"):
            make_devices(parse(SMALL + wanted, FILE, CREDENTIALS), device_kinds(networks))


def test_a_hub_with_a_network_has_its_care_and_any_other_has_none() -> None:
    fake = FakeDriver(monotonic)
    networks = Networks(zwave=lambda: fake, openzwave=lambda: fake)
    alone = parse(SMALL + "[zwave]\n", FILE, CREDENTIALS)
    assert networks.network(alone) is fake, "devices are taken into a network that has none"
    assert networks.network(CONFIG) is fake
    assert networks.network(parse(SMALL, FILE, CREDENTIALS)) is None


def test_the_tested_pair_is_the_one_that_is_installed() -> None:
    service = Path(care.__file__).parent / "service" / "package.json"
    wanted = json.loads(service.read_text("utf-8"))["dependencies"]
    assert care.version_of(wanted["zwave-js"]) == care.TESTED_DRIVER
    assert care.version_of(wanted["@zwave-js/server"]) == care.TESTED_SERVER
    assert care.version_of("\x1b[2J") is None
