"""A look at an audit log that another process writes, so that a later start checks what is new.

Laws:
1. Nothing is written, and no lock is held once the look has ended.
2. It looks at one commit: everything in one snapshot.
3. What a start would mend is left to the start: then there is nothing seen.
4. Its connection stays open. So who closes the log is not the last one, and need not fold its
   write-ahead log into the file while phones wait.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from hubd.adapters.sqlite.audit_start import (
    CHECKED_AT_START,
    COUNTED_AT_START,
    SeenLog,
    check,
)
from hubd.adapters.sqlite.audit_writer import WRITER
from hubd.adapters.sqlite.database import AUDIT
from hubd.adapters.sqlite.files import file_of
from hubd.adapters.sqlite.tables.retention import Retention, find_checkpoint
from hubd.adapters.sqlite.tables.uses import are_right, read_rows
from hubd.adapters.sqlite.worker import Worker

_IS_OUTBOX_WHOLE = (
    "SELECT NOT EXISTS (SELECT 1 FROM records NOT INDEXED "
    "WHERE number > (SELECT coalesce(max(number), 0) FROM acknowledged) "
    "AND number NOT IN (SELECT number FROM outbox))"
)


@dataclass(frozen=True, slots=True)
class LogLook:
    """`seen` is None for a log of which a start has to check all."""

    connection: sqlite3.Connection
    worker: Worker
    """A thread that waits to write: none need be started while phones wait."""
    seen: SeenLog | None

    def close(self) -> None:
        """Close its connection."""
        self.connection.close()

    def end(self) -> None:
        """End it, and the thread once that has done what it was given."""
        self.close()
        self.worker.submit_end()


def look_at_log(
    path: Path,
    retention: Retention | None = None,
    checked: int = CHECKED_AT_START,
    counted: int = COUNTED_AT_START,
) -> LogLook:
    """Check a log as a start does. Raise AuditError for one that no start opens."""
    with contextlib.ExitStack() as undo:
        connection = AUDIT.reader(path)
        undo.callback(connection.close)
        with AUDIT.errors(path):
            seen = _seen(connection, path, retention, checked, counted)
        undo.pop_all()
    return LogLook(connection, Worker(WRITER), seen)


def _seen(
    connection: sqlite3.Connection,
    path: Path,
    retention: Retention | None,
    checked: int,
    counted: int,
) -> SeenLog | None:
    if not AUDIT.is_known(connection, path):
        return None
    connection.execute("BEGIN")
    try:
        gone = find_checkpoint(connection, retention).head
        head, _, acknowledged = check(connection, path, checked, counted, gone)
        (is_outbox_whole,) = connection.execute(_IS_OUTBOX_WHOLE).fetchone()
        if not is_outbox_whole or not are_right(connection, head.number - checked, gone.number):
            return None
        return SeenLog(
            file=file_of(path),
            head=head,
            acknowledged=acknowledged,
            uses=read_rows(connection),
        )
    finally:
        connection.execute("ROLLBACK")
        connection.execute("PRAGMA shrink_memory")
