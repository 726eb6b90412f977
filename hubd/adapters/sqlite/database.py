"""The two databases of a hub, and how such a file is opened.

Laws:
1. A commit that returned is on the disk (WAL, synchronous=FULL), but for the last one of who hands
   the audit log on (`audit`, law 6).
2. A file is only touched after its header showed that it is ours, and that this hubd may open it.
3. One hubd alone writes a file: it holds the lock beside it.
4. A value that is longer than any that hubd writes is not read, whoever put it into the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from hubcore.errors import AuditError, HardwareError, StoreError
from hubd.adapters.sqlite.errors import ErrorSentences
from hubd.adapters.sqlite.files import make_file, take_lock
from hubd.adapters.sqlite.schema import (
    all_statements,
    check_objects,
    check_version,
    migrate,
    read_steps,
)
from hubd.threads import run_in_thread

BUSY_SECONDS = 0.5
"""How long a statement waits for a lock that another process holds on the file.

Two such waits, for the batch before and for one's own, end before a caller gives up. So the caller
learns the cause.
"""

CHECKPOINT_PAGES = 1000
"""The write-ahead log is folded into the file at the latest when it has so many pages of 4 KiB."""

JOURNAL_BYTES = 5 << 20
"""What the write-ahead log is cut back to once it has been folded in.

It is above CHECKPOINT_PAGES; `room.warm` says why.
"""


@dataclass(frozen=True, slots=True)
class DatabaseKind(ErrorSentences):
    """One kind of database.

    `schema` is its schema folder, `application_id` the mark in the file's header, `lock` the name
    of the lock beside the file, `cache_kib` how much of it each connection keeps in memory.
    `value_bytes_max` is the ceiling of one row, and of one value in it.
    """

    schema: str
    application_id: int
    lock: str
    cache_kib: int
    value_bytes_max: int

    async def close_in_thread(
        self,
        path: Path,
        thread: str,
        finish: Callable[[], None],
        seconds: float,
    ) -> None:
        """Have the file closed in a thread of that name.

        Raise StoreError when that does not end in time.
        """
        try:
            await self.in_time(path, run_in_thread(thread, finish), seconds)
        except HardwareError as error:
            raise self.says(path, f"it is not closed: {error}") from error

    async def in_time(self, path: Path, ended: Awaitable[None], seconds: float) -> None:
        """Wait for the end of a close. Raise StoreError when it does not come in time."""
        try:
            async with asyncio.timeout(seconds):
                await ended
        except TimeoutError:
            sentence = f"the disk did not answer within {seconds:g} s while closing"
            raise self.says(path, sentence) from None

    def prepare(self, path: Path) -> None:
        """Create the file (0600) in its directory (0700) where missing.

        Raise StoreError for what strangers can write.
        """
        make_file(path, self)

    def removed(self, path: Path) -> bool:
        """Tell whether the file is gone, but its lock or its write-ahead log is still there."""
        if os.path.lexists(path):
            return False
        lock = path.with_name(self.lock)
        write_ahead_log = path.with_name(path.name + "-wal")
        return os.path.lexists(lock) or os.path.lexists(write_ahead_log)

    def hold(self, path: Path) -> int:
        """Take the lock beside the file. Return its descriptor; closing that lets go."""
        return take_lock(path.with_name(self.lock), path, self)

    def open(self, path: Path) -> sqlite3.Connection:
        """Open a prepared file for writing: ours, durable, at the newest schema.

        One thread at a time may use it.
        """
        with self.errors(path):
            connection = self.connect(path)
            try:
                steps = self._steps()
                before = migrate(
                    connection,
                    path,
                    steps=steps,
                    application_id=self.application_id,
                    kind=self,
                )
                check_objects(
                    connection,
                    path,
                    statements=self.statements(),
                    kind=self,
                    is_newer=before > len(steps),
                )
            except BaseException:
                connection.close()
                raise
            return connection

    def opened(self, path: Path, ready: sqlite3.Connection | None) -> sqlite3.Connection:
        """Return a ready connection to the file if it needs no step, else open it."""
        if ready is not None:
            with self.errors(path):
                ready.execute("BEGIN")  # its locks are taken once
                try:
                    is_known = self.is_known(ready, path)
                finally:
                    ready.execute("ROLLBACK")
            if is_known:
                return ready
        return self.open(path)

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open a file that was opened before for writing, with all pragmas.

        May raise sqlite3.Error.
        """
        connection = self._connect(path)
        try:
            self._check_header(connection, path)
            if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
                raise self.says(
                    path, "its file system cannot hold a write-ahead log: use a local disk"
                )
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = -{self.cache_kib}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection

    def reader(self, path: Path) -> sqlite3.Connection:
        """Open a second connection that only reads."""
        with self.errors(path):
            connection = self._connect(path)
            try:
                connection.execute("PRAGMA query_only = ON")
                connection.execute(f"PRAGMA cache_size = -{self.cache_kib}")
            except BaseException:
                connection.close()
                raise
            return connection

    def is_known(self, connection: sqlite3.Connection, path: Path) -> bool:
        """Tell whether a file needs no step to be opened here; nothing is changed.

        Raise StoreError for one that is not ours, comes from a newer hubd, or was changed.
        """
        self._check_header(connection, path)
        steps = self._steps()
        version = check_version(connection, path, steps, self)
        if version < len(steps):
            return False
        check_objects(
            connection,
            path,
            statements=self.statements(),
            kind=self,
            is_newer=version > len(steps),
        )
        return True

    def copy(self, path: Path, copy: Path) -> None:
        """Copy a file as its last commit left it, also while hubd writes it. Raise StoreError."""
        with self.errors(path):
            uri = f"file:{_quoted(path)}?mode=ro"
            with (
                contextlib.closing(sqlite3.connect(uri, uri=True)) as source,
                contextlib.closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
            copy.chmod(0o600)

    def look(self, path: Path) -> None:
        """Look into an existing file and change nothing.

        Raise what `open` would for one that is not ours, is damaged or comes from a newer hubd.
        What only its write-ahead log holds is not seen.
        """
        with self.errors(path):
            uri = f"file:{_quoted(path)}?mode=ro&immutable=1"
            with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
                self._check_header(connection, path)
                check_version(
                    connection,
                    path,
                    steps=self._steps(),
                    kind=self,
                )

    def statements(self) -> Sequence[str]:
        """Return the statements that make the newest schema in an empty file, in order."""
        return all_statements(tuple(self._steps()))

    def tables(self, names: Collection[str]) -> list[str]:
        """Return the statements that make these tables as the newest schema has them."""
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
            for statement in self.statements():
                model.execute(statement)
            made = model.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
            return [sql for name, sql in made if name in names]

    def _steps(self) -> Sequence[str]:
        steps = read_steps(self.schema)
        if not steps:
            raise self.error(
                f"{self.name}: schema files are missing in this installation: install hubd again"
            )
        return steps

    def _connect(self, path: Path) -> sqlite3.Connection:
        """Open an existing file; transactions are written out by hand (`isolation_level=None`)."""
        connection = sqlite3.connect(
            f"file:{_quoted(path)}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self.value_bytes_max)
        return connection

    def _check_header(self, connection: sqlite3.Connection, path: Path) -> None:
        """Refuse, before anything is written, a database that is not of this kind."""
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        is_new = not mark and not tables
        if mark != self.application_id and not is_new:
            raise self.broken(path, "it is a database, but not of this kind")


def _quoted(path: Path) -> str:
    return quote(str(path.absolute()))


AUDIT = DatabaseKind(
    name="audit log",
    schema="audit",
    application_id=0x68756241,  # "hubA"
    lock="hubd.lock",
    error=AuditError,
    damaged="Look at it with `hubctl audit verify --file {path}`; to start a new chain stop "
    "hubd and move the file aside, with its -wal beside it (keep both: they are evidence)",
    # records are written at the end and seldom read: more would only grow, by 1 MiB in some 10,000
    cache_kib=256,
    # a record has at most 4 KiB; `room.warm` writes one value of 1 MiB
    value_bytes_max=2 << 20,
)

POLICY = DatabaseKind(
    name="policy",
    schema="policy",
    application_id=0x68756250,  # "hubP"
    lock="policy.lock",
    error=StoreError,
    damaged="Stop hubd and move the file {path} aside, with its -wal beside it: the backend "
    "sends the policy again. Until then no phone opens a door",
    # SQLite's own choice: revocations are found, and a new policy is written, all over the file
    cache_kib=2000,
    # one policy's document has at most 4 MiB
    value_bytes_max=5 << 20,
)
