"""The stick of a simulated network as a serial line: a pty that is carried to zwave-js's mock.

Laws:
1. It has one lasting name, a link, as udev makes one of a stick. The device behind is a new one, of
   another name, each time that it is plugged in.
2. While it is out, the link is gone, and whoever has it open reads its end.
"""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 4096
AGAIN_SECONDS = 0.1


@dataclass(frozen=True)
class _Plugged:
    """A stick that is in: the two ends of its line, and what carries it."""

    ours: int
    theirs: int
    carrying: asyncio.Task[None]


class UsbStick:
    """The stick behind the link `name`; the mock listens on `port`. `tasks` carry its line."""

    def __init__(self, name: Path, port: int, tasks: asyncio.TaskGroup) -> None:
        self._name = name
        self._port = port
        self._tasks: asyncio.TaskGroup = tasks
        self._plugged: _Plugged | None = None
        self._was = ""
        """What the device was called that was pulled out last (law 1)."""

    def plug(self) -> None:
        """Put it in: a new device behind the same link."""
        ours, theirs = _another_line(self._was)
        tty.setraw(theirs)
        carrying = self._tasks.create_task(self._carry(ours))
        self._plugged = _Plugged(ours, theirs, carrying)
        self._name.symlink_to(os.ttyname(theirs))

    async def pull(self) -> None:
        """Pull it out."""
        plugged = self._plugged
        if plugged is None:
            return
        self._plugged = None
        self._name.unlink()
        plugged.carrying.cancel()
        await asyncio.wait({plugged.carrying})
        self._was = os.ttyname(plugged.theirs)
        os.close(plugged.theirs)
        os.close(plugged.ours)

    async def _carry(self, line: int) -> None:
        """Carry the line to the mock, also to one that was started again, or has another guest."""
        while True:
            with suppress(OSError):
                await self._carry_once(line)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _carry_once(self, line: int) -> None:
        from_mock, to_mock = await asyncio.open_connection("127.0.0.1", self._port)
        loop = asyncio.get_running_loop()
        loop.add_reader(line, lambda: to_mock.write(_read(line)))
        try:
            while chunk := await from_mock.read(CHUNK_BYTES):
                os.write(line, chunk)
        finally:
            loop.remove_reader(line)
            to_mock.close()


def _another_line(name: str) -> tuple[int, int]:
    """Open a line that is not called NAME: the kernel gives the first name that is free."""
    ours, theirs = pty.openpty()
    if os.ttyname(theirs) != name:
        return ours, theirs
    another = pty.openpty()
    os.close(theirs)
    os.close(ours)
    return another


def _read(line: int) -> bytes:
    try:
        return os.read(line, CHUNK_BYTES)
    except OSError:  # nobody has it open
        return b""
