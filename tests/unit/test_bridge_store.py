"""The store of a bridge on a real disk: what is durable, what is damaged, who waits for whom."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubbridge.rules.kept import Gap, Span
from hubbridge.rules.room import RoomLimits, bytes_of
from hubbridge.rules.turns import Turns
from hubbridge.store.jobs import Batch
from hubbridge.store.leaving import RELEASE_RECORDS, Durable
from hubbridge.store.meeting import Resume
from hubbridge.store.offering import Offer
from hubbridge.store.reading import Read
from hubbridge.store.store import Store
from hubbridge.store.writer import Writer
from hubcore.bridge.ends import Ends
from hubcore.errors import StoreError
from hubcore.evidence.records import Head, StoredRecord, chain_hash

LIMITS = RoomLimits(budget_bytes=1 << 20, hubs_max=4)
PATIENCE_SECONDS = 20.0
SQLITE_HEADER_BYTES = 100


def chain(records: int, story: str = "told", before: Head | None = None) -> list[StoredRecord]:
    made: list[StoredRecord] = []
    head = before or Head()
    for number in range(head.number + 1, head.number + 1 + records):
        body = f"{story} {number}".encode()
        head = Head(number, chain_hash(head.hash, number, body))
        made.append(StoredRecord(number, body, head.hash))
    return made


CHAIN = chain(40)


def head(number: int) -> Head:
    return Head(number, CHAIN[number - 1].hash) if number else Head()


@asynccontextmanager
async def running(
    path: Path, limits: RoomLimits = LIMITS, turns: Turns[object] | None = None
) -> AsyncIterator[Store]:
    store = await Store.open(path, limits, turns)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(store.run())
        await asyncio.sleep(0)  # it has begun, so it closes the file at its end
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield store
        writing.cancel()


async def all_let_go(store: Store) -> None:
    """Each commit lets go of one step."""
    while store.hubs["hub-1"].releasable:
        await store.read("hub-1", 0, 1)


def changed(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, values)


def rows_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute("SELECT count(*) FROM records").fetchone()
        return int(found)


async def test_what_is_held_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    async with running(path) as store:
        assert (await store.resume("hub-1", Head())).why == ""
        offered = await store.offer("hub-1", tuple(CHAIN[:10]))
        assert offered.held == tuple(range(1, 11))
        again = await store.offer("hub-1", tuple(CHAIN[5:12]))
        assert again.held == tuple(range(6, 13))
        assert (await store.offer("hub-2", tuple(CHAIN[:1]))).apart == (1,)
    async with running(path) as store:
        assert store.damaged == ()
        assert store.hubs["hub-1"].newest == head(12)
        assert await store.read("hub-1", 4, 5) == tuple(CHAIN[4:9])
        assert await store.read("hub-1", 9, 100) == tuple(CHAIN[9:12])
        assert await store.read("hub-1", 12, 100) == ()
        assert store.used == {"hub-1": sum(bytes_of(one.body) for one in CHAIN[:12])}
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_hub_and_a_fork_of_it(tmp_path: Path) -> None:
    fork = chain(5, "other", head(10))
    async with running(tmp_path / "bridge.db") as store:
        await store.resume("hub-1", Head())
        await store.offer("hub-1", tuple(CHAIN[:12]))
        offered = await store.offer("hub-1", (CHAIN[11], fork[0], CHAIN[12]))
        assert offered.held == (12,)
        assert "record 11" in offered.fork
        assert "another hash" in (await store.resume("hub-1", Head(11, fork[0].hash))).why
        assert store.hubs["hub-1"].newest == head(12)


async def test_only_what_the_backend_has_goes_and_in_steps(tmp_path: Path) -> None:
    """writer, law 3"""
    path = tmp_path / "bridge.db"
    many = chain(2 * RELEASE_RECORDS + 10)
    async with running(path) as store:
        await store.resume("hub-1", Head())
        await store.offer("hub-1", tuple(many))
        await store.durable("hub-1", len(many) - 5)
        await all_let_go(store)
        assert store.hubs["hub-1"].waiting == 5
        assert store.used["hub-1"] == sum(bytes_of(one.body) for one in many[-5:])
        assert await store.read("hub-1", len(many) - 5, 10) == tuple(many[-5:])
    assert rows_in(path) == 5
    async with running(path) as store:
        await store.durable("hub-1", len(many))
        await all_let_go(store)
        assert store.hubs["hub-1"].newest.number == len(many)
    assert rows_in(path) == 0


async def test_a_hub_that_floods_leaves_the_others_their_share(tmp_path: Path) -> None:
    limits = RoomLimits(budget_bytes=4000, hubs_max=2)
    many = tuple(chain(100))
    async with running(tmp_path / "bridge.db", limits) as store:
        await store.resume("hub-1", Head())
        offered = await store.offer("hub-1", many)
        assert 0 < len(offered.held) < 100
        assert offered.held + offered.refused == tuple(range(1, 101))
        assert store.used["hub-1"] <= limits.share_bytes
        await store.resume("hub-2", Head())
        assert (await store.offer("hub-2", many[:15])).refused == ()
        assert (await store.resume("hub-3", Head())).full
        await store.durable("hub-1", len(offered.held))
        await all_let_go(store)
        more = await store.offer("hub-1", many[len(offered.held) : len(offered.held) + 10])
        assert len(more.held) == 10


def test_a_disk_without_room_takes_nothing_and_lets_go(tmp_path: Path) -> None:
    """room, law 5; writer, law 5"""
    left = [LIMITS.free_bytes_min]
    with closing(Writer(tmp_path / "bridge.db", LIMITS, lambda _: left[0])) as writer:
        writer.write([Resume("hub-1", Head()), Offer("hub-1", tuple(CHAIN[:5]))])
        left[0] -= 1
        (offered,) = writer.write([Offer("hub-1", tuple(CHAIN[3:8]))])
        assert offered.held == (4, 5)
        assert offered.refused == (6, 7, 8)
        assert writer.is_tight
        writer.write([Durable("hub-1", 3)])
        assert writer.hubs["hub-1"].waiting == 2
        assert writer.used["hub-1"] == sum(bytes_of(one.body) for one in CHAIN[3:5])
        left[0] += 1
        (offered,) = writer.write([Offer("hub-1", tuple(CHAIN[3:8]))])
        assert offered.held == (4, 5, 6, 7, 8)
        assert not writer.is_tight


@pytest.mark.parametrize("number", [-1, 1 << 63])
async def test_a_number_that_no_record_has_fails_its_caller_alone(
    tmp_path: Path, number: int
) -> None:
    async with running(tmp_path / "bridge.db") as store:
        await store.resume("hub-1", Head())
        with pytest.raises(ValueError, match="no record's number"):
            await store.durable("hub-1", number)
        with pytest.raises(ValueError, match="no record's number"):
            await store.read("hub-1", number, 1)
        with pytest.raises(ValueError, match="no record's number"):
            await store.resume("hub-1", Head(number, bytes(32)))
        assert (await store.offer("hub-1", tuple(CHAIN[:2]))).held == (1, 2)


class WatchedTurns(Turns[object]):
    """Lines that nobody may add to while they are full."""

    def add(self, hub: str, item: object, size_bytes: int) -> None:
        assert not self.is_full(hub)
        super().add(hub, item, size_bytes)


async def test_a_full_line_is_waited_for(tmp_path: Path) -> None:
    """store, law 2"""
    turns = WatchedTurns(turn_bytes=1, waiting_bytes=1)
    async with running(tmp_path / "bridge.db", turns=turns) as store:
        await store.resume("hub-1", Head())
        async with asyncio.TaskGroup() as group:
            offers = [group.create_task(store.offer("hub-1", (one,))) for one in CHAIN]
        assert [one.result().held for one in offers] == [(one.number,) for one in CHAIN]


DAMAGES: dict[str, tuple[str, tuple[object, ...]]] = {
    "an edited body": ("UPDATE records SET body = ? WHERE number = 6", (b"edited",)),
    "an edited hash": ("UPDATE records SET hash = ? WHERE number = 5", (bytes(32),)),
    "a row that is gone": ("DELETE FROM records WHERE number = ?", (6,)),
    "the last one gone": ("DELETE FROM records WHERE number = ?", (12,)),
    "all gone": ("DELETE FROM records", ()),
    "the first one edited": ("UPDATE records SET body = ? WHERE number = 1", (b"edited",)),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_what_is_damaged_is_never_given_out_and_comes_again(
    tmp_path: Path, damage: str
) -> None:
    """rows, laws 1 and 2; jobs, law 3"""
    path = tmp_path / "bridge.db"
    async with running(path) as store:
        await store.resume("hub-1", Head())
        await store.offer("hub-1", tuple(CHAIN[:12]))
    statement, values = DAMAGES[damage]
    changed(path, statement, *values)
    async with running(path) as store:
        read: list[StoredRecord] = []
        while more := await store.read("hub-1", len(read), 5):
            read += more
        assert read == CHAIN[: len(read)]
        assert len(read) < 12
        assert (await store.resume("hub-1", head(len(read)))).why == ""
        offered = await store.offer("hub-1", tuple(CHAIN[len(read) : 14]))
        assert offered.fork == ""
        assert offered.held == tuple(range(len(read) + 1, 15))
        assert store.hubs["hub-1"].gaps() == ()
        assert await store.read("hub-1", 0, 100) == tuple(CHAIN[:14])


@pytest.mark.parametrize("damage", ["an edited body", "an edited hash", "a row that is gone"])
async def test_the_disks_fault_is_no_fork_of_the_hub(tmp_path: Path, damage: str) -> None:
    """jobs, law 3"""
    path = tmp_path / "bridge.db"
    async with running(path) as store:
        await store.resume("hub-1", Head())
        await store.offer("hub-1", tuple(CHAIN[:12]))
    statement, values = DAMAGES[damage]
    changed(path, statement, *values)
    async with running(path) as store:
        again = [await store.offer("hub-1", (one,)) for one in CHAIN[:14]]
        assert [one.fork for one in again] == [""] * 14
        named = [(await store.resume("hub-1", head(number))).why for number in range(15)]
        assert named == [""] * 15
        assert store.hubs["hub-1"].newest == head(14)


async def test_the_newest_head_outlives_its_damaged_record(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    async with running(path) as store:
        await store.resume("hub-1", Head())
        await store.offer("hub-1", tuple(CHAIN[:12]))
    changed(path, "DELETE FROM records WHERE number > 7")
    async with running(path) as store:
        assert store.damaged == ("hub-1",)
        assert store.hubs["hub-1"].newest == head(12)
        assert store.hubs["hub-1"].gaps() == (Gap(8, 12),)


async def test_a_newest_head_that_was_rewritten_is_told(tmp_path: Path) -> None:
    """It is what a hub is held against: it does not go for records that say otherwise."""
    path = tmp_path / "bridge.db"
    async with running(path) as store:
        await store.resume("hub-1", Head())
        await store.offer("hub-1", tuple(CHAIN[:12]))
    changed(path, "UPDATE spans SET newest = 8, newest_hash = ?", CHAIN[8].hash)
    async with running(path) as store:
        assert store.damaged == ("hub-1",)
        assert store.hubs["hub-1"].newest == Head(8, CHAIN[8].hash)
        await store.resume("hub-1", Head())
        assert "record 8" in (await store.offer("hub-1", tuple(CHAIN[:12]))).fork


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        ("CREATE TABLE other (x)", "its schema was changed: other"),
        ("DROP TABLE ended_keys", "its schema was changed"),
        ("PRAGMA application_id = 7", "not of a bridge"),
        ("PRAGMA user_version = 99", "a newer version"),
        ("UPDATE spans SET newest = 0", "cannot go from record"),
    ],
)
async def test_a_file_that_is_not_ours_is_not_believed(
    tmp_path: Path, spoil: str, part: str
) -> None:
    """schema, law 2"""
    path = tmp_path / "bridge.db"
    async with running(path) as store:
        await store.resume("hub-1", head(3))
        await store.offer("hub-1", tuple(CHAIN[3:6]))
    changed(path, spoil)
    with pytest.raises(StoreError, match=part):
        Writer(path, LIMITS)


@given(st.binary(max_size=200), st.integers(0, 4096))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_other_bytes_are_a_sentence_or_nothing(tmp_path: Path, data: bytes, more: int) -> None:
    """SQLite takes a file that is shorter than a header for one that was only made."""
    path = tmp_path / "bridge.db"
    path.write_bytes(data + bytes(more))
    said = _found_in(path)
    if len(data) + more >= SQLITE_HEADER_BYTES:
        assert "damaged or no database" in said
    assert said == "no hub" or "damaged or no database" in said


def _found_in(path: Path) -> str:
    """Return what a start says of a file."""
    try:
        with closing(Writer(path, LIMITS)) as writer:
            return "no hub" if writer.hubs == {} else str(writer.hubs)
    except StoreError as error:
        return str(error)


def test_a_file_that_is_gone_is_not_begun_beside_its_log(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    left = tmp_path / "bridge.db-wal"
    left.write_bytes(b"")
    with pytest.raises(StoreError, match="it is gone, but"):
        Writer(path, LIMITS)
    left.unlink()
    Writer(path, LIMITS).close()


def test_one_bridge_alone_has_a_file(tmp_path: Path) -> None:
    """writer, law 4"""
    path = tmp_path / "bridge.db"
    first = Writer(path, LIMITS)
    with pytest.raises(StoreError, match="another bridge"):
        Writer(path, LIMITS)
    first.close()
    Writer(path, LIMITS).close()


class Fails:
    """A job that a disk fails in the middle of its batch."""

    def run(self, batch: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")


def test_a_batch_is_whole_or_not_at_all(tmp_path: Path) -> None:
    """writer, laws 1 and 2"""
    path = tmp_path / "bridge.db"
    with closing(Writer(path, LIMITS)) as writer:
        writer.write([Resume("hub-1", Head()), Offer("hub-1", tuple(CHAIN[:3]))])
        with pytest.raises(StoreError):
            writer.write([Offer("hub-1", tuple(CHAIN[3:6])), Resume("hub-2", Head()), Fails()])
        assert set(writer.hubs) == {"hub-1"}
        assert writer.hubs["hub-1"].newest == head(3)
        assert writer.write([Offer("hub-1", tuple(CHAIN[3:6]))])[0].held == (4, 5, 6)
        assert writer.write([Read("hub-1", 0, 10)]) == [tuple(CHAIN[:6])]


class FailsAtCommit:
    """A record of no hub, which SQLite notices when the batch is to be made durable."""

    def run(self, batch: Batch) -> None:
        batch.connection.execute("PRAGMA defer_foreign_keys = ON")
        batch.connection.execute("INSERT INTO records VALUES (999, 1, x'00', ?)", (bytes(32),))


def test_what_is_known_is_what_the_last_commit_left(tmp_path: Path) -> None:
    """writer, law 1"""
    with closing(Writer(tmp_path / "bridge.db", LIMITS)) as writer:
        writer.write([Resume("hub-1", Head()), Offer("hub-1", tuple(CHAIN[:3]))])
        with pytest.raises(StoreError):
            writer.write([Offer("hub-1", tuple(CHAIN[3:6])), FailsAtCommit()])
        assert writer.hubs["hub-1"].newest == head(3)
        assert writer.write([Read("hub-1", 0, 10)]) == [tuple(CHAIN[:3])]


async def test_a_failure_is_told_and_ends_nothing(tmp_path: Path) -> None:
    """store, law 3"""
    path = tmp_path / "bridge.db"
    async with running(path) as store:
        await store.resume("hub-1", Head())
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="another process has locked it"):
                await store.offer("hub-1", tuple(CHAIN[:3]))
            other.execute("ROLLBACK")
        assert (await store.offer("hub-1", tuple(CHAIN[:3]))).held == (1, 2, 3)


async def test_who_waits_at_the_end_is_told(tmp_path: Path) -> None:
    """store, law 4: one is in the batch that the disk holds up, and one in its line."""
    path = tmp_path / "bridge.db"
    closed = "the bridge's records are closed"
    store = await Store.open(path, LIMITS)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
            first = group.create_task(_sentence(store.resume("hub-1", Head())))
            writing = group.create_task(store.run())
            await asyncio.to_thread(other.execute, "SELECT 1")
            second = group.create_task(_sentence(store.resume("hub-1", Head())))
            await asyncio.to_thread(other.execute, "SELECT 1")
            writing.cancel()
    assert first.result() == second.result() == closed
    assert await _sentence(store.resume("hub-1", Head())) == closed


async def _sentence(asked: Awaitable[object]) -> str:
    try:
        await asked
    except StoreError as error:
        return str(error)
    return ""


KILLED = """
import asyncio, sys
from pathlib import Path
from hubbridge.rules.room import RoomLimits
from hubbridge.store.store import Store
from hubcore.evidence.records import Head, StoredRecord, chain_hash

async def main():
    store = await Store.open(Path(sys.argv[1]), RoomLimits())
    async with asyncio.TaskGroup() as group:
        group.create_task(store.run())
        for hub in ("hub-1", "hub-2"):
            group.create_task(speak(store, hub))

async def speak(store, hub):
    await store.resume(hub, Head())
    head = Head()
    while True:
        records = []
        for number in range(head.number + 1, head.number + 8):
            body = f"told {number}".encode()
            head = Head(number, chain_hash(head.hash, number, body))
            records.append(StoredRecord(number, body, head.hash))
        offered = await store.offer(hub, tuple(records))
        print(hub, offered.held[-1], flush=True)
        await store.durable(hub, max(0, offered.held[-1] - 20))

asyncio.run(main())
"""


def test_what_was_told_to_be_held_outlives_a_kill(tmp_path: Path) -> None:
    """store, law 1: also while the oldest go."""
    for name in ("first", "second", "third"):
        path = tmp_path / f"{name}.db"
        held: dict[str, int] = {}
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
        ) as bridge:
            assert bridge.stdout is not None
            for _ in range(60):
                hub, number = bridge.stdout.readline().split()
                held[hub] = int(number)
            bridge.kill()
            for line in bridge.stdout:
                hub, number = line.split()
                held[hub] = int(number)
        many = chain(max(held.values()) + 50)
        with closing(Writer(path, RoomLimits())) as writer:
            assert writer.opened.damaged == []
            for hub, last in held.items():
                newest = writer.hubs[hub].newest
                assert newest.number >= last
                assert newest.hash == many[newest.number - 1].hash
                (span,) = writer.hubs[hub].spans
                assert span.before.number <= last - 20
                (read,) = writer.write([Read(hub, span.before.number, 100_000)])
                assert list(read) == many[span.before.number : newest.number]


async def test_ends_outlive_a_restart_and_do_not_go_back(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    ends = Ends(3, frozenset({"hub-1", "hub-2"}), frozenset({bytes(32)}))
    async with running(path) as store:
        assert store.ends == Ends()
        assert await store.take_ends(ends) == ends
        assert await store.take_ends(Ends(2)) == ends
    async with running(path) as store:
        assert store.ends == ends
        fewer = Ends(4, frozenset({"hub-2"}))
        assert await store.take_ends(fewer) == fewer
    async with running(path) as store:
        assert store.ends == fewer


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(0, 39), st.integers(1, 12)),
            st.tuples(st.just("durable"), st.integers(0, 40), st.just(0)),
            st.tuples(st.just("again"), st.just(0), st.just(0)),
        ),
        max_size=14,
    )
)
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
def test_the_file_says_what_memory_says_after_any_steps(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    """writer, law 1: what a restart finds is what was known before it."""
    path = tmp_path_factory.mktemp("bridge") / "bridge.db"
    writer = Writer(path, LIMITS)
    durable = 0
    try:
        for what, first, many in steps:
            if what == "send":
                writer.write([Resume("hub-1", head(first))])
                (offered,) = writer.write([Offer("hub-1", tuple(CHAIN[first : first + many]))])
                assert offered.fork == ""
                assert all(number <= durable for number in offered.apart)  # they have gone
            elif what == "durable":
                writer.write([Durable("hub-1", first)])
                durable = first if writer.hubs else 0
            else:
                before = (writer.hubs, writer.used)
                writer.close()
                writer = Writer(path, LIMITS)
                assert writer.opened.damaged == []
                assert before[0].keys() == writer.hubs.keys()
        while writer.has_more:
            writer.write([])
        for kept in writer.hubs.values():
            for span in kept.spans:
                (read,) = writer.write([Read("hub-1", span.before.number, 100)])
                assert list(read) == CHAIN[span.before.number : span.newest.number]
            held = [number for span in kept.spans for number in _numbers(span)]
            taken = sum(bytes_of(CHAIN[number - 1].body) for number in held)
            assert writer.used["hub-1"] == taken
    finally:
        writer.close()


def _numbers(span: Span) -> range:
    return range(span.before.number + 1, span.newest.number + 1)
