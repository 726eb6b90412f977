"""From exec to advertising, and the memory of the idle hub, beside a bare import of the libraries
that it needs.

Law: every start is a process of its own, in turns with bare imports; memory is read from the
kernel's own accounts.
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
RADIO_IMPORTS = "import hubsim.radio.hub_radio", "import hubd.adapters.bluez.generation"
"""The virtual radio's host stack, which a desk's hub holds, and the D-Bus client that a real hub
holds in its place.
"""
IDLE_SECONDS = 2.0
_READ_OWN = "; import pathlib; print(pathlib.Path('/proc/self/smaps_rollup').read_text())"


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a process in MB (10^6 bytes): all of it, and with shared pages divided by
    their users.
    """

    resident: float
    proportional: float


@dataclass(slots=True)
class StartRounds:
    """Seconds of each start, seconds of each bare import, and memory."""

    ready: list[float] = field(default_factory=list)
    imports: list[float] = field(default_factory=list)
    hub: Memory = Memory(0, 0)
    guard: Memory = Memory(0, 0)
    bare: Memory = Memory(0, 0)
    virtual_radio: float = 0.0
    real_radio: float = 0.0


async def measure(directory: Path, rounds: int) -> StartRounds:
    """Start the hub `rounds` times; look at the memory of the last one after IDLE_SECONDS with
    nothing to do.
    """
    result = StartRounds()
    log = directory / "log"
    endpoint = processes.free_endpoint()
    site = processes.make_site(directory / "site", endpoint)
    async with processes.radio(log) as transport, processes.backend(site, endpoint, log):
        for index in range(rounds):
            began = time.perf_counter()
            await _python(IMPORTS)
            result.imports.append(time.perf_counter() - began)
            await _start(result, site, (transport, log), last=index == rounds - 1)
    result.bare = memory(await _python(IMPORTS + _READ_OWN))
    without = memory(await _python(HUB_IMPORTS + _READ_OWN))
    virtual, real = [
        memory(await _python(f"{HUB_IMPORTS}; {more}{_READ_OWN}")) for more in RADIO_IMPORTS
    ]
    result.virtual_radio, result.real_radio = (
        with_.resident - without.resident for with_ in (virtual, real)
    )
    return result


async def _start(result: StartRounds, site: Site, means: tuple[str, Path], last: bool) -> None:
    async with processes.hub(site, *means) as hub:
        result.ready.append((await hub.note("ready") - hub.began_ns) / 1e9)
        if last:
            await asyncio.sleep(IDLE_SECONDS)
            result.hub = memory_of(hub.process.pid)
            guards = [memory_of(guard) for guard in children(hub.process.pid)]
            result.guard = Memory(
                sum(g.resident for g in guards), sum(g.proportional for g in guards)
            )


def memory(rollup: str) -> Memory:
    """Read the text of a smaps_rollup (proc(5))."""
    kib = {
        name: int(size)
        for name, size in re.findall(r"^(Rss|Pss):\s+(\d+) kB$", rollup, re.MULTILINE)
    }
    return Memory(kib["Rss"] * 1024 / 1e6, kib["Pss"] * 1024 / 1e6)


def memory_of(process_id: int) -> Memory:
    """Return the memory of a running process."""
    return memory(Path(f"/proc/{process_id}/smaps_rollup").read_text())


def children(process_id: int) -> list[int]:
    """Return the ids of a process's own children: of a hub, the guard of its strikes and the one
    that waits.
    """
    threads = Path(f"/proc/{process_id}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


async def _python(code: str) -> str:
    """Run a line of Python in a new interpreter; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stdout=asyncio.subprocess.PIPE, cwd=processes.ROOT
    )
    async with asyncio.timeout(processes.START_SECONDS):
        printed, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"python -c {code!r} failed")
    return printed.decode()
