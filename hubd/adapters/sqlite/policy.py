"""The policy in force in SQLite: `PolicyDatabase` is the port `PolicyFile`.

How it works: a new policy is staged first. Its pieces come, and their pages are written beside
those in force (`tables.pages`). When all are there it is put in force: one commit of a few rows.

Laws:
1. A policy is put in force whole, in one commit, and only upwards. What was staged before a crash
   is not asked for again.
2. Lookups are point lookups in one standing snapshot. It moves from the old policy to the new in a
   single step on the event loop: between two awaits a caller sees one policy.
3. Staging writes the pages that changed, never on the event loop, a few pieces in a commit. These
   commits do not wait for the disk: a power cut may lose the newest, which are asked for again. The
   one that puts in force waits for it, and for all before it.
4. At the start only what the issuer's signature proves is believed: see `policy_proof`. A page is
   held against its signed hash at each look-up.
5. With each policy, and when asked, the head of the audit log is noted: see `evidence.statecheck`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from hubcore.access.cards import Card
from hubcore.access.words import Mode
from hubcore.calendar.schedule import Schedule
from hubcore.errors import FrameError, HubError, StoreError, TrustError
from hubcore.evidence.records import Head
from hubcore.evidence.statecheck import OnDisk
from hubcore.policy import rows
from hubcore.policy.assembly import Assembly
from hubcore.policy.cache import ScheduleCache
from hubcore.policy.policy import NO_RULES, Operator, PointRules
from hubcore.policy.root import NO_DIGEST, Root
from hubcore.policy.tables import is_listed, read_card, read_holder
from hubcore.policy.tree import Table
from hubd.adapters.sqlite.database import BUSY_SECONDS, POLICY
from hubd.adapters.sqlite.policy_proof import WRITER, OpenedPolicy, Prove, open_policy
from hubd.adapters.sqlite.policy_rows import (
    decode_row,
    decode_schedule,
    fits,
    in_force,
    not_synced,
    note,
    put_in_force,
    stage,
    transaction,
)
from hubd.adapters.sqlite.tables import pages
from hubd.adapters.sqlite.tables.pages import Shelves
from hubd.adapters.sqlite.worker import Job, Worker
from hubd.threads import call_in_loop

Done = asyncio.Future[None]
Row = tuple[Any, ...]
T = TypeVar("T")

CLOSE_SECONDS = 1.0
"""How long a close waits for the disk, in all.

What was not committed by then is not in force at the next start.
"""
FOLD_BYTES = 4 << 20
"""After so many bytes of staged pages the write-ahead log is folded into the file."""


class PolicyDatabase:
    """`hubcore.ports.stores.PolicyFile` on one SQLite file.

    Open with `await PolicyDatabase.open(path, site, prove)`.
    """

    def __init__(
        self,
        path: Path,
        site: str,
        opened: OpenedPolicy,
        reader: sqlite3.Connection | None = None,
        worker: Worker | None = None,
    ) -> None:
        """`reader` is a connection, `worker` the thread that is to write; None for new ones."""
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._site = site
        self._lock = opened.lock
        self._connection = opened.connection
        self._worker = worker or Worker(WRITER)
        self._closed = False
        self._reader = reader or POLICY.reader(path)
        self._proven = opened.found.policy is not OnDisk.UNPROVEN
        self._version = 0
        self._digest = opened.digest
        self._shelves = opened.shelves
        self._staged: Staged | None = None
        self._damaged = False
        self._unfolded_bytes = 0
        self._schedules = ScheduleCache()
        self.found = opened.found
        self._see_newest()

    @classmethod
    async def open(cls, path: Path, site: str, prove: Prove) -> Self:
        """Open, or make, the store of the site's policy; `prove` verifies the kept document.

        Raise StoreError for a file that cannot be used, TrustError when it holds another site's
        policy.
        """
        with contextlib.ExitStack() as undo:
            opened = await asyncio.to_thread(open_policy, path, site, prove)
            undo.callback(os.close, opened.lock)
            undo.callback(opened.connection.close)
            store = cls(path, site, opened)
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
        if self._closed:
            return
        self._closed = True
        await POLICY.close_in_thread(
            path=self._path,
            thread="policy-closer",
            finish=self._finish,
            seconds=CLOSE_SECONDS,
        )

    async def hand_on(self) -> None:
        """Finish a replacement under way and close: another process goes on.

        Raise StoreError when the disk does not answer in time.
        """
        if self._closed:
            return
        self._closed = True
        left: asyncio.Future[None] = self._loop.create_future()
        self._worker.submit(partial(self._leave, left))
        await POLICY.in_time(self._path, left, CLOSE_SECONDS)

    def _leave(self, left: Done) -> None:
        """In the writer's thread, after all else."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        call_in_loop(self._loop, self._left, left)

    def _left(self, left: Done) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._reader.close()
        os.close(self._lock)
        self._worker.submit_end()
        if not left.done():
            left.set_result(None)

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
        """The version of the policy in force, 0 when there is none, or none that is proven."""
        return self._version if self._proven else 0

    def digest(self) -> bytes:
        """The digest of the policy in force; `NO_DIGEST` when there is none that is proven."""
        return self._digest if self._proven else NO_DIGEST

    def damaged(self) -> bool:
        """Whether a look-up has met a page that is not the signed one, since the last policy."""
        return self._damaged

    def revoked(self, credential: str, grant_id: bytes) -> bool:
        """Whether the credential or this one grant is revoked."""
        if self._listed(Table.CREDENTIALS, credential.encode()):
            return True
        return self._listed(Table.GRANTS, grant_id)

    def disabled(self, credential: str) -> bool:
        """Whether the credential is disabled."""
        return self._listed(Table.DISABLED, credential.encode())

    def needs_longer(self, credential: str) -> bool:
        """Whether the holder of this credential needs more time at a door."""
        return self._listed(Table.EXTENDED_TIME, credential.encode())

    def card(self, digest: bytes) -> Card | None:
        """The card of that digest, None when it is nobody's."""

        def read(row: bytes | None) -> Card | None:
            card = None if row is None else read_card(row)
            if card is not None and card.digest != digest:
                raise FrameError("a card that stands under another's key")
            return card

        return self._in_page(Table.CARDS, digest, read)

    def holders_in(self, page: int) -> Sequence[tuple[str, bytes]] | None:
        """Whose the cards of a page are, with their digests; None behind the last page."""
        shelf = self._shelves.get(Table.CARDS)
        if shelf is None or page >= shelf.tree.pages:
            return None

        def read() -> Sequence[tuple[str, bytes]]:
            rows_of_page = pages.read(self._reader, shelf, Table.CARDS, page).all()
            return [read_holder(row) for _, row in rows_of_page]

        return self._proven_page(read)

    def _listed(self, table: Table, identity: bytes) -> bool:
        return self._in_page(table, identity, partial(is_listed, identity))

    def _in_page(self, table: Table, identity: bytes, read: Callable[[bytes | None], T]) -> T:
        """Look an id up in a large table, and read what stands there.

        Raise StoreError for a page that is not the one that was signed.
        """
        shelf = self._shelves.get(table)
        if shelf is None:
            return read(None)
        return self._proven_page(lambda: read(pages.find(self._reader, shelf, table, identity)))

    def _proven_page(self, read: Callable[[], T]) -> T:
        """Read from a page. Raise StoreError for one that is not the one that was signed."""
        with POLICY.errors(self._path):
            try:
                return read()
            except (FrameError, ValueError) as error:
                self._damaged = True
                raise POLICY.broken(self._path, str(error)) from error

    def schedule(self, number: int) -> Schedule | None:
        """The schedule of that number, None when the policy has none."""
        if not fits(number):
            return None
        known = self._schedules.get(number)
        if known is not None:
            return known
        row = self._row("SELECT rules FROM schedules WHERE number = ?", (number,))
        schedule = self._decoded(row, decode_schedule, f"schedule {number}")
        if schedule is not None:
            self._schedules.put(number, schedule)
        return schedule

    def point(self, access_point: int) -> PointRules:
        """The rules of the access point; `NO_RULES` when the policy says nothing."""
        if not fits(access_point):
            return NO_RULES
        row = self._row("SELECT row FROM points WHERE number = ?", (access_point,))
        read = partial(decode_row, read=rows.read_point)
        found = self._decoded(row, read, f"access point {access_point}")
        return found or NO_RULES

    def operator(self, name: str) -> Operator | None:
        """What an operator may order, None when the policy does not name him."""
        row = self._row("SELECT row FROM operators WHERE id = ?", (name,))
        return self._decoded(row, partial(decode_row, read=rows.read_operator), "an operator")

    def group(self, number: int) -> tuple[str, ...]:
        """The device ids of a group; none when the policy has no such group."""
        if not fits(number):
            return ()
        row = self._row("SELECT row FROM device_groups WHERE number = ?", (number,))
        read = partial(decode_row, read=rows.read_group)
        return self._decoded(row, read, f"group {number}") or ()

    def _decoded(self, row: Row | None, decode: Callable[[object], T], what: str) -> T | None:
        """Return what a row holds, None for no row. Raise StoreError for a damaged one."""
        if row is None:
            return None
        try:
            return decode(row[0])
        except (FrameError, TypeError, ValueError) as error:
            raise POLICY.broken(self._path, f"{what} is damaged ({error})") from error

    def mode(self, access_point: int) -> Mode:
        """The mode ordered for the access point, `Mode.NORMAL` when the policy says nothing."""
        if not fits(access_point):
            return Mode.NORMAL
        row = self._row("SELECT mode FROM modes WHERE access_point = ?", (access_point,))
        if row is None:
            return Mode.NORMAL
        try:
            return Mode(row[0])
        except ValueError as error:
            what = f"the mode of access point {access_point} is damaged ({error})"
            raise POLICY.broken(self._path, what) from error

    async def stage(self, new: Root, again: bool = False) -> None:
        """Begin to stage a policy, or go on where its staging stopped; `wanted` says what to bring.

        Raise TrustError for another site's policy, RollbackError unless its version is higher (with
        `again`: or the same), StoreError when the disk refuses; the old policy stays in force.
        """
        if new.site != self._site:
            raise TrustError(
                f"policy {new.version} is for the site {new.site!r}, this hub is of {self._site!r}"
            )
        staged: list[Staged] = []
        mending = self._damaged

        def begin() -> None:
            with not_synced(self._connection):
                here = stage(
                    self._connection,
                    new,
                    least=self._least(again),
                    fresh=not self._proven,
                )
            shelves = self._shelves
            if mending:
                shelves = pages.without_damaged(self._connection, shelves)
            staged.append(Staged(new, _assembly(new, here, shelves), shelves))

        self._staged = None
        await self._written(begin, f"policy {new.version}", lambda: None, fold=False)
        self._staged = staged[0]

    def wanted(self, most: int) -> Sequence[bytes]:
        """Return the names of at most so many pieces that the staged policy wants; none: whole."""
        return () if self._staged is None else self._staged.assembly.ask(most)

    async def take(self, pieces: Sequence[bytes]) -> int:
        """Stage pieces, durably; return how many of them were asked for.

        Raise StoreError when the disk refuses, SignatureError for what no such policy can have.
        Either ends the staging.
        """
        staged = self._staged
        if staged is None:
            return 0
        taken = 0
        written_bytes = 0

        def write() -> None:
            nonlocal taken, written_bytes
            found = [staged.assembly.take(piece) for piece in pieces]
            arrived = [one for places in found if places for one in places]
            if arrived:
                with not_synced(self._connection), transaction(self._connection):
                    written_bytes = pages.stage(self._connection, staged.shelves, arrived)
            taken = sum(places is not None for places in found)

        self._staged = None  # so that an error, or a caller who goes, leaves nothing half known
        await self._written(write, f"policy {staged.root.version}", lambda: None, fold=False)
        self._staged = staged
        self._unfolded_bytes += written_bytes
        if self._unfolded_bytes > FOLD_BYTES:
            self._unfolded_bytes = 0
            self._fold("PASSIVE", self._folded)
        return taken

    async def put_in_force(self, head: Head, again: bool = False) -> None:
        """Put the staged policy in force, whole and durable; `head` is the log's head.

        Raise RollbackError and StoreError as `stage` does, and StoreError for one that is not
        whole; the old policy then stays in force. A cancelled caller does not stop what has begun.
        """
        staged = self._staged
        if staged is None or not staged.assembly.complete:
            raise StoreError("no policy is staged whole")
        new = staged.root
        made: list[Shelves] = []

        def write() -> None:
            shelves = put_in_force(
                self._connection,
                new,
                head,
                least=self._least(again),
                before=self._shelves,
                name=staged.assembly.name,
                fresh=not self._proven,
            )
            made.append(shelves)
            self._proven = True

        def seen() -> None:
            self._shelves = made[0]
            self._digest = new.head.digest
            self._schedules.clear()
            self._damaged = False

        self._staged = None
        await self._written(write, f"policy {new.version}", seen)

    async def note(self, head: Head) -> None:
        """Note the head of the audit log, durably. Raise StoreError."""

        def write() -> None:
            note(self._connection, head)

        await self._written(write, "the head of the audit log", lambda: None)

    def _least(self, again: bool) -> int:
        """In the writer's thread: return the lowest version that may be put in force now."""
        if not self._proven:
            return 0 if again else 1
        _, version = in_force(self._connection)
        return version if again else version + 1

    async def _written(self, write: Job, what: str, seen: Job, fold: bool = True) -> None:
        """Have the writer's thread do it; return when it is on the disk and can be seen.

        `seen` is called in the same step on the event loop in which it can be seen.
        """
        if self._closed:
            raise POLICY.says(self._path, "it is closed")
        done: Done = self._loop.create_future()
        job = partial(self._write, write, what, seen, done, fold)
        self._worker.submit(job)
        try:
            await done
        finally:
            # or this frame and an error would hold each other, and the policy with them
            del (done, write, seen, job)

    def _row(self, query: str, arguments: Row) -> Row | None:
        with POLICY.errors(self._path):
            found = self._reader.execute(query, arguments)
            row: Row | None = found.fetchone()
            return row

    def _see_newest(self) -> None:
        """Move the standing snapshot to the newest commit."""
        with POLICY.errors(self._path):
            if self._reader.in_transaction:
                self._reader.execute("ROLLBACK")
            self._reader.execute("BEGIN")
            _, self._version = in_force(self._reader)

    def _write(self, write: Job, what: str, seen: Job, done: Done, fold: bool) -> None:
        """In the writer's thread: commit, then have the event loop switch over and answer."""
        error = self._error_of(write, what)
        if error is not None:
            _drop_frames(error)
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(self._replaced, seen, done, fold, error)

    def _error_of(self, write: Job, what: str) -> Exception | None:
        """Write; return the error that the caller gets, None when all went well."""
        error: Exception
        try:
            write()
            return None
        except HubError as refusal:
            return refusal
        except (sqlite3.Error, OSError) as failure:
            cause: Exception = failure
            error = POLICY.translate(failure, self._path)
        except (OverflowError, UnicodeError, TypeError) as failure:
            cause = failure
            error = TrustError(f"{what} holds what cannot be kept: {failure}")
        except Exception as failure:  # the caller must never wait for an answer that does not come
            cause = failure
            error = StoreError(f"{what} could not be written: {failure!r}")
        error.__cause__ = cause
        return error

    def _replaced(self, seen: Job, done: Done, fold: bool, error: Exception | None) -> None:
        """On the event loop: see what was committed, and answer the caller."""
        if error is None:
            try:
                self._see_newest()
                seen()
            except StoreError as failure:
                error = failure
            else:
                if fold:
                    self._fold("PASSIVE", self._folded)
        if done.done():  # cancelled: the policy is in force all the same
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def _folded(self) -> None:
        """Move the snapshot off the write-ahead log, so that the log can be cut.

        All of the log is in the file by now.
        """
        with contextlib.suppress(StoreError):
            if not self._closed:
                self._see_newest()
                self._fold("TRUNCATE", None)

    def _fold(self, how: str, then: Job | None) -> None:
        """In the writer's thread: fold the write-ahead log into the file.

        What is committed is safe without it.
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


@dataclass(frozen=True, slots=True)
class Staged:
    """A policy that is staged, what of it is here, and what in force it may keep."""

    root: Root
    assembly: Assembly
    shelves: Shelves


def _assembly(new: Root, staged: Mapping[int, bytes], shelves: Shelves) -> Assembly:
    """Make the assembly of a policy of which pieces are staged, or in force, already."""

    def holds(table: Table, piece: int, name: bytes) -> bool:
        if staged.get(pages.piece_place(table, piece)) == name:
            return True
        shelf = shelves.get(table)
        if shelf is None or shelf.tree.bits != new.trees[table].bits:
            return False
        return shelf.name(piece) == name

    return Assembly(new.trees, holds)


def _drop_frames(error: Exception) -> None:
    """Forget the frames that an error came through: they hold the policy that it refuses."""
    cause: BaseException | None = error
    while cause is not None:
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
