"""The policy in force in SQLite: `PolicyDatabase` is the port `PolicyFile`.

1. A policy is put in force whole, in one commit, and only upwards.
2. Lookups are point lookups in one standing snapshot, which moves from the old policy to the new
   in a single step on the event loop: between two awaits a caller sees one policy.
3. Replacing writes the rows that changed and the signed document, never on the event loop.
4. At the start nothing is believed that the issuer's signature does not prove: the kept document
   is verified, the file's structure checked, and the rows compared with the document, each with its
   type and in its place. Where one differs, all tables are made again and filled from the document.
5. With each policy, and when told, the head of the audit log is noted: see `evidence.statecheck`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from hubcore.access.policy import MAX_BYTES, RULES_A_SCHEDULE, Policy
from hubcore.access.schedule import Rule
from hubcore.access.words import Mode
from hubcore.codec import cbor
from hubcore.errors import FrameError, HubError, RollbackError, StoreError, TrustError
from hubcore.evidence.records import GENESIS, Head
from hubcore.evidence.statecheck import OnDisk
from hubd.adapters.sqlite.database import BUSY_SECONDS, DatabaseKind, Worker

POLICY = DatabaseKind(
    name="policy",
    schema="policy",
    application_id=0x68756250,  # "hubP"
    lock="policy.lock",
    error=StoreError,
    damaged="Stop hubd and move the file {path} aside, with its -wal beside it: the backend "
    "sends the policy again. "
    "Until then no phone opens a door",
    # SQLite's own choice: revocations are found, and a new policy is written, all over the file
    cache_kib=2000,
)

_MOVE_ASIDE = "Stop hubd, move policy.db aside, and start hubd: the backend sends the policy again"
_SCHEDULE_ITEMS = 1 + 4 * RULES_A_SCHEDULE
"""CBOR heads in one schedule."""

CLOSE_SECONDS = 1.0
"""How long a close waits for the disk, in all.

What was not committed by then is not in force at the next start.
"""

_INT64_MAX = (1 << 63) - 1
NOTHING_NOTED = Head()
_TABLES = ("meta", "document", "revoked_credentials", "revoked_grants", "schedules", "modes")

Read = Callable[[bytes], Policy]
"""Verifies a signed document for this site and reads it; raises TrustError."""


@dataclass(frozen=True, slots=True)
class PolicyFound:
    """What the file held when it was opened.

    `version` is that of a proven policy, else 0. `noted` is the head of the audit log that was
    noted last. `edited`: rows were not those of the signed document, and were built again. `why`
    says why a policy is not proven.
    """

    policy: OnDisk
    version: int = 0
    noted: Head = NOTHING_NOTED
    edited: bool = False
    why: str = ""


class PolicyDatabase:
    """`hubcore.ports.stores.PolicyFile` on one SQLite file.

    Open with `await PolicyDatabase.open(path, site, read)`.
    """

    def __init__(
        self, path: Path, site: str, lock: int, connection: sqlite3.Connection, found: PolicyFound
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._site = site
        self._lock = lock
        self._connection = connection
        self._worker = Worker("policy-writer")
        self._closed = False
        self._reader = POLICY.reader(path)
        self._proven = found.policy is not OnDisk.UNPROVEN
        self._version = 0
        self.found = found
        self._see_newest()

    @classmethod
    async def open(cls, path: Path, site: str, read: Read) -> Self:
        """Open, or make, the store of the site's policy; `read` verifies the document that it
        keeps.

        Raise StoreError for a file that cannot be used, TrustError when it holds another site's
        policy.
        """
        with contextlib.ExitStack() as undo:
            lock, connection, found = await asyncio.to_thread(_open, path, site, read)
            undo.callback(os.close, lock)
            undo.callback(connection.close)
            store = cls(path, site, lock, connection, found)
            undo.pop_all()
            return store

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Finish a replacement under way and close.

        Raise StoreError when the disk does not answer in time.
        """
        if not self._closed:
            self._closed = True
            await POLICY.close_aside(
                path=self._path, thread="policy-closer", finish=self._finish, seconds=CLOSE_SECONDS
            )

    def _finish(self) -> None:
        """In a thread of its own, so that it comes to its end even when the closer has gone.

        The reader is the event loop's, and nobody else may close it: a lookup under way would
        crash.
        """
        self._worker.end()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._reader.close)
        with POLICY.errors(self._path):
            self._connection.close()
        os.close(self._lock)

    def version(self) -> int:
        """The version of the policy in force, 0 when none was ever accepted, or none that is
        proven.
        """
        return self._version if self._proven else 0

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
        row = (
            self._row("SELECT rules FROM schedules WHERE number = ?", (number,))
            if _fits(number)
            else None
        )
        try:
            if row:
                return tuple(Rule(*rule) for rule in cbor.decode(row[0], max_items=_SCHEDULE_ITEMS))
            return None
        except (FrameError, TypeError, ValueError) as error:
            raise POLICY.broken(self._path, f"schedule {number} is damaged ({error})") from error

    def mode(self, access_point: int) -> Mode:
        """The mode ordered for the access point, `Mode.NORMAL` when the policy says nothing."""
        row = (
            self._row("SELECT mode FROM modes WHERE access_point = ?", (access_point,))
            if _fits(access_point)
            else None
        )
        try:
            return Mode(row[0]) if row else Mode.NORMAL
        except ValueError as error:
            raise POLICY.broken(
                self._path, f"the mode of access point {access_point} is damaged ({error})"
            ) from error

    async def replace(
        self, policy: Policy, document: bytes, head: Head, again: bool = False
    ) -> None:
        """Put this policy in force, whole and durable; `document` is what the issuer signed, `head`
        the log's head.

        Raise TrustError for another site's policy or one that cannot be kept, RollbackError unless
        its version is higher (with `again`: or the same), StoreError when the disk refuses; the old
        policy then stays in force. A cancelled caller does not stop a replacement that has begun.
        """
        if policy.site != self._site:
            raise TrustError(
                f"policy {policy.version} is for the site {policy.site!r}, this hub is of "
                f"{self._site!r}"
            )

        def put_in_force() -> None:
            least = self._least(again)
            fresh = not self._proven
            _replace(self._connection, policy, document, head, least=least, fresh=fresh)

        await self._written(put_in_force, f"policy {policy.version}", proves=True)

    async def note(self, head: Head) -> None:
        """Note the head of the audit log, durably. Raise StoreError."""

        def write() -> None:
            _note(self._connection, head)

        await self._written(write, "the head of the audit log", proves=False)

    def _least(self, again: bool) -> int:
        """In the writer's thread: return the lowest version that may be put in force now."""
        current = _in_force(self._connection)[1] if self._proven else 0
        return current if again else current + 1

    async def _written(self, write: Callable[[], None], what: str, proves: bool) -> None:
        if self._closed:
            raise POLICY.says(self._path, "it is closed")
        done: asyncio.Future[None] = self._loop.create_future()
        self._worker.submit(partial(self._write, write, what, proves, done))
        try:
            await done
        finally:
            # or this frame and an error would hold each other, and the policy with them
            del (done, write)

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

    def _write(
        self, write: Callable[[], None], what: str, proves: bool, done: asyncio.Future[None]
    ) -> None:
        """In the writer's thread: commit, then have the event loop switch over and answer."""
        error: Exception | None = None
        try:
            write()
            self._proven = self._proven or proves
        except (sqlite3.Error, OSError) as cause:
            error = POLICY.translate(cause, self._path)
            error.__cause__ = cause
        except HubError as refusal:
            error = refusal
        except (OverflowError, UnicodeError, TypeError) as cause:
            error = TrustError(f"{what} holds what cannot be kept: {cause}")
            error.__cause__ = cause
        except Exception as cause:  # the caller must never wait for an answer that does not come
            error = StoreError(f"{what} could not be written: {cause!r}")
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
        """Let the snapshot go from the write-ahead log, now that all of it is in the file, so that
        it can be cut.
        """
        with contextlib.suppress(StoreError):
            if not self._closed:
                self._see_newest()
                self._fold("TRUNCATE", None)

    def _fold(self, how: str, then: Callable[[], None] | None) -> None:
        """Fold the write-ahead log into the file, in the writer's thread; what is committed is safe
        without it.
        """

        def fold() -> None:
            with contextlib.suppress(sqlite3.Error):
                # never wait for the standing snapshot
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute(f"PRAGMA wal_checkpoint({how})")
                self._connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
            if then is not None:
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(then)

        if not self._closed:
            self._worker.submit(fold)


def _frameless(error: Exception | None) -> Exception | None:
    """Return the error without the frames that it came through: they hold the policy that it
    refuses.
    """
    cause: BaseException | None = error
    while cause is not None:
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
    return error


def _open(path: Path, site: str, read: Read) -> tuple[int, sqlite3.Connection, PolicyFound]:
    """Return the lock, the write connection and what was found in a file of this site's policy, or
    of none yet.
    """
    POLICY.prepare(path)
    with contextlib.ExitStack() as undo:
        lock = POLICY.hold(path)
        undo.callback(os.close, lock)
        connection = POLICY.open(path)
        undo.callback(connection.close)
        with POLICY.errors(path):
            found = _prove(connection, read)
            stored, version = _in_force(connection)
        if found.policy is OnDisk.UNPROVEN and version and stored != site:
            raise TrustError(
                f"policy {path}: it holds the policy of the site {stored!r}, this hub is of "
                f"{site!r}: "
                "correct the site in the configuration, or move the file aside"
            )
        undo.pop_all()
        return lock, connection, found


def _prove(connection: sqlite3.Connection, read: Read) -> PolicyFound:
    """Verify the kept document and hold the rows against it.

    May raise sqlite3.Error for a disk that cannot be read.
    """
    noted = _noted(connection)
    row = connection.execute("SELECT typeof(bytes), length(bytes) FROM document").fetchone()
    if row is None:
        return _without_document(connection, noted)
    if row[0] != "blob":
        return PolicyFound(OnDisk.UNPROVEN, noted=noted, why="its document is no string of bytes")
    if row[1] > MAX_BYTES:
        return PolicyFound(
            OnDisk.UNPROVEN, noted=noted, why=f"its document is over {MAX_BYTES} bytes"
        )
    (document,) = connection.execute("SELECT bytes FROM document").fetchone()
    try:
        policy = read(document)
    except TrustError as error:
        return PolicyFound(OnDisk.UNPROVEN, noted=noted, why=str(error))
    if _is_whole(connection) and _rows_hold(connection, policy):
        return PolicyFound(OnDisk.PROVEN, policy.version, noted)
    try:
        with _transaction(connection):
            _make_tables(connection)
            _write_all(connection, policy, document, noted)
            _check_whole(connection)
    except (sqlite3.Error, OSError, OverflowError) as error:
        why = f"its rows are not those of the signed document, and cannot be built again: {error}"
        return PolicyFound(OnDisk.UNPROVEN, noted=noted, why=why)
    return PolicyFound(
        policy=OnDisk.PROVEN,
        version=policy.version,
        noted=noted,
        edited=True,
    )


def _without_document(connection: sqlite3.Connection, noted: Head) -> PolicyFound:
    queries = (f"SELECT EXISTS (SELECT 1 FROM {table})" for table in _TABLES)  # noqa: S608 - own names
    if any(connection.execute(query).fetchone()[0] for query in queries):
        why = "there are rows, but not the signed document that they come from"
        return PolicyFound(OnDisk.UNPROVEN, noted=noted, why=why)
    if not _is_whole(connection):
        return PolicyFound(OnDisk.UNPROVEN, noted=noted, why="the file's structure is damaged")
    return PolicyFound(OnDisk.NONE, noted=noted)


def _is_whole(connection: sqlite3.Connection) -> bool:
    """Tell whether every page has one place, every row its place, and every value the type of its
    column.

    A row that stands out of order is seen by who reads all, and not by who looks for it.
    """
    return connection.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)]


def _check_whole(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError for a file whose pages damage even tables that were just made."""
    if not _is_whole(connection):
        raise sqlite3.DatabaseError("its structure is damaged")


def _make_tables(connection: sqlite3.Connection) -> None:
    """Drop every table, whatever is in it, and make it again, empty."""
    for table in (*_TABLES, "noted"):
        connection.execute(f"DROP TABLE {table}")
    for statement in POLICY.statements():
        connection.execute(statement)


def _rows_hold(connection: sqlite3.Connection, policy: Policy) -> bool:
    """Tell whether the rows are the policy's, in the memory of one row; reading ends at the first
    that is not.
    """
    meta = (1, policy.site.encode(), policy.version, policy.issued_at)
    schedules = {number: _rules(rules) for number, rules in policy.schedules.items()}
    modes = {point: int(mode) for point, mode in policy.modes.items()}
    ids = (
        ("revoked_credentials", "text", policy.revoked_credentials),
        ("revoked_grants", "blob", policy.revoked_grants),
    )
    return (
        list(_select(connection, "only_row, CAST(site AS BLOB), version, issued_at", "meta"))
        == [meta]
        and all(
            _same(wanted, _rising(_ids(connection, table, kind))) for table, kind, wanted in ids
        )
        and _same(
            schedules.items(), _rising(_select(connection, "number, rules", "schedules"), _first)
        )
        and _same(
            modes.items(), _rising(_select(connection, "access_point, mode", "modes"), _first)
        )
    )


def _select(connection: sqlite3.Connection, columns: str, table: str) -> Iterator[tuple[Any, ...]]:
    return iter(connection.execute(f"SELECT {columns} FROM {table}"))  # noqa: S608 - own names


def _ids(connection: sqlite3.Connection, table: str, kind: str) -> Iterator[str | bytes | None]:
    """Yield the ids of a table, None for one of another type than `kind`, which no lookup would
    find.

    Text that is no UTF-8 comes as text that no policy can hold.
    """
    for found, raw in _select(connection, "typeof(id), CAST(id AS BLOB)", table):
        if found != kind:
            yield None
        else:
            yield raw.decode("utf-8", "surrogateescape") if kind == "text" else raw


def _first(row: tuple[int, Any]) -> int:
    return row[0]


def _rising(rows: Iterator[Any], key: Callable[[Any], Any] = lambda row: row) -> Iterator[Any]:
    """Yield the rows up to the first whose key does not rise, which no lookup may find: None in its
    place.

    SQLite orders text by its UTF-8 bytes; so Python orders its code points.
    """
    before = None
    for row in rows:
        if row is None or (before is not None and before >= key(row)):
            yield None
            return
        yield row
        before = key(row)


def _same(wanted: Any, rows: Iterator[Any]) -> bool:
    """Tell whether the rows, each of which comes once, are just what is wanted."""
    seen = 0
    for row in rows:
        seen += 1
        if row not in wanted:
            return False
    return seen == len(wanted)


def _fits(number: int) -> bool:
    """Whether SQLite can hold the number; one that it cannot is in no policy."""
    return -_INT64_MAX <= number <= _INT64_MAX


def _in_force(connection: sqlite3.Connection) -> tuple[str, int]:
    """Return site and version as the rows say; of rows that a policy cannot have: of none."""
    match connection.execute(
        "SELECT typeof(site), CAST(site AS BLOB), version FROM meta"
    ).fetchone():
        case ("text", bytes(site), int(version)):
            return site.decode("utf-8", "backslashreplace"), version
    return "", 0


def _noted(connection: sqlite3.Connection) -> Head:
    """Return the head that was noted; of a row that no head can have: none."""
    match connection.execute(
        "SELECT number, CAST(hash AS BLOB), typeof(hash) FROM noted"
    ).fetchone():
        case (int(number), bytes(hash_), "blob") if number >= 0 and len(hash_) == len(GENESIS):
            return Head(number, hash_)
    return NOTHING_NOTED


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block writes, or leave all as it was."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _replace(
    connection: sqlite3.Connection,
    policy: Policy,
    document: bytes,
    head: Head,
    *,
    least: int,
    fresh: bool,
) -> None:
    """Commit the policy in one transaction. Raise RollbackError when its version is below `least`.

    `fresh`: nothing that stands in the file is proven, so the tables are made again first.
    """
    with _transaction(connection):
        if policy.version < least:
            raise RollbackError(
                f"policy {policy.version} is not newer than {least - 1}, which is in force"
            )
        if fresh:
            _make_tables(connection)
        _write_all(connection, policy, document, head)
        if fresh and not _is_whole(connection):
            raise StoreError(
                f"policy {policy.version} cannot be kept: the file is damaged. " + _MOVE_ASIDE
            )


def _write_all(connection: sqlite3.Connection, policy: Policy, document: bytes, head: Head) -> None:
    _write_rows(connection, policy)
    connection.execute(
        "INSERT OR REPLACE INTO document (only_row, bytes) VALUES (1, ?)", (document,)
    )
    _write_noted(connection, head)


def _note(connection: sqlite3.Connection, head: Head) -> None:
    with _transaction(connection):
        _write_noted(connection, head)


def _write_noted(connection: sqlite3.Connection, head: Head) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO noted (only_row, number, hash) VALUES (1, ?, ?)",
        (head.number, head.hash),
    )


def _write_rows(connection: sqlite3.Connection, policy: Policy) -> None:
    """Make the rows those of the policy."""
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
    connection.execute("DELETE FROM meta")
    connection.execute(
        "INSERT INTO meta (only_row, site, version, issued_at) VALUES (1, ?, ?, ?)",
        (policy.site, policy.version, policy.issued_at),
    )


def _update_set(
    connection: sqlite3.Connection, table: str, wanted: Iterable[str] | Iterable[bytes]
) -> None:
    """Make the table hold just what is wanted, touching only rows that change.

    The sorting and comparing is SQLite's, outside the interpreter's lock; one Python step per row
    is all that the event loop can be made to wait for.
    """
    connection.execute("CREATE TEMP TABLE staged (id PRIMARY KEY) WITHOUT ROWID")
    try:
        connection.executemany("INSERT INTO staged (id) VALUES (?)", ((item,) for item in wanted))
        gone = f"DELETE FROM {table} WHERE id NOT IN (SELECT id FROM staged)"  # noqa: S608 - own name
        new = f"SELECT id FROM staged WHERE id NOT IN (SELECT id FROM {table})"  # noqa: S608
        connection.execute(gone)
        connection.execute(f"INSERT INTO {table} (id) {new} ORDER BY id")
    finally:
        connection.execute("DROP TABLE IF EXISTS temp.staged")


def _rules(rules: Iterable[Rule]) -> bytes:
    return cbor.encode([[rule.days, rule.start, rule.end] for rule in rules])
