"""What the screen of `hubctl top` costs its line: `python -m benchmarks.screen`.

Laws:
1. The real program runs at a pseudo-terminal of 80 times 24 cells, before a real local socket with
   given answers. The bytes that it writes are counted, not a time.
2. Beside each figure stands the screen as it is sent whole (Ctrl-L), in the same run.
3. A round is one asking, from its end to the end of the next. What is drawn after an asking is
   drawn long before the next one.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import sys
import tempfile
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import processes
from hubd.adapters.host import log
from hubd.adapters.local.api import LocalApi
from hublocal.calls import Call
from hublocal.tail.events import EventTail

COLUMNS = 80
ROWS = 24
DOORS = 8
ROUNDS = 5
LAST_CALL = "trace"
"""Of an asking."""
BYTES_A_SECOND = 960
"""Of a line of 9600 baud."""
READ_BYTES = 1 << 16


@dataclass(slots=True)
class ScreenRounds:
    """Bytes of each round. `two_cells`: a count and a signal strength have another last digit."""

    whole: list[int] = field(default_factory=list)
    idle: list[int] = field(default_factory=list)
    two_cells: list[int] = field(default_factory=list)


class _Hub:
    """Answers as a hub with some doors does; `moves`: two digits change with each asking."""

    def __init__(self, path: Path) -> None:
        self.moves = False
        self._askings = 0
        self._asked = asyncio.Condition()
        calls = tuple(Call(name, self._handler(name)) for name in self._documents())
        self.api = LocalApi(path, calls, EventTail())

    async def next_asking(self) -> None:
        """Wait until one more asking has ended."""
        async with asyncio.timeout(processes.START_SECONDS), self._asked:
            before = self._askings
            await self._asked.wait_for(lambda: self._askings > before)

    def _handler(self, name: str) -> Any:
        async def handler(_arguments: Mapping[str, Any], _caller: object) -> object:
            document = self._documents()[name]
            if name == LAST_CALL:
                async with self._asked:
                    self._askings += 1
                    self._asked.notify_all()
            return document

        return handler

    def _documents(self) -> dict[str, Any]:
        odd = self._askings % 2 if self.moves else 0
        doors = [
            {"id": f"door-{at}", "name": f"Door {at}", "state": "secured", "mode": "Locked"}
            for at in range(DOORS)
        ]
        counts = [0, 3, 40, 7, 1]
        link = {"number": 3, "since": 1.0, "phase": "proof", "rssi": -61 - odd, "point": None}
        unlocks = [{"door": "door-0", "total_ms": 20.0 + at % 7} for at in range(32)]
        return {
            "status": {
                "hub": "hub-1",
                "site": "site-1",
                "version": "1",
                "ready": True,
                "doors": doors,
                "devices": [],
                "records": {"waiting": 0},
                "backend": {"connected": True},
                "radio": {"on_air": True, "links": 1},
            },
            "measured": {
                "decisions": [{"why": "granted", "count": 50 + odd}],
                "strike_asked": {"bounds_seconds": [0.01, 0.02, 0.05, 0.1], "counts": counts},
            },
            "radio": {"advertising": {"on_air": True}, "links": [link], "link_places": 8},
            "trace": {"unlocks": unlocks},
        }


class _Line:
    """The other end of the terminal: it counts what comes."""

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._count = 0

    def read(self) -> None:
        self._count += len(os.read(self._leader, READ_BYTES))

    def taken(self) -> int:
        """Return how many bytes came since the last time."""
        count = self._count
        self._count = 0
        return count

    def press(self, key: str) -> None:
        os.write(self._leader, key.encode())


async def measure(folder: Path, rounds: int) -> ScreenRounds:
    """Count the bytes of so many rounds of each kind."""
    result = ScreenRounds()
    hub = _Hub(folder / "s")
    hub.api.bind()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(hub.api.serve())
        async with _screen_of(folder / "s") as line:
            for _ in range(2):  # the first screens
                await hub.next_asking()
            await _each(result.idle, rounds, hub, line)
            for _ in range(rounds):
                line.press("\x0c")
                await _each(result.whole, 1, hub, line)
            hub.moves = True
            for _ in range(2):  # the first may answer as the one before did
                await hub.next_asking()
            await _each(result.two_cells, rounds, hub, line)
        serving.cancel()
    return result


async def _each(counts: list[int], rounds: int, hub: _Hub, line: _Line) -> None:
    line.taken()
    for _ in range(rounds):
        await hub.next_asking()
        counts.append(line.taken())


@asynccontextmanager
async def _screen_of(socket: Path) -> AsyncIterator[_Line]:
    leader, follower = pty.openpty()
    fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    line = _Line(leader)
    asyncio.get_running_loop().add_reader(leader, line.read)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubctl", "--socket", str(socket), "top"),
        stdin=follower,
        stdout=follower,
        cwd=processes.ROOT,
        env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8"},
    )
    try:
        yield line
    finally:
        line.press("q")
        async with asyncio.timeout(processes.START_SECONDS):
            await process.wait()
        asyncio.get_running_loop().remove_reader(leader)
        os.close(follower)
        os.close(leader)


def said(rounds: ScreenRounds) -> str:
    """Return the figures as lines."""
    whole = median(rounds.whole)
    kinds = (("an idle screen", rounds.idle), ("two cells changed", rounds.two_cells))
    lines = [f"the whole screen: {whole:,.0f} bytes, {whole / BYTES_A_SECOND:.2f} s at 9600 baud"]
    for kind, counts in kinds:
        each = median(counts)
        lines.append(f"{kind}, each second / the whole screen: {each / whole:.3f} ({each:,.0f})")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    log.set_up("warning")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        print(said(asyncio.run(measure(Path(folder), ROUNDS))))


if __name__ == "__main__":
    main()
