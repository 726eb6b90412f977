"""The policy in force in SQLite: `PolicyDatabase` is the port `PolicyStore`.

Laws: a policy is put in force whole, in one commit, and only upwards; lookups are point lookups in one standing
snapshot, which moves from the old policy to the new in a single step on the event loop: between two awaits a caller
sees one policy. Replacing writes what changed, not a million rows again (flash wears), and never on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from hubd.adapters.sqlite import BUSY_SECONDS, DatabaseKind
from hubd.core import cbor
from hubd.core.policy import RULES_A_SCHEDULE, Mode, Policy
from hubd.core.schedule import Rule
from hubd.errors import FrameError, HubError, RollbackError, StoreError, TrustError

POLICY = DatabaseKind(
    name="policy",
    schema="policy",
    application_id=0x68756250,  # "hubP"
    lock="policy.lock",
    error=StoreError,
    damaged="Stop hubd and move the file {path} aside, with its -wal beside it: the backend sends the policy again",
    cache_kib=2000,  # SQLite's own choice: revocations are found, and a new policy is written, all over the file
)

_SCHEDULE_ITEMS = 1 + 4 * RULES_A_SCHEDULE
"""CBOR heads in one schedule."""
_INT64_MAX = (1 << 63) - 1


class PolicyDatabase:
    """`hubd.ports.PolicyStore` on one SQLite file. Open with `await PolicyDatabase.open(path, site)`."""

    def __init__(self, path: Path, site: str, lock: int, connection: sqlite3.Connection) -> None:
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._site = site
        self._lock = lock
        self._connection = connection
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policy-writer")
        self._closed = False
        self._reader = POLICY.reader(path)
        self._version = 0
        self._see_newest()

    @classmethod
    async def open(cls, path: Path, site: str) -> Self:
        """Open, or make, the store of the site's policy.

        Raise StoreError for a file that cannot be used, TrustError when it holds another site's policy.
        """
        with contextlib.ExitStack() as undo:
            lock, connection = await asyncio.to_thread(_open, path, site)
            undo.callback(os.close, lock)
            undo.callback(connection.close)
            store = cls(path, site, lock, connection)
            undo.pop_all()
            return store

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Finish a replacement under way and close."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._finish)

    def _finish(self) -> None:
        """In a thread of its own, so that it comes to its end even when the closer is cancelled.

        The reader is the event loop's, and nobody else may close it: a lookup under way would crash.
        """
        self._thread.shutdown()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._reader.close)
        with POLICY.errors(self._path):
            self._connection.close()
        os.close(self._lock)

    def version(self) -> int:
        """The version of the policy in force, 0 when none was ever accepted."""
        return self._version

    def revoked(self, credential: str, grant_id: bytes) -> bool:
        """Whether the credential or this one grant is revoked."""
        row = self._row(
            "SELECT EXISTS (SELECT 1 FROM revoked_credentials WHERE id = ?)"
            " OR EXISTS (SELECT 1 FROM revoked_grants WHERE id = ?)",
            (credential, grant_id),
        )
        return row != (0,)

    def schedule(self, number: int) -> tuple[Rule, ...] | None:
        """The schedule of that number, None when the policy has none."""
        row = self._row("SELECT rules FROM schedules WHERE number = ?", (number,)) if _fits(number) else None
        try:
            return tuple(Rule(*rule) for rule in cbor.decode(row[0], max_items=_SCHEDULE_ITEMS)) if row else None
        except (FrameError, TypeError, ValueError) as error:
            raise POLICY.broken(self._path, f"schedule {number} is damaged ({error})") from error

    def mode(self, access_point: int) -> Mode:
        """The mode ordered for the access point, `Mode.NORMAL` when the policy says nothing."""
        row = (
            self._row("SELECT mode FROM modes WHERE access_point = ?", (access_point,)) if _fits(access_point) else None
        )
        try:
            return Mode(row[0]) if row else Mode.NORMAL
        except ValueError as error:
            raise POLICY.broken(self._path, f"the mode of access point {access_point} is damaged ({error})") from error

    async def replace(self, policy: Policy) -> None:
        """Put this policy in force, whole and durable.

        Raise TrustError for another site's policy or one that cannot be kept, RollbackError unless its version is
        higher, StoreError when the disk refuses; the old policy then stays in force. A cancelled caller does not stop
        a replacement that has begun.
        """
        if self._closed:
            raise POLICY.says(self._path, "it is closed")
        if policy.site != self._site:
            raise TrustError(f"policy {policy.version} is for the site {policy.site!r}, this hub is of {self._site!r}")
        done: asyncio.Future[None] = self._loop.create_future()
        self._thread.submit(self._replace, policy, done)
        try:
            await done
        finally:
            del done, policy  # or this frame and an error would hold each other, and the policy with them

    def _row(self, query: str, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        with POLICY.errors(self._path):
            row: tuple[Any, ...] | None = self._reader.execute(query, arguments).fetchone()
            return row

    def _see_newest(self) -> None:
        """Move the standing snapshot to the newest commit."""
        with POLICY.errors(self._path):
            if self._reader.in_transaction:
                self._reader.execute("ROLLBACK")
            self._reader.execute("BEGIN")
            self._version = _in_force(self._reader)[1]

    def _replace(self, policy: Policy, done: asyncio.Future[None]) -> None:
        """In the writer's thread: commit, then have the event loop switch over and answer."""
        error: Exception | None = None
        try:
            _replace(self._connection, policy)
        except (sqlite3.Error, OSError) as cause:
            error = POLICY.translate(cause, self._path)
            error.__cause__ = cause
        except HubError as refusal:
            error = refusal
        except (OverflowError, UnicodeError, TypeError) as cause:
            error = TrustError(f"policy {policy.version} holds what cannot be kept: {cause}")
            error.__cause__ = cause
        except Exception as cause:  # the caller must never wait for an answer that does not come
            error = StoreError(f"policy {policy.version} could not be put in force: {cause!r}")
            error.__cause__ = cause
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(self._replaced, done, _frameless(error))

    def _replaced(self, done: asyncio.Future[None], error: Exception | None) -> None:
        if error is None:
            try:
                self._see_newest()
            except StoreError as failure:
                error = failure
            else:
                self._fold("PASSIVE", self._folded)
        if done.done():  # cancelled: the policy is in force all the same
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def _folded(self) -> None:
        """Let the snapshot go from the write-ahead log, now that all of it is in the file, so that it can be cut."""
        with contextlib.suppress(StoreError):
            if not self._closed:
                self._see_newest()
                self._fold("TRUNCATE", None)

    def _fold(self, how: str, then: Callable[[], None] | None) -> None:
        """Fold the write-ahead log into the file, in the writer's thread; what is committed is safe without it."""

        def fold() -> None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA busy_timeout = 0")  # never wait for the standing snapshot
                self._connection.execute(f"PRAGMA wal_checkpoint({how})")
                self._connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
            if then is not None:
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(then)

        if not self._closed:
            self._thread.submit(fold)


def _frameless(error: Exception | None) -> Exception | None:
    """Return the error without the frames that it came through: they hold the policy that it refuses."""
    cause: BaseException | None = error
    while cause is not None:
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
    return error


def _open(path: Path, site: str) -> tuple[int, sqlite3.Connection]:
    """Return the lock and the write connection of a file that holds this site's policy, or none yet."""
    POLICY.prepare(path)
    with contextlib.ExitStack() as undo:
        lock = POLICY.hold(path)
        undo.callback(os.close, lock)
        connection = POLICY.open(path)
        undo.callback(connection.close)
        with POLICY.errors(path):
            stored, version = _in_force(connection)
        if version and stored != site:
            raise TrustError(
                f"policy {path}: it holds the policy of the site {stored!r}, this hub is of {site!r}: "
                "correct the site in the configuration, or move the file aside"
            )
        undo.pop_all()
        return lock, connection


def _fits(number: int) -> bool:
    """Whether SQLite can hold the number; one that it cannot is in no policy."""
    return -_INT64_MAX <= number <= _INT64_MAX


def _in_force(connection: sqlite3.Connection) -> tuple[str, int]:
    row = connection.execute("SELECT site, version FROM meta").fetchone()
    return (row[0], row[1]) if row else ("", 0)


def _replace(connection: sqlite3.Connection, policy: Policy) -> None:
    """Commit the policy in one transaction, or leave all as it was. Raise RollbackError unless it is newer."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        current = _in_force(connection)[1]
        if policy.version <= current:
            raise RollbackError(f"policy {policy.version} is not newer than {current}, which is in force")
        _update_set(connection, "revoked_credentials", policy.revoked_credentials)
        _update_set(connection, "revoked_grants", policy.revoked_grants)
        connection.execute("DELETE FROM schedules")
        connection.executemany(
            "INSERT INTO schedules (number, rules) VALUES (?, ?)",
            ((number, _rules(rules)) for number, rules in policy.schedules.items()),
        )
        connection.execute("DELETE FROM modes")
        connection.executemany(
            "INSERT INTO modes (access_point, mode) VALUES (?, ?)",
            ((point, int(mode)) for point, mode in policy.modes.items()),
        )
        connection.execute(
            "INSERT OR REPLACE INTO meta (only_row, site, version, issued_at) VALUES (1, ?, ?, ?)",
            (policy.site, policy.version, policy.issued_at),
        )
        connection.execute("COMMIT")
    finally:
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _update_set(connection: sqlite3.Connection, table: str, wanted: Iterable[str] | Iterable[bytes]) -> None:
    """Make the table hold just what is wanted, touching only rows that change.

    The sorting and comparing is SQLite's, outside the interpreter's lock; one Python step per row is all that the
    event loop can be made to wait for.
    """
    connection.execute("CREATE TEMP TABLE staged (id PRIMARY KEY) WITHOUT ROWID")
    try:
        connection.executemany("INSERT INTO staged (id) VALUES (?)", ((item,) for item in wanted))
        connection.execute(f"DELETE FROM {table} WHERE id NOT IN (SELECT id FROM staged)")  # noqa: S608 - own names
        connection.execute(
            f"INSERT INTO {table} (id) SELECT id FROM staged WHERE id NOT IN (SELECT id FROM {table}) ORDER BY id"  # noqa: S608
        )
    finally:
        connection.execute("DROP TABLE IF EXISTS temp.staged")


def _rules(rules: Iterable[Rule]) -> bytes:
    return cbor.encode([[rule.days, rule.start, rule.end] for rule in rules])
