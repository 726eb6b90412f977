"""The processes of a bench: radio, backend and hub, started and ended by their ids, on loopback.

Laws:
1. A process that is started here is ended here, whatever happens in between.
2. Every wait has an end.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hubsim import site as sites
from hubsim.site import DeskDoor, Site

START_SECONDS = 20.0
STOP_SECONDS = 8.0
ROOT = Path(__file__).resolve().parent.parent
BUDGET = """
[protocol]
rsa_per_second = 100.0
rsa_burst = 100

[log]
level = "warning"
"""
"""What a bench changes in the desk's configuration: usually a hub does 5 RSA a second."""
STRIKE_SECONDS = 0.2
"""The shortest release, so that many fit in a minute."""


@asynccontextmanager
async def running(
    log: Path, *command: str, folder: Path | None = None, pipe: int | None = None
) -> AsyncIterator[Process]:
    """Run a module of Python in `folder`; end it at the end of the block.

    Its complaints go to `log`; `pipe` is a descriptor that it gets.
    """
    with log.open("ab") as complaints:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *command),
            stdout=PIPE,
            stderr=complaints,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            pass_fds=() if pipe is None else (pipe,),
        )
    try:
        yield process
    finally:
        await end(process)


async def end(process: Process) -> None:
    """Ask a process to end; kill it when it does not."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def first_line(process: Process) -> str:
    """Return the first line that a process prints. Raise TimeoutError, or that it ended."""
    assert process.stdout is not None
    async with asyncio.timeout(START_SECONDS):
        line = await process.stdout.readline()
    if not line:
        raise RuntimeError("a process of the bench ended before it said anything: see its log")
    return line.decode().strip()


@asynccontextmanager
async def radio(log: Path) -> AsyncIterator[str]:
    """Run the air; yield bumble's name of its transport."""
    async with running(log, "hubsim.main", "radio", "--listen", "127.0.0.1:0") as process:
        yield (await first_line(process)).removeprefix("radio on ")


@asynccontextmanager
async def backend(site: Site, endpoint: str, log: Path) -> AsyncIterator[None]:
    """Run the reference backend."""
    async with running(
        log, "hubsim.main", "backend", "--at", str(site.path), "--listen", endpoint
    ) as process:
        await first_line(process)
        yield


def make_site(path: Path, endpoint: str) -> Site:
    """Make a site with one door of one access point; the hub has the desk's file and `BUDGET`."""
    site = sites.init(path)
    config = sites.write_config(site, endpoint, [DeskDoor(strike_seconds=STRIKE_SECONDS)])
    config.write_text(config.read_text() + BUDGET)
    return site


def free_endpoint() -> str:
    """Return a loopback endpoint that is free now."""
    return f"tcp://127.0.0.1:{free_port()}"


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class HubProcess:
    """A running hub of a bench; `began_ns` is CLOCK_MONOTONIC just before its exec."""

    def __init__(self, process: Process, notes: asyncio.StreamReader, began_ns: int) -> None:
        self.process = process
        self._notes = notes
        self.began_ns = began_ns

    async def note(self, what: str, within_seconds: float = START_SECONDS) -> int:
        """Return the time of the next note of that name; pass over others before it."""
        notes = await self.notes_until(what, within_seconds)
        _, at = notes[-1]
        return at

    async def notes_until(
        self, what: str, within_seconds: float = START_SECONDS
    ) -> list[tuple[str, int]]:
        """Return all notes up to and with the next one of that name."""
        found: list[tuple[str, int]] = []
        async with asyncio.timeout(within_seconds):
            while line := await self._notes.readline():
                name, at = line.split()
                found.append((name.decode(), int(at)))
                if found[-1][0] == what:
                    return found
        raise RuntimeError("the hub ended")


@asynccontextmanager
async def hub(site: Site, transport: str, log: Path) -> AsyncIterator[HubProcess]:
    """Run the hub of a site; it may not yet be on air when this yields."""
    read_end, write_end = os.pipe()
    notes = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(notes), os.fdopen(read_end, "rb", 0)
    )
    began_ns = time.monotonic_ns()
    try:
        command = ("benchmarks.hub", transport, str(write_end))
        async with running(log, *command, folder=site.hub, pipe=write_end) as process:
            yield HubProcess(process, notes, began_ns)
    finally:
        os.close(write_end)
