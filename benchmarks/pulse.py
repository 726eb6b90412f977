"""How long a strike is driven, beside how long it was asked for, while every core is busy.

Laws:
1. The strike guard is the process that a hub runs; both edges carry its own time.
2. A busy process for each core, at the guard's own priority, runs all the while.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drivers.strike.guard_client import StrikeGuard
from drivers.strike.wire import StrikeLine
from hubsim.door.lines import Bank

PULSE_SECONDS = 0.1
STRIKE = "front"
CAP_MS = 1000
BUSY = "while True: pass"


@dataclass(slots=True)
class PulseRounds:
    """Seconds by which each pulse was longer than asked; less than 0: shorter."""

    error: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Edges:
    """What the guard says of one strike."""

    changes: asyncio.Queue[tuple[bool, int]] = field(default_factory=asyncio.Queue)

    def hear(self, active: bool, at_ns: int) -> None:
        self.changes.put_nowait((active, at_ns))

    async def next(self, active: bool) -> int:
        """Return when the strike became so."""
        while True:
            is_active, at_ns = await self.changes.get()
            if is_active is active:
                return at_ns


async def measure(directory: Path, rounds: int) -> PulseRounds:
    """Drive one strike so often, each time when it has come to rest."""
    bank = directory / "lines"
    Bank.create(bank, [STRIKE]).close()
    line = StrikeLine(str(bank), STRIKE, cap_ms=CAP_MS, rest_ms=0)
    guard = StrikeGuard({STRIKE: line}, lambda up, why: None, "hubsim.door.lines:open_lines")
    edges = _Edges()
    guard.watch(STRIKE, edges.hear)
    result = PulseRounds()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_held(guard))
        await stack.enter_async_context(_busy())
        for _ in range(rounds):
            await guard.pulse(STRIKE, PULSE_SECONDS)
            rose_ns = await edges.next(True)
            fell_ns = await edges.next(False)
            result.error.append((fell_ns - rose_ns) / 1e9 - PULSE_SECONDS)
    return result


@asynccontextmanager
async def _held(guard: StrikeGuard) -> AsyncIterator[None]:
    """Have a guard hold the line meanwhile."""
    ready = asyncio.Event()
    running = asyncio.create_task(guard.run(ready.set))
    try:
        await ready.wait()
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def _busy() -> AsyncIterator[None]:
    """Keep every core busy meanwhile."""
    argv = [sys.executable, "-c", BUSY]
    cores = os.cpu_count() or 1
    processes = [await asyncio.create_subprocess_exec(*argv) for _ in range(cores)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            await process.wait()
