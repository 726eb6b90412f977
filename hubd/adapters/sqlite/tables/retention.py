"""Retention: the oldest records go once the log is at its budget, and a checkpoint stands for them.

Laws:
1. A record goes only if the backend has it durably, and all before it went.
2. A checkpoint that stands for it is durable first: it comes in the transaction of the removal.
3. A step removes at most STEP_RECORDS. The writer takes one in a pause, so a release waits for one
   step at most.
4. At SLACK_BYTES above the budget the log is pressed: no pause is waited for. A step follows each
   commit, and a commit takes at most half as many records as a step removes. So a pressed log has
   ever fewer records, whatever comes.
5. The newest KEPT_RECORDS stay whatever the budget says: a start asks them what it remembers.
6. Where the chain of the oldest records does not hold, nothing goes.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from hubcore.codec.cose import SigningKey
from hubcore.errors import AuditError
from hubcore.evidence.checkpoint import Checkpoint, prove
from hubcore.evidence.records import Head
from hubcore.ports.stores import RecordsRoom
from hubd.adapters.sqlite.tables.checkpoint import (
    check_uses,
    document_of,
    fold_oldest,
    put_in_place,
)

STEP_RECORDS = 64
"""Records that go in one commit: a millisecond of work, and 256 KiB of the longest records."""

PAUSE_SECONDS = 0.05
"""Nothing must have come for so long before the oldest records go: what belongs to a release comes
sooner."""

SLACK_BYTES = 4 << 20

KEPT_RECORDS = 20_000
"""More than any look back at a start: 16,384 for the floor of time, 10,000 for operations and
alarms."""


@dataclass(frozen=True, slots=True)
class Retention:
    """The budget, and who signs for what goes."""

    budget_bytes: int
    hub: str
    site: str
    key: SigningKey
    kept: int = KEPT_RECORDS
    step: int = STEP_RECORDS
    pause_seconds: float = PAUSE_SECONDS
    slack_bytes: int = SLACK_BYTES


def find_checkpoint(connection: sqlite3.Connection, retention: Retention | None) -> Checkpoint:
    """Return the checkpoint in the file, proven; one before record 1 when there is none.

    Raise AuditError for one that proves nothing.
    """
    document = document_of(connection)
    checkpoint = Checkpoint()
    if document is not None:
        if retention is None:
            raise AuditError("the checkpoint proves nothing: there is no key to check it with")
        verify_key = retention.key.verify_key
        checkpoint = prove(document, retention.hub, retention.site, verify_key)
    check_uses(connection, checkpoint)
    return checkpoint


class Remover:
    """Removes the oldest records, a step at a time; the writer's thread alone uses it."""

    def __init__(self, retention: Retention | None, checkpoint: Checkpoint) -> None:
        self._retention = retention
        self.checkpoint = checkpoint
        """The one that is durable."""
        self.taking_back = False
        """Whether receipts are being taken back: nothing goes meanwhile."""
        self._stopped_by = ""
        self._failed = False
        self._may_go = 0
        """The newest record that may go now."""
        self._used_bytes = 0
        self._held_bytes = 0

    def look(self, connection: sqlite3.Connection, head: Head, acknowledged: int) -> RecordsRoom:
        """Measure the log after a commit. Raise sqlite3.Error."""
        if self._retention is None:
            return RecordsRoom()
        self._used_bytes = _used_bytes(connection)
        (waiting,) = connection.execute("SELECT min(number) FROM outbox").fetchone()
        durable = acknowledged if waiting is None else min(acknowledged, waiting - 1)
        self._may_go = min(durable, head.number - self._retention.kept)
        here = head.number - self.checkpoint.head.number
        held = head.number - max(durable, self.checkpoint.head.number)
        self._held_bytes = self._used_bytes * held // max(1, here)
        return self.room()

    def room(self) -> RecordsRoom:
        """Return what the last look saw."""
        if self._retention is None:
            return RecordsRoom()
        return RecordsRoom(
            budget_bytes=self._retention.budget_bytes,
            used_bytes=self._used_bytes,
            held_bytes=self._held_bytes,
            gone=self.checkpoint.head.number,
            stopped_by=self._stopped_by,
        )

    def has_work(self) -> bool:
        """Tell whether a step would remove something."""
        return (
            self._retention is not None
            and not self.taking_back
            and not self._stopped_by
            and not self._failed
            and self._used_bytes > self._retention.budget_bytes
            and self._may_go > self.checkpoint.head.number
        )

    def pause_seconds(self) -> float:
        """Return for how long nothing must have come before a step is taken."""
        return PAUSE_SECONDS if self._retention is None else self._retention.pause_seconds

    def pressed(self) -> int:
        """Return how many jobs the next commit may have, as the log is pressed; 0: it is not."""
        retention = self._retention
        if retention is None or not self.has_work():
            return 0
        if self._used_bytes <= retention.budget_bytes + retention.slack_bytes:
            return 0
        return max(1, retention.step // 2)

    def step(self, connection: sqlite3.Connection) -> None:
        """Remove one step. Raise sqlite3.Error, with nothing removed."""
        retention = self._retention
        if retention is None:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            checkpoint = fold_oldest(connection, self.checkpoint, self._may_go, retention.step)
            document = checkpoint.sign(retention.hub, retention.site, retention.key)
            put_in_place(connection, document, checkpoint.head.number)
        except AuditError as error:
            connection.execute("ROLLBACK")
            self._stopped_by = str(error)
            return
        connection.execute("COMMIT")
        self.checkpoint = checkpoint

    def failed(self) -> None:
        """A step failed: the disk shall take a record first."""
        self._failed = True

    def committed(self) -> None:
        """The disk took something."""
        self._failed = False


def _used_bytes(connection: sqlite3.Connection) -> int:
    """Return how much of the file holds something."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free_pages,) = connection.execute("PRAGMA freelist_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free_pages) * page_bytes)
