"""A look at an audit log that another process writes, so that a later start checks what is new.

Laws:
1. Nothing is written, and no lock is held once the look has ended.
2. It looks at one commit: everything in one snapshot.
3. What a start would mend is left to the start: then there is nothing seen.
4. Its connections stay open. So who closes the log is not the last one, and need not fold its
   write-ahead log into the file while phones wait.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack
from pathlib import Path

from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.audit_start import (
    CHECKED_AT_START,
    COUNTED_AT_START,
    SeenLog,
    check,
    is_outbox_whole,
    open_log,
)
from hubd.adapters.sqlite.audit_writer import WRITER
from hubd.adapters.sqlite.database import AUDIT
from hubd.adapters.sqlite.files import file_of
from hubd.adapters.sqlite.looks.ready import ReadyFile
from hubd.adapters.sqlite.tables.retention import Retention, find_checkpoint
from hubd.adapters.sqlite.tables.uses import are_right, read_rows


class LogLook:
    """What was seen, and what waits to go on with: two connections, and a thread that writes.

    `seen` is None for a log of which a start has to check all.
    """

    def __init__(self, ready: ReadyFile, seen: SeenLog | None) -> None:
        self.ready = ready
        self.seen = seen

    def go_on(self, path: Path, retention: Retention | None = None) -> AuditStore:
        """Open the log at once: its newer records alone are checked.

        Raise AuditError when the file cannot serve as evidence.
        """
        with ExitStack() as undo:
            with AUDIT.errors(path):
                ready = self.ready if self.ready.is_of(path) else None
            writer = None if ready is None else ready.writer
            opened = open_log(path, retention=retention, seen=self.seen, ready=writer)
            undo.callback(os.close, opened.lock)
            undo.callback(opened.connection.close)
            if ready is None or opened.connection is not writer:
                store = AuditStore(path, opened, retention)
            else:
                store = AuditStore(path, opened, retention, ready.reader, ready.take())
            undo.pop_all()
            return store

    def end(self) -> None:
        """Close what nobody has taken."""
        self.ready.end()


def look_at_log(
    path: Path,
    retention: Retention | None = None,
    checked: int = CHECKED_AT_START,
    counted: int = COUNTED_AT_START,
) -> LogLook:
    """Check a log as a start does. Raise AuditError for one that no start opens."""
    ready = ReadyFile.open(AUDIT, path, WRITER)
    try:
        with AUDIT.errors(path):
            seen = _seen(ready.reader, path, retention, checked, counted)
    except BaseException:
        ready.end()
        raise
    return LogLook(ready, seen)


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
        if not is_outbox_whole(connection) or not are_right(
            connection, head.number - checked, gone.number
        ):
            return None
        return SeenLog(
            file=file_of(path),
            head=head,
            acknowledged=acknowledged,
            uses=read_rows(connection),
        )
    finally:
        connection.execute("ROLLBACK")
