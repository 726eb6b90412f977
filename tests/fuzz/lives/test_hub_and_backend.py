"""A hub and the reference backend in any order of events: appends, losses, repetitions, delays,
restarts of either, and a backend that is put back to an older copy of its records.

Oracle: whatever happens, nothing that a backend acknowledged is forgotten while the backend lacks
it, the backend's records are the hub's from the first on, and once both stay up it has all.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.evidence.records import GENESIS, StoredRecord
from hubsim.backend.evidence import Evidence
from tests.fakes.audit import FakeAudit
from tests.fuzz.common import HARDER, effort
from tests.unit.test_sync import Site

REACHED: Counter[str] = Counter()
EVENTS = (
    "append",
    "append",
    "up",
    "up",
    "up",
    "up again",
    "up lost",
    "up late",
    "down",
    "down",
    "down again",
    "down lost",
    "cut",
    "connect",
    "connect",
    "later",
    "disk hangs",
    "disk goes on",
    "save",
    "restore",
    "begin again",
    "hub restarts",
)
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Nothing here is about the disk, and each record is a commit."""
SETTLING = 40
"""Rounds in which nothing is lost; each record needs two, and there are at most 40."""


class Backend:
    """The reference backend's records behind a line that loses, repeats and delays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.saved = folder.with_name("saved")
        self.evidence = Evidence(folder, Counter())
        self.stopped: str | None = None
        self.lost_told = 0

    def answer(self, data: bytes) -> list[bytes]:
        """Take one message; return what is said to it."""
        message = codec.decode_from_hub(data)
        match message:
            case from_hub.Hello():
                greeted = self.evidence.greet("hub-1", message)
                self.lost_told += greeted.lost > 0
                if greeted.stop is not None:
                    self.stopped = greeted.stop.detail
                    return []
                head = self.evidence.head("hub-1")
                durable = (head.number, head.hash) if head else (0, GENESIS)
                return [codec.encode(from_backend.Welcome(1, *durable))]
            case from_hub.Evidence(number, body, digest):
                taken = self.evidence.take("hub-1", [StoredRecord(number, body, digest)])
                if taken.stop is not None:
                    self.stopped = taken.stop.detail
                if taken.held:
                    return [codec.encode(from_backend.Acknowledge(taken.held))]
        return []

    def records(self) -> list[StoredRecord]:
        return self.evidence.records("hub-1")

    def save(self) -> None:
        """Make a copy, as a backup does."""
        self.evidence.close()
        shutil.rmtree(self.saved, ignore_errors=True)
        shutil.copytree(self.folder, self.saved)

    def restore(self, empty: bool) -> None:
        """Come back with the copy, or with nothing."""
        self.evidence.close()
        shutil.rmtree(self.folder)
        if self.saved.exists() and not empty:
            shutil.copytree(self.saved, self.folder)
        self.folder.mkdir(exist_ok=True)
        self.evidence = Evidence(self.folder, Counter())


class Line:
    """A hub, a backend, and what is under way between them."""

    def __init__(self, folder: Path) -> None:
        self.log = FakeAudit()
        self.backend = Backend(folder)
        self.up: deque[bytes] = deque()
        self.down: deque[bytes] = deque()
        self.connected = False

    async def begin(self) -> None:
        """Start the hub on the log that it has."""
        self.here = Site(self.log, window=4, acknowledge_seconds=5.0, held_seconds=5.0)
        self.running = asyncio.create_task(self.here.sync.run())
        await self.here.link.served()

    async def end(self) -> None:
        """Kill the hub: what it had in memory is gone."""
        self.cut()
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    def cut(self) -> None:
        """Lose the connection, and what is under way on it."""
        if self.connected:
            self.here.link.cut("gone")
        self.connected = False
        self.up.clear()
        self.down.clear()

    def connect(self) -> None:
        if not self.connected:
            self.here.link.connect()
        self.connected = True

    async def rest(self) -> None:
        """Let the hub do what it has to do, and take what it said."""
        for _ in range(20):
            await asyncio.sleep(0)
        while not self.here.link.said.empty():
            self.up.append(self.here.link.said.get_nowait())

    def bring_up(self) -> None:
        self.down.extend(self.backend.answer(self.up.popleft()))

    async def happens(self, event: str) -> None:
        match event:
            case "append":
                await self.here.append()
            case "up" if self.up:
                self.bring_up()
            case "up again" if self.up:
                self.down.extend(self.backend.answer(self.up[0]))
                REACHED["repeated"] += 1
            case "up lost" if self.up:
                self.up.popleft()
            case "up late" if self.up:
                self.up.rotate(-1)
            case "down" if self.down:
                self.here.link.say(self.down.popleft())
            case "down again" if self.down:
                self.here.link.say(self.down[0])
            case "down lost" if self.down:
                self.down.popleft()
            case "cut":
                self.cut()
            case "connect":
                self.connect()
            case "later":
                self.here.later(11.0)
            case "disk hangs":
                self.log.disk.clear()
            case "disk goes on":
                self.log.disk.set()
            case "save":
                self.backend.save()
            case "restore" | "begin again":
                self.cut()
                self.backend.restore(empty=event == "begin again")
                REACHED["restored"] += 1
            case "hub restarts":
                await self.end()
                await self.begin()
        await self.rest()
        self.check()

    def check(self) -> None:
        held = self.backend.records()
        assert held == self.log.stored[: len(held)], "the backend has another story"
        if self.connected and self.here.sync.state.phase == "speaking" and not self.up:
            lacking = self.log.acknowledged - {record.number for record in held}
            taking_back = self.here.sync.state.counters.get("restored", 0)
            assert not lacking or taking_back, f"{lacking} are forgotten and not there"

    async def settle(self) -> None:
        """Both stay up, and nothing is lost."""
        self.log.disk.set()
        self.cut()
        self.connect()
        for _ in range(SETTLING):
            await self.rest()
            while self.up or self.down:
                while self.up:
                    self.bring_up()
                while self.down:
                    self.here.link.say(self.down.popleft())
                await self.rest()
            self.here.later(11.0)


async def run(events: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        line = Line(Path(folder) / "records")
        line.backend.folder.mkdir()
        await line.begin()
        for event in ("connect", "up", "down", *events):
            await line.happens(event)
        in_order = not {"up late", "up lost"} & {*events}
        if in_order:
            assert line.backend.stopped is None, line.backend.stopped
        if line.backend.stopped is None:
            await line.settle()
            assert line.backend.stopped is None, line.backend.stopped
            assert line.backend.records() == line.log.stored, "lost"
            assert line.log.waiting() == 0
            REACHED["whole"] += 1
        await line.end()
        line.backend.evidence.close()


RECORDS = ["append", "append", "up", "up", "down", "down"]
RESTORED = [*RECORDS, "save", *RECORDS, "restore", "connect", "up", "down"]
RECEIPT_UNDER_WAY = [*RECORDS, "save", "append", "up", "down", "restore", "connect", "up", "down"]
NOT_NOTED = [*RECORDS, "save", "append", "up", "disk hangs", "down", "restore", "connect", "later"]
REPEATED = ["append", "append", "up again", "up again", "up", "up", "down", "down", "down again"]
EMPTY = [*RECORDS, "begin again", "hub restarts", "connect", "up", "down", "append"]


@effort(100)
@given(st.lists(st.sampled_from(EVENTS), min_size=10, max_size=40))
@example(REPEATED)
@example(RESTORED)
@example(RECEIPT_UNDER_WAY)
@example(EMPTY)
@example(NOT_NOTED)
def _try(events: list[str]) -> None:
    asyncio.run(run(events))


def test_nothing_is_lost_between_hub_and_backend_in_any_order() -> None:
    _try()
    fewest = max(1, int(4 * min(1.0, HARDER)))
    assert min(REACHED["whole"], REACHED["restored"], REACHED["repeated"]) >= fewest, REACHED
