"""Small D-Bus applications of the tests' own, run in the guest beside hubd; what they print is
their story.

Each is a module with a `main(adapter)` that prints `registered` when BlueZ has taken it up.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType

from lab.guest import Guest

SAID_SECONDS = 15.0
ADAPTER = "/org/bluez/hci0"

_runs = itertools.count(1)


@dataclass(frozen=True)
class App:
    """One run of an application."""

    guest: Guest
    unit: str

    async def story(self) -> list[str]:
        """Return the lines that it has printed until now."""
        await self.guest.run("journalctl", "--sync")
        argv = ("journalctl", "-u", self.unit, "_TRANSPORT=stdout", "-o", "cat", "--no-pager")
        return (await self.guest.run(*argv)).out.splitlines()

    async def said(self, line: str, seconds: float = SAID_SECONDS) -> None:
        """Wait until it has said so."""
        async with asyncio.timeout(seconds):
            while line not in await self.story():  # noqa: ASYNC110 (another machine's)
                await asyncio.sleep(0.1)


@asynccontextmanager
async def running(guest: Guest, module: ModuleType) -> AsyncIterator[App]:
    """Run an application in the guest while inside."""
    app = App(guest, f"lab-app-{next(_runs)}")
    argv = ("/opt/hubd/bin/python", "-m", module.__name__, ADAPTER)
    await guest.run("systemd-run", f"--unit={app.unit}", "--working-directory=/opt/hubd/src", *argv)
    try:
        await app.said("registered")
        yield app
    finally:
        await guest.run("systemctl", "stop", app.unit)
