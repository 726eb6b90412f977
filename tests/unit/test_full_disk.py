"""A disk without a free byte: releases go on being recorded, a restart is possible, and sentences
say what is so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hubcore.errors import AuditError
from hubcore.evidence.records import Record, RecordKind
from hubd.adapters.host import state_disk
from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.database import AUDIT, POLICY
from hubd.adapters.sqlite.room import RESERVE_FILE, RESERVE_FILE_BYTES, RESERVE_PAGES
from hubd.upkeep import diskwatch

ROOT = Path(__file__).parents[2]
GOES_ON = 3000
"""Releases that must be recorded on a full disk: many days of one."""


def release(n: int) -> Record:
    detail = {
        "asker": "operator-7",
        "op": n.to_bytes(16, "big"),
        "point": 1,
        "action": 1,
        "allowed": True,
        "why": None,
    }
    return Record(RecordKind.REMOTE, 1_790_000_000_000 + n, n, detail)


def fill(file: Path) -> None:
    """Write until the disk takes not one byte more."""
    with file.open("ab", buffering=0) as stream:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    stream.write(bytes(size))


async def _appended(store: AuditStore, count: int) -> int:
    for n in range(count):
        await store.append(release(n))
    return count


async def goes_on(state: Path) -> None:
    """Fill the disk beside an open log, use the log, restart it, and use it again; then with room
    once more.
    """
    async with await AuditStore.open(state / "audit.db") as store:
        await _appended(store, 200)  # the reserve inside the file is used first, and made up for
        async with asyncio.timeout(20):
            while _free_pages(state) < RESERVE_PAGES - 64:  # noqa: ASYNC110 - a file's, not this program's
                await asyncio.sleep(0.1)
        fill(state / "filler")
        assert os.statvfs(state).f_bavail == 0
        await _appended(store, GOES_ON)
    fill(state / "filler")
    async with await AuditStore.open(state / "audit.db") as store:
        assert store.last() == 200 + GOES_ON
        await _appended(store, 100)
        with pytest.raises(AuditError, match="the disk is full: make room"):
            await _appended(store, 100_000)
        last = store.last()
        (state / "filler").unlink()
        assert await store.append(release(0)) == last + 1
    async with await AuditStore.open(state / "audit.db") as store:
        assert store.last() == last + 1
        assert (state / RESERVE_FILE).stat().st_size == RESERVE_FILE_BYTES


def _free_pages(state: Path) -> int:
    with contextlib.closing(sqlite3.connect(state / "audit.db")) as connection:
        return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


async def without_reserve(state: Path) -> None:
    """A start on a full disk without any reserve is refused as what it is, and takes nothing of
    what is freed.
    """
    async with await AuditStore.open(state / "audit.db") as store:
        await store.append(release(0))
    (state / RESERVE_FILE).unlink()
    fill(state / "filler")
    for _ in range(3):
        with pytest.raises(AuditError, match="the disk is full: make room"):
            await AuditStore.open(state / "audit.db")
    os.truncate(state / "filler", (state / "filler").stat().st_size - (512 << 10))
    free = os.statvfs(state).f_bavail
    for _ in range(3):
        async with await AuditStore.open(state / "audit.db") as store:
            await store.append(release(0))
        assert os.statvfs(state).f_bavail == free


@pytest.mark.parametrize("case", ["goes_on", "without_reserve"])
def test_a_disk_without_a_free_byte(tmp_path: Path, case: str) -> None:
    command = (
        ("unshare", "--mount")
        if os.geteuid() == 0
        else ("unshare", "--user", "--map-root-user", "--mount")
    )
    if (
        not shutil.which("unshare")
        or subprocess.run([*command, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("this machine permits no mount namespace")
    script = f'mount -t tmpfs -o size=12M,mode=700 none "{tmp_path}" && exec "$@"'
    argv = [
        *command,
        "sh",
        "-c",
        script,
        "sh",
        sys.executable,
        "-m",
        "tests.unit.test_full_disk",
        case,
        str(tmp_path),
    ]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_taken_in_advance_stops_where_the_rest_is_kept() -> None:
    assert (state_disk.SPARE_BYTES, state_disk.SPARE_SHARE) == (
        diskwatch.SHORT_BYTES,
        diskwatch.SHORT_SHARE,
    )


def _error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    return error


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_root_s_files_beside_the_database_are_named_not_the_database(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / "audit.db"
    path.touch()
    os.chown(path, 4711, 4711)
    beside = tmp_path / f"audit.db{suffix}"
    beside.touch(mode=0o600)
    probe = (
        "import os, sqlite3, sys, pathlib\n"
        "from hubd.adapters.sqlite.database import AUDIT\n"
        "os.setgid(4711); os.setuid(4711)\n"
        "error = sqlite3.OperationalError('unable to open database file')\n"
        "error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN\n"
        "print(AUDIT.translate(error, pathlib.Path('audit.db')))\n"
    )
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", probe],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=_own_path(),
    )
    assert (
        done.stdout.strip()
        == f"audit log audit.db{suffix}: it belongs to user 0: sudo chown 4711: audit.db{suffix}"
    )


def _own_path() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_a_broken_disk_is_still_told_as_one(tmp_path: Path) -> None:
    for kind in (AUDIT, POLICY):
        said = str(kind.translate(_error(sqlite3.SQLITE_IOERR), tmp_path / "some.db"))
        assert "the disk fails to read or write" in said


def test_a_lock_is_told_as_a_lock_and_not_as_a_full_disk(tmp_path: Path) -> None:
    said = str(AUDIT.translate(_error(sqlite3.SQLITE_BUSY), tmp_path / "audit.db"))
    assert "another process has locked it: end that process" in said
    assert "room" not in said


if __name__ == "__main__":
    asyncio.run(
        {"goes_on": goes_on, "without_reserve": without_reserve}[sys.argv[1]](Path(sys.argv[2]))
    )
