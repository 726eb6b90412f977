"""Z-Wave: a lock's command to its proof beside the bare client, dead devices beside living ones.

Laws:
1. The lock is one of the simulated network, behind the service that a hub runs.
2. hubd's command and the bare client's call are taken in turns.
3. Dead devices fail as zwave-js fails them: after 3.15 s without an acknowledgement.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from zwave_js_server.client import Client

from benchmarks import processes
from benchmarks.stats import p99
from drivers.zwave_js.driver import ZwaveJs
from drivers.zwave_js.nodes import ZwaveDevice
from hubcore.device.breaker import BreakerRule
from hubcore.device.command import Capability, Command, CommandOutcome, Verb
from hubcore.device.device import Device
from hubcore.device.state import DeviceFault
from hubcore.errors import HardwareError
from hubcore.ports.device import DeviceListener
from hubd.adapters.host.clock import SystemClock
from hubd.devices.supervisor import Supervisor
from hubsim.zwave.modules import find_modules
from hubsim.zwave.network import ZwaveNetwork

NODE = 2
TRAVEL_SECONDS = 1.5
"""How long the mock's bolt travels."""
DEVICES = 200
DEAD = 10
DEAD_SECONDS = 3.15
ALIVE_SECONDS = 0.01
ROUNDS_OF_ALL = 25
MEMORY_DEVICES = 1000
PATIENCE_SECONDS = 90.0
IMPORTS = "import hubd.app, hubd.__main__"
WITH_ZWAVE = f"{IMPORTS}, drivers.zwave_js.driver"
_MEMORY = """
import tracemalloc
from hubcore.device.breaker import BreakerRule
from hubcore.device.command import Capability
from hubd.adapters.host.clock import SystemClock
from hubcore.device.device import Device
from hubd.devices.supervisor import Supervisor
from drivers.zwave_js.driver import ZwaveJs
from drivers.zwave_js.nodes import ZwaveDevice
from pathlib import Path
tracemalloc.start()
ids = [f"lock-{number}" for number in range(COUNT)]
nodes = [ZwaveDevice(one, Capability.LOCK, 2 + at) for at, one in enumerate(ids)]
driver = ZwaveJs(Path("x"), nodes)
devices = {one: (Device(one, Capability.LOCK, 60.0), driver) for one in ids}
made = Supervisor(devices, SystemClock(lambda: 0.0), lambda *_: None, BreakerRule())
print(tracemalloc.get_traced_memory()[0])
"""


@dataclass(slots=True)
class ZwaveRounds:
    """Seconds of each round, and bytes of memory.

    `confirmed` and `bare` are taken in turns. So are `none_dead` and `some_dead`: the p99 of all
    devices that live.
    """

    confirmed: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    none_dead: list[float] = field(default_factory=list)
    some_dead: list[float] = field(default_factory=list)
    bytes_per_100: float = 0.0
    start: list[float] = field(default_factory=list)
    start_with: list[float] = field(default_factory=list)


async def measure(folder: Path, rounds: int) -> ZwaveRounds:
    """Measure `rounds` moves of a lock, and the rest. Raise ConfigError when Node is missing."""
    result = ZwaveRounds()
    await _moves(result, folder, rounds)
    await _latencies(result)
    script = _MEMORY.replace("COUNT", str(MEMORY_DEVICES))
    result.bytes_per_100 = int(_python(script)) / MEMORY_DEVICES * 100
    for _ in range(max(1, rounds // 3)):
        for code, into in ((IMPORTS, result.start), (WITH_ZWAVE, result.start_with)):
            began = time.perf_counter()
            _python(code)
            into.append(time.perf_counter() - began)
    return result


def _python(code: str) -> str:
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, cwd=processes.ROOT, capture_output=True, text=True, check=True)
    return done.stdout


# A lock of the simulated network.


class _Ready:
    """`ports.device.DeviceListener` that waits for a device without a fault."""

    def __init__(self) -> None:
        self.is_ready = asyncio.Event()

    def changed(self, device: str, state: object) -> None:
        """See `ports.device.DeviceListener.changed`."""
        self.is_ready.set()


async def _moves(result: ZwaveRounds, folder: Path, rounds: int) -> None:
    async with ZwaveNetwork(find_modules(), folder) as network:
        driver = ZwaveJs(
            network.socket, [ZwaveDevice("lock", Capability.LOCK, NODE)], security=frozenset()
        )
        faults: set[DeviceFault] = set()

        def tell(_device: str, fault: DeviceFault, stands: bool) -> None:
            (faults.add if stands else faults.discard)(fault)

        device = Device("lock", Capability.LOCK, stale_seconds=3600.0)
        supervisor = Supervisor(
            devices={"lock": (device, driver)},
            clock=SystemClock(lambda: 0.0),
            tell_fault=tell,
            breaker=BreakerRule(failures=1000),
        )
        ready = _Ready()
        supervisor.watch("lock", lambda state: ready.changed("lock", state))
        running = asyncio.ensure_future(supervisor.run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await ready.is_ready.wait()
        await _confirmed(supervisor, Verb.LOCK)
        connector = aiohttp.UnixConnector(path=str(network.socket))
        async with aiohttp.ClientSession(connector=connector) as session:
            bare = await _Bare.connect(session)
            for _ in range(rounds):
                result.confirmed.append(await _confirmed(supervisor, Verb.UNLOCK))
                result.bare.append(await bare.move(255))
                result.bare.append(await bare.move(0))
                result.confirmed.append(await _confirmed(supervisor, Verb.LOCK))
            await bare.close()
        running.cancel()
        await asyncio.wait({running})


async def _confirmed(supervisor: Supervisor, verb: Verb) -> float:
    """Return the seconds from a command to its proof."""
    while True:
        began = time.perf_counter()
        done = await supervisor.perform(Command("lock", verb), PATIENCE_SECONDS)
        if done.outcome is CommandOutcome.CONFIRMED:
            return time.perf_counter() - began
        await asyncio.sleep(1.0)  # the network is interviewed still


class _Bare:
    """The library alone: a value is set, and its report is waited for."""

    def __init__(self, client: Client) -> None:
        self._client = client
        assert client.driver is not None
        self._node = client.driver.controller.nodes[NODE]
        self._target = next(
            value for value in self._node.values.values() if value.property_ == "targetMode"
        )

    @classmethod
    async def connect(cls, session: aiohttp.ClientSession) -> _Bare:
        client = Client("ws://zwave-js", session)
        await client.connect()
        ready = asyncio.Event()
        listening = asyncio.ensure_future(client.listen(ready))
        await ready.wait()
        made = cls(client)
        made._listening = listening
        return made

    _listening: asyncio.Future[None]

    async def move(self, mode: int) -> float:
        reported = asyncio.Event()

        def updated(event: dict[str, object]) -> None:
            value = event["value"]
            is_current = getattr(value, "property_", "") == "currentMode"
            if is_current and getattr(value, "value", None) == mode:
                reported.set()

        end = self._node.on("value updated", updated)
        began = time.perf_counter()
        await self._node.async_set_value(self._target, mode, wait_for_result=True)
        await reported.wait()
        seconds = time.perf_counter() - began
        end()
        return seconds

    async def close(self) -> None:
        await self._client.disconnect()
        await asyncio.wait({self._listening})


# Devices that do not answer.


class _Nodes:
    """`ports.device.DeviceDriver` of many devices, some of them dead."""

    def __init__(self, dead: frozenset[str]) -> None:
        self._dead = dead

    async def serve(self, _listener: DeviceListener) -> None:
        """See `ports.device.DeviceDriver.serve`."""
        await asyncio.get_running_loop().create_future()

    async def perform(self, command: Command) -> None:
        """See `ports.device.DeviceDriver.perform`."""
        if command.device in self._dead:
            await asyncio.sleep(DEAD_SECONDS)
            raise HardwareError("it does not answer")
        await asyncio.sleep(ALIVE_SECONDS)


async def _latencies(result: ZwaveRounds) -> None:
    """Command the devices that live, all at once, in turns with and without dead ones beside."""
    ids = [f"switch-{number}" for number in range(DEVICES)]
    dead = ids[:DEAD]
    alone = _supervisor(ids, _Nodes(frozenset()))
    beside = _supervisor(ids, _Nodes(frozenset(dead)))
    running = {asyncio.ensure_future(alone.run()), asyncio.ensure_future(beside.run())}
    await asyncio.sleep(0)
    lost = [asyncio.ensure_future(_timed(beside, one)) for one in dead]
    for _ in range(ROUNDS_OF_ALL):
        for supervisor, into in ((alone, result.none_dead), (beside, result.some_dead)):
            every = await asyncio.gather(*(_timed(supervisor, one) for one in ids[DEAD:]))
            into.append(p99(every))
    await asyncio.gather(*lost)
    for task in running:
        task.cancel()
    await asyncio.wait(running)


def _supervisor(ids: list[str], driver: _Nodes) -> Supervisor:
    return Supervisor(
        devices={one: (Device(one, Capability.SWITCH, 60.0), driver) for one in ids},
        clock=SystemClock(lambda: 0.0),
        tell_fault=lambda _device, _fault, _stands: None,
        breaker=BreakerRule(),
    )


async def _timed(supervisor: Supervisor, device: str) -> float:
    began = time.perf_counter()
    await supervisor.perform(Command(device, Verb.ON), PATIENCE_SECONDS)
    return time.perf_counter() - began
