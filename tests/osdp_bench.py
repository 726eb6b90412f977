"""A real OSDP panel process and simulated readers on a pseudo-terminal."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from drivers.osdp.readers import OsdpReader, OsdpReaders
from hubcore.ports.reader import ReaderFault
from hubsim.osdp.line import SimLine
from hubsim.osdp.reader import SimReader
from tests.fakes.reader import FakeReaderListener

PATIENCE_SECONDS = 15.0
SETTLE_SECONDS = 0.6
"""For so long after a session has begun its reads are dropped, and a little more."""
HOLD_AGAIN_SECONDS = 1.0
ADDRESSES = {"front": 1, "back": 2}


class OsdpBench:
    """Two readers on one line, each with a key of its own."""

    def __init__(self, folder: Path) -> None:
        self.told = FakeReaderListener()
        self.panels: list[tuple[bool, str]] = []
        self.keys = {name: secrets.token_bytes(16) for name in ADDRESSES}
        self.sims = {
            name: SimReader(address, self.keys[name]) for name, address in ADDRESSES.items()
        }
        self.line = SimLine(folder / "line", list(self.sims.values()))
        self.readers = self.new_readers()

    def new_readers(self, **other_keys: bytes) -> OsdpReaders:
        """Return a driver for these readers, with other keys where they are given."""
        keys = {**self.keys, **other_keys}
        configured = [
            OsdpReader(id=name, device=str(self.line.path), address=address, key=keys[name])
            for name, address in ADDRESSES.items()
        ]
        return OsdpReaders(configured, lambda up, why: self.panels.append((up, why)))

    def is_proven(self, name: str) -> bool:
        return self.readers.key_in_use(name) is not None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is seen."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():  # noqa: ASYNC110 - what is awaited is in another process
                await asyncio.sleep(0.002)

    async def until_settled(self, *names: str) -> None:
        """Wait until the readers are proven, and their reads are believed."""
        await self.until(lambda: all(self.is_proven(name) for name in names or ADDRESSES))
        await asyncio.sleep(SETTLE_SECONDS)

    async def until_stands(self, name: str, *faults: ReaderFault) -> None:
        """Wait until one of the faults stands."""
        await self.until(lambda: bool(self.told.standing(name) & set(faults)))

    async def until_card(self, name: str) -> None:
        """Hold a card until it has come through; a person holds it again, too."""
        card = secrets.token_bytes(8)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self._was_told(card):
                self.sims[name].hold_card(card)
                await self._a_while(card)

    async def _a_while(self, card: bytes) -> None:
        """Wait until a card was told, or it is time to hold it again."""
        again = time.monotonic() + HOLD_AGAIN_SECONDS
        await self.until(lambda: self._was_told(card) or time.monotonic() >= again)

    def _was_told(self, card: bytes) -> bool:
        return any(read.data == card for read in self.told.cards)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Have the line and the driver run."""
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self.line.serve()),
                tasks.create_task(self.readers.serve(self.told)),
            ]
            try:
                yield
            finally:
                for task in running:
                    task.cancel()
        self.line.unplug()


@asynccontextmanager
async def osdp_bench(folder: Path) -> AsyncIterator[OsdpBench]:
    """Yield a bench whose readers are proven and settled."""
    bench = OsdpBench(folder)
    async with bench.served():
        await bench.until_settled()
        yield bench
