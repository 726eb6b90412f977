"""A simulated Z-Wave network from outside: it starts, it is disturbed, it ends."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import aiohttp

from hubsim.zwave.modules import SERVICE

HERE = Path(__file__).parent
START_SECONDS = 150.0
END_SECONDS = 20.0


class ZwaveNetwork:
    """The network of `mock.cjs`, with the service in front of it, as an async context.

    Nodes: 2 a supervised lock, 3 a shutter (Window Covering), 4 a shutter (Multilevel Switch), 5 a
    door sensor, 6 a lock that jams, 7 a switch, 8 a quick lock with a timer of its own, 9 a meter,
    10 a garage door (Barrier Operator), 11 a sensor of smoke, CO, water, motion, a door, °F, lx, %.
    """

    def __init__(self, modules: Path, folder: Path) -> None:
        self._modules = modules
        self._folder = folder
        self._process: Process | None = None
        self.socket = folder / "zwave-js.sock"
        """Where the service is reached."""

    async def __aenter__(self) -> ZwaveNetwork:
        rights = ["--net"] if os.geteuid() == 0 else ["--net", "--map-root-user"]
        self._process = await asyncio.create_subprocess_exec(
            "unshare",
            *rights,
            sys.executable,
            str(HERE / "inside.py"),
            str(self._modules),
            str(SERVICE / "service.cjs"),
            str(self._folder),
            stdin=PIPE,
            stdout=PIPE,
        )
        async with asyncio.timeout(START_SECONDS):
            await self._said("ready")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._running()
        process[1].close()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await process[0].wait()
                return
        process[0].kill()

    async def stop(self, name: str) -> None:
        """Kill the `service` or the `mock` (the stick is gone)."""
        await self._tell(f"{name} stop")

    async def start(self, name: str) -> None:
        """Start it again."""
        await self._tell(f"{name} start")

    async def disturb(self, path: str) -> None:
        """Ask the mock to make a fault or to say something.

        `/jam?node=2&on=1`, `/fail?node=2&on=1`, `/dead?node=7&on=1`, `/door?open=1`,
        `/battery?level=5`, `/notify?node=2&event=5&user=3` (`&type=` where it is not 6),
        `/manual?node=2&mode=255`,
        `/chatter?node=2&count=1000`.
        """
        connector = aiohttp.UnixConnector(path=str(self._folder / "mock.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://mock{path}") as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def _tell(self, line: str) -> None:
        self._running()[1].write(line.encode() + b"\n")
        async with asyncio.timeout(START_SECONDS):
            await self._said("done")

    async def _said(self, word: str) -> None:
        line = await self._running()[2].readline()
        if line.strip() != word.encode():
            raise AssertionError(f"the network said {line!r}, see {self._folder}/*.log")

    def _running(self) -> tuple[Process, asyncio.StreamWriter, asyncio.StreamReader]:
        """Return the process and its pipes. Raise RuntimeError before the start."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the network has not been started")
        return process, process.stdin, process.stdout
