"""The backend has records of a hub: they may go from here, a step at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hubbridge.rules.kept import Kept, agrees, let_go, resume, told_durable
from hubbridge.store import heads, rows
from hubbridge.store.asking import asked, check_number, lookup
from hubbridge.store.jobs import Batch
from hubcore.evidence.records import Head

RECEIPT = "receipt"
RELEASE_RECORDS = 256
"""So many records go at once: whoever waits for a record waits for one such step at most."""


@dataclass(frozen=True, slots=True)
class Durable:
    """The backend has all records of a hub up to this number."""

    hub: str
    number: int

    def __post_init__(self) -> None:
        """Raise ValueError for no record's number."""
        check_number(self.number)

    def run(self, batch: Batch) -> None:
        """Note it. The records go in steps later."""
        row = batch.hubs.get(self.hub)
        if row is not None:
            batch.put(self.hub, replace(row, kept=told_durable(row.kept, self.number)))


@dataclass(frozen=True, slots=True)
class TakeReceipt:
    """The backend has signed that it has all records of a hub up to this one; that was proven."""

    hub: str
    head: Head
    document: bytes

    def __post_init__(self) -> None:
        """Raise ValueError for no record's number."""
        check_number(self.head.number)

    def run(self, batch: Batch) -> bool:
        """Note it, and keep the document; False where another record is held under that number.

        A head further on than was seen passes a hole (`hubcore.bridge.witness`, law 5).
        """
        row = batch.hubs.get(self.hub)
        if row is None:
            return True
        row, is_same = asked(
            batch,
            row,
            ask=lambda one: agrees(one.kept, self.head, lookup(batch, one)),
            is_fork=lambda answer: answer is False,
        )
        if is_same is False:
            batch.put(self.hub, row)
            return False
        kept = told_durable(row.kept, max(row.kept.durable, self.head.number))
        if self.head.number > kept.newest.number:
            opened = resume(kept, self.head, lookup(batch, row))
            kept = opened if isinstance(opened, Kept) else kept
        seen = None if row.seen is None else row.seen.jump(self.head)
        row = replace(row, kept=kept, seen=seen)
        heads.drop(batch.connection, row.id, kept.durable)
        if row.signed <= kept.durable:
            row = replace(row, signed=0, key=b"")
        batch.put(self.hub, row)
        place = self.hub.encode()
        rows.write_document(batch.connection, RECEIPT, place, self.document)
        return True


@dataclass(frozen=True, slots=True)
class Release:
    """One step of letting go: of the hub that has most to let go."""

    most: int = RELEASE_RECORDS

    def run(self, batch: Batch) -> bool:
        """Let go; tell whether there is more."""
        waiting = {name: row.kept.releasable for name, row in batch.hubs.items()}
        hub = max(waiting, key=lambda name: waiting[name], default="")
        if not waiting.get(hub):
            return False
        row, (kept, gone) = asked(
            batch,
            batch.hubs[hub],
            ask=lambda one: let_go(one.kept, self.most, lookup(batch, one)),
            is_fork=lambda _: False,
        )
        batch.put(hub, rows.delete_records(batch.connection, row, kept, gone))
        return any(one.kept.releasable for one in batch.hubs.values())
