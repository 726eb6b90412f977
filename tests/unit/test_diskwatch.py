"""The disk of the state directory: warned of before it is full, and a rest kept for releases."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hubcore.checks import CheckId, Topic
from hubcore.evidence.records import Record, RecordKind
from hubcore.ports.stores import DiskState, RecordsRoom
from hubd.adapters.host import state_disk
from hubd.adapters.sqlite.audit import AuditStore
from hubd.upkeep.diskwatch import MIB, DiskWatch
from hubd.upkeep.health import Health
from tests.fakes.clock import FakeClock
from tests.threads import Scarce

LOG = Path("/var/lib/hubd/audit.db")
GIB = 1024 * MIB


class Watched:
    def __init__(self, log: Path = LOG) -> None:
        self.state: DiskState | OSError = DiskState(GIB, 8 * GIB, 0)
        self.health = Health(FakeClock(), {}, ())
        self.records = RecordsRoom()
        self.watch = DiskWatch(self._look, self.health, log, records=lambda: self.records)

    def _look(self, _name_above: int) -> asyncio.Future[DiskState]:
        looked: asyncio.Future[DiskState] = asyncio.get_running_loop().create_future()
        if isinstance(self.state, OSError):
            looked.set_exception(self.state)
        else:
            looked.set_result(self.state)
        return looked

    async def see(self, state: DiskState | OSError) -> set[CheckId]:
        self.state = state
        await self.watch.look()
        return {problem.check for problem in self.health.problems()}


@pytest.mark.parametrize(
    ("state", "problems", "room"),
    [
        (DiskState(64 * MIB, 8 * GIB, 4 * MIB), set(), True),
        (DiskState(63 * MIB, 8 * GIB, 4 * MIB), {CheckId.DISK_LOW}, True),
        (DiskState(15 * MIB, 8 * GIB, 4 * MIB), {CheckId.DISK_SHORT}, False),
        (DiskState(0, 8 * GIB, 4 * MIB), {CheckId.DISK_SHORT}, False),
        (
            DiskState(9 * MIB, 64 * MIB, 0),
            set(),
            True,
        ),  # a small disk is low at an eighth, short at a 32nd
        (DiskState(7 * MIB, 64 * MIB, 0), {CheckId.DISK_LOW}, True),
        (DiskState(1 * MIB, 64 * MIB, 0), {CheckId.DISK_SHORT}, False),
        (DiskState(GIB, 8 * GIB, 9 * MIB), {CheckId.JOURNAL_GROWN}, True),
        (DiskState(GIB, 8 * GIB, 65 * MIB), {CheckId.JOURNAL_GROWN_LONG}, False),
        (DiskState(GIB, 8 * GIB, 9 * MIB, ("x",)), {CheckId.JOURNAL_HELD}, True),
        (DiskState(GIB, 8 * GIB, 65 * MIB, ("x",)), {CheckId.JOURNAL_HELD_LONG}, False),
    ],
)
async def test_what_is_seen_stands_and_goes(
    state: DiskState, problems: set[CheckId], room: bool
) -> None:
    watched = Watched()
    assert watched.watch.room()
    assert await watched.see(state) == problems
    assert watched.watch.room() is room
    assert await watched.see(OSError(5, "a look that fails changes nothing")) == problems
    assert watched.watch.room() is room
    assert await watched.see(DiskState(GIB, 8 * GIB, 0)) == set()
    assert watched.watch.room()


@pytest.mark.parametrize(
    ("room", "check"),
    [
        (RecordsRoom(), None),
        (RecordsRoom(100 * MIB, 100 * MIB, 79 * MIB), None),
        (RecordsRoom(100 * MIB, 90 * MIB, 80 * MIB), CheckId.RECORDS_HELD),
        (RecordsRoom(100 * MIB, 100 * MIB, 100 * MIB), CheckId.RECORDS_HELD),
        (RecordsRoom(100 * MIB, 102 * MIB, 101 * MIB), CheckId.RECORDS_OVER),
        (RecordsRoom(100 * MIB, 102 * MIB, 0, 5, "record 6 was edited"), CheckId.RECORDS_STAY),
    ],
)
async def test_records_that_must_stay_are_a_problem_before_they_fill_their_budget(
    room: RecordsRoom, check: CheckId | None
) -> None:
    watched = Watched()
    watched.records = room
    expected = set() if check is None else {check}
    assert await watched.see(DiskState(GIB, 8 * GIB, 0)) == expected
    watched.records = RecordsRoom()
    assert await watched.see(DiskState(GIB, 8 * GIB, 0)) == set()


async def test_who_holds_the_log_is_named_with_what_to_do() -> None:
    watched = Watched()
    await watched.see(DiskState(GIB, 8 * GIB, 20 * MIB, ("sqlite3 (process 4711)",)))
    (problem,) = watched.health.problems()
    assert problem.what == (
        "/var/lib/hubd/audit.db-wal has grown to 20 MiB: sqlite3 (process 4711) reads the "
        "audit log and does not stop."
    )
    assert problem.remedy == "End sqlite3 (process 4711)."
    await watched.see(DiskState(GIB, 8 * GIB, 20 * MIB))
    assert "sudo fuser -v /var/lib/hubd/audit.db" in watched.health.problems()[0].remedy


READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM records").fetchone()
print("reading", flush=True)
sys.stdin.read()
"""


async def test_a_reader_left_open_is_seen_and_named_and_the_journal_is_cut_when_it_has_gone(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.db"
    record = Record(RecordKind.ACCESS, 1, 1, {"filling": bytes(3500)})
    async with await AuditStore.open(path) as store:
        await store.append(record)
        reader = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-c", READER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert reader.stdout is not None
            assert await asyncio.to_thread(reader.stdout.readline) == "reading\n"
            while path.with_name("audit.db-wal").stat().st_size <= 9 * MIB:
                await asyncio.gather(*(store.append(record) for _ in range(200)))
            state = await state_disk.look(path, 8 * MIB)
            assert f"(process {reader.pid})" in state.holders[0]
            assert not any(str(os.getpid()) in holder for holder in state.holders)
            assert (await state_disk.look(path, 100 * MIB)).holders == ()
        finally:
            reader.communicate("", timeout=10)
        async with asyncio.timeout(20):
            while (await state_disk.look(path, 8 * MIB)).journal_bytes > 6 * MIB:
                await store.append(record)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_disk_that_does_not_answer_gets_one_look_whose_late_answer_counts() -> None:
    health = Health(FakeClock(), {}, ())
    begun = list[asyncio.Future[DiskState]]()

    def look(_name_above: int) -> asyncio.Future[DiskState]:
        begun.append(asyncio.get_running_loop().create_future())
        return begun[-1]

    watch = DiskWatch(look, health, LOG, look_seconds=0.01)
    for _ in range(3):
        await watch.look()
    assert len(begun) == 1
    begun[0].set_result(DiskState(0, 8 * GIB, 0))
    await watch.look()
    assert not watch.room()
    assert [problem.id for problem in health.problems()] == [Topic.DISK]
    await watch.look()
    assert len(begun) == 2


async def test_a_machine_without_a_thread_is_looked_at_the_next_time(tmp_path: Path) -> None:
    health = Health(FakeClock(), {}, ())
    scarce = Scarce(missing=1)
    state = DiskState(0, 8 * GIB, 0)
    watch = DiskWatch(
        lambda name_above: state_disk.look(
            tmp_path, name_above, measure=lambda *_: state, start=scarce
        ),
        health,
        LOG,
    )
    await watch.look()
    assert watch.room()
    await watch.look()
    assert not watch.room()


HUNG = """
import asyncio, sys, threading
from functools import partial
from pathlib import Path
from hubd.adapters.host import state_disk
from hubd.upkeep.diskwatch import DiskWatch
from hubd.upkeep.health import Health
from tests.fakes.clock import FakeClock
looking = threading.Event()
def hang(*_):
    looking.set()
    threading.Event().wait()
async def main():
    look = partial(state_disk.look, Path("/var/lib/hubd/audit.db"), measure=hang)
    watch = DiskWatch(look, Health(FakeClock(), {}, ()), Path("/var/lib/hubd/audit.db"),
    look_seconds=0.01)
    task = asyncio.get_running_loop().create_task(watch.run())
    while not looking.is_set():
        await asyncio.sleep(0.05)
    task.cancel()
asyncio.run(main())
print("ended")
"""


def test_a_look_that_never_ends_holds_up_no_stop() -> None:
    root = Path(__file__).parents[2]
    around = {**os.environ, "PYTHONPATH": f"{root}:{root / 'hardware-sim'}"}
    ended = subprocess.run(
        [sys.executable, "-c", HUNG], env=around, capture_output=True, timeout=30, check=True
    )
    assert ended.stdout == b"ended\n"
