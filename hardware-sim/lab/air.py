"""An air in a process of its own, as `hubsim radio` serves it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lab.ending import ENDS_WITH_US

AIR_SECONDS = 20.0


@dataclass(frozen=True)
class AirAddress:
    """Where controllers are to be had; `transport` is bumble's name of it."""

    host: str
    port: int

    @property
    def transport(self) -> str:
        return f"tcp-client:{self.host}:{self.port}"


@asynccontextmanager
async def an_air(*options: str) -> AsyncIterator[AirAddress]:
    """Serve an air on a free port, with these options of `hubsim radio`; it ends with the block."""
    argv = (
        *ENDS_WITH_US,
        sys.executable,
        "-c",
        "from hubsim.main import main; main()",
        "radio",
        "--listen",
        "127.0.0.1:0",
        *options,
    )
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(AIR_SECONDS):
            line = (await process.stdout.readline()).decode()
        host, port = line.rsplit("tcp-client:", 1)[1].strip().rsplit(":", 1)
        yield AirAddress(host, int(port))
    finally:
        process.terminate()
        try:
            async with asyncio.timeout(AIR_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            raise
