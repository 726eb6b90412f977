"""A look at a policy that another process writes, so that a later start need not prove it again.

Laws:
1. Nothing is written, and no lock is held once the look has ended.
2. It looks at one commit: everything in one snapshot.
3. What was seen counts for the same file, and as long as no commit has come to it.
4. A policy that is not proven, and rows that a start would build again, are left to the start.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from hubcore.evidence.statecheck import OnDisk
from hubd.adapters.sqlite.database import POLICY
from hubd.adapters.sqlite.files import file_of
from hubd.adapters.sqlite.policy import WRITER
from hubd.adapters.sqlite.policy_proof import Prove, SeenPolicy, prove_rows
from hubd.adapters.sqlite.worker import Worker


@dataclass(frozen=True, slots=True)
class PolicyLook:
    """`seen` is None for a file of which a start has to prove all."""

    connection: sqlite3.Connection
    worker: Worker
    """A thread that waits to write: none need be started while phones wait."""
    seen: SeenPolicy | None

    def close(self) -> None:
        """Close its connection."""
        self.connection.close()

    def end(self) -> None:
        """End it, and the thread once that has done what it was given."""
        self.close()
        self.worker.submit_end()


def look_at_policy(path: Path, prove: Prove) -> PolicyLook:
    """Prove a policy as a start does. Raise StoreError for a file that no start opens."""
    with contextlib.ExitStack() as undo:
        connection = POLICY.reader(path)
        undo.callback(connection.close)
        with POLICY.errors(path):
            seen = _seen(connection, path, prove)
        undo.pop_all()
    return PolicyLook(connection, Worker(WRITER), seen)


def _seen(connection: sqlite3.Connection, path: Path, prove: Prove) -> SeenPolicy | None:
    if not POLICY.is_known(connection, path):
        return None
    file = file_of(path)
    version = _version(connection)
    connection.execute("BEGIN")
    try:
        found, digest, shelves = prove_rows(connection, prove, may_mend=False)
    finally:
        connection.execute("ROLLBACK")
        connection.execute("PRAGMA shrink_memory")
    if found.policy is OnDisk.UNPROVEN:
        return None

    def is_unchanged() -> bool:
        return file_of(path) == file and _version(connection) == version

    return SeenPolicy(found, digest, shelves, is_unchanged)


def _version(connection: sqlite3.Connection) -> int:
    """Return a number that another one's commit changes (SQLite, PRAGMA data_version)."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)
