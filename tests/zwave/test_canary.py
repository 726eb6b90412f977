"""Nothing about people reaches Z-Wave.

A sentinel name is looked for in every word on its socket and in its logs, and the user of a lock is
looked for in what comes from there.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from drivers.zwave_js.driver import ZwaveJs
from drivers.zwave_js.nodes import ZwaveDevice
from hubcore.device.command import Capability
from hubcore.errors import HardwareError
from hubcore.ports.doors import InputEvent
from hubd.config.file import parse
from hubd.config.movers import ZwaveLock
from hubd.upkeep.checks import Part
from hubd.wiring.locks import locks
from hubd.wiring.movers import make_movers
from tests.zwave.conftest import Bench

pytestmark = pytest.mark.asyncio(loop_scope="session")

SENTINEL = "tweety"
USER = 77
CONFIG = f"""
[hub]
id = "hub-{SENTINEL}"
site = "site-{SENTINEL}"
time_zone = "UTC"
[keys]
identity = "{SENTINEL}.pem"
certificate = "{SENTINEL}.cbor"
issuer = "{SENTINEL}.issuer"
[[doors]]
id = "door-{SENTINEL}"
name = "Flat of {SENTINEL}"
strike_seconds = 0.3
[[doors.access_points]]
number = 1
name = "{SENTINEL} inwards"
[[doors.movers]]
kind = "zwave_lock"
id = "lock-of-{SENTINEL}"
node = 8
"""


async def test_no_name_goes_out_and_no_user_comes_in(bench: Bench) -> None:
    told: list[object] = []
    devices = partial(_driver, bench.proxy.socket)
    made = make_movers(
        config=parse(CONFIG, Path("/etc/hubd/hubd.toml")),
        publish=told.append,
        tell=lambda *what: told.append(what),
        rows={ZwaveLock: lambda wanted, tell: locks(wanted, tell, devices)},
    )
    (door,) = made.doors.values()
    began = len(bench.proxy.said)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.runs[Part.LOCKS](lambda: None))
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
        running.cancel()
    said = "".join(bench.proxy.said)
    assert '"node.set_value"' in said
    assert SENTINEL not in said
    assert SENTINEL not in bench.logs()
    assert f'"userId":{USER}' in said, "the lock has told its user to the service"
    heard = bench.listener
    moves = [one.what if isinstance(one, InputEvent) else one for one in told]  # without their time
    assert str(USER) not in repr((heard.positions, heard.readings, heard.faults, moves))
    assert "userId" not in bench.logs()


def _driver(socket: Path, wanted: list[ZwaveLock]) -> ZwaveJs:
    devices = [ZwaveDevice(lock.id, Capability.LOCK, node=lock.node) for lock in wanted]
    return ZwaveJs(socket, devices, security=frozenset())


async def _until(holds: object) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - what is awaited is in another process
            await asyncio.sleep(0.01)
