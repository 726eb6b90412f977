"""What is checked and mended when the audit log is opened.

Laws:
1. The newest records have their chain checked, no number may be missing among the newest
   COUNTED_AT_START, the first is record 1, or the one after a proven checkpoint, and the marks must
   agree. So a start takes as long with
   ten million records as with a hundred thousand; `hubctl audit verify` checks all.
2. An outbox that lost records is made up for: they wait for the backend again.
3. The table of uses is held against the records, and made again where it does not fit.
4. Where the disk has no room for what SQLite needs, the reserve is given up.
5. What was looked at before the start (`SeenLog`) is not checked twice: the records after it are.
   It counts for the same file, and while it is near; otherwise all is checked.
6. The room that is taken in advance waits then for the writer's first pause.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubcore.errors import AuditError
from hubcore.evidence.checkpoint import Checkpoint
from hubcore.evidence.records import Head, StoredRecord, Walk, agrees
from hubd.adapters.host.state_disk import has_room
from hubd.adapters.sqlite.database import AUDIT
from hubd.adapters.sqlite.errors import no_room
from hubd.adapters.sqlite.files import file_of, sync_journal
from hubd.adapters.sqlite.room import (
    WARM_BYTES,
    WARM_BYTES_MIN,
    give_up_reserve,
    keep_reserve,
    warm,
)
from hubd.adapters.sqlite.tables.retention import Retention, find_checkpoint
from hubd.adapters.sqlite.tables.uses import UseRows, follow, mend_uses

CHECKED_AT_START = 1000
"""How many of the newest records have their chain checked; `hubctl audit verify` checks all."""

COUNTED_AT_START = 100_000
"""How many of the newest records are counted: one that is missing among them is noticed."""


@dataclass(frozen=True, slots=True)
class SeenLog:
    """What a look has found right, while another process wrote the log (`looks.log`).

    `file` is its device and inode. Its records up to `head`, its marks and its outbox were as they
    must be. `uses` stood then.
    """

    file: tuple[int, int]
    head: Head
    acknowledged: int
    uses: UseRows


@dataclass(frozen=True, slots=True)
class OpenedLog:
    """A log that was opened and checked.

    `lock` is the descriptor of the lock, `connection` the one that writes, `waiting` the size of
    the outbox, `acknowledged` the highest number that the backend has acknowledged. `mended` tells
    how many records the outbox had lost, `uses_mended` how many rows of uses did not fit the
    records. `is_room_taken`: the room that is taken in advance is there. `durable` is the newest
    head that is surely on the disk.
    """

    lock: int
    connection: sqlite3.Connection
    head: Head
    waiting: int
    acknowledged: int
    mended: int
    uses_mended: int
    checkpoint: Checkpoint
    is_room_taken: bool
    durable: Head


def open_log(
    path: Path,
    checked: int = CHECKED_AT_START,
    counted: int = COUNTED_AT_START,
    retention: Retention | None = None,
    seen: SeenLog | None = None,
    ready: sqlite3.Connection | None = None,
) -> OpenedLog:
    """Open, or make, the log; check and count its newest records.

    `retention` proves its checkpoint. `ready` is a connection to this very file, which is used if
    the file needs no step. Raise AuditError.
    """
    if ready is None:
        AUDIT.prepare(path)
    with contextlib.ExitStack() as undo:
        lock = AUDIT.hold(path)
        undo.callback(os.close, lock)
        connection = _open_with_reserve(path, ready)
        if connection is not ready:
            undo.callback(connection.close)
        with AUDIT.errors(path):
            found = None
            if seen is not None:
                found = _found_after(connection, path, seen, checked, retention)
            if found is None:
                seen = None
                sync_journal(path)
                found = _found(connection, path, checked, counted, retention)
            uses_mended = 0
            if not found.are_uses_right:
                gone = found.checkpoint.head.number
                uses_mended = mend_uses(connection, found.head.number - checked, gone)
        mended = 0 if found.is_outbox_whole else _mend_outbox(connection)
        if seen is None:
            _take_room(connection, path)
        undo.pop_all()
    return OpenedLog(
        lock=lock,
        connection=connection,
        head=found.head,
        waiting=found.waiting + mended,
        acknowledged=found.acknowledged,
        mended=mended,
        uses_mended=uses_mended,
        checkpoint=found.checkpoint,
        is_room_taken=seen is None,
        durable=found.head if seen is None else seen.head,
    )


@dataclass(frozen=True, slots=True)
class _FoundLog:
    """What a log holds, and what of it is known to need no mending."""

    checkpoint: Checkpoint
    head: Head
    waiting: int
    acknowledged: int
    are_uses_right: bool = False
    is_outbox_whole: bool = False


def _found(
    connection: sqlite3.Connection,
    path: Path,
    checked: int,
    counted: int,
    retention: Retention | None,
) -> _FoundLog:
    """Check all that a start checks."""
    checkpoint = _find_checkpoint(connection, path, retention)
    return _FoundLog(checkpoint, *check(connection, path, checked, counted, checkpoint.head))


def _found_after(
    connection: sqlite3.Connection,
    path: Path,
    seen: SeenLog,
    checked: int,
    retention: Retention | None,
) -> _FoundLog | None:
    """Check what came after a look, in one snapshot; None when the look is no place to begin."""
    connection.execute("BEGIN")
    try:
        checkpoint = _find_checkpoint(connection, path, retention)
        if not _is_near(connection, path, seen, checked, checkpoint.head):
            return None
        head, waiting, acknowledged = _check_after(connection, path, seen, checkpoint.head)
        return _FoundLog(
            checkpoint,
            head,
            waiting,
            acknowledged,
            are_uses_right=follow(connection, seen.uses, seen.head.number),
            is_outbox_whole=acknowledged >= seen.acknowledged
            and is_outbox_whole(connection, seen.head.number),
        )
    finally:
        connection.execute("ROLLBACK")


def is_outbox_whole(connection: sqlite3.Connection, after: int = 0) -> bool:
    """Tell whether each record above `after` waits that the backend has not acknowledged."""
    (is_whole,) = connection.execute(
        "SELECT NOT EXISTS (SELECT 1 FROM records NOT INDEXED "
        "WHERE number > (SELECT max(?, coalesce(max(number), 0)) FROM acknowledged) "
        "AND number NOT IN (SELECT number FROM outbox))",
        (after,),
    ).fetchone()
    return bool(is_whole)


def _is_near(
    connection: sqlite3.Connection, path: Path, seen: SeenLog, checked: int, gone: Head
) -> bool:
    """Tell whether what was seen of a log is a place to go on from."""
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM records").fetchone()
    is_here = gone.number <= seen.head.number
    return file_of(path) == seen.file and is_here and last - seen.head.number <= checked


def _find_checkpoint(
    connection: sqlite3.Connection, path: Path, retention: Retention | None
) -> Checkpoint:
    try:
        return find_checkpoint(connection, retention)
    except AuditError as error:
        raise AUDIT.broken(path, str(error)) from error


def _open_with_reserve(path: Path, ready: sqlite3.Connection | None) -> sqlite3.Connection:
    """Open the file; where the disk has no room, give up the reserve and try again."""
    try:
        return AUDIT.opened(path, ready)
    except AuditError:
        if not no_room(path) or not give_up_reserve(path):
            raise
    return AUDIT.open(path)


def _take_room(connection: sqlite3.Connection, path: Path) -> None:
    with contextlib.suppress(sqlite3.Error):
        size_bytes = WARM_BYTES if has_room(path.parent, WARM_BYTES) else WARM_BYTES_MIN
        warm(connection, size_bytes)
        keep_reserve(connection, path)


def _mend_outbox(connection: sqlite3.Connection) -> int:
    """Let every record wait that the backend has not acknowledged; return how many did not.

    A full disk is no error. Records below the highest acknowledged one
    are left out: the backend may have acknowledged them in another order.
    """
    mended = 0
    with contextlib.suppress(sqlite3.Error):
        mended = connection.execute(
            "INSERT OR IGNORE INTO outbox SELECT number FROM records "
            "WHERE number > (SELECT coalesce(max(number), 0) FROM acknowledged)"
        ).rowcount
    return max(0, mended)


def check(
    connection: sqlite3.Connection, path: Path, checked: int, counted: int, gone: Head
) -> tuple[Head, int, int]:
    """Check records and marks; the records up to `gone` have gone. Raise AuditError.

    Return the head, the size of the outbox and the highest acknowledged number.
    """
    try:
        head = _check_chain(connection, checked, gone)
        _check_count(connection, head, counted, gone)
        acknowledged = _check_acknowledged(connection, gone)
        return head, _check_outbox(connection, head), acknowledged
    except AuditError as error:
        raise AUDIT.broken(path, str(error)) from error


def _check_after(
    connection: sqlite3.Connection, path: Path, seen: SeenLog, gone: Head
) -> tuple[Head, int, int]:
    """Check the records that came after a look, and the marks. Return the same, raise the same."""
    try:
        head = _follow_chain(connection, seen.head, gone)
        _check_count(connection, head, head.number - seen.head.number, gone)
        acknowledged = _check_acknowledged(connection, gone)
        return head, _check_outbox(connection, head), acknowledged
    except AuditError as error:
        raise AUDIT.broken(path, str(error)) from error


def _follow_chain(connection: sqlite3.Connection, known: Head, gone: Head) -> Head:
    """Check the chain from a known record on; return its head."""
    if known != gone and known.number:
        row = connection.execute(
            "SELECT number, body, hash FROM records WHERE number = ?", (known.number,)
        ).fetchone()
        agrees(known, None if row is None else StoredRecord(*row))
    walk = Walk(start=known)
    newer = connection.execute(
        "SELECT number, at_ms, body, hash FROM records WHERE number > ? ORDER BY number",
        (known.number,),
    )
    for number, at_ms, body, hash_ in newer:
        walk.take(StoredRecord(number, body, hash_), at_ms)
    return walk.finish()


def _check_chain(connection: sqlite3.Connection, checked: int, gone: Head) -> Head:
    """Check the chain of the newest records; return its head."""
    newest_first = connection.execute(
        "SELECT number, at_ms, body, hash FROM records ORDER BY number DESC LIMIT ?",
        (checked + 1,),
    ).fetchall()
    rows = newest_first[::-1]
    start = gone
    if len(rows) > checked:
        number, _, _, hash_ = rows.pop(0)
        start = Head(number, hash_)
    walk = Walk(start=start)
    for number, at_ms, body, hash_ in rows:
        walk.take(StoredRecord(number, body, hash_), at_ms)
    return walk.finish()


def _check_count(connection: sqlite3.Connection, head: Head, counted: int, gone: Head) -> None:
    """Check that the newest records are as many as their numbers say, and which is the first."""
    first = gone.number + 1
    lowest = connection.execute(
        "SELECT number FROM records NOT INDEXED ORDER BY number LIMIT 1"
    ).fetchone()
    if lowest is not None and lowest[0] < 1:
        raise AuditError(f"record {lowest[0]} has no place in the chain")
    if lowest is None and gone.number:
        raise AuditError(f"record {first} is missing: no record comes after the checkpoint")
    if lowest is not None and lowest[0] > first:
        raise AuditError(f"record {first} is missing: {lowest[0]} is the first")
    if lowest is not None and lowest[0] < first:
        raise AuditError(f"record {lowest[0]} is here, though the checkpoint stands for it")
    before = max(gone.number, head.number - counted)
    (count,) = connection.execute(
        "SELECT count(*) FROM records NOT INDEXED WHERE number > ?", (before,)
    ).fetchone()
    if count < head.number - before:
        missing = _first_missing(connection, before)
        raise AuditError(f"record {missing} is missing: {head.number} is the last")


def _first_missing(connection: sqlite3.Connection, before: int) -> int:
    """Return the lowest number above `before` that no record has."""
    row = connection.execute(
        "SELECT min(number) FROM (SELECT ? + 1 AS number UNION ALL "
        "SELECT number + 1 FROM records NOT INDEXED WHERE number > ?) AS wanted "
        "WHERE number NOT IN (SELECT number FROM records NOT INDEXED WHERE number > ?)",
        (before, before, before),
    ).fetchone()
    return int(row[0])


def _check_acknowledged(connection: sqlite3.Connection, gone: Head) -> int:
    """Check that the highest acknowledged record is still the one that the mark names.

    Return its number, or that of the newest that went.
    """
    mark = connection.execute("SELECT number, hash FROM acknowledged").fetchone()
    if mark is None:
        return gone.number
    acknowledged = Head(*mark)
    if acknowledged == gone:
        return gone.number
    row = connection.execute(
        "SELECT number, body, hash FROM records WHERE number = ?", (acknowledged.number,)
    ).fetchone()
    found = None if row is None else StoredRecord(*row)
    agrees(acknowledged, found)
    return acknowledged.number


def _check_outbox(connection: sqlite3.Connection, head: Head) -> int:
    """Check that no record waits which does not exist; return how many wait."""
    waiting, highest = connection.execute("SELECT count(*), max(number) FROM outbox").fetchone()
    if highest is not None and highest > head.number:
        raise AuditError(
            f"record {head.number + 1} is missing, for {highest} waits for the backend"
        )
    return int(waiting)


def newest_bodies(path: Path, limit: int) -> Sequence[bytes]:
    """Return the bytes of at most `limit` records of a log that another process may write.

    The newest come first. Raise AuditError.
    """
    query = "SELECT body FROM records ORDER BY number DESC LIMIT ?"
    with contextlib.closing(AUDIT.reader(path)) as connection, AUDIT.errors(path):
        return [body for (body,) in connection.execute(query, (limit,))]
