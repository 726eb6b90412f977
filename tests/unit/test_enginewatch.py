"""The watch over an engine: started again only for a write error, and only when there is room."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from hubgateway.enginewatch import HEALTH, WRITE_ERROR, EngineWatch

SERVER = "import sys, time; open(sys.argv[1], 'a').write('started\\n'); time.sleep(60)"
WANTED = 1_000


class World:
    """What the watch sees, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.page = "ok"
        self.free = 0
        self.looks = 0
        self.told: list[str] = []
        self.starts = folder / "starts"
        self.stopped = asyncio.Event()

    def read(self, name: str) -> str:
        if name != HEALTH:
            return '{"config": {"sync_always": true}}'
        self.looks += 1
        return self.page

    def tell(self, text: str) -> None:
        self.told.append(text)
        if "it is started again" in text:
            self.page = "ok"  # of the next server

    def started(self) -> int:
        return self.starts.read_text().count("started") if self.starts.exists() else 0

    def watch(self, *command: str) -> EngineWatch:
        return EngineWatch(
            command or (sys.executable, "-c", SERVER, str(self.starts)),
            self.read,
            lambda: self.free,
            WANTED,
            self.tell,
            look_seconds=0.001,
        )

    async def until_looked(self, times: int) -> None:
        wanted = self.looks + times
        async with asyncio.timeout(30):
            while self.looks < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def until_started(self, times: int) -> None:
        async with asyncio.timeout(30):
            while self.started() < times:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


async def test_a_start_comes_only_for_a_write_error_and_with_room(tmp_path: Path) -> None:
    """enginewatch, laws 1 and 2"""
    world = World(tmp_path)
    running = asyncio.create_task(world.watch().run(world.stopped))
    await world.until_started(1)
    world.free = 10 * WANTED
    for page in ("ok", "", "unavailable: still recovering"):
        world.page = page
        await world.until_looked(5)
    assert (world.started(), world.told) == (1, [])
    world.free = WANTED - 1
    world.page = f"JetStream stream {WRITE_ERROR}: no space left on device"
    await world.until_looked(20)
    assert world.started() == 1
    assert len(world.told) == 1
    assert "DISK IS FULL" in world.told[0]
    world.free = WANTED
    await world.until_started(2)
    assert "it is started again" in world.told[1]
    world.stopped.set()
    assert await running != 0


async def test_a_server_that_ends_tells_its_status(tmp_path: Path) -> None:
    """enginewatch, law 3"""
    world = World(tmp_path)
    watch = world.watch(sys.executable, "-c", "raise SystemExit(7)")
    assert await watch.run(world.stopped) == 7
