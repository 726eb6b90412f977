"""A look at a policy that another process writes, so that a later start need not prove it again.

Laws:
1. Nothing is written, and no lock is held once the look has ended.
2. It looks at one commit: everything in one snapshot.
3. What was seen counts for the same file, and as long as no commit has come to it.
4. A policy that is not proven, and rows that a start would build again, are left to the start.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack
from pathlib import Path

from hubcore.evidence.statecheck import OnDisk
from hubd.adapters.sqlite.database import POLICY
from hubd.adapters.sqlite.files import file_of
from hubd.adapters.sqlite.looks.ready import ReadyFile
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubd.adapters.sqlite.policy_proof import (
    WRITER,
    Prove,
    SeenPolicy,
    open_policy,
    prove_rows,
)


class PolicyLook:
    """What was seen, and what waits to go on with: two connections, and a thread that writes.

    `seen` is None for a file of which a start has to prove all.
    """

    def __init__(self, ready: ReadyFile, seen: SeenPolicy | None) -> None:
        self.ready = ready
        self.seen = seen

    def go_on(self, path: Path, site: str, prove: Prove) -> PolicyDatabase:
        """Open the store at once. Raise as `PolicyDatabase.open`."""
        with ExitStack() as undo:
            with POLICY.errors(path):
                ready = self.ready if self.ready.is_of(path) else None
            writer = None if ready is None else ready.writer
            opened = open_policy(path, site, prove, self.seen, writer)
            undo.callback(os.close, opened.lock)
            undo.callback(opened.connection.close)
            if ready is None or opened.connection is not writer:
                store = PolicyDatabase(path, site, opened)
            else:
                store = PolicyDatabase(path, site, opened, ready.reader, ready.take())
            undo.pop_all()
            return store

    def end(self) -> None:
        """Close what nobody has taken."""
        self.ready.end()


def look_at_policy(path: Path, prove: Prove) -> PolicyLook:
    """Prove a policy as a start does. Raise StoreError for a file that no start opens."""
    ready = ReadyFile.open(POLICY, path, WRITER)
    try:
        with POLICY.errors(path):
            seen = _seen(ready.reader, path, prove)
    except BaseException:
        ready.end()
        raise
    return PolicyLook(ready, seen)


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
    if found.policy is OnDisk.UNPROVEN:
        return None

    def is_unchanged() -> bool:
        return file_of(path) == file and _version(connection) == version

    return SeenPolicy(found, digest, shelves, is_unchanged)


def _version(connection: sqlite3.Connection) -> int:
    """Return a number that another one's commit changes (SQLite, PRAGMA data_version)."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)
