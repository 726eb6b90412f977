"""Durable records: what the disk gives, what bare SQLite gives on it, what the audit log gives.

Laws:
1. They take turns on the same file system, the databases with the same pragmas.
2. A rate is 1 / the median time of a round's pieces.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hubcore.evidence.records import Record, RecordKind, Value
from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.database import CHECKPOINT_PAGES, JOURNAL_BYTES
from hubd.adapters.sqlite.room import WARM_BYTES, warm

WRITERS = 32
BLOCK_BYTES = 4096
RECORD_BYTES = 150


class BareSqlite:
    """One row, one commit, with the pragmas of the audit log and nothing else."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            f"journal_size_limit = {JOURNAL_BYTES}",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(
            "CREATE TABLE rows (number INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT"
        )
        warm(self._connection, WARM_BYTES)
        self._body = os.urandom(RECORD_BYTES)

    def commit(self) -> None:
        """Make one row durable."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO rows (body) VALUES (?)", (self._body,))
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class BareFile:
    """One block written over, one fdatasync."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        self._block = os.urandom(BLOCK_BYTES)
        self.sync()

    def sync(self) -> None:
        """Make one block durable."""
        os.pwrite(self._fd, self._block, 0)
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


@dataclass(slots=True)
class DiskRounds:
    """Seconds a piece, one entry a round."""

    sync: list[float] = field(default_factory=list)
    commit: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)


async def measure(directory: Path, rounds: int, pieces: int) -> DiskRounds:
    """Measure `rounds` rounds of `pieces` each; with WRITERS writers, `pieces` for each of them."""
    result = DiskRounds()
    file = BareFile(directory / "block")
    bare = BareSqlite(directory / "bare.db")
    async with await AuditStore.open(directory / "audit.db") as store:
        for _ in range(rounds):
            result.sync.append(_each(file.sync, pieces))
            result.commit.append(_each(bare.commit, pieces))
            began = time.perf_counter()
            await _append(store, pieces)
            took = time.perf_counter() - began
            result.alone.append(took / pieces)
            began = time.perf_counter()
            async with asyncio.TaskGroup() as writers:
                for _ in range(WRITERS):
                    writers.create_task(_append(store, pieces))
            took = time.perf_counter() - began
            result.together.append(took / pieces / WRITERS)
    file.close()
    bare.close()
    return result


async def _append(store: AuditStore, pieces: int) -> None:
    for index in range(pieces):
        await store.append(record(index))


def record(index: int) -> Record:
    """Return a record such as an unlock leaves."""
    who: dict[str, Value] = {"asker": "0" * 16, "op": bytes(8), "grant": bytes(8), "path": "full"}
    return Record(
        kind=RecordKind.ACCESS,
        at_ms=int(time.time() * 1000),
        mono_ms=index,
        detail={**who, "point": 1, "action": 1, "why": None},
    )


def _each(work: Callable[[], None], pieces: int) -> float:
    began = time.perf_counter()
    for _ in range(pieces):
        work()
    return (time.perf_counter() - began) / pieces
