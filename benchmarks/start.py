"""From exec to advertising, and the memory of the idle hub, beside a bare import of its libraries.

Laws:
1. Every start is a process of its own, in turns with bare imports.
2. Memory is read from the kernel's own accounts.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import processes
from hubsim.site import Site

IMPORTS = (
    "import asyncio, sqlite3, cbor2, cryptography.hazmat.primitives.asymmetric.rsa, "
    "msgspec, structlog, zmq.asyncio"
)
HUB_IMPORTS = "import hubd.app, hubd.__main__, drivers.strike.strike"
VIRTUAL_RADIO_IMPORTS = "import hubsim.radio.hub_radio"
"""The virtual radio's host stack, which a desk's hub has."""
REAL_RADIO_IMPORTS = "import hubd.adapters.bluez.adapter_session"
"""The D-Bus client that a real hub has in its place."""
ZWAVE = """
[zwave]
[[devices]]
kind = "zwave"
id = "shutter"
name = "Shutter"
node = 4
capability = "cover"
"""
"""A device behind the Z-Wave service, which is not there: hubd waits for it and opens doors."""
IDLE_SECONDS = 2.0
_READ_OWN = "; import pathlib; print(pathlib.Path('/proc/self/smaps_rollup').read_text())"


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a process in MB (10^6 bytes).

    In `proportional` each shared page is divided by its users.
    """

    resident: float
    proportional: float


@dataclass(slots=True)
class StartRounds:
    """Seconds of each start, of each bare import and of each look by hubctl, and memory.

    `nothing`: of a Python that does nothing, in turns with `hubctl`.
    """

    ready: list[float] = field(default_factory=list)
    with_zwave: list[float] = field(default_factory=list)
    imports: list[float] = field(default_factory=list)
    hubctl: list[float] = field(default_factory=list)
    nothing: list[float] = field(default_factory=list)
    hub: Memory = Memory(0, 0)
    guard: Memory = Memory(0, 0)
    bare: Memory = Memory(0, 0)
    virtual_radio: float = 0.0
    real_radio: float = 0.0


async def measure(directory: Path, rounds: int) -> StartRounds:
    """Start the hub `rounds` times; look at the memory of the last one after IDLE_SECONDS."""
    result = StartRounds()
    log = directory / "log"
    endpoint = processes.free_endpoint()
    site = processes.make_site(directory / "site", endpoint)
    socket = (site.hub / "hubd.sock").absolute()
    async with processes.radio(log) as transport, processes.backend(site, endpoint, log):
        for index in range(rounds):
            began = time.perf_counter()
            await _python(IMPORTS)
            result.imports.append(time.perf_counter() - began)
            async with processes.hub(site, transport, log) as hub:
                ready_ns = await hub.note("ready")
                result.ready.append((ready_ns - hub.began_ns) / 1e9)
                await _look(result, socket)
                if index == rounds - 1:
                    await _look_at_memory(result, hub.process.pid)
            result.with_zwave.append(await _ready_with_zwave(site, transport, log))
    result.bare = await memory_after(IMPORTS)
    without = await memory_after(HUB_IMPORTS)
    virtual = await memory_after(f"{HUB_IMPORTS}; {VIRTUAL_RADIO_IMPORTS}")
    real = await memory_after(f"{HUB_IMPORTS}; {REAL_RADIO_IMPORTS}")
    result.virtual_radio = virtual.resident - without.resident
    result.real_radio = real.resident - without.resident
    return result


async def _look(result: StartRounds, socket: Path) -> None:
    """Ask the running hub once by hubctl, as a technician does, with its round trip."""
    began = time.perf_counter()
    await _python("pass")
    result.nothing.append(time.perf_counter() - began)
    began = time.perf_counter()
    await _run("-m", "hubctl", "doors", "--socket", str(socket))
    result.hubctl.append(time.perf_counter() - began)


async def _ready_with_zwave(site: Site, transport: str, log: Path) -> float:
    """Start the same hub with a Z-Wave device; return the seconds until it advertises."""
    config = site.hub / "hub.toml"
    plain = config.read_text()
    config.write_text(plain + ZWAVE)
    try:
        async with processes.hub(site, transport, log) as hub:
            return (await hub.note("ready") - hub.began_ns) / 1e9
    finally:
        config.write_text(plain)


async def _look_at_memory(result: StartRounds, hub: int) -> None:
    await asyncio.sleep(IDLE_SECONDS)
    result.hub = memory_of(hub)
    guards = [memory_of(guard) for guard in children(hub)]
    result.guard = Memory(
        resident=sum(guard.resident for guard in guards),
        proportional=sum(guard.proportional for guard in guards),
    )


async def memory_after(imports: str) -> Memory:
    """Return the memory of a process that has imported this and done nothing else."""
    return memory(await _python(imports + _READ_OWN))


def memory(rollup: str) -> Memory:
    """Read the text of a smaps_rollup (proc(5))."""
    found = re.findall(r"^(Rss|Pss):\s+(\d+) kB$", rollup, re.MULTILINE)
    megabytes = {name: int(kib) * 1024 / 1e6 for name, kib in found}
    return Memory(megabytes["Rss"], megabytes["Pss"])


def memory_of(process_id: int) -> Memory:
    """Return the memory of a running process."""
    return memory(Path(f"/proc/{process_id}/smaps_rollup").read_text())


def children(process_id: int) -> list[int]:
    """Return the ids of a process's children: of a hub, the strike guard and the one that waits."""
    found = []
    for thread in Path(f"/proc/{process_id}/task").iterdir():
        listed = (thread / "children").read_text()
        found += [int(child) for child in listed.split()]
    return found


async def _python(code: str) -> str:
    """Run a line of Python in a new interpreter; return what it prints."""
    return await _run("-c", code)


async def _run(*words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words), stdout=asyncio.subprocess.PIPE, cwd=processes.ROOT
    )
    async with asyncio.timeout(processes.START_SECONDS):
        printed, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"python {words} failed")
    return printed.decode()
