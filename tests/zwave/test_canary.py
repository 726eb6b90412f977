"""Nothing about people reaches Z-Wave.

A sentinel name is looked for in every word on its socket and in its logs, and the user of a lock is
looked for in what comes from there.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drivers.zwave_js.driver import ZwaveJs
from drivers.zwave_js.nodes import ZwaveDevice
from hubcore.checks import Part
from hubcore.device.breaker import BreakerRule
from hubcore.device.command import Capability
from hubcore.errors import HardwareError
from hubcore.ports.doors import InputEvent
from hubd.adapters.host.clock import SystemClock
from hubd.config.file import Config, parse
from hubd.devices.supervisor import Supervisor
from hubd.wiring.devices import device_kinds, make_devices
from hubd.wiring.movers import make_movers, mover_kinds
from hubd.wiring.networks import Networks
from tests.canary import SENTINEL, config_of
from tests.zwave.conftest import Bench

pytestmark = pytest.mark.asyncio(loop_scope="session")

USER = 77
CONFIG = config_of(
    f"door-{SENTINEL}",
    f"""kind = "zwave_lock"
id = "lock-of-{SENTINEL}"
node = 8""",
)


async def test_no_name_goes_out_and_no_user_comes_in(bench: Bench) -> None:
    told: list[object] = []
    config = parse(CONFIG, Path("/etc/hubd/hubd.toml"))
    driver = _driver(bench.proxy.socket, config)
    networks = Networks(zwave=lambda: driver, openzwave=lambda: driver)
    supervisor = Supervisor(
        devices=make_devices(config, device_kinds(networks)),
        clock=SystemClock(lambda: 0.0),
        tell_fault=lambda *what: told.append(what),
        breaker=BreakerRule(),
    )
    made = make_movers(
        config=config,
        publish=told.append,
        tell=lambda *what: told.append(what),
        rows=mover_kinds(networks, supervisor),
    )
    (door,) = made.doors.values()
    began = len(bench.proxy.said)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(supervisor.run()),
            tasks.create_task(made.runs[Part.LOCKS](lambda: None)),
        ]
        await _until(lambda: any(isinstance(one, InputEvent) for one in told))
        await door.release(0.3)
        await bench.network.disturb(f"/notify?node=8&event=6&user={USER}")
        await _until(lambda: any('"userId"' in said for said in bench.proxy.said[began:]))
        await _until(lambda: not door.driven)
        await bench.network.disturb("/fail?node=8&on=1")
        await asyncio.sleep(door.must_rest_seconds(0.3))
        with pytest.raises(HardwareError, match="node 8 refused"):
            await door.release(0.3)
        await bench.network.disturb("/fail?node=8&on=0")
        for task in running:
            task.cancel()
    said = "".join(bench.proxy.said)
    assert '"node.set_value"' in said
    assert SENTINEL not in said
    assert SENTINEL not in bench.logs()
    assert f'"userId":{USER}' in said, "the lock has told its user to the service"
    heard = bench.listener
    moves = [one.what if isinstance(one, InputEvent) else one for one in told]  # without their time
    assert str(USER) not in repr((heard.positions, heard.readings, heard.faults, moves))
    assert "userId" not in bench.logs()


def _driver(socket: Path, config: Config) -> ZwaveJs:
    devices = [
        ZwaveDevice(lock.id, Capability.LOCK, node=lock.node) for _, lock in config.door_locks
    ]
    return ZwaveJs(socket, devices, security=frozenset())


async def _until(holds: object) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - what is awaited is in another process
            await asyncio.sleep(0.01)
