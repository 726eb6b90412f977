"""The audit log on real files: durable, grouped, honest when the disk fails; `hubctl audit` finds
every tampering.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hubcore.errors import AuditError
from hubcore.evidence.records import Record, RecordKind, chain_hash, follows
from hubctl.main import hubctl
from hubd.adapters.sqlite.audit import QUEUE_LIMIT, AuditStore
from hubd.adapters.sqlite.audit_start import open_log
from hubd.adapters.sqlite.database import AUDIT
from hubterm.exits import UNREADABLE, USAGE
from tests.crafted import hide_indexes_while

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
GROWN_KIB_MAX = 1000


def record(n: int, at_ms: int | None = None) -> Record:
    return Record(
        RecordKind.ACCESS,
        1_790_000_000_000 + n if at_ms is None else at_ms,
        n,
        {"n": n, "grant": bytes(16)},
    )


async def filled(path: Path, count: int, acknowledged: int = 0) -> None:
    """Make a closed log of `count` records, the first of them acknowledged."""
    async with await AuditStore.open(path) as store:
        for n in range(count):
            await store.append(record(n))
        await store.acknowledge(range(1, acknowledged + 1))


async def reopened(path: Path) -> int:
    """Open and close the log; return the number of its last record."""
    async with await AuditStore.open(path) as store:
        assert store.waiting() == store.last()
        return store.last()


def commits(path: Path) -> int:
    """Count the commits in the write-ahead log: its frames that carry a database size (file format,
    section 4.1).
    """
    data = path.with_name(path.name + "-wal").read_bytes()
    page_size = struct.unpack_from(">I", data, 8)[0]
    salt = data[16:24]
    frames = range(32, len(data) - page_size - 23, page_size + 24)
    return sum(
        1 for at in frames if data[at + 8 : at + 16] == salt and data[at + 4 : at + 8] != bytes(4)
    )


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep the writer waiting, as another process would that writes to the file."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextlib.contextmanager
def files_capped(size_bytes: int) -> Iterator[None]:
    """Let the kernel refuse this process every write beyond `size_bytes` of a file, as a failing
    disk would.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.asyncio
async def test_records_are_numbered_chained_and_still_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state" / "audit.db"
    async with await AuditStore.open(path) as store:
        assert (store.last(), store.waiting()) == (0, 0)
        assert [await store.append(record(n)) for n in range(3)] == [1, 2, 3]
        assert (store.last(), store.waiting()) == (3, 3)
    async with await AuditStore.open(path) as store:
        assert (store.last(), store.waiting()) == (3, 3)
        assert await store.append(record(3)) == 4
        found = await store.unacknowledged(0, 10)
    assert [item.number for item in found] == [1, 2, 3, 4]
    assert [Record.decode(item.body) for item in found] == [record(n) for n in range(4)]
    for previous, item in zip([None, *found[:-1]], found, strict=True):
        follows(previous, item)


@pytest.mark.asyncio
async def test_every_commit_is_synced_and_the_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "audit.db"
    async with await AuditStore.open(path) as store:
        await store.append(record(0))
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    connection = AUDIT.open(path)
    asked = ("journal_mode", "synchronous", "foreign_keys")
    assert [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked] == ["wal", 2, 1]
    connection.close()


@pytest.mark.asyncio
async def test_who_waits_while_a_commit_runs_shares_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        await store.append(record(0))
        before = commits(path)
        with locked(path):
            waiting = [asyncio.ensure_future(store.append(record(n))) for n in range(1, 101)]
            await asyncio.sleep(0)
            assert store.last() == 1
        assert await asyncio.gather(*waiting) == list(range(2, 102))
        assert 1 <= commits(path) - before <= 2


@pytest.mark.asyncio
async def test_a_cancelled_caller_breaks_no_batch_and_its_record_stands(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        with locked(path):
            waiting = [asyncio.ensure_future(store.append(record(n))) for n in range(10)]
            await asyncio.sleep(0)
            waiting[4].cancel()
            await asyncio.wait([waiting[4]])
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(answers.pop(4), asyncio.CancelledError)
        assert answers == [1, 2, 3, 4, 6, 7, 8, 9, 10]
        assert len(await store.unacknowledged(0, 100)) == store.last() == 10


@pytest.mark.asyncio
async def test_the_queue_has_a_ceiling_and_says_so_at_once(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        with locked(path):
            waiting = [asyncio.ensure_future(store.append(record(n))) for n in range(QUEUE_LIMIT)]
            await asyncio.sleep(0)
            with pytest.raises(AuditError, match="wait for the disk"):
                await store.append(record(0))
        assert await asyncio.gather(*waiting) == list(range(1, QUEUE_LIMIT + 1))
        assert await store.append(record(0)) == QUEUE_LIMIT + 1


@pytest.mark.asyncio
async def test_close_writes_what_is_pending_and_takes_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    store = await AuditStore.open(path)
    waiting = [asyncio.ensure_future(store.append(record(n))) for n in range(300)]
    await asyncio.sleep(0)
    await store.aclose()
    assert await asyncio.gather(*waiting) == list(range(1, 301))
    assert not path.with_name("audit.db-wal").exists()
    with pytest.raises(AuditError, match="closed"):
        await store.append(record(0))
    await store.aclose()


@pytest.mark.asyncio
async def test_acknowledged_records_leave_the_outbox_for_good(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        await asyncio.gather(*(store.append(record(n)) for n in range(6)))
        await asyncio.gather(
            store.acknowledge([5, 2]), store.append(record(6)), store.acknowledge([2])
        )
        assert store.waiting() == 5
        await store.acknowledge([])
    async with await AuditStore.open(path) as store:
        assert store.waiting() == 5
        assert [item.number for item in await store.unacknowledged(0, 10)] == [1, 3, 4, 6, 7]
        assert [item.number for item in await store.unacknowledged(3, 2)] == [4, 6]
        assert await store.unacknowledged(0, 0) == []
        assert await store.unacknowledged(0, -1) == []


@pytest.mark.asyncio
async def test_the_highest_acknowledgement_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        await asyncio.gather(*(store.append(record(n)) for n in range(6)))
        for numbers, highest in (([3], 3), ([2, 1], 3), ([4, 6], 6), ([5], 6)):
            await store.acknowledge(numbers)
            assert (
                f"highest acknowledged: {highest}" in (await asyncio.to_thread(verify, path)).output
            )


@pytest.mark.asyncio
async def test_a_row_that_another_process_wrote_stops_the_log_until_it_is_gone(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        await store.append(record(0))
        sql(path, "INSERT INTO records SELECT 2, at_ms, body, hash FROM records")
        with pytest.raises(AuditError):
            await store.append(record(1))
        with pytest.raises(AuditError, match="another process has written to it"):
            await store.append(record(1))
        sql(path, "DELETE FROM records WHERE number = 2")
        assert await store.append(record(1)) == 2


@pytest.mark.asyncio
async def test_an_acknowledgement_of_what_never_was_is_told_and_costs_nothing(
    tmp_path: Path,
) -> None:
    async with await AuditStore.open(tmp_path / "audit.db") as store:
        await store.append(record(0))
        await store.append(record(1))
        with pytest.raises(AuditError, match="beyond 2"):
            await store.acknowledge([1, 3, 1 << 80])
        with pytest.raises(AuditError, match="beyond 2"):
            await store.acknowledge([0])
        assert [item.number for item in await store.unacknowledged(0, 10)] == [2]


@pytest.mark.asyncio
async def test_newest_gives_pages_by_number_whatever_times_the_records_bear(tmp_path: Path) -> None:
    async with await AuditStore.open(tmp_path / "audit.db") as store:
        assert store.newest(1, 10) == []
        for n, at_ms in enumerate([500, 4_070_908_800_000, 1, 699, 0]):
            await store.append(record(n, at_ms))
        assert [item.number for item in store.newest(store.last() + 1, 2)] == [4, 5]
        assert [item.number for item in store.newest(4, 10)] == [1, 2, 3]
        assert store.newest(6, 0) == []


@pytest.mark.asyncio
async def test_a_failing_disk_fails_the_whole_batch_and_the_next_append_tries_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        await store.append(record(0))
        with files_capped(4096):
            answers = await asyncio.gather(
                *(store.append(record(n)) for n in range(1, 9)), return_exceptions=True
            )
            assert [type(answer) for answer in answers] == [AuditError] * 8
            assert "see `dmesg`" in str(answers[0])
            with pytest.raises(AuditError):
                await store.acknowledge([1])
            assert (store.last(), store.waiting()) == (1, 1)
        assert await store.append(record(9)) == 2
        await store.acknowledge([1])
        assert (store.last(), store.waiting()) == (2, 1)
    assert verify(path).exit_code == 0
    assert [said["mono_ms"] for said in listed(path)] == [0, 9]


GROWTH = """
import asyncio, sys
from pathlib import Path
from hubd.adapters.sqlite.audit import AuditStore
from hubcore.evidence.records import Record, RecordKind

def resident_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

async def main(path):
    async with await AuditStore.open(path) as store:
        for count in (1, 5, 5):
            for _ in range(count):
                await asyncio.gather(*(store.append(Record(RecordKind.DOOR, 1, 1,
                {"x": bytes(2000)})) for _ in range(200)))
            print(resident_kib())

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_log_that_grows_costs_no_memory(tmp_path: Path) -> None:
    """4 MB of records: SQLite by itself would keep half of them."""
    argv = [sys.executable, "-c", GROWTH, str(tmp_path / "state" / "audit.db")]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=ROOT, check=True)
    first, *_, last = (int(line) for line in run.stdout.split())
    assert last - first < GROWN_KIB_MAX, run.stdout


FULL_DISK = """
import asyncio, os, sys
from pathlib import Path
from hubd.adapters.sqlite.audit import AuditStore
from hubcore.evidence.records import Record, RecordKind
from hubcore.errors import AuditError
from tests.crafted import hide_indexes_while

async def main(directory):
    store = await AuditStore.open(directory / "state" / "audit.db")
    assert await store.append(Record(RecordKind.DOOR, 1, 1)) == 1
    ballast = os.open(directory / "ballast", os.O_CREAT | os.O_WRONLY)
    try:
        while os.write(ballast, bytes(4096)):
            pass
    except OSError as error:
        print(error.strerror)
    big = Record(RecordKind.DOOR, 2, 2, {"x": bytes(4000)})
    said, last = set(), 0
    while last != store.last():  # until the log has used up the room that it holds already
        last = store.last()
        answers = await asyncio.gather(*(store.append(big) for _ in range(100)),
        return_exceptions=True)
        said |= {str(answer) for answer in answers if isinstance(answer, AuditError)}
    assert all(isinstance(answer, AuditError) for answer in answers)
    assert store.last() == store.waiting()
    while True:  # a single record may still fit where a hundred did not
        try:
            await store.append(big)
        except AuditError as error:
            said.add(str(error))
            break
    last = store.last()
    for _ in range(3):
        try:
            await store.append(big)
        except AuditError as error:
            said.add(str(error))
    assert store.last() == store.waiting() == last
    print(*said, sep="\\n")
    os.ftruncate(ballast, 0)
    assert await store.append(big) == last + 1
    await store.aclose()
    store = await AuditStore.open(directory / "state" / "audit.db")
    assert store.last() == store.waiting() == last + 1
    await store.aclose()
    print("recovered")

asyncio.run(main(Path(sys.argv[1])))
"""


HANGING_READ = """
import asyncio, sys
from pathlib import Path
from hubd.adapters.sqlite.audit import AuditStore
from hubcore.errors import AuditError
async def main(path):
    store = await AuditStore.open(path)
    store._reading.acquire()  # as a read holds it that the disk does not answer
    reading = asyncio.get_running_loop().create_task(store.unacknowledged(0, 10))
    await asyncio.sleep(0.1)
    reading.cancel()
    try:
        await store.aclose()
    except AuditError as error:
        print(error, flush=True)
asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_read_that_never_ends_holds_up_no_stop(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HANGING_READ, str(tmp_path / "audit.db")]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout.endswith("the disk did not answer within 2 s while closing\n")


def test_a_full_disk_is_told_and_overcome(tmp_path: Path) -> None:
    own_mounts = ["unshare", "--mount", "--map-root-user"]
    mount = f"mount -t tmpfs -o size=12m,mode=0700 none {tmp_path}"
    if (
        not shutil.which("unshare")
        or subprocess.run([*own_mounts, "sh", "-c", mount], capture_output=True).returncode
    ):
        pytest.skip("this machine lets no test mount a small disk of its own")
    run = subprocess.run(
        [
            *own_mounts,
            "sh",
            "-c",
            f'{mount} && exec "$0" -c "$1" {tmp_path}',
            sys.executable,
            FULL_DISK,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    lines = run.stdout.splitlines()
    assert run.returncode == 0, run.stderr
    assert lines[0] == "No space left on device"
    assert len(lines) == 3, lines
    assert "the disk is full: make room" in lines[1]
    assert lines[-1] == "recovered"


KILLED = """
import asyncio, sys
from pathlib import Path
from hubd.adapters.sqlite.audit import AuditStore
from hubcore.evidence.records import Record, RecordKind

async def worker(store):
    while True:
        number = await store.append(Record(RecordKind.DOOR, 1, 1))
        print(number, flush=True)

async def main():
    store = await AuditStore.open(Path(sys.argv[1]))
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(worker(store))

asyncio.run(main())
"""


def test_what_was_promised_survives_kill_minus_nine(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert child.stdout is not None
    promised = [int(child.stdout.readline()) for _ in range(200)]
    child.send_signal(signal.SIGKILL)
    promised += [int(line) for line in child.stdout.read().split(b"\n")[:-1]]
    child.wait(10)
    child.stdout.close()
    assert asyncio.run(reopened(path)) >= max(promised)
    assert verify(path).exit_code == 0


@pytest.mark.asyncio
async def test_a_second_hubd_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        with pytest.raises(AuditError, match=f"another hubd \\(process {os.getpid()}\\)"):
            await AuditStore.open(path)
        assert await store.append(record(0)) == 1
    async with await AuditStore.open(path):
        pass


@pytest.mark.asyncio
async def test_a_log_that_vanishes_is_no_evidence(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        await store.append(record(0))
        path.rename(tmp_path / "elsewhere")
        with pytest.raises(AuditError, match="removed or replaced"):
            await store.append(record(1))
        (tmp_path / "elsewhere").rename(path)
        assert await store.append(record(2)) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("target", "mode"), [("audit.db", 0o644), ("audit.db", 0o620), (".", 0o777), (".", 0o770)]
)
async def test_files_open_to_others_are_refused(tmp_path: Path, target: str, mode: int) -> None:
    path = tmp_path / "state" / "audit.db"
    await filled(path, 1)
    (path.parent / target).chmod(mode)
    with pytest.raises(AuditError, match="lets others in: `chmod"):
        await AuditStore.open(path)


@pytest.mark.asyncio
async def test_a_link_or_directory_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audit.db").symlink_to(tmp_path / "other.db")
    with pytest.raises(AuditError, match="no regular file"):
        await AuditStore.open(tmp_path / "audit.db")
    (tmp_path / "plain").write_bytes(b"")
    with pytest.raises(AuditError):
        await AuditStore.open(tmp_path / "plain" / "audit.db")


async def test_what_is_no_lock_in_the_lock_s_place_is_told_with_what_to_do(tmp_path: Path) -> None:
    lock = tmp_path / "hubd.lock"
    for put in (lock.mkdir, partial(lock.symlink_to, lock), partial(os.mkfifo, lock)):
        put()
        with pytest.raises(AuditError, match=rf"hubd.lock: .* remove it with `rm -r {lock}`"):
            await AuditStore.open(tmp_path / "audit.db")
        lock.rmdir() if put == lock.mkdir else lock.unlink()
    async with await AuditStore.open(tmp_path / "audit.db") as store:
        assert await store.append(record(0)) == 1


def garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def malformed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(bytes(data))


def foreign(path: Path) -> None:
    path.unlink()
    sql(path, "CREATE TABLE notes (text)")
    path.chmod(0o600)


def newer(path: Path) -> None:
    sql(path, "PRAGMA user_version = 99")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (garbage, "damaged or no database .*move the file aside"),
        (malformed, "damaged or no database"),
        (foreign, "not of this kind"),
        (newer, r"written by a newer hubd \(schema 99, known here up to 4\)"),
    ],
)
async def test_a_file_that_cannot_serve_is_named_with_its_remedy_and_left_alone(
    tmp_path: Path, damage: object, says: str
) -> None:
    path = tmp_path / "audit.db"
    await filled(path, 3)
    assert callable(damage)
    damage(path)
    before = path.read_bytes()
    with pytest.raises(AuditError, match=says) as caught:
        await AuditStore.open(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    assert verify(path).exit_code == UNREADABLE


def sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def rebuilt(path: Path) -> None:
    """Edit record 3 and give it and all that follow hashes that are right again."""
    connection = sqlite3.connect(path, isolation_level=None)
    forged = Record(RecordKind.ACCESS, record(2).at_ms, 2, {"n": 77}).encode()
    connection.execute("UPDATE records SET body = ? WHERE number = 3", (forged,))
    previous = bytes(32)
    for number, body in connection.execute(
        "SELECT number, body FROM records ORDER BY number"
    ).fetchall():
        previous = chain_hash(previous, number, body)
        connection.execute("UPDATE records SET hash = ? WHERE number = ?", (previous, number))
    connection.close()


TAMPERINGS = [
    (
        "UPDATE records SET body = (SELECT body FROM records WHERE number = 4) WHERE number = 3",
        "record 3 was edited",
    ),
    ("UPDATE records SET body = zeroblob(9) WHERE number = 8", "record 8 was edited"),
    ("UPDATE records SET hash = zeroblob(32) WHERE number = 5", "record 5 was edited"),
    ("UPDATE records SET at_ms = 1 WHERE number = 6", "record 6 is filed under the time 1 ms"),
    ("DELETE FROM records WHERE number = 1", "record 1 is missing: 2 comes in its place"),
    ("DELETE FROM records WHERE number = 4", "record 4 is missing: 5 comes in its place"),
    (
        "DELETE FROM records WHERE number > 4; DELETE FROM outbox",
        "record 5 is missing: the end of the chain was cut off",
    ),
    ("DELETE FROM records WHERE number > 6", "record 7 is missing, for 7 waits for the backend"),
    (
        "DELETE FROM records; DELETE FROM outbox",
        "record 1 is missing: the end of the chain was cut off",
    ),
    (
        "UPDATE records SET number = -3 WHERE number = 3; UPDATE records SET number = 3 WHERE "
        "number = 4;"
        "UPDATE records SET number = 4 WHERE number = -3",
        "record 3 was edited",
    ),
    (
        "INSERT INTO records SELECT number + 5, at_ms, body, hash FROM records WHERE number = 4",
        "record 9 was edited",
    ),
    (
        "INSERT INTO records SELECT 0, at_ms, body, hash FROM records WHERE number = 4",
        "record 1 is missing: 0 comes",
    ),
    (
        "INSERT INTO records SELECT 11, at_ms, body, hash FROM records WHERE number = 4",
        "record 9 is missing: 11 comes",
    ),
    ("UPDATE acknowledged SET hash = zeroblob(32)", "record 5 is not the one that was known"),
]
MENDED_AT_START = [
    ("DELETE FROM outbox WHERE number = 7", "record 7 was neither acknowledged nor waits"),
    ("DELETE FROM acknowledged", "record 1 was neither acknowledged nor waits"),
]


def verify(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(hubctl, ["audit", "verify", "--file", str(path), *arguments])


def listed(path: Path, *arguments: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(
        hubctl, ["audit", "list", "--json", *arguments], env={"HUBD_AUDIT": str(path)}
    )
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


@pytest.mark.asyncio
@pytest.mark.parametrize(("statements", "says"), [*TAMPERINGS, *MENDED_AT_START])
async def test_verify_names_the_first_wrong_record(
    tmp_path: Path, statements: str, says: str
) -> None:
    path = tmp_path / "audit.db"
    await filled(path, 8, acknowledged=5)
    assert verify(path).exit_code == 0
    sql(path, *statements.split(";"))
    result = verify(path)
    assert result.exit_code == 1
    assert f"BROKEN: {says}" in result.output
    assert "The chain holds" not in result.output
    result = verify(path, "--json")
    told = json.loads(result.output)
    assert (result.exit_code, result.stderr) == (1, "")
    assert (told["schema"], told["file"], told["holds"]) == (1, str(path), False)
    assert told["why"].startswith(says)
    assert set(told) == {"schema", "file", "holds", "why"}


@pytest.mark.asyncio
@pytest.mark.parametrize(("statements", "says"), TAMPERINGS)
async def test_hubd_does_not_start_on_broken_evidence(
    tmp_path: Path, statements: str, says: str
) -> None:
    path = tmp_path / "audit.db"
    await filled(path, 8, acknowledged=5)
    sql(path, *statements.split(";"))
    with pytest.raises(AuditError, match=r"record -?\d+ .*hubctl audit verify --file"):
        await AuditStore.open(path)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("statements", "waiting", "mended"),
    [(MENDED_AT_START[0][0], 3, 1), (MENDED_AT_START[1][0], 8, 5)],
)
async def test_records_taken_out_of_the_outbox_wait_again(
    tmp_path: Path, statements: str, waiting: int, mended: int
) -> None:
    path = tmp_path / "audit.db"
    await filled(path, 8, acknowledged=5)
    async with await AuditStore.open(path) as store:
        assert (store.waiting(), store.mended) == (3, 0)
    sql(path, *statements.split(";"))
    async with await AuditStore.open(path) as store:
        assert (store.waiting(), store.mended) == (waiting, mended)
        assert [item.number for item in await store.unacknowledged(0, 100)] == list(
            range(9 - waiting, 9)
        )
    assert verify(path).exit_code == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [1, 60, 200])
async def test_hubd_notices_a_record_that_is_missing_anywhere(tmp_path: Path, number: int) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        await asyncio.gather(*(store.append(record(n)) for n in range(500)))
        await asyncio.gather(*(store.append(record(n)) for n in range(500, 1200)))
    sql(path, *(f"DELETE FROM {table} WHERE number = {number}" for table in ("outbox", "records")))  # noqa: S608
    with pytest.raises(AuditError, match=f"record {number} is missing"):
        await AuditStore.open(path)


@pytest.mark.asyncio
async def test_hubd_checks_the_newest_records_of_a_long_log(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        for start in range(0, 1200, 600):
            await asyncio.gather(*(store.append(record(n)) for n in range(start, start + 600)))
        await store.acknowledge([150])
    async with await AuditStore.open(path) as store:
        assert store.last() == 1200
    sql(path, "UPDATE records SET body = zeroblob(9) WHERE number = 100")
    async with await AuditStore.open(path) as store:
        assert store.last() == 1200
    assert "record 100 was edited" in verify(path).output
    sql(path, "UPDATE records SET body = zeroblob(9) WHERE number = 201")
    with pytest.raises(AuditError, match="record 201 was edited"):
        await AuditStore.open(path)


@pytest.mark.asyncio
async def test_verify_says_what_it_saw(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    await filled(path, 8, acknowledged=5)
    result = verify(path)
    assert result.exit_code == 0
    assert "8 records, from 2026-09-21T14:13:20.000Z to 2026-09-21T14:13:20.007Z" in result.output
    head = next(
        line.removeprefix("head ")
        for line in result.output.splitlines()
        if line.startswith("head ")
    )
    assert head.startswith("8:")
    assert "not acknowledged by the backend: 3; highest acknowledged: 5" in result.output
    assert verify(path, "--head", head).exit_code == 0

    sql(path, "DELETE FROM records WHERE number > 5", "DELETE FROM outbox WHERE number > 5")
    assert verify(path).exit_code == 0
    result = verify(path, "--head", head)
    assert result.exit_code == 1
    assert (
        "record 6 is missing: the end of the chain was cut off, for record 8 was known"
        in result.output
    )


@pytest.mark.asyncio
async def test_verify_says_the_same_to_machines(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    await filled(path, 8, acknowledged=5)
    result = verify(path, "--json")
    told = json.loads(result.output)
    assert (result.exit_code, result.output.count("\n")) == (0, 1)
    assert f"head {told['head']}\n" in verify(path).output
    assert told.pop("head").startswith("8:")
    assert told == {
        "schema": 1,
        "file": str(path),
        "records": 8,
        "first": "2026-09-21T14:13:20.000Z",
        "last": "2026-09-21T14:13:20.007Z",
        "checkpoint": None,
        "checkpoint_signed": False,
        "waiting": 3,
        "acknowledged": 5,
        "holds": True,
    }


@pytest.mark.asyncio
async def test_verify_says_of_a_log_without_a_record_that_there_are_no_moments(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.db"
    await filled(path, 0)
    told = json.loads(verify(path, "--json").output)
    assert (told["records"], told["first"], told["last"], told["holds"]) == (0, None, None, True)


@pytest.mark.parametrize("name", ["none.db", "b\udc80.db", "a\x1b[2J.db"])
def test_what_cannot_be_read_is_one_document_for_machines(tmp_path: Path, name: str) -> None:
    result = verify(tmp_path / name, "--json")
    told = json.loads(result.stderr)
    assert (result.exit_code, result.stdout) == (UNREADABLE, "")
    assert (told["schema"], told["error"]["code"]) == (1, "unreadable")
    assert "there is no such file" in told["error"]["message"]
    assert result.output.strip().isprintable()


@pytest.mark.asyncio
async def test_a_chain_rewritten_with_right_hashes_is_found_by_what_others_kept(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.db"
    await filled(path, 8, acknowledged=5)
    head = verify(path).output.split("head ")[1].split()[0]
    rebuilt(path)
    assert "record 5 is not the one that was known" in verify(path).output
    sql(path, "UPDATE acknowledged SET hash = (SELECT hash FROM records WHERE number = 5)")
    assert verify(path).exit_code == 0
    assert "record 8 is not the one that was known" in verify(path, "--head", head).output


@pytest.mark.asyncio
async def test_verify_and_list_work_beside_the_running_daemon_and_on_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    copy = tmp_path / "copy" / "audit.db"
    copy.parent.mkdir()
    async with await AuditStore.open(path) as store:
        await asyncio.gather(*(store.append(record(n)) for n in range(20)))
        assert ": 20 records" in (await asyncio.to_thread(verify, path)).output
        assert len(await asyncio.to_thread(listed, path)) == 20
        for ending in ("", "-wal"):
            shutil.copy(f"{path}{ending}", f"{copy}{ending}")
        await store.append(record(20))
    assert ": 20 records" in verify(copy).output
    assert ": 21 records" in verify(path).output


def test_verify_reads_a_log_in_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    asyncio.run(filled(path, 3))
    command = (
        f"mount --bind {tmp_path} {tmp_path} && mount -o remount,bind,ro {tmp_path} && exec $0 $@"
    )
    prefix = ["unshare", "--mount", "--map-root-user", "sh", "-c", command]
    if (
        not shutil.which("unshare")
        or subprocess.run([*prefix, "true"], capture_output=True).returncode
    ):
        pytest.skip("this machine lets no test mount a read-only directory of its own")
    (tmp_path / "check.py").write_text(
        "import sys; from hubctl.main import hubctl; hubctl(['audit', *sys.argv[1:]])"
    )
    run = subprocess.run(
        [*prefix, sys.executable, str(tmp_path / "check.py"), "verify", "--file", str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (run.returncode, "3 records" in run.stdout) == (0, True), run.stderr


def test_what_cannot_be_read_is_a_sentence_and_a_status_of_its_own(tmp_path: Path) -> None:
    result = verify(tmp_path / "none.db")
    assert (result.exit_code, "there is no such file" in result.output) == (UNREADABLE, True)
    assert verify(tmp_path).exit_code == UNREADABLE
    (tmp_path / "empty.db").touch()
    assert "no audit log of hubd" in verify(tmp_path / "empty.db").output
    result = verify(tmp_path / "none.db", "--head", "12")
    assert (result.exit_code, "NUMBER:HASH" in result.output) == (USAGE, True)


@pytest.mark.asyncio
async def test_list_shows_the_newest_and_quotes_what_strangers_wrote(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        for n in range(30):
            await store.append(record(n))
        await store.append(
            Record(
                RecordKind.REFUSED,
                -1,
                5,
                {"name": "\x1b[2J\nroot", "raw": b"\x00\xff", "ok": False},
            )
        )
    assert [said["number"] for said in listed(path)] == list(range(12, 32))
    (last,) = listed(path, "--last", "1")
    assert last == {
        "schema": 1,
        "number": 31,
        "at_ms": -1,
        "mono_ms": 5,
        "kind": "refused",
        "detail": {"name": "\x1b[2J\nroot", "raw": "00ff", "ok": False},
    }
    result = CliRunner().invoke(hubctl, ["audit", "list", "--last", "1", "--file", str(path)])
    assert result.output == (
        '      31  1969-12-31T23:59:59.999Z  refused  ok=false raw="00ff" '
        'name="\\u001b[2J\\nroot"\n'
    )


@pytest.mark.asyncio
async def test_a_record_removed_behind_an_index_that_still_has_it_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        for _ in range(3):
            await asyncio.gather(
                *[
                    store.append(Record(RecordKind.DOOR, n, 0, {"door": "front"}))
                    for n in range(500)
                ]
            )
        await store.acknowledge(list(range(1, 1501)))
    hide_indexes_while(path, "DELETE FROM records WHERE number = 5")
    with pytest.raises(AuditError, match="record 5 is missing"):
        await AuditStore.open(path)


@pytest.mark.asyncio
async def test_a_value_that_no_hubd_writes_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    await filled(path, 3)
    longer = str(AUDIT.value_bytes_max + 1)
    sql(path, "UPDATE records SET body = zeroblob(N) WHERE number = 2".replace("N", longer))
    with pytest.raises(AuditError, match="too big"):
        await AuditStore.open(path)


@pytest.mark.asyncio
async def test_a_start_counts_the_newest_records_and_verify_finds_the_older_ones_that_are_missing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.db"
    await filled(path, 50, acknowledged=50)
    sql(path, "DELETE FROM records WHERE number = 30")
    opened = open_log(path, checked=10, counted=20)
    opened.connection.close()
    os.close(opened.lock)
    assert opened.head.number == 50
    assert "record 30 is missing" in verify(path).output
    sql(path, "DELETE FROM records WHERE number = 31")
    with pytest.raises(AuditError, match="record 31 is missing: 50 is the last"):
        open_log(path, checked=10, counted=20)


@pytest.mark.asyncio
async def test_what_is_taken_back_stays_taken_back_over_a_restart_in_the_midst_of_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.db"
    await filled(path, 8, acknowledged=8)
    async with await AuditStore.open(path) as store:
        assert not await store.take_back(2, 4)
    async with await AuditStore.open(path) as store:
        assert (store.newest_acknowledged(), store.waiting(), store.mended) == (4, 4, 0)
        assert await store.take_back(2, 4)
    async with await AuditStore.open(path) as store:
        assert (store.newest_acknowledged(), store.waiting(), store.mended) == (2, 6, 0)
    assert verify(path).exit_code == 0
